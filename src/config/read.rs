//! From a file's sections to a [`Config`]: the name, the default and the rule of every key of the
//! servers and of the program. Mappings are in `read/mapping.rs`.

mod limits;
mod mapping;
mod target;

use super::checked::{
    Admin, Config, GatewayKind, Hbase, Lease, LeaseKind, OnLoss, Run, Source, Tail, Tls, Transport, Verify,
};
use super::fault::Faults;
use super::password::Environment;
use super::raw::{Findings, Section};
use super::source_url::{self, SourceUrl};
use super::{password, rules};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads a whole configuration. Where a value is faulty, a placeholder stands in for it until the
/// end, so that the rest is judged too; with any fault there is no [`Config`]. Without an `environment` no password is
/// read.
pub fn config(text: &str, folder: &Path, environment: Option<Environment<'_>>) -> Result<Config, Faults> {
    let (findings, root) = Findings::parse(text);
    if !findings.is_empty() {
        // Behind an unclosed bracket keys land in other tables: what is said of them would mislead.
        return Err(Faults(findings.into_faults()));
    }
    let config = {
        let mut file = Section::root(&findings, root.get_ref());
        let state_dir = file.optional("state_dir", rules::text).unwrap_or_else(|| "state".to_owned());
        let (source, database) = source(file.section("source"), folder, environment);
        let lease = lease(file.section("lease"));
        let (hbase, old_retry_for) = hbase(file.section("hbase"));
        let (limits, replicas) =
            limits::limits(file.section("backfill"), file.section("throttle"), folder, environment);
        let config = Config {
            state_dir: folder.join(state_dir),
            source,
            lease,
            run: run(file.section("run"), old_retry_for),
            admin: admin(file.section("admin")),
            tail: tail(file.section("tail"), hbase.kind),
            verify: verify(file.section("verify")),
            limits,
            replicas,
            mappings: mapping::mappings(&mut file, database.as_deref(), hbase.kind),
            hbase,
        };
        file.close();
        config
    };
    if findings.is_empty() { Ok(config) } else { Err(Faults(findings.into_faults())) }
}

/// The source, and the database of its URL.
fn source(
    mut section: Section<'_>,
    folder: &Path,
    environment: Option<Environment<'_>>,
) -> (Source, Option<String>) {
    let url = source_url::read(&mut section, "give mysql://USER@HOST:PORT/DATABASE");
    let password = password::read(&mut section, folder, environment);
    let server_id = section.required(
        "server_id",
        "give the tail a number that no other server or replica of this source has",
        rules::integer(1..=u32::MAX),
    );
    let tls = section.optional(
        "tls",
        rules::one_of(&[
            ("disabled", Tls::Disabled),
            ("preferred", Tls::Preferred),
            ("required", Tls::Required),
            ("verify-ca", Tls::VerifyCa),
            ("verify-identity", Tls::VerifyIdentity),
        ]),
    );
    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| certificate(&mut section, name, folder));
    for (given, missing) in [("cert", "key"), ("key", "cert")] {
        if section.has(given) && !section.has(missing) {
            section.fault(missing, format!("is missing: `{given}` needs it"));
        }
    }
    if tls == Some(Tls::Disabled) && (section.has("ca") || section.has("cert")) {
        section.fault("tls", "must not be \"disabled\" together with `ca` or `cert`".to_owned());
    }
    section.close();
    let SourceUrl { address, user, database } = url;
    let source = Source {
        address,
        user,
        password,
        database: database.clone(),
        server_id: server_id.unwrap_or_default(),
        tls: tls.unwrap_or(Tls::Preferred),
        ca,
        cert,
        key,
    };
    (source, database)
}

fn certificate(section: &mut Section<'_>, name: &'static str, folder: &Path) -> Option<PathBuf> {
    let path = section.optional(name, rules::text).map(|path| folder.join(path))?;
    if !path.is_file() {
        section
            .fault(name, "is not a file (a relative path starts at the configuration's folder)".to_owned());
    }
    Some(path)
}

fn lease(mut section: Section<'_>) -> Lease {
    let kinds = [("memcache", LeaseKind::Memcache), ("local", LeaseKind::Local)];
    let kind = section.optional("kind", rules::one_of(&kinds)).unwrap_or(LeaseKind::Memcache);
    let advice = "give the host:port of every Memcache server, or kind = \"local\" if no other program uses the leases";
    let servers = match kind {
        LeaseKind::Memcache => section.required_list("servers", "host:port texts", advice, rules::host_port),
        LeaseKind::Local => {
            section.refuse("servers", "must not be given together with kind = \"local\"");
            None
        }
    };
    // Below three seconds the margin above Memcache's one-second clock leaves nothing to write in.
    let expiry = section.optional("expiry", rules::duration(3 * SECOND..=10 * MINUTE));
    if expiry.is_some_and(|expiry| expiry.subsec_millis() != 0) {
        section.fault("expiry", "must be whole seconds, which is Memcache's resolution".to_owned());
    }
    let losses = [("degrade", OnLoss::Degrade), ("wait", OnLoss::Wait)];
    let on_loss = section.optional("on_loss", rules::one_of(&losses));
    section.close();
    Lease {
        kind,
        servers: servers.unwrap_or_default(),
        expiry: expiry.unwrap_or(10 * SECOND),
        on_loss: on_loss.unwrap_or(OnLoss::Degrade),
    }
}

/// The gateways, and what `run.retry_for` was called here before it had a section of its own.
fn hbase(mut section: Section<'_>) -> (Hbase, Option<Duration>) {
    let advice = "give the host:port of every Thrift gateway";
    let gateways = section.required_list("gateways", "host:port texts", advice, rules::host_port);
    let kinds = [("thrift2", GatewayKind::Thrift2), ("thrift1", GatewayKind::Thrift1)];
    let kind = section.optional("kind", rules::one_of(&kinds));
    let transports = [("buffered", Transport::Buffered), ("framed", Transport::Framed)];
    let transport = section.optional("transport", rules::one_of(&transports));
    let connections = section.optional("connections", rules::integer(1..=256));
    let operation_timeout = section.optional("operation_timeout", rules::duration(SECOND..=HOUR));
    let old_retry_for = section.old_name("retry_for", retry_for());
    let purge_deletes = section.optional("purge_deletes", rules::duration(HOUR..=365 * DAY));
    section.close();
    let hbase = Hbase {
        gateways: gateways.unwrap_or_default(),
        kind: kind.unwrap_or(GatewayKind::Thrift2),
        transport: transport.unwrap_or(Transport::Buffered),
        connections: connections.unwrap_or(4),
        operation_timeout: operation_timeout.unwrap_or(45 * SECOND),
        purge_deletes: purge_deletes.unwrap_or(14 * DAY),
    };
    (hbase, old_retry_for)
}

fn retry_for() -> impl Fn(&DeValue<'_>) -> Result<Duration, String> {
    rules::duration(SECOND..=7 * DAY)
}

/// `old_retry_for` is what `hbase.retry_for` says.
fn run(mut section: Section<'_>, old_retry_for: Option<Duration>) -> Run {
    let given = section.optional("retry_for", retry_for());
    if old_retry_for.is_some() && section.has("retry_for") {
        section.fault(
            "retry_for",
            "must not be given beside hbase.retry_for, its older name: delete that".to_owned(),
        );
    }
    section.close();
    Run { retry_for: given.or(old_retry_for).unwrap_or(10 * MINUTE) }
}

fn admin(mut section: Section<'_>) -> Admin {
    let listen = section.optional("listen", |value| {
        let address = value.as_str().and_then(|text| text.parse::<SocketAddr>().ok());
        address.filter(|address| address.ip().is_loopback()).ok_or_else(|| {
            "must be a loopback address and a port (0: any), like \"127.0.0.1:7878\"; reach it from elsewhere \
             through a tunnel"
                .to_owned()
        })
    });
    section.close();
    Admin { listen: listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 7878))) }
}

fn verify(mut section: Section<'_>) -> Verify {
    let continuous = section.optional("continuous", rules::boolean).unwrap_or(false);
    let rows_per_second = section.optional("rows_per_second", rules::integer(1..=100_000)).unwrap_or(50);
    section.close();
    Verify { continuous, rows_per_second }
}

fn tail(mut section: Section<'_>, kind: GatewayKind) -> Tail {
    let batch_rows = section.optional("batch_rows", rules::integer(1..=100_000)).unwrap_or(2_000);
    let batch_wait = section.optional("batch_wait", rules::duration(Duration::ZERO..=10 * SECOND));
    let window_rows = section.optional("window_rows", rules::integer(1..=1_000_000)).unwrap_or(16_384);
    let queue_rows = section.optional("queue_rows", rules::integer(1..=10_000_000)).unwrap_or(65_536);
    let bounds = [
        ("window_rows", window_rows, "batch_rows", batch_rows),
        ("queue_rows", queue_rows, "window_rows", window_rows),
    ];
    for (larger, larger_rows, smaller, smaller_rows) in bounds {
        if larger_rows < smaller_rows {
            let blamed = if section.has(larger) { larger } else { smaller };
            let rule =
                format!("{larger} ({larger_rows}) must not be smaller than {smaller} ({smaller_rows})");
            section.fault(blamed, rule);
        }
    }
    section.close();
    // Through Thrift1 a batch costs a call for each target, however few rows it has.
    let batch_wait = batch_wait.unwrap_or(match kind {
        GatewayKind::Thrift2 => Duration::from_millis(5),
        GatewayKind::Thrift1 => Duration::from_millis(50),
    });
    Tail { batch_rows, batch_wait, window_rows, queue_rows }
}
