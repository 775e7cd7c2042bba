//! Servers of a test's own: MySQL, memcached and gateways, started with the same command line as
//! those of `scripts/services`, on other ports and other data.

mod hbase;

pub use hbase::OwnHbase;

use super::mysql;
use super::scenario::gateway;
use super::wait::until_so;
use mysql_async::prelude::Queryable;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tailfill::model::Target;
use tailfill::sink::hbase::thrift1::Thrift1Sink;
use tailfill::sink::hbase::{HbaseOptions, HbaseSink, Transport};
use tailfill::sink::{Sink, SinkError};

/// What a server may take to end as it is asked to, on a busy machine.
const STOP_LIMIT: Duration = Duration::from_secs(120);

/// A server process that only this test uses; killed when dropped.
pub struct Own {
    name: &'static str,
    command: Vec<String>,
    pub port: u16,
    /// What it speaks, if it is a gateway.
    speaks: Speaks,
    child: Option<Child>,
    dir: tempfile::TempDir,
}

/// What a gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Thrift2,
    Thrift2Framed,
    Thrift1,
    Thrift1Framed,
}

impl Speaks {
    pub const ALL: [Speaks; 4] =
        [Speaks::Thrift2, Speaks::Thrift2Framed, Speaks::Thrift1, Speaks::Thrift1Framed];

    pub fn transport(self) -> Transport {
        match self {
            Speaks::Thrift2 | Speaks::Thrift1 => Transport::Buffered,
            Speaks::Thrift2Framed | Speaks::Thrift1Framed => Transport::Framed,
        }
    }

    /// Lines of `[hbase]` that say so.
    pub fn config(self) -> &'static str {
        match self {
            Speaks::Thrift2 => "",
            Speaks::Thrift2Framed => "transport = \"framed\"",
            Speaks::Thrift1 => "kind = \"thrift1\"",
            Speaks::Thrift1Framed => "kind = \"thrift1\"\ntransport = \"framed\"",
        }
    }

    /// A sink on gateways that speak so.
    pub async fn connect(
        self,
        gateways: Vec<String>,
        targets: &[Target],
    ) -> Result<Box<dyn Sink>, SinkError> {
        let options = HbaseOptions { transport: self.transport(), ..HbaseOptions::new(gateways) };
        let targets = targets.to_vec();
        Ok(match self {
            Speaks::Thrift2 | Speaks::Thrift2Framed => Box::new(HbaseSink::connect(options, targets).await?),
            Speaks::Thrift1 | Speaks::Thrift1Framed => {
                Box::new(Thrift1Sink::connect(options, targets).await?)
            }
        })
    }
}

impl Own {
    /// MySQL with an empty data folder; `options` come after those of `scripts/services`. It is like theirs: GTIDs,
    /// ROW format, root without password.
    pub async fn mysql(options: &[&str]) -> Own {
        let mut own = Own::like("mysql");
        let data = own.dir.path().join("data");
        let tmp = own.dir.path().to_path_buf();
        own.set("--datadir=", data.to_str().expect("a plain name"));
        own.set("--tmpdir=", tmp.to_str().expect("a plain name"));
        let port = own.port.to_string();
        own.set("--port=", &port);
        own.set("--performance-schema=", "OFF");
        own.set("--innodb-buffer-pool-size=", "64M");
        let mut initialize = own.command.clone();
        initialize.push("--initialize-insecure".into());
        // the data folder remembers this one
        let of_the_data = options.iter().filter(|option| option.starts_with("--lower-case-table-names"));
        initialize.extend(of_the_data.map(|option| (*option).to_owned()));
        let log = own.log("initialize");
        let status = command(&initialize, own.dir.path(), &log).status().expect("mysqld can be started");
        assert!(
            status.success(),
            "MySQL's data folder:\n{}",
            std::fs::read_to_string(&log).unwrap_or_default()
        );
        own.command.extend(options.iter().map(|option| (*option).to_owned()));
        own.start();
        own.until_it_answers().await;
        own
    }

    pub async fn memcached() -> Own {
        Own::memcached_that(&[]).await
    }

    /// memcached with more options.
    pub async fn memcached_that(options: &[&str]) -> Own {
        let mut own = Own::like("memcached");
        own.set_after("-p");
        own.command.extend(options.iter().map(|option| (*option).to_owned()));
        own.start();
        own.until_it_listens().await;
        own
    }

    /// An unframed Thrift2 gateway to the HBase of `scripts/services`.
    pub async fn gateway() -> Own {
        Own::gateway_that(Speaks::Thrift2).await
    }

    /// A gateway to the HBase of `scripts/services`.
    pub async fn gateway_that(speaks: Speaks) -> Own {
        gateway(); // that HBase must be there
        let mut own = Own::like(match speaks {
            Speaks::Thrift2 => "thrift2",
            Speaks::Thrift2Framed => "thrift2-framed",
            Speaks::Thrift1 | Speaks::Thrift1Framed => "thrift1",
        });
        own.speaks = speaks;
        if speaks == Speaks::Thrift1Framed {
            let place =
                own.command.iter().position(|word| word == "-threadpool").expect("thrift1 is unframed");
            own.command.splice(place..=place, ["-f".to_owned(), "-threadedselector".to_owned()]);
        }
        own.set("-Dtailfill.service=", "test");
        own.set_after("-p");
        own.start();
        own.until_it_serves().await;
        own
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it (again).
    pub fn start(&mut self) {
        let log = self.log("log");
        let child = command(&self.command, self.dir.path(), &log).spawn();
        self.child = Some(child.expect("a server of scripts/services can be started"));
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) {
        self.signal("TERM");
        let mut child = self.child.take().expect("it runs");
        let begin = Instant::now();
        while child.try_wait().expect("it was started by this test").is_none() {
            assert!(begin.elapsed() < STOP_LIMIT, "{} does not end", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its folder; that of MySQL's data is `data` in it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Sends STOP, CONT or TERM.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").arg(format!("-{signal}")).arg(pid).status();
        assert!(status.expect("kill can be started").success());
    }

    /// Waits until a MySQL answers.
    pub async fn until_it_answers(&self) {
        until_so(self.name, async || mysql::try_connect(self.port, None).await.is_some()).await;
    }

    pub async fn until_it_listens(&self) {
        let connect = async || tokio::net::TcpStream::connect(self.address()).await.is_ok();
        until_so(self.name, connect).await;
    }

    /// Waits until a gateway answers.
    pub async fn until_it_serves(&self) {
        let gateways = || vec![self.address()];
        until_so(self.name, async || self.speaks.connect(gateways(), &[]).await.is_ok()).await;
    }

    /// The command line of the server that `scripts/services` has started.
    fn like(name: &'static str) -> Own {
        let pids = std::env::var("TAILFILL_PIDS")
            .expect("TAILFILL_PIDS is not set: start `scripts/services up` and export what `env` prints");
        let pid = std::fs::read_to_string(Path::new(&pids).join(format!("{name}.pid")));
        let pid =
            pid.unwrap_or_else(|_| panic!("{name} does not run: start it by `scripts/services up {name}`"));
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.trim()));
        let line =
            line.unwrap_or_else(|_| panic!("{name} has ended: start it by `scripts/services up {name}`"));
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let command = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let dir = tempfile::Builder::new().prefix("tailfill-own-").tempdir().expect("a temporary folder");
        Own { name, command, port, speaks: Speaks::Thrift2, child: None, dir }
    }

    /// Gives `--option=` another value.
    fn set(&mut self, option: &str, value: &str) {
        self.command.retain(|word| !word.starts_with(option));
        let setting = format!("{option}{value}");
        match option.starts_with("-D") {
            true => self.command.insert(1, setting), // Java's options stand before the class
            false => self.command.push(setting),
        }
    }

    /// Puts the port behind `option`.
    fn set_after(&mut self, option: &str) {
        let place =
            self.command.iter().position(|word| word == option).expect("its command line names its port");
        self.command[place + 1] = self.port.to_string();
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{}.{name}", self.name))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- {} wrote:\n{}", self.name, lines[lines.len().saturating_sub(15)..].join("\n"));
        }
    }
}

fn command(words: &[String], dir: &Path, log: &Path) -> Command {
    let output =
        File::options().create(true).append(true).open(log).expect("the test's folder can be written");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(dir).stdin(Stdio::null());
    command.stdout(output.try_clone().expect("a file can be shared")).stderr(output);
    command
}

/// The window of DESIGN section 2, held open on a MySQL of the test's own: transactions are in the binlog and
/// their readers have them, and SELECTs do not see them yet. Semi-sync waits for a replica that never comes.
pub struct Window {
    port: u16,
}

impl Window {
    /// Makes a window possible on the server.
    pub async fn prepare(own: &Own) -> Window {
        let window = Window { port: own.port };
        window.sql("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'").await;
        window.sql("SET GLOBAL rpl_semi_sync_source_wait_point = AFTER_SYNC").await;
        window.sql("SET GLOBAL rpl_semi_sync_source_timeout = 600000").await;
        window
    }

    pub async fn open(&self) {
        self.sql("SET GLOBAL rpl_semi_sync_source_enabled = 1").await;
    }

    /// Lets the engine commit what is in the window.
    pub async fn close(&self) {
        self.sql("SET GLOBAL rpl_semi_sync_source_enabled = 0").await;
    }

    /// Runs a statement, which will end when the window is closed; returns when it is in the binlog.
    pub async fn run(&self, database: &str, statement: &str) -> tokio::task::JoinHandle<()> {
        let mut conn = mysql::connect(self.port, Some(database)).await;
        let (statement, waiting) = (statement.to_owned(), self.waiting().await);
        let running = tokio::spawn(async move {
            conn.query_drop(statement).await.expect("it ends when the window is closed");
        });
        until_so("a transaction in the window", async || self.waiting().await > waiting).await;
        running
    }

    /// How many transactions are in the window.
    async fn waiting(&self) -> u64 {
        let mut conn = mysql::connect(self.port, None).await;
        let row: Option<(String, String)> = conn
            .query_first("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_wait_sessions'")
            .await
            .expect("status");
        row.and_then(|(_, value)| value.parse().ok()).expect("semi-sync is installed")
    }

    async fn sql(&self, statement: &str) {
        mysql::connect(self.port, None).await.query_drop(statement).await.expect("a statement for semi-sync");
    }
}
