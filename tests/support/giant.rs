//! A table that is nearly one list, an application that changes only that list, and what HBase shows of it.
//!
//! The comparison knows of tailfill only the bytes that docs/formats.md describes: it takes keys and MessagePack apart with code of
//! its own, and MySQL adds its side up itself.

use super::memcached;
use super::mysql::{self, Database};
use super::scenario::gateway;
use super::tailfill::Tailfill;
use super::wait::{LIMIT, until_so};
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value as Json;
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use tokio::task::JoinSet;

/// The giant's key. Half of the other lists come before it in the primary key.
pub const GIANT: u64 = 500;
/// Items of every other list.
const LIST_ITEMS: u64 = 10;
/// Rows of a statement.
const STATEMENT_ROWS: u64 = 20_000;
pub const SEGMENT_DAYS: u64 = 30;
/// The order column lies in two years, and has nothing to do with the item's number.
const MOMENTS: u64 = 2 * 365 * 86_400;

/// A layout that the table is moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Tall,
    Wide,
    Segments,
    Unordered,
}

impl Layout {
    pub const ALL: [Layout; 4] = [Layout::Tall, Layout::Wide, Layout::Segments, Layout::Unordered];

    /// Lines of a target.
    fn lines(self) -> String {
        match self {
            Layout::Tall => "layout = \"tall\"".to_owned(),
            Layout::Wide => "layout = \"wide\"".to_owned(),
            Layout::Segments => format!("layout = \"wide\"\nsegment = \"{SEGMENT_DAYS}d\""),
            Layout::Unordered => "layout = \"wide\"\nordered = false\nvalue_column = \"note\"".to_owned(),
        }
    }

    pub fn ordered(self) -> bool {
        self != Layout::Unordered
    }

    fn suffix(self) -> &'static str {
        match self {
            Layout::Tall => "t",
            Layout::Wide => "w",
            Layout::Segments => "s",
            Layout::Unordered => "u",
        }
    }
}

/// Database, HBase tables, configuration, state; what it made on the servers is removed when it is dropped.
pub struct World {
    pub database: Database,
    pub layouts: Vec<Layout>,
    dir: tempfile::TempDir,
    started: Cell<u32>,
}

impl World {
    /// `columns`: what comes behind key, item and order; must have a `note`.
    pub async fn new(test: &str, layouts: &[Layout], columns: &str) -> World {
        let mut database = Database::create(test).await;
        database
            .run(&format!(
                "CREATE TABLE follows (followee_id BIGINT UNSIGNED NOT NULL, follower_id BIGINT UNSIGNED NOT NULL, \
                 created_at DATETIME(3) NOT NULL, {columns}, PRIMARY KEY (followee_id, follower_id))"
            ))
            .await;
        let dir = tempfile::Builder::new().prefix("tailfill-giant-").tempdir().expect("a temporary folder");
        let world = World { database, layouts: layouts.to_vec(), dir, started: Cell::new(0) };
        std::fs::write(world.config_path(), world.config()).expect("the test's folder can be written");
        world
    }

    /// `rows` rows, of which `items` (each third number from 0 on) are the giant's; `note` is an expression of `i`.
    pub async fn fill(&mut self, rows: u64, items: u64, note: &str) {
        self.database.run(&format!("SET cte_max_recursion_depth = {STATEMENT_ROWS}")).await;
        self.insert(&GIANT.to_string(), "i * 3", items, note).await;
        let list = format!("(i DIV {LIST_ITEMS}) * 2 + (i DIV {LIST_ITEMS} >= {})", GIANT / 2);
        self.insert(&list, "i", rows - items, note).await;
        self.database.run("ANALYZE TABLE follows").await;
    }

    async fn insert(&mut self, list: &str, item: &str, rows: u64, note: &str) {
        for first in (0..rows).step_by(STATEMENT_ROWS as usize) {
            let end = rows.min(first + STATEMENT_ROWS);
            self.database
                .run(&format!(
                    "INSERT INTO follows WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {end}) \
                     SELECT {list}, {item}, {}, {note} FROM n",
                    moment("i * 2654435761")
                ))
                .await;
        }
    }

    /// Runs a command.
    pub fn start(&self, arguments: &[&str]) -> Tailfill {
        let number = self.started.get();
        self.started.set(number + 1);
        let name = format!("{number:03}-{}", arguments[0]);
        Tailfill::start(self.dir.path(), &name, &self.config_path(), arguments, &[])
    }

    fn config_path(&self) -> PathBuf {
        self.dir.path().join("tailfill.toml")
    }

    pub async fn init(&self) {
        self.start(&["init"]).ended().await.expect_code(0);
    }

    /// `tailfill status --json`; `None` when it fails, as while a run begins.
    pub async fn status(&self) -> Option<Json> {
        let ended = self.start(&["status", "--json"]).ended().await;
        (ended.code == Some(0)).then(|| serde_json::from_str(&ended.out).expect("status --json is JSON"))
    }

    /// Waits until the status of a run that goes on says so.
    pub async fn until(&self, run: &mut Tailfill, is_so: impl Fn(&Json) -> bool) -> Json {
        let begin = Instant::now();
        loop {
            let status = self.status().await;
            if let Some(status) = status.filter(&is_so) {
                return status;
            }
            assert!(!run.has_ended(), "it ended");
            assert!(begin.elapsed() < LIMIT, "it did not come to that within {LIMIT:?}");
        }
    }

    /// Where a run writes its summary.
    pub fn summary(&self) -> PathBuf {
        self.dir.path().join("summary.json")
    }

    fn config(&self) -> String {
        let (name, port) = (&self.database.name, mysql::mysql_port());
        let target = |layout: &Layout| {
            let table = self.table(*layout);
            format!("[[mapping.target]]\ntable = \"{table}\"\nsalt_buckets = 4\n{}\n", layout.lines())
        };
        format!(
            r#"state_dir = "state"
[source]
url = "mysql://root@127.0.0.1:{port}/{name}"
server_id = {}
[lease]
servers = ["{}"]
[hbase]
gateways = ["{}"]
[admin]
listen = "127.0.0.1:0"
[backfill]
chunk_rows = 1000
[[mapping]]
name = "follows"
table = "{name}.follows"
key = ["followee_id"]
item = ["follower_id"]
order = {{ by = "created_at", descending = true }}
{}"#,
            rand::random::<u32>().max(1),
            memcached::address(),
            gateway(),
            self.layouts.iter().map(target).collect::<String>()
        )
    }

    pub fn table(&self, layout: Layout) -> String {
        format!("{}_{}", self.database.name, layout.suffix())
    }

    /// An application on the giant alone.
    pub async fn application(&self, items: u64) -> Application {
        Application::start(&self.database.name, items).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let tables: Vec<String> = self.layouts.iter().map(|layout| self.table(*layout)).collect();
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                if let Ok(sink) = HbaseSink::connect(HbaseOptions::new(vec![gateway()]), Vec::new()).await {
                    futures::future::join_all(tables.iter().map(|table| sink.drop_table(table))).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

/// A moment of the two years, by the expression of a number.
pub fn moment(number: &str) -> String {
    format!("TIMESTAMPADD(SECOND, ({number}) % {MOMENTS}, '2023-01-01')")
}

/// Changes the giant all the time: moves items in their order, deletes some, inserts some between the others.
pub struct Application {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    transactions: AtomicU64,
    numbers: AtomicU64,
}

impl Application {
    async fn start(database: &str, items: u64) -> Application {
        let (shared, mut workers) = (Arc::<Shared>::default(), JoinSet::new());
        let seed = rand::random::<u64>();
        println!("the application's seed is {seed}");
        for number in 0..3 {
            let conn = mysql::connect(mysql::mysql_port(), Some(database)).await;
            workers.spawn(change(conn, items, StdRng::seed_from_u64(seed + number), shared.clone()));
        }
        Application { shared, workers }
    }

    pub fn transactions(&self) -> u64 {
        self.shared.transactions.load(Relaxed)
    }

    /// Waits for `more` transactions from now on.
    pub async fn goes_on(&self, more: u64) {
        let now = self.transactions();
        until_so("the application to go on", async || self.transactions() >= now + more).await;
    }

    /// Ends it; everything that it did is committed.
    pub async fn stop(mut self) -> u64 {
        self.shared.stop.store(true, Relaxed);
        while let Some(worker) = self.workers.join_next().await {
            worker.expect("the application works");
        }
        self.transactions()
    }
}

async fn change(mut conn: mysql_async::Conn, items: u64, mut rng: StdRng, shared: Arc<Shared>) {
    while !shared.stop.load(Relaxed) {
        let item = rng.random_range(0..items) * 3;
        let created = moment(&rng.random_range(0..MOMENTS).to_string());
        let is = format!("followee_id = {GIANT} AND follower_id = {item}");
        let statement = match rng.random_range(0..10) {
            0..4 => format!("UPDATE follows SET created_at = {created} WHERE {is}"),
            4..5 => format!("UPDATE follows SET note = NULL WHERE {is}"),
            5..8 => format!("DELETE FROM follows WHERE {is}"),
            _ => {
                let item = shared.numbers.fetch_add(1, Relaxed) * 7_919 % items * 3 + 1;
                format!("INSERT IGNORE INTO follows VALUES ({GIANT}, {item}, {created}, 'new')")
            }
        };
        conn.query_drop(&statement).await.unwrap_or_else(|error| panic!("{error}: {statement}"));
        shared.transactions.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..20))).await;
    }
}
