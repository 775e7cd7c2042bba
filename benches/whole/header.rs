//! Where and on what the figures were measured.

use crate::ground::{FOLLOWS, Ground};
use crate::processes::command_line;
use serde::Serialize;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

/// Machine, versions, sizes. Texts; what cannot be found out says so.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    pub date: String,
    pub commit: String,
    pub build: String,
    pub machine: String,
    pub kernel: String,
    pub mysql: String,
    pub hbase: String,
    pub gateway: String,
    pub memcached: String,
    pub rustc: String,
    pub rows: u64,
    pub rounds: u32,
    pub client: String,
    /// What other processes used before anything was measured.
    pub cores_of_others: f64,
}

const UNKNOWN: &str = "not known";

impl Header {
    pub async fn find_out(ground: &Ground) -> anyhow::Result<Header> {
        let config = ground.config(FOLLOWS, "none")?;
        let client = format!(
            "{} connections, window_rows {}, batch_rows {}, {} workers, chunk_rows {}",
            config.hbase.connections,
            config.tail.window_rows,
            config.tail.batch_rows,
            config.limits.limits.workers,
            config.limits.limits.chunk_rows
        );
        let flushing = "SELECT CONCAT(VERSION(), ', innodb_flush_log_at_trx_commit ', \
             @@innodb_flush_log_at_trx_commit, ', sync_binlog ', @@sync_binlog)";
        let servers = &ground.servers;
        Ok(Header {
            date: output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            commit: commit(),
            build: format!(
                "tailfill {}, {} build",
                env!("CARGO_PKG_VERSION"),
                if cfg!(debug_assertions) { "DEBUG" } else { "release" }
            ),
            machine: machine(),
            kernel: output("uname", &["-sr"]),
            mysql: ground.ask(flushing).await?,
            hbase: format!("{}, heap {}", jar(servers.hbase, "hbase-server"), heap(servers.hbase)),
            gateway: format!("{}, heap {}", jar(servers.gateway, "hbase-thrift"), heap(servers.gateway)),
            memcached: memcached(ground.ports.memcached).unwrap_or_else(|| UNKNOWN.to_owned()),
            rustc: output("rustc", &["--version"]),
            rows: ground.scale.rows,
            rounds: ground.scale.rounds,
            client,
            cores_of_others: ground.cores_of_others().await?,
        })
    }

    /// Lines for people.
    pub fn lines(&self) -> Vec<String> {
        vec![
            format!("{}, commit {}, {}, {}", self.date, self.commit, self.build, self.rustc),
            format!("{}, {}", self.machine, self.kernel),
            format!("MySQL {}; memcached {}", self.mysql, self.memcached),
            format!("HBase {}; gateway {}", self.hbase, self.gateway),
            format!("{} rows, {} rounds; tailfill: {}", self.rows, self.rounds, self.client),
            format!("other processes use {:.2} cores now", self.cores_of_others),
        ]
    }
}

/// The first line that a command prints.
fn output(program: &str, arguments: &[&str]) -> String {
    let printed =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    let text = printed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or(UNKNOWN).to_owned()
}

fn commit() -> String {
    let commit = output("git", &["rev-parse", "--short", "HEAD"]);
    match output("git", &["status", "--porcelain", "--untracked-files=no"]).as_str() {
        UNKNOWN => commit, // nothing is printed when nothing was changed
        _ => format!("{commit} and changes"),
    }
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = model.map_or(UNKNOWN, |(_, model)| model);
    format!("{cores} cores ({model}), {:.0} GB of memory", kib.unwrap_or(0.0) / 1e6)
}

/// The heap that a JVM was started with.
fn heap(pid: u32) -> String {
    let words = command_line(pid);
    words.iter().rev().find_map(|word| word.strip_prefix("-Xmx")).unwrap_or("by default").to_owned()
}

/// Entries of a JVM's class path.
fn class_path(pid: u32) -> Vec<String> {
    let words = command_line(pid);
    let place = words.iter().position(|word| word == "-cp" || word == "-classpath");
    let entries = place.and_then(|place| words.get(place + 1)).map_or("", String::as_str);
    entries.split(':').map(str::to_owned).collect()
}

/// The version in the name of a jar (`NAME-2.6.4.jar`) on a JVM's class path.
fn jar(pid: u32, name: &str) -> String {
    let mut jars = Vec::new();
    for entry in class_path(pid) {
        match entry.strip_suffix("/*") {
            Some(folder) => {
                let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
                jars.extend(files.map(|file| file.file_name().to_string_lossy().into_owned()));
            }
            None => jars.extend(entry.rsplit('/').next().map(str::to_owned)),
        }
    }
    let version = jars.iter().find_map(|jar| jar.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".jar"));
    version.unwrap_or(UNKNOWN).to_owned()
}

fn memcached(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"version\r\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line.trim().strip_prefix("VERSION ")?.to_owned())
}

/// How many regions a table has, counted as folders below HBase's root, if that is on this machine.
pub fn regions(ground: &Ground, table: &str) -> Option<usize> {
    let site =
        class_path(ground.servers.hbase).into_iter().map(|entry| PathBuf::from(entry).join("hbase-site.xml"));
    let site = site.filter_map(|file| std::fs::read_to_string(file).ok()).next()?;
    let (_, after) = site.split_once("<name>hbase.rootdir</name><value>file://")?;
    let (root, _) = after.split_once("</value>")?;
    let folders = std::fs::read_dir(PathBuf::from(root).join("data/default").join(table)).ok()?;
    let is_region = |name: &str| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(folders.flatten().filter(|folder| folder.file_name().to_str().is_some_and(is_region)).count())
}
