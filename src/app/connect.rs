//! From a configuration to the rooms: source, sink, leases, store.

use crate::clock::{Entropy, SystemEntropy};
use crate::config::checked::{self, GatewayKind, HostPort, LeaseKind, Tls};
use crate::config::{Begun, Config};
use crate::failpoints::Failpoints;
use crate::failure::Failure;
use crate::lock::memcache::MemcacheLeases;
use crate::lock::{LeaseOptions, LeaseServer, Leases, OnLoss};
use crate::model::{Mapping, TableName, Target};
use crate::pipeline::{Settings, Throttle};
use crate::sink::hbase::thrift1::Thrift1Sink;
use crate::sink::hbase::{HbaseOptions, HbaseSink, Transport};
use crate::sink::{Sink, SinkError};
use crate::source::mysql::MysqlSource;
use crate::source::options::{MysqlOptions, TlsFiles, TlsMode};
use crate::source::{InUse, MysqlGauges};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long one answer of Memcache is waited for.
const LEASE_REPLY: Duration = Duration::from_secs(1);
/// What a lease's deadline is earlier than its expiry: Memcache's clock has steps of one second.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// The source with the mappings' tables registered, and the mappings with their columns resolved.
pub struct Resolved {
    pub source: Arc<MysqlSource>,
    pub mappings: Vec<Mapping>,
    /// Tables that are mapped by what the state knows of them, because they are gone or others now.
    pub by_history: BTreeSet<TableName>,
}

/// Connects to the source and matches the configuration with its tables, and with the columns that copies were begun with.
pub async fn resolve(config: &Config, begun: &Begun) -> Result<Resolved, Failure> {
    let source = MysqlSource::connect(mysql_options(config)).await?;
    let mut schemas = BTreeMap::new();
    for table in config.tables() {
        let schema = Arc::new(source.schema(&table).await?);
        schemas.insert(table, schema);
    }
    let mappings = config.resolve(&schemas, begun)?;
    source.register(tables_in_use(&mappings))?;
    Ok(Resolved { source: Arc::new(source), mappings, by_history: BTreeSet::new() })
}

/// Each table with the columns that some mapping uses, by table id.
pub fn tables_in_use(mappings: &[Mapping]) -> Vec<InUse> {
    let mut tables: BTreeMap<u16, InUse> = BTreeMap::new();
    for mapping in mappings {
        let table = tables
            .entry(mapping.table.0)
            .or_insert_with(|| InUse::from((mapping.schema.clone(), Vec::new())));
        table.keys.extend(mapping.key.iter().chain(&mapping.item));
        table.columns.extend(mapping.order.map(|order| order.column));
        table.columns.extend(mapping.targets.iter().flat_map(|target| &target.columns));
        table.mappings.push(mapping.name.clone());
    }
    tables.into_values().collect()
}

pub fn mysql_options(config: &Config) -> MysqlOptions {
    let source = &config.source;
    let files = || TlsFiles { ca: source.ca.clone(), cert: source.cert.clone(), key: source.key.clone() };
    let mut options =
        MysqlOptions::new(source.address.host.clone(), source.address.port, source.user.clone());
    options.password = source.password.as_ref().map(|password| password.reveal().to_owned());
    options.database = source.database.clone();
    options.server_id = source.server_id;
    options.tls = match source.tls {
        Tls::Disabled => TlsMode::Disabled,
        Tls::Preferred => TlsMode::Preferred,
        Tls::Required => TlsMode::Required(files()),
        Tls::VerifyCa => TlsMode::VerifyCa(files()),
        Tls::VerifyIdentity => TlsMode::VerifyIdentity(files()),
    };
    options
}

/// The throttle of a run, with the servers that it asks.
pub fn throttle(config: &Config) -> Throttle {
    let replica = |replica: &checked::Replica| {
        let mut options = mysql_options(config);
        (options.host, options.port) = (replica.address.host.clone(), replica.address.port);
        options.user.clone_from(&replica.user);
        options.database = None;
        if let Some(password) = &replica.password {
            options.password = Some(password.reveal().to_owned());
        }
        options
    };
    let replicas = config.replicas.iter().map(replica).collect();
    let gauges = Arc::new(MysqlGauges::new(mysql_options(config), replicas));
    Throttle::new(config.limits.clone(), gauges)
}

/// HBase behind its gateways.
pub struct Hbase {
    pub sink: Arc<dyn Sink>,
    /// The same gateways, where they can create and alter tables: those of Thrift2, unframed.
    pub tables: Option<Arc<HbaseSink>>,
}

/// Connects to the gateways; `mappings` name the targets.
pub async fn hbase(config: &Config, mappings: &[Mapping]) -> Result<Hbase, Failure> {
    let targets = mappings.iter().flat_map(|mapping| mapping.targets.clone()).collect();
    Ok(gateways(config.hbase.kind, hbase_options(config), targets).await?)
}

/// The same, for those who do not care for tables.
pub async fn sink(config: &Config, mappings: &[Mapping]) -> Result<Arc<dyn Sink>, Failure> {
    Ok(hbase(config, mappings).await?.sink)
}

pub async fn gateways(
    kind: GatewayKind,
    options: HbaseOptions,
    targets: Vec<Target>,
) -> Result<Hbase, SinkError> {
    let transport = options.transport;
    match kind {
        GatewayKind::Thrift1 => {
            let sink = Arc::new(Thrift1Sink::connect(options, targets).await?);
            Ok(Hbase { sink, tables: None })
        }
        GatewayKind::Thrift2 => {
            let sink = Arc::new(HbaseSink::connect(options, targets).await?);
            let tables = (transport == Transport::Buffered).then(|| sink.clone());
            Ok(Hbase { sink, tables })
        }
    }
}

pub fn hbase_options(config: &Config) -> HbaseOptions {
    let hbase = &config.hbase;
    let mut options = HbaseOptions::new(hbase.gateways.iter().map(HostPort::to_string).collect());
    options.transport = match hbase.transport {
        checked::Transport::Buffered => Transport::Buffered,
        checked::Transport::Framed => Transport::Framed,
    };
    options.connections = usize::from(hbase.connections);
    options.operation_timeout = hbase.operation_timeout;
    options
}

/// Memcache's client, unless leases stay in this process.
pub fn lease_server(config: &Config) -> Option<Arc<MemcacheLeases>> {
    let servers = || config.lease.servers.iter().map(HostPort::to_string).collect();
    match config.lease.kind {
        LeaseKind::Memcache => Some(Arc::new(MemcacheLeases::new(servers(), LEASE_REPLY))),
        LeaseKind::Local => None,
    }
}

/// Leases for the lists of `mappings`, owned by the run `run_id`.
pub fn leases(
    config: &Config,
    server: Option<Arc<dyn LeaseServer>>,
    mappings: &[Mapping],
    run_id: &str,
) -> Leases {
    let options = LeaseOptions {
        expiry: config.lease.expiry,
        margin: LEASE_MARGIN.min(config.lease.expiry / 2),
        on_loss: match config.lease.on_loss {
            checked::OnLoss::Degrade => OnLoss::Degrade,
            checked::OnLoss::Wait => OnLoss::Wait,
        },
        reply_timeout: LEASE_REPLY,
    };
    let names = mappings.iter().map(|mapping| mapping.name.clone()).collect();
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    Leases::new(server, names, options, entropy, run_id.to_owned())
}

/// The numbers of a run.
pub fn settings(config: &Config) -> Settings {
    let gateways = config.hbase.gateways.len();
    Settings {
        batch_rows: config.tail.batch_rows as u64,
        batch_wait: config.tail.batch_wait,
        window_rows: config.tail.window_rows,
        queue_rows: u32::try_from(config.tail.queue_rows).unwrap_or(u32::MAX),
        writes_at_once: (usize::from(config.hbase.connections) * gateways).max(1),
        retry_for: config.run.retry_for,
        mark_age_max: config.hbase.purge_deletes / 2,
        limits: config.limits.clone(),
        late_write: config.hbase.operation_timeout,
        failpoints: Failpoints::default(),
        ..Settings::default()
    }
}

/// A random id: of a state, of a run.
pub fn random_id(entropy: &dyn Entropy) -> String {
    format!("{:016x}", entropy.next_u64())
}
