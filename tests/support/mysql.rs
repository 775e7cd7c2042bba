//! The real MySQL server of `scripts/services`, and a database of its own for each test.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tailfill::model::{
    CellForm, Layout, Mapping, MappingId, Row, RowChange, TableId, TableName, TableSchema, Target, TargetId,
    ValueEncoding,
};
use tailfill::source::{ChangeStream, MysqlOptions, MysqlSource, Source, StreamEvent};

/// Reading the logs of a server that was killed, on a busy machine.
const RESTART_LIMIT: Duration = Duration::from_secs(120);

/// The port in `TAILFILL_MYSQL_PORT`; a test without a server fails, it does not pass.
pub fn mysql_port() -> u16 {
    let port = std::env::var("TAILFILL_MYSQL_PORT")
        .expect("TAILFILL_MYSQL_PORT is not set: start `scripts/services up` and export what it prints");
    port.parse().expect("TAILFILL_MYSQL_PORT is a port")
}

/// root at the test server.
pub fn options() -> MysqlOptions {
    MysqlOptions::new("127.0.0.1", mysql_port(), "root")
}

/// A plain connection of root to the MySQL at `port`.
pub async fn connection(port: u16) -> Conn {
    connect(port, None).await
}

/// The same, with a default database.
pub async fn connect(port: u16, database: Option<&str>) -> Conn {
    try_connect(port, database).await.expect("the test server accepts root")
}

/// The same, `None` when the server does not answer.
pub async fn try_connect(port: u16, database: Option<&str>) -> Option<Conn> {
    let opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("root"))
        .db_name(database)
        .max_allowed_packet(Some(64 << 20))
        .prefer_socket(false);
    Conn::new(opts).await.ok()
}

/// The files of the binlog, oldest first.
pub async fn binlogs(conn: &mut Conn) -> Vec<String> {
    let rows: Vec<mysql_async::Row> = conn.query("SHOW BINARY LOGS").await.expect("root may");
    rows.iter().map(|row| row.get(0).expect("a file's name")).collect()
}

/// Begins a new file of the binlog and purges all others. MySQL keeps a file that somebody still reads, and notices only
/// by and by that a reader is gone: so it is asked again. Returns the file that is left.
pub async fn purge_binlogs(conn: &mut Conn) -> String {
    conn.query_drop("FLUSH BINARY LOGS").await.expect("root may");
    let newest = binlogs(conn).await.pop().expect("a file");
    let begin = Instant::now();
    loop {
        conn.query_drop(format!("PURGE BINARY LOGS TO '{newest}'")).await.expect("root may");
        let left = binlogs(conn).await;
        if left == [newest.as_str()] {
            return newest;
        }
        assert!(begin.elapsed() < RESTART_LIMIT, "somebody reads a file before {newest}: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same, as soon as the server answers: it may be about to be started again.
pub async fn connect_when_up(port: u16, database: Option<&str>) -> Conn {
    let begin = Instant::now();
    loop {
        if let Some(conn) = try_connect(port, database).await {
            return conn;
        }
        assert!(begin.elapsed() < RESTART_LIMIT, "MySQL stays away");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether the connection has ended, or is about to: its server is stopped, or was killed.
pub fn is_lost(error: &mysql_async::Error) -> bool {
    match error {
        // in shutdown, interrupted, aborted, killed
        mysql_async::Error::Server(error) => [1053, 1152, 1317, 1927, 3169].contains(&error.code),
        mysql_async::Error::Io(_) | mysql_async::Error::Driver(_) => true,
        _ => false,
    }
}

/// A database that is dropped at the end of its test, also when that fails.
pub struct Database {
    pub name: String,
    pub conn: Conn,
    port: u16,
}

impl Database {
    pub async fn create(test: &str) -> Database {
        Database::create_at(mysql_port(), test).await
    }

    /// On another server than the shared one.
    pub async fn create_at(port: u16, test: &str) -> Database {
        let name = format!("tf_{test}_{:08x}", rand::random::<u32>());
        let mut conn = connection(port).await;
        conn.query_drop(format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4")).await.expect("create");
        conn.query_drop(format!("USE `{name}`")).await.expect("use");
        Database { name, conn, port }
    }

    pub async fn run(&mut self, statement: &str) {
        if let Err(error) = self.conn.query_drop(statement).await {
            panic!("{error}: {}", statement.chars().take(300).collect::<String>());
        }
    }

    pub fn table(&self, table: &str) -> TableName {
        TableName { schema: self.name.clone(), table: table.into() }
    }

    /// A source with all columns of `tables` registered, in order.
    pub async fn source(&self, tables: &[&str]) -> (MysqlSource, Vec<Arc<TableSchema>>) {
        let options = MysqlOptions::new("127.0.0.1", self.port, "root");
        let source = MysqlSource::connect(options).await.expect("connect");
        let mut schemas = Vec::new();
        for table in tables {
            schemas.push(Arc::new(source.schema(&self.table(table)).await.expect("schema")));
        }
        let all = schemas.iter().map(|s| (s.clone(), (0..s.columns.len()).collect())).collect();
        source.register(all).expect("register");
        (source, schemas)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS `{}`", self.name);
        let port = self.port;
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    let _ = connection(port).await.query_drop(statement).await;
                });
            }
        });
        let _ = dropping.join();
    }
}

/// A mapping over `schema` with these key and item columns and all columns in use.
pub fn mapping(schema: &Arc<TableSchema>, key: &[&str], item: &[&str]) -> Mapping {
    let indexes = |names: &[&str]| names.iter().map(|n| schema.column_index(n).expect("column")).collect();
    Mapping {
        id: MappingId(0),
        name: "test".into(),
        table: TableId(0),
        schema: schema.clone(),
        key: indexes(key),
        item: indexes(item),
        order: None,
        targets: vec![Target {
            id: TargetId(0),
            table: "t".into(),
            family: "f".into(),
            layout: Layout::Tall,
            form: CellForm::Columns,
            columns: vec![],
            values: ValueEncoding::Utf8,
            salt_buckets: 1,
            ordered: false,
            segment: None,
            counted: false,
        }],
    }
}

/// What a stream reported up to the end of the transaction that is the last one now.
#[derive(Default)]
pub struct Read {
    pub changes: Vec<RowChange>,
    pub largest: usize,
    pub transactions: usize,
}

impl Read {
    pub fn inserted(&self) -> Vec<Row> {
        self.changes.iter().filter(|c| c.before.is_none()).filter_map(|c| c.after.clone()).collect()
    }
}

/// Reads until everything is read that the server has executed at the time of the call.
pub async fn read_up_to_now(
    source: &MysqlSource,
    stream: &mut dyn ChangeStream,
    from: &tailfill::model::Reached,
) -> Read {
    let wanted = source.executed().await.expect("executed");
    let mut seen = from.clone();
    let mut read = Read::default();
    while !seen.contains_set(&wanted) {
        let event = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.expect("in time");
        match event.expect("stream") {
            StreamEvent::Changes(changes) => {
                let changes = changes.to_vec().expect("the rows decode");
                read.largest = read.largest.max(changes.len());
                read.changes.extend(changes);
            }
            StreamEvent::End { transaction: gtid, .. } => {
                seen.insert(&gtid);
                read.transactions += 1;
            }
            StreamEvent::Parked { parking, .. } => panic!("{parking}"),
            StreamEvent::Begin { .. }
            | StreamEvent::Heartbeat { .. }
            | StreamEvent::Defined { .. }
            | StreamEvent::Waits { .. } => {}
        }
    }
    read
}

/// Reads until the stream fails, and gives the error.
pub async fn read_until_error(stream: &mut dyn ChangeStream) -> tailfill::source::SourceError {
    loop {
        match tokio::time::timeout(Duration::from_secs(60), stream.next()).await.expect("in time") {
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Reads until a table is parked.
pub async fn read_until_parked(stream: &mut dyn ChangeStream) -> tailfill::model::Parking {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.expect("in time");
        if let StreamEvent::Parked { parking, .. } = event.expect("stream") {
            return *parking;
        }
    }
}

/// A MySQL server of one test's own, for what must not be done to the shared one (purging, semi-sync).
/// It runs the shared server's program with its options, in a folder that goes away with it.
pub struct PrivateServer {
    pub port: u16,
    process: std::process::Child,
    _folder: tempfile::TempDir,
}

impl PrivateServer {
    /// Starts it, with more options; `TAILFILL_PIDS` says where the shared server's process is noted.
    pub async fn start(options: &[&str]) -> PrivateServer {
        let pids =
            std::env::var("TAILFILL_PIDS").expect("TAILFILL_PIDS is not set: start `scripts/services up`");
        let pid = std::fs::read_to_string(format!("{pids}/mysql.pid")).expect("the shared server's pid");
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).expect("its command line");
        let words: Vec<String> = line
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .filter(|word| !word.is_empty())
            .collect();
        let not_ours = ["--datadir=", "--port=", "--socket=", "--pid-file=", "--tmpdir="];
        let kept: Vec<&String> =
            words.iter().filter(|w| !not_ours.iter().any(|n| w.starts_with(n))).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
        let command = |more: &[String]| {
            let mut command = std::process::Command::new(kept[0]);
            command.args(&kept[1..]).arg(format!("--datadir={}/data", folder.path().display())).args(more);
            command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
            command.stderr(std::process::Stdio::null());
            command
        };
        let made = command(&["--initialize-insecure".into()]).status().expect("mysqld runs");
        assert!(made.success(), "mysqld --initialize-insecure failed");
        let mut more =
            vec![format!("--port={port}"), "--socket=s.sock".into(), "--innodb-buffer-pool-size=64M".into()];
        more.extend(options.iter().map(|option| (*option).to_owned()));
        let process = command(&more).spawn().expect("mysqld runs");
        let server = PrivateServer { port, process, _folder: folder };
        for _ in 0..600 {
            if MysqlSource::connect(MysqlOptions::new("127.0.0.1", port, "root")).await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the private server does not answer");
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
