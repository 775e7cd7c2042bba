//! Versions, and the files of the state. Servers are asked for a moment only: they may be away.

use crate::app::connect;
use crate::config::Config;
use crate::config::units::print_size;
use crate::error::chain;
use crate::lock::LockError;
use crate::lock::probe::ServerFacts;
use crate::model::DateTime;
use crate::sink::SinkError;
use crate::sink::hbase::HbaseOptions;
use crate::source::{MysqlOptions, MysqlSource};
use futures::future;
use rustix::fs::statvfs;
use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// How long one server is asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Lines for people. `config`: `None` where it has faults; `with_password`: why MySQL cannot be asked.
pub async fn text(
    config: Option<&Config>,
    with_password: Result<&Config, String>,
    state_dir: &Path,
) -> String {
    let mut lines = vec![("tailfill".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    lines.extend(machine());
    let (mysql, others) = tokio::join!(mysql(with_password), others(config));
    lines.push(("MySQL".to_owned(), mysql));
    lines.extend(others);
    lines.push(("state_dir".to_owned(), state_dir.display().to_string()));
    lines.push(("  free".to_owned(), free(state_dir)));
    match files(state_dir) {
        Ok(files) => lines.extend(files),
        Err(error) => lines.push(("  files".to_owned(), error.to_string())),
    }
    lines.into_iter().map(|(name, value)| format!("{name:<37} {value}\n")).collect()
}

fn machine() -> Vec<(String, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |path: &str, name: &str| {
        let text = read(path);
        let found = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown");
        found.trim().trim_matches('"').to_owned()
    };
    let processors =
        std::thread::available_parallelism().map_or_else(|error| error.to_string(), |n| n.to_string());
    [
        ("system", field("/etc/os-release", "PRETTY_NAME=")),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("processors", format!("{processors} ({})", std::env::consts::ARCH)),
        ("memory", field("/proc/meminfo", "MemTotal:")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

async fn mysql(config: Result<&Config, String>) -> String {
    let config = match config {
        Ok(config) => config,
        Err(reason) => return format!("not asked: {reason}"),
    };
    within(async {
        let options = MysqlOptions { database: None, ..connect::mysql_options(config) };
        let source = MysqlSource::connect(options).await?;
        source.facts().await.map(|facts| facts.version)
    })
    .await
}

/// Memcache and the gateways.
async fn others(config: Option<&Config>) -> Vec<(String, String)> {
    let Some(config) = config else { return Vec::new() };
    let server = connect::lease_server(config);
    let memcached = async {
        match &server {
            Some(server) => server.probe().await,
            None => Vec::new(),
        }
    };
    let options = connect::hbase_options(config);
    let gateways = options.gateways.iter().map(async |address| {
        let one = HbaseOptions { gateways: vec![address.clone()], ..options.clone() };
        let answers = async {
            connect::gateways(config.hbase.kind, one, Vec::new()).await?;
            let kind = format!("{:?}, {:?}", config.hbase.kind, config.hbase.transport).to_lowercase();
            Ok::<String, SinkError>(format!("answers ({kind}); it does not tell HBase's version"))
        };
        (format!("HBase's gateway {address}"), within(answers).await)
    });
    let (memcached, gateways) = tokio::join!(memcached, future::join_all(gateways));
    let version = |(address, facts): (String, Result<ServerFacts, LockError>)| {
        let version = facts.map_or_else(|error| format!("unknown: {}", chain(&error)), |facts| facts.version);
        (format!("memcached {address}"), version)
    };
    memcached.into_iter().map(version).chain(gateways).collect()
}

async fn within<E: Error>(asked: impl Future<Output = Result<String, E>>) -> String {
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => format!("unknown: {}", chain(&error)),
        Err(_) => format!("unknown: no answer within {ANSWER_WITHIN:?}"),
    }
}

fn free(folder: &Path) -> String {
    let size = |bytes: u64| print_size(bytes >> 20 << 20);
    statvfs(folder)
        .map_or_else(|error| error.to_string(), |disk| size(disk.f_bavail.saturating_mul(disk.f_frsize)))
}

/// Each file with its size, its mode and its time.
fn files(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        let seconds = u64::try_from(about.mtime()).unwrap_or_default();
        let at = DateTime::from_ms_since_epoch(seconds.saturating_mul(1_000)).in_seconds();
        let words = format!("{:>12} bytes  mode {:o}  {at}", about.len(), about.mode() & 0o7777);
        files.push((format!("  {}", entry.file_name().to_string_lossy()), words));
    }
    files.sort();
    Ok(files)
}
