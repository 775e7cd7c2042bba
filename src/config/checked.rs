//! What the program uses: every setting present, in its unit, in its range.

use super::Secret;
use crate::model::{CellForm, FileLimits, Layout, QueryKind, TableName, ValueEncoding};
use crate::source::ApplicationSql;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A configuration that obeys every rule that can be judged without a server. Columns are names
/// here; [`Config::resolve`] matches them with the tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder of journal, checkpoint and admin token.
    pub state_dir: PathBuf,
    /// The MySQL server that is copied from and tailed.
    pub source: Source,
    /// How the run keeps other writers off a list while it writes there.
    pub lease: Lease,
    /// The gateways that every write and read goes through.
    pub hbase: Hbase,
    /// How long failing calls are repeated.
    pub run: Run,
    /// Where the HTTP server listens.
    pub admin: Admin,
    /// The sizes of batches and queues; they bound what the tail keeps in memory.
    pub tail: Tail,
    /// What a run compares by itself.
    pub verify: Verify,
    /// Of the copy: `[backfill]` and `[throttle]`.
    pub limits: FileLimits,
    /// Whose lag `throttle.replica_lag` bounds.
    pub replicas: Vec<Replica>,
    /// At least one, names unique, in the order of the file.
    pub mappings: Vec<Mapping>,
}

/// `[source]`: the MySQL server whose binlog is tailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub address: HostPort,
    pub user: String,
    pub password: Option<Secret>,
    /// The database of connections, when the URL names one.
    pub database: Option<String>,
    /// The server id that the tail registers with; no other replica may have it.
    pub server_id: u32,
    pub tls: Tls,
    /// PEM files.
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// How much TLS a connection to MySQL must have (MySQL's `--ssl-mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Disabled,
    /// TLS when the server offers it; no certificate is checked.
    Preferred,
    Required,
    /// The certificate must be signed by `ca`.
    VerifyCa,
    /// ... and be the host's.
    VerifyIdentity,
}

/// `[lease]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub kind: LeaseKind,
    /// At least one when `kind` is Memcache, else empty.
    pub servers: Vec<HostPort>,
    /// Whole seconds, which is Memcache's resolution.
    pub expiry: Duration,
    pub on_loss: OnLoss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKind {
    Memcache,
    /// In this process only, where nothing else takes part.
    Local,
}

/// What is done when Memcache is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// Go on with the in-process lock, and say so.
    Degrade,
    /// Wait, for those whose other programs rely on leases.
    Wait,
}

/// `[hbase]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hbase {
    /// At least one; used side by side.
    pub gateways: Vec<HostPort>,
    pub kind: GatewayKind,
    pub transport: Transport,
    /// Connections to each gateway at most.
    pub connections: u16,
    /// The gateway's own operation time-out: how long a call that we gave up on can still land.
    pub operation_timeout: Duration,
    /// How long HBase keeps delete markers (I7).
    pub purge_deletes: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayKind {
    Thrift2,
    /// One timestamp a call, no compare-and-mutate, little said of tables.
    Thrift1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Unframed binary: what a gateway started without options speaks.
    Buffered,
    /// Framed binary (`-f`).
    Framed,
}

/// `[run]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How long a failing call to MySQL or HBase is repeated before the run ends.
    pub retry_for: Duration,
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// A loopback address; port 0 means any.
    pub listen: SocketAddr,
}

/// `[tail]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// A batch is sealed at this many changes,
    pub batch_rows: usize,
    /// or when its first change has waited this long.
    pub batch_wait: Duration,
    /// Rows written in one go, over several batches.
    pub window_rows: usize,
    /// Rows read but not written yet; reading waits above it.
    pub queue_rows: usize,
}

/// `[verify]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Whether a run compares rows by itself.
    pub continuous: bool,
    /// How many it compares at most; above 0.
    pub rows_per_second: u32,
}

/// `[[throttle.replica]]`: a replica of the source. TLS is as for the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    pub address: HostPort,
    pub user: String,
    /// `None`: the source's.
    pub password: Option<Secret>,
}

/// `[[mapping]]`. Column names as the file spells them; MySQL compares them without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`: part of Memcache keys and of records.
    pub name: String,
    pub table: TableName,
    /// The list key's columns: at least one.
    pub key: Vec<String>,
    /// The item key's columns: at least one, none of the list key's.
    pub item: Vec<String>,
    pub order: Option<Order>,
    /// At least one.
    pub targets: Vec<Target>,
    pub queries: Vec<Query>,
}

/// `order = { by, descending }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// A column that is not of the list key.
    pub by: String,
    pub descending: bool,
}

/// `[[mapping.target]]`. No two targets of a configuration share table and family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `table` or `namespace:table`.
    pub table: String,
    pub layout: Layout,
    pub family: String,
    /// The columns that become cells, or parts of one cell; `None`: all but those of key and item. Exactly one with
    /// [`CellForm::Alone`].
    pub columns: Option<Vec<String>>,
    pub form: CellForm,
    pub values: ValueEncoding,
    /// 1..=256.
    pub salt_buckets: u16,
    /// Whether the order key is part of an item's address; never true without an order.
    pub ordered: bool,
    /// Only with the wide layout and an order.
    pub segment: Option<SegmentWidth>,
    /// Only with the wide layout.
    pub counted: bool,
}

/// `segment`: how much of the order column one row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentWidth {
    /// Of a date column; above 0.
    Duration(Duration),
    /// Of an integer column; above 0.
    Units(u64),
}

/// `[[mapping.query]]`: what the application asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    pub kind: QueryKind,
    /// Items asked for at most; `None` for `has` and `count`, which return none.
    pub limit: Option<u32>,
    /// What the application itself asks MySQL with; never with `page`. It has a `?` for each column of the key, and then, with
    /// `has`, for each one of the item.
    pub sql: Option<ApplicationSql>,
}

/// A server's address; `host` is a name or an IP address without brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Config {
    /// The mapping called `name`.
    pub fn mapping(&self, name: &str) -> Option<&Mapping> {
        self.mappings.iter().find(|mapping| mapping.name == name)
    }

    /// The distinct source tables of all mappings, in the order of their first mention.
    pub fn tables(&self) -> Vec<TableName> {
        let mut tables: Vec<TableName> = Vec::new();
        for mapping in &self.mappings {
            if !tables.contains(&mapping.table) {
                tables.push(mapping.table.clone());
            }
        }
        tables
    }
}
