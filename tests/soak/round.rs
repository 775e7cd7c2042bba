//! One round: a copy from nothing under writes and faults, quiet, and the comparison.

use super::bag::dice;
use super::binlog_ends::BinlogEnds;
use super::bulk::{self, Bulk};
use super::checker::{self, Compared};
use super::footprint::Footprint;
use super::mend::{Mended, Mending};
use super::network::{self, Links};
use super::process::{self, Lives};
use super::servers;
use super::tally::Tally;
use crate::support::application::Application;
use crate::support::lists::{Cells, Form, Lists};
use crate::support::mysql;
use crate::support::own::{Own, Speaks};
use crate::support::scenario::Scenario;
use crate::support::shape::{ENTRIES, FOLLOWS, LABELS, STOCK, Shape};
use crate::support::wait::until_so_within;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const DAY: u64 = 24 * 3_600 * 1_000_000;

/// What catching up may take when everything is quiet: replays of a whole round, leases of the dead.
const QUIET_LIMIT: Duration = Duration::from_secs(600);

/// What re-copies have of a round at most; what is not done by then is done without faults.
const MENDING: Duration = Duration::from_secs(100);

/// What the soak has of its own, and lends to each round.
pub struct Servers {
    pub mysql: Own,
    /// By whom the connections of tailfill are known.
    pub user: String,
    pub memcached: Own,
    pub gateway: Own,
    pub links: Arc<Links>,
}

/// What came out of a round.
#[derive(Default)]
pub struct Round {
    pub number: u64,
    pub table: &'static str,
    pub seconds: u64,
    pub transactions: u64,
    pub bulk: Bulk,
    pub lives: Lives,
    pub mended: Mended,
    /// How far the run was when the faults ended.
    pub under_faults: Json,
    pub catch_up_seconds: u64,
    pub compared: Vec<Compared>,
    pub footprint: Footprint,
    /// What else was not as it must be.
    pub wrong: Vec<String>,
}

impl Round {
    pub fn differences(&self) -> u64 {
        self.compared.iter().map(|compared| compared.differences).sum()
    }

    pub fn is_right(&self) -> bool {
        self.differences() == 0
            && self.all_wrong().is_empty()
            && self.compared.iter().all(|compared| compared.items > 0)
    }

    pub fn all_transactions(&self) -> u64 {
        self.transactions + self.bulk.transactions
    }

    pub fn all_wrong(&self) -> Vec<String> {
        [self.wrong.clone(), self.lives.wrong.clone(), self.mended.wrong.clone()].concat()
    }

    pub fn json(&self) -> Json {
        json!({
            "round": self.number,
            "table": self.table,
            "seconds": self.seconds,
            "transactions": self.all_transactions(),
            "big_transactions": self.bulk.transactions,
            "rows_of_big_transactions": self.bulk.rows,
            "starts": self.lives.starts,
            "stops": { "kill_9": self.lives.kills, "sigterm": self.lives.terms, "by_itself": self.lives.by_itself },
            "recopies": {
                "seconds": self.mended.seconds,
                "attempts": self.mended.attempts,
                "ended_under_faults": self.mended.under_faults,
                "planted": self.mended.planted,
                "items_touched": self.mended.touched,
            },
            "when_the_faults_ended": self.under_faults,
            "catch_up_seconds": self.catch_up_seconds,
            "memory_high_bytes": self.lives.memory_high_bytes,
            "bytes": self.footprint.json(),
            "targets": self.compared.iter().map(Compared::json).collect::<Vec<_>>(),
            "wrong": self.all_wrong(),
        })
    }
}

/// A tall, a wide and counted, and a packed target of one table.
pub fn lists(shape: &'static Shape) -> Lists {
    let wide = Form::wide("wide", Cells::Msgpack).counted();
    let wide = match shape.table {
        "follows" => wide.segmented("\"2d\"", 2 * DAY),
        "labels" => wide.segmented("5000", 5_000),
        _ => wide,
    };
    let packed = if shape.table == "stock" { Cells::Json } else { Cells::Msgpack };
    Lists {
        name: "lists",
        shape,
        targets: vec![Form::tall("tall"), wide, Form::tall("packed").packed(packed)],
    }
}

async fn prepare(shape: &'static Shape, servers: &Servers, dice: &mut StdRng) -> Scenario {
    let rows = dice.random_range(4_000..9_000);
    let scenario = Scenario::on(servers.mysql.port, "soak", shape).await.moving(vec![lists(shape)]).await;
    let mut scenario = scenario.fill(dice.random_range(100..300), rows).await;
    let [to_mysql, to_memcached, to_gateway] = &servers.links.0;
    let settings = &mut scenario.settings;
    settings.user = servers.user.clone();
    settings.source = "tls = \"disabled\"".into();
    settings.mysql_through = Some(to_mysql.port);
    settings.memcached = Some(format!("127.0.0.1:{}", to_memcached.port));
    settings.gateways = vec![format!("127.0.0.1:{}", to_gateway.port)];
    settings.retry_for = "150s";
    // re-copies wait for so long after a start. Nothing that is delivered later brings back what they mend: no change is
    // missed here before it
    settings.operation_timeout = "15s";
    settings.batch_rows = *[20, 100, 500].get(dice.random_range(0..3)).expect("one of three");
    settings.chunk_rows = *[20, 60, 200].get(dice.random_range(0..3)).expect("one of three");
    settings.workers = dice.random_range(1..4);
    scenario.init().await;
    scenario
}

/// A round of `length`. The servers come back.
pub async fn run(
    mut servers: Servers,
    tally: &Tally,
    seed: u64,
    number: u64,
    length: Duration,
) -> (Servers, Round) {
    let begin = Instant::now();
    let mut dice = dice(seed, number, "round");
    let shapes = [&FOLLOWS, &STOCK, &LABELS, &ENTRIES];
    let shape = shapes[((seed + number) % 4) as usize];
    let scenario = prepare(shape, &servers, &mut dice).await;
    let mut round = Round { number, table: shape.table, ..Round::default() };
    println!("round {number}: {} ({} rows)", shape.table, scenario.sizes.iter().sum::<u64>());

    let port = servers.mysql.port;
    let (database, sizes) = (scenario.database.clone(), scenario.sizes.clone());
    let application =
        Application::start((port, &database), &[shape], &sizes, 1, dice.random()).await.patient();
    let (faults, writes) = (CancellationToken::new(), CancellationToken::new());
    let whole_lists = tokio::spawn(bulk::change_whole_lists(
        (port, database),
        shape,
        sizes,
        (seed, number),
        writes.clone(),
    ));
    let places = BinlogEnds::default();
    let noting = tokio::spawn(places.clone().note(port, writes.clone()));
    let tables = (0..scenario.targets()).map(|target| scenario.table(target)).collect();
    let stop = || faults.clone();
    let network = tokio::spawn(network::disturb(servers.links.clone(), tally.clone(), seed, number, stop()));
    let memcached =
        tokio::spawn(servers::disturb_memcached(servers.memcached, tally.clone(), seed, number, stop()));
    let gateway =
        tokio::spawn(servers::disturb_gateway(servers.gateway, tally.clone(), seed, number, stop()));
    let user = servers.user.clone();
    let mysql =
        tokio::spawn(servers::disturb_mysql(servers.mysql, user, tally.clone(), (seed, number), stop()));
    let regions = tokio::spawn(servers::disturb_regions(tables, tally.clone(), seed, number, stop()));

    let faults_end = Instant::now() + length;
    let end = faults_end - MENDING.min(length / 2);
    round.lives = process::live_and_die(&scenario, &places, tally, (seed, number), end).await;
    let mending = Mending::new(&scenario, tally, &mut round.lives, &faults, faults_end);
    // alternately, and each way for each table
    round.mended = mending.mend((seed + number + number / 4).is_multiple_of(2)).await;

    faults.cancel();
    servers.mysql = mysql.await.expect("MySQL's faults");
    (servers.memcached, servers.gateway) =
        (memcached.await.expect("memcached's faults"), gateway.await.expect("the gateway's faults"));
    for (what, task) in [("network", network), ("regions", regions)] {
        task.await.unwrap_or_else(|error| panic!("the faults of {what}: {error}"));
    }
    let gateways = || vec![servers.gateway.address()];
    until_so_within(servers::START_LIMIT, "the soak's own gateway", async || {
        Speaks::Thrift2.connect(gateways(), &[]).await.is_ok()
    })
    .await;
    round.transactions = application.stop().await;
    writes.cancel();
    round.bulk = whole_lists.await.expect("the big transactions");
    noting.await.expect("noting positions");
    round.under_faults = how_far(&scenario.status().await.unwrap_or_default());
    quiet(&scenario, &mut round).await;
    round.footprint = Footprint::of(&scenario);
    round.wrong.extend(round.footprint.wrong());
    round.seconds = begin.elapsed().as_secs();
    if !round.is_right() {
        keep(scenario, &mut servers, &round);
    }
    (servers, round)
}

/// Chunks that are done, and how the copies and counts stand, of each target.
fn how_far(status: &Json) -> Json {
    let targets = status["targets"].as_array().into_iter().flatten();
    let of = |target: &Json| {
        json!({
            "chunks_done": target["chunks_done"],
            "chunks_to_do": target["chunks_to_do"],
            "life_cycle": target["life_cycle"],
            "counts": target["counts"]["state"],
        })
    };
    targets.map(of).collect()
}

/// Nothing changes any more: tailfill catches up, and everything is compared.
async fn quiet(scenario: &Scenario, round: &mut Round) {
    let begin = Instant::now();
    let mut run = scenario.start(&["run", "--until", "caught-up"]);
    while !run.has_ended() && begin.elapsed() < QUIET_LIMIT {
        round.lives.look_at(&run);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ended = run.ended_within(Duration::ZERO).await;
    round.catch_up_seconds = begin.elapsed().as_secs();
    if ended.code != Some(0) {
        round.wrong.push(format!("the last run ended with {:?}: {}", ended.code, ended.err));
    }
    let status = scenario.status().await.unwrap_or_default();
    for target in status["targets"].as_array().into_iter().flatten() {
        let state = target["life_cycle"].as_str().unwrap_or_default();
        if state.contains("parked") {
            round.wrong.push(format!("a target is {state}"));
        }
    }
    round.compared = checker::compare(scenario).await;
    // the program's own comparison has to agree
    let verified = scenario.start(&["verify", "--full"]).ended_within(QUIET_LIMIT).await.code;
    let expected = if round.differences() == 0 { 0 } else { 4 };
    if verified != Some(expected) {
        round.wrong.push(format!("`verify --full` ended with {verified:?} and not with {expected}"));
    }
}

/// What is needed to find out why stays: the database, the HBase tables, the state and everything that was printed.
fn keep(scenario: Scenario, servers: &mut Servers, round: &Round) {
    let Some(folder) = std::env::var_os("TAILFILL_SOAK_KEEP") else { return };
    let to = std::path::Path::new(&folder).join(format!("round-{}", round.number));
    let copy = |from: &Path, to: &Path| std::process::Command::new("cp").arg("-r").arg(from).arg(to).status();
    let copied = copy(scenario.dir(), &to);
    servers.mysql.kill();
    let data = copy(&servers.mysql.dir().join("data"), &to.join("mysql"));
    println!("kept: {} ({copied:?}, MySQL {data:?}), database {}", to.display(), scenario.database);
    std::mem::forget(scenario); // its end would drop them
}

/// A MySQL user by which the connections of tailfill are known.
pub async fn create_user(port: u16) -> String {
    let user = "tf_soak".to_owned();
    let mut conn = mysql::connection(port).await;
    for statement in [format!("CREATE USER '{user}'@'%'"), format!("GRANT ALL ON *.* TO '{user}'@'%'")] {
        conn.query_drop(statement).await.expect("root may create users");
    }
    user
}
