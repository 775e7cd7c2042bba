//! What all cases stand on: the servers, the database, HBase tables; and the way to remove them again.

use crate::arguments::{Arguments, Scale};
use crate::configuration::{Move, TALL};
use crate::processes::{self, Meter, Servers};
use anyhow::{Context, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tailfill::config::Config;
use tailfill::lock::LeaseOptions;
use tailfill::model::{Layout, Mapping, TargetId};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use tailfill::sink::{CellNames, ReadRows, RowWrite, Tables};
use tailfill::source::{MysqlOptions, MysqlSource};

/// Servers that use less are quiet.
const QUIET_CORES: f64 = 0.15;
const LOOK_FOR: Duration = Duration::from_millis(500);

/// The table of most cases, and that of the huge transaction.
pub const FOLLOWS: &str = "follows";
pub const HUGE: &str = "huge";

const COLUMNS: &str = "(followee_id BIGINT UNSIGNED NOT NULL, follower_id BIGINT UNSIGNED NOT NULL, \
     created_at DATETIME(3) NOT NULL, note VARCHAR(64) NULL, PRIMARY KEY (followee_id, follower_id)) \
     DEFAULT CHARACTER SET utf8mb4";

/// Servers, names, sizes.
pub struct Ground {
    pub scale: Scale,
    pub servers: Servers,
    pub ports: Ports,
    /// The program that is measured.
    pub tailfill: PathBuf,
    /// Another build of it.
    pub beside: Option<PathBuf>,
    /// The MySQL database; HBase tables begin with it too.
    pub database: String,
    pub work: PathBuf,
    tables: Mutex<BTreeSet<String>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub mysql: u16,
    pub memcached: u16,
    pub gateway: u16,
    pub zookeeper: u16,
}

impl Ports {
    fn from_environment() -> anyhow::Result<Ports> {
        Ok(Ports {
            mysql: port("TAILFILL_MYSQL_PORT", 13_306)?,
            memcached: port("TAILFILL_MEMCACHED_PORT", 21_211)?,
            gateway: port("TAILFILL_THRIFT2_PORT", 19_090)?,
            zookeeper: port("TAILFILL_ZOOKEEPER_PORT", 12_181)?,
        })
    }
}

fn port(variable: &str, default: u16) -> anyhow::Result<u16> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is '{text}', which is no port number")),
        Err(_) => Ok(default),
    }
}

impl Ground {
    /// Finds the servers, and makes the work folder and the database anew.
    pub async fn prepare(arguments: &Arguments) -> anyhow::Result<Ground> {
        let ports = Ports::from_environment()?;
        let servers = Servers {
            mysql: processes::listener(ports.mysql, "MySQL")?,
            gateway: processes::listener(ports.gateway, "the Thrift2 gateway")?,
            // master, region server and ZooKeeper are one process
            hbase: processes::listener(ports.zookeeper, "HBase")?,
            memcached: processes::listener(ports.memcached, "memcached")?,
        };
        let tailfill = std::env::current_exe()?.with_file_name("tailfill");
        ensure!(tailfill.is_file(), "{} is not built; scripts/bench does that", tailfill.display());
        make_folder(&arguments.work)?;
        let ground = Ground {
            scale: arguments.scale(),
            servers,
            ports,
            tailfill,
            beside: arguments.beside.clone(),
            database: arguments.prefix.clone(),
            work: std::fs::canonicalize(&arguments.work)?,
            tables: Mutex::default(),
        };
        let mut conn = ground.connect_to(None).await?;
        let name = &ground.database;
        for statement in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name}"),
            format!("CREATE TABLE {name}.{FOLLOWS} {COLUMNS}"),
            format!("CREATE TABLE {name}.{HUGE} {COLUMNS}"),
        ] {
            conn.query_drop(statement).await?;
        }
        conn.disconnect().await?;
        Ok(ground)
    }

    /// A connection to the database.
    pub async fn connect(&self) -> anyhow::Result<Conn> {
        self.connect_to(Some(&self.database)).await
    }

    async fn connect_to(&self, database: Option<&str>) -> anyhow::Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.ports.mysql)
            .user(Some("root"))
            .db_name(database)
            .prefer_socket(false)
            .setup(vec!["SET time_zone = '+00:00', transaction_isolation = 'READ-COMMITTED'"]);
        let connected = Conn::new(options).await;
        connected.with_context(|| format!("cannot use MySQL on 127.0.0.1:{}", self.ports.mysql))
    }

    /// The first column of the first row.
    pub async fn ask(&self, query: &str) -> anyhow::Result<String> {
        let mut conn = self.connect().await?;
        let answer: Option<String> = conn.query_first(query).await?;
        conn.disconnect().await?;
        answer.with_context(|| format!("no answer to {query}"))
    }

    /// What MySQL has committed.
    pub async fn executed(&self) -> anyhow::Result<String> {
        Ok(self.ask("SELECT @@GLOBAL.gtid_executed").await?.replace('\n', ""))
    }

    /// A meter of the servers, this program and `tailfill`.
    pub fn meter(&self, tailfill: u32) -> Meter {
        Meter::new(&self.servers, tailfill)
    }

    /// A meter for cases that use the library in this process.
    pub fn own_meter(&self) -> Meter {
        self.meter(std::process::id())
    }

    /// The name of a case's HBase table.
    pub fn table(&self, case: &str) -> String {
        format!("{}_{}", self.database, case.replace('-', "_"))
    }

    /// What a case moves into one HBase row for each item.
    pub fn tall<'a>(&'a self, source_table: &'a str, case: &'a str) -> Move<'a> {
        Move {
            ground: self,
            source_table,
            case,
            layout: TALL,
            hbase: "",
            gateways: &[],
            tailfill: &self.tailfill,
            slows: None,
        }
    }

    /// The configuration as the program reads it.
    pub fn config(&self, source_table: &str, case: &str) -> anyhow::Result<Config> {
        self.tall(source_table, case).config()
    }

    /// The mapping of a case, its columns found in the table.
    pub async fn mapping(&self, source_table: &str, case: &str) -> anyhow::Result<Mapping> {
        self.tall(source_table, case).mapping().await
    }

    /// The library's source, with the table of `mapping` registered.
    pub async fn source(&self, mapping: &Mapping) -> anyhow::Result<MysqlSource> {
        let mut options = MysqlOptions::new("127.0.0.1", self.ports.mysql, "root");
        options.server_id = rand::random_range(100_000..u32::MAX);
        options.database = Some(self.database.clone());
        let source = MysqlSource::connect(options).await?;
        let columns = (0..mapping.schema.columns.len()).collect();
        source.register(vec![(mapping.schema.clone(), columns)])?;
        Ok(source)
    }

    /// The sink of a case, as its configuration says, and the mapping that it serves.
    pub async fn sink(&self, source_table: &str, case: &str) -> anyhow::Result<(HbaseSink, Mapping)> {
        self.tall(source_table, case).sink().await
    }

    /// As [`sink`](Ground::sink), with other salt buckets, and at most so many regions for a new table.
    pub async fn shaped_sink(
        &self,
        source_table: &str,
        case: &str,
        salt_buckets: u16,
        regions: u16,
    ) -> anyhow::Result<(HbaseSink, Mapping)> {
        let (config, mut mapping) =
            (self.config(source_table, case)?, self.mapping(source_table, case).await?);
        mapping.targets[0].salt_buckets = salt_buckets;
        let options = HbaseOptions { regions_max: regions, ..self.hbase_options(&config) };
        let sink = HbaseSink::connect(options, mapping.targets.clone()).await?;
        Ok((sink, mapping))
    }

    pub fn hbase_options(&self, config: &Config) -> HbaseOptions {
        let mut options = HbaseOptions::new(vec![format!("127.0.0.1:{}", self.ports.gateway)]);
        options.connections = usize::from(config.hbase.connections);
        options.operation_timeout = config.hbase.operation_timeout;
        options
    }

    /// Drops the HBase table of a case, from this run or an older one; the next to come is remembered for the end.
    pub async fn forget_table(&self, sink: &HbaseSink, case: &str) -> anyhow::Result<()> {
        self.lock_tables().insert(self.table(case));
        sink.drop_table(&self.table(case)).await?;
        Ok(())
    }

    /// Makes a case's table anew, as `tailfill init` does.
    pub async fn new_table(&self, sink: &HbaseSink, mapping: &Mapping, case: &str) -> anyhow::Result<()> {
        self.forget_table(sink, case).await?;
        let purge_ms = self.config(FOLLOWS, case)?.hbase.purge_deletes.as_millis() as u64;
        sink.create(&mapping.targets[0], &self.database, purge_ms).await?;
        Ok(())
    }

    /// Waits until the servers have done what earlier cases left them to do; goes on after a bound in any case.
    pub async fn quiet(&self) -> anyhow::Result<()> {
        let (meter, begin) = (self.own_meter(), Instant::now());
        while begin.elapsed() < self.scale.quiet {
            let before = meter.read()?;
            tokio::time::sleep(LOOK_FOR).await;
            let cores = meter.read()?.minus(&before).total() / LOOK_FOR.as_secs_f64();
            if cores < QUIET_CORES {
                break;
            }
        }
        Ok(())
    }

    /// What other processes use now, in cores.
    pub async fn cores_of_others(&self) -> anyhow::Result<f64> {
        let (meter, begin) = (self.own_meter(), Instant::now());
        let before = meter.read()?;
        tokio::time::sleep(2 * LOOK_FOR).await;
        Ok(meter.read()?.minus(&before).others() / begin.elapsed().as_secs_f64())
    }

    /// A folder of its own for a run of tailfill, with its configuration in it.
    pub fn folder(&self, source_table: &str, case: &str) -> anyhow::Result<PathBuf> {
        self.tall(source_table, case).folder()
    }

    /// Drops all that this run made on the servers.
    pub async fn clean_up(&self) -> anyhow::Result<()> {
        let config = self.config(FOLLOWS, "none")?;
        let tables: Vec<String> = self.lock_tables().iter().cloned().collect();
        if !tables.is_empty() {
            let sink = HbaseSink::connect(self.hbase_options(&config), Vec::new()).await?;
            for table in tables {
                sink.drop_table(&table).await?;
            }
        }
        let mut conn = self.connect_to(None).await?;
        conn.query_drop(format!("DROP DATABASE IF EXISTS {}", self.database)).await?;
        conn.disconnect().await?;
        std::fs::remove_dir_all(&self.work)?;
        Ok(())
    }

    fn lock_tables(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a work folder, so that nobody else's is ever emptied.
const OURS: &str = "made-by-tailfill-bench";

fn make_folder(work: &Path) -> anyhow::Result<()> {
    if work.exists() {
        let ours = work.join(OURS).exists() || std::fs::read_dir(work)?.next().is_none();
        ensure!(ours, "{} was not made by this program; name another folder with --work", work.display());
        std::fs::remove_dir_all(work)?;
    }
    std::fs::create_dir_all(work)?;
    std::fs::write(work.join(OURS), "").with_context(|| format!("{} cannot be written", work.display()))
}

/// Leases as the default configuration has them.
pub fn lease_options() -> LeaseOptions {
    LeaseOptions::default()
}

/// Rows looked up after a case: enough to notice that something else was written.
const ROWS_COMPARED: usize = 200;

/// Reads some of `expected` back, evenly spread, and compares every cell.
///
/// # Errors
/// A row is missing or differs: the case has not done its work, so its figures mean nothing.
pub async fn compare(sink: &HbaseSink, mapping: &Mapping, expected: &[RowWrite]) -> anyhow::Result<()> {
    let step = (expected.len() / ROWS_COMPARED).max(1);
    let some: Vec<&RowWrite> = expected.iter().step_by(step).collect();
    let found = match mapping.targets[0].layout {
        Layout::Tall => {
            let keys: Vec<_> = some.iter().map(|write| write.row.clone()).collect();
            sink.read(TargetId(0), &keys).await?
        }
        // the row holds the other items of the list too
        Layout::Wide => {
            let qualifiers = |write: &RowWrite| write.puts.iter().map(|(name, _)| name.clone()).collect();
            let named =
                |write: &&RowWrite| CellNames { row: write.row.clone(), qualifiers: qualifiers(write) };
            sink.read_cells(TargetId(0), &some.iter().map(named).collect::<Vec<_>>()).await?
        }
    };
    for (write, row) in some.iter().zip(found) {
        let cells = row.map(|row| row.cells).unwrap_or_default();
        let mut cells: Vec<_> = cells.into_iter().map(|cell| (cell.qualifier, cell.value)).collect();
        let mut wanted = write.puts.clone();
        cells.sort();
        wanted.sort();
        ensure!(cells == wanted, "row {:02x?} in HBase is not what was to be written", write.row);
    }
    Ok(())
}
