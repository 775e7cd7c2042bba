//! A test's own world: a database with a table of lists, HBase tables, a configuration, a state, and the program.

mod sides;

use super::application::Application;
use super::lists::Lists;
use super::mysql;
use super::own::{Own, Speaks};
use super::shape::{Shape, skewed};
use super::tailfill::{Ended, Tailfill};
use super::wait::{LIMIT, until_so};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::Value as Json;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};

/// What a test may want to be different in its configuration.
#[derive(Clone)]
pub struct Settings {
    pub mysql_port: u16,
    /// The port by which the program reaches that MySQL; `None`: the same.
    pub mysql_through: Option<u16>,
    pub user: String,
    /// The database of source.url; `None`: the scenario's.
    pub url_database: Option<String>,
    /// Table of the mapping; `None`: the scenario's.
    pub table: Option<String>,
    /// More lines of `[source]`.
    pub source: String,
    /// `host:port`; `None`: leases of the process alone.
    pub memcached: Option<String>,
    /// More keys of `[lease]`.
    pub lease: &'static str,
    pub lease_expiry: &'static str,
    pub gateways: Vec<String>,
    /// The gateway that tables are compared through; `None`: that of `scripts/services`.
    pub hbase: Option<String>,
    pub speaks: Speaks,
    pub retry_for: &'static str,
    pub operation_timeout: &'static str,
    pub batch_rows: u32,
    pub chunk_rows: u32,
    pub workers: u32,
    /// More lines of mappings, by their names.
    pub queries: &'static [(&'static str, &'static str)],
    /// More lines of the last mapping.
    pub mapping: &'static str,
}

/// A test's own world; what it made on the servers is removed when it is dropped.
pub struct Scenario {
    pub shape: &'static Shape,
    pub database: String,
    pub settings: Settings,
    pub conn: Conn,
    /// Items in each list at the beginning.
    pub sizes: Vec<u64>,
    /// What is moved: one mapping in order and for membership, unless the test says otherwise.
    pub lists: Vec<Lists>,
    dir: tempfile::TempDir,
    /// What the names of the HBase tables begin with.
    prefix: String,
    server_id: u32,
    started: Cell<u32>,
    /// Its own memcached: mappings and lists of different tests have the same names, and so the same leases.
    leases: Own,
}

/// `host:port` of the unframed Thrift2 gateway of `scripts/services`.
pub fn gateway() -> String {
    let port = std::env::var("TAILFILL_THRIFT2_PORT")
        .expect("TAILFILL_THRIFT2_PORT is not set: start `scripts/services up` and export what `env` prints");
    format!("127.0.0.1:{port}")
}

impl Scenario {
    /// An empty table of this shape on the shared MySQL.
    pub async fn new(test: &str, shape: &'static Shape) -> Scenario {
        Scenario::on(mysql::mysql_port(), test, shape).await
    }

    /// An empty table of this shape on the MySQL at `port`.
    pub async fn on(port: u16, test: &str, shape: &'static Shape) -> Scenario {
        let suffix = rand::random::<u32>();
        let database = format!("tf_{test}_{suffix:08x}");
        let mut conn = mysql::connect(port, None).await;
        for statement in [
            format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"),
            format!("USE {database}"),
            shape.create(),
        ] {
            conn.query_drop(statement).await.expect("the test server accepts root");
        }
        let leases = Own::memcached().await;
        let settings = Settings {
            mysql_port: port,
            mysql_through: None,
            user: "root".into(),
            url_database: None,
            table: None,
            source: String::new(),
            memcached: Some(leases.address()),
            lease: "",
            lease_expiry: "5s",
            gateways: vec![gateway()],
            hbase: None,
            speaks: Speaks::Thrift2,
            retry_for: "60s",
            operation_timeout: "45s",
            batch_rows: 200,
            chunk_rows: 200,
            workers: 2,
            queries: &[],
            mapping: "",
        };
        let (lists, prefix) = (vec![Lists::of(shape)], format!("live_{test}_{suffix:08x}_"));
        let dir = tempfile::Builder::new().prefix("tailfill-live-").tempdir().expect("a temporary folder");
        let server_id = suffix.max(1);
        let (sizes, started) = (Vec::new(), Cell::new(0));
        Scenario { shape, database, settings, conn, sizes, lists, dir, prefix, server_id, started, leases }
    }

    /// Moves these instead; tables that are not there yet are made, empty.
    pub async fn moving(mut self, lists: Vec<Lists>) -> Scenario {
        self.lists = lists;
        for shape in self.tables().into_iter().filter(|shape| shape.table != self.shape.table) {
            self.sql(&shape.create()).await;
        }
        self
    }

    /// `host:port` of the memcached that nobody else uses.
    pub fn lease_server(&self) -> String {
        self.leases.address()
    }

    /// The tables that are moved, each once.
    pub fn tables(&self) -> Vec<&'static Shape> {
        let mut tables: Vec<&'static Shape> = Vec::new();
        for Lists { shape, .. } in &self.lists {
            if tables.iter().all(|known| known.table != shape.table) {
                tables.push(shape);
            }
        }
        tables
    }

    /// Fills each table: about so many rows in so many lists of very different sizes.
    pub async fn fill(mut self, lists: u64, rows: u64) -> Scenario {
        self.sizes = skewed(lists, rows);
        for shape in self.tables() {
            let mut pending = Vec::new();
            for (list, size) in self.sizes.clone().into_iter().enumerate() {
                for item in 1..=size {
                    let dice = (list as u64 * 31 + item) * 2_654_435_761 % 1_000_000_007;
                    pending.push(shape.row(list as u64, item, dice));
                    if pending.len() == 500 {
                        self.insert(shape, &std::mem::take(&mut pending)).await;
                    }
                }
            }
            self.insert(shape, &pending).await;
        }
        self
    }

    async fn insert(&mut self, shape: &Shape, rows: &[String]) {
        if !rows.is_empty() {
            self.sql(&format!("{}{}", shape.insert(), rows.join(", "))).await;
        }
    }

    /// Runs a statement.
    pub async fn sql(&mut self, statement: &str) {
        if let Err(error) = self.conn.query_drop(statement).await {
            panic!("{error}: {}", statement.chars().take(300).collect::<String>());
        }
    }

    /// The first column of the first row, as text.
    pub async fn ask(&mut self, query: &str) -> String {
        let answer: Option<Option<String>> = self.conn.query_first(query).await.expect("a query of the test");
        answer.flatten().unwrap_or_default()
    }

    /// Starts an application that changes the tables, with so many connections for each.
    pub async fn application(&self, connections: u64) -> Application {
        let (port, seed) = (self.settings.mysql_port, rand::random());
        Application::start((port, &self.database), &self.tables(), &self.sizes, connections, seed).await
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes the configuration as the settings are now.
    pub fn config(&self) -> PathBuf {
        let path = self.dir().join("tailfill.toml");
        // in one step: another command may read it at this moment
        let new = self.dir().join("tailfill.toml.new");
        let written = std::fs::write(&new, self.config_text()).and_then(|()| std::fs::rename(&new, &path));
        written.expect("the test's folder can be written");
        path
    }

    pub fn config_text(&self) -> String {
        let Settings { user, source, gateways, speaks, retry_for, lease_expiry, .. } = &self.settings;
        let Settings {
            batch_rows, chunk_rows, workers, mysql_port, mysql_through, operation_timeout, ..
        } = self.settings;
        let database = self.settings.url_database.as_ref().unwrap_or(&self.database);
        let lease = match &self.settings.memcached {
            Some(server) => {
                format!("servers = [\"{server}\"]\nexpiry = \"{lease_expiry}\"\n{}", self.settings.lease)
            }
            None => "kind = \"local\"".to_owned(),
        };
        let mappings = self.lists.iter().map(|lists| {
            let table =
                self.settings.table.clone().unwrap_or(format!("{}.{}", self.database, lists.shape.table));
            let queries = self.settings.queries.iter().filter(|(mapping, _)| *mapping == lists.name);
            let queries: String = queries.map(|(_, lines)| *lines).collect();
            lists.config(&table, |form| self.hbase_table(form)) + &queries
        });
        format!(
            r#"state_dir = "state"
[source]
url = "mysql://{user}@127.0.0.1:{mysql_port}/{database}"
server_id = {server_id}
{source}
[lease]
{lease}
[hbase]
gateways = ["{gateways}"]
{speaks}
operation_timeout = "{operation_timeout}"
[run]
retry_for = "{retry_for}"
[admin]
listen = "127.0.0.1:0"
[tail]
batch_rows = {batch_rows}
[backfill]
workers = {workers}
chunk_rows = {chunk_rows}
{mappings}{more}"#,
            more = self.settings.mapping,
            mysql_port = mysql_through.unwrap_or(mysql_port),
            server_id = self.server_id,
            gateways = gateways.join("\", \""),
            speaks = speaks.config(),
            mappings = mappings.collect::<String>(),
        )
    }

    /// Starts a command.
    pub fn start(&self, arguments: &[&str]) -> Tailfill {
        self.start_with(arguments, &[])
    }

    /// Starts a command with more environment variables.
    pub fn start_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Tailfill {
        let number = self.started.get();
        self.started.set(number + 1);
        let name = format!("{number:03}-{}", arguments[0]);
        Tailfill::start(self.dir(), &name, &self.config(), arguments, env)
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).ended().await
    }

    /// `tailfill init`, which has to succeed.
    pub async fn init(&self) {
        self.run(&["init"]).await.expect_code(0);
    }

    /// The same through the gateway of `scripts/services` that can create tables.
    pub async fn init_by_thrift2(&mut self) {
        let settings = self.settings.clone();
        self.settings = Settings { gateways: vec![gateway()], speaks: Speaks::Thrift2, ..settings.clone() };
        self.init().await;
        self.settings = settings;
    }

    /// `tailfill run --until caught-up`, which has to succeed.
    pub async fn catch_up(&self) -> Ended {
        self.run(&["run", "--until", "caught-up"]).await.expect_code(0)
    }

    /// Nobody writes any more: the run has to write what there is, and end when it is told to; then everything is compared.
    /// Returns the number of items.
    pub async fn comes_to_rest(&mut self, run: Tailfill) -> usize {
        self.until_written().await;
        run.interrupted().await;
        self.catch_up().await;
        self.compare().await
    }

    /// `tailfill status --json`; `None` when it fails, as before there is a state.
    pub async fn status(&self) -> Option<Json> {
        let ended = self.run(&["status", "--json"]).await;
        (ended.code == Some(0)).then(|| serde_json::from_str(&ended.out).expect("status --json is JSON"))
    }

    /// What `verify --full` reports as it ends with `code`.
    pub async fn verify(&self, code: i32) -> Json {
        let ended = self.run(&["verify", "--full", "--json"]).await.expect_code(code);
        println!("{}{}", ended.out, ended.err);
        serde_json::from_str(&ended.out).expect("verify --json is JSON")
    }

    /// Waits until the status fulfils something.
    pub async fn until_status(&self, what: &str, fulfils: impl Fn(&Json) -> bool) -> Json {
        self.until_status_within(LIMIT, what, fulfils).await
    }

    /// The same with another limit than usual.
    pub async fn until_status_within(
        &self,
        limit: Duration,
        what: &str,
        fulfils: impl Fn(&Json) -> bool,
    ) -> Json {
        let begin = Instant::now();
        loop {
            // a run that is starting says nothing of its targets yet
            let status = self.status().await.filter(|status| status["phase"] != "starting");
            let late = begin.elapsed() >= limit;
            match status.filter(|status| late || fulfils(status)) {
                Some(status) if fulfils(&status) => return status,
                status => assert!(!late, "waited {} s for {what}; the status is {status:?}", limit.as_secs()),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the running tail has written everything that MySQL has committed by now.
    pub async fn until_written(&mut self) {
        let executed = self.ask("SELECT @@gtid_executed").await.replace('\n', "");
        until_so("the tail to have written what is committed", async || {
            let Some(status) = self.status().await else { return false };
            let written = status["positions"]["written"]["gtids"].as_str().expect("a GTID set").to_owned();
            self.ask(&format!("SELECT GTID_SUBSET('{executed}', '{written}')")).await == "1"
        })
        .await;
    }
}

/// Chunks done, over all targets.
pub fn chunks_done(status: &Json) -> u64 {
    let targets = status["targets"].as_array().expect("status has targets");
    targets.iter().filter_map(|target| target["chunks_done"].as_u64()).sum()
}

/// Whether copy and tail have each written more than so many chunks and batches.
pub fn both_work(more_than: u64) -> impl Fn(&Json) -> bool {
    move |status| chunks_done(status) > more_than && status["tail"]["batches"].as_u64() > Some(more_than)
}

/// Whether every copy is complete, as far as its life cycle and its chunks say.
pub fn copied(status: &Json) -> bool {
    let targets = status["targets"].as_array().expect("status has targets");
    // none while the run is starting
    !targets.is_empty()
        && targets.iter().all(|target| {
            target["chunks_done"].as_u64() > Some(0)
                && target["chunks_to_do"] == 0
                && target["chunks_done"] == target["chunks_total_estimate"]
        })
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("TAILFILL_TEST_KEEP").is_some() {
            self.dir.disable_cleanup(true);
            eprintln!("kept: {}, database {}", self.dir().display(), self.database);
            return;
        }
        let (port, database) = (self.settings.mysql_port, self.database.clone());
        let forms = self.lists.iter().flat_map(|lists| &lists.targets);
        let tables: Vec<String> = forms.map(|form| self.hbase_table(form)).collect();
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                // a server of the test's own goes away as a whole, and may be stuck
                if port == mysql::mysql_port()
                    && let Some(mut conn) = mysql::try_connect(port, None).await
                {
                    let _ = conn.query_drop(format!("DROP DATABASE IF EXISTS {database}")).await;
                }
                if let Ok(sink) = HbaseSink::connect(HbaseOptions::new(vec![gateway()]), Vec::new()).await {
                    let drops = tables.iter().map(|table| sink.drop_table(table));
                    futures::future::join_all(drops).await;
                }
            });
        });
        let _ = cleaning.join();
    }
}
