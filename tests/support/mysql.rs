//! The real MySQL server of `scripts/services`, and a database of its own for each test.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use std::sync::Arc;
use std::time::Duration;
use tailfill::model::{
    Layout, Mapping, MappingId, Row, RowChange, TableId, TableName, TableSchema, Target, TargetId,
    ValueEncoding,
};
use tailfill::source::{ChangeStream, MysqlOptions, MysqlSource, Source, StreamEvent};

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

/// A plain connection, for what a test does at the server.
pub async fn connection() -> Conn {
    connect(mysql_port(), None).await
}

/// A plain connection of root to the MySQL at `port`.
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

/// A database that is dropped at the end of its test, also when that fails.
pub struct Database {
    pub name: String,
    pub conn: Conn,
}

impl Database {
    pub async fn create(test: &str) -> Database {
        let name = format!("tf_{test}_{:08x}", rand::random::<u32>());
        let mut conn = connection().await;
        conn.query_drop(format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4")).await.expect("create");
        conn.query_drop(format!("USE `{name}`")).await.expect("use");
        Database { name, conn }
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
        let source = MysqlSource::connect(options()).await.expect("connect");
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
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    let _ = connection().await.query_drop(statement).await;
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
            columns: vec![],
            values: ValueEncoding::Utf8,
            salt_buckets: 1,
            ordered: false,
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
    from: &tailfill::model::GtidSet,
) -> Read {
    let wanted = source.executed().await.expect("executed");
    let mut seen = from.clone();
    let mut read = Read::default();
    while !seen.contains_set(&wanted) {
        let event = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.expect("in time");
        match event.expect("stream") {
            StreamEvent::Changes(changes) => {
                read.largest = read.largest.max(changes.len());
                read.changes.extend(changes);
            }
            StreamEvent::End { gtid, .. } => {
                seen.insert(&gtid);
                read.transactions += 1;
            }
            StreamEvent::Begin { .. } | StreamEvent::Heartbeat { .. } => {}
        }
    }
    read
}
