//! Each connection of a run in each trouble that networks make, by name, while it copies and while it tails.

use crate::support::mysql::mysql_port;
use crate::support::own::Own;
use crate::support::proxy::{Proxy, Way};
use crate::support::scenario::{Scenario, both_work, chunks_done, copied};
use crate::support::setup::port;
use crate::support::shape::FOLLOWS;
use crate::support::trouble::Trouble;
use crate::support::wait::until_so_within;
use serde_json::Value as Json;
use std::time::Duration;

/// What only a connection that streams the binlog says to MySQL, and what only one that reads snapshots says.
const STREAMS: &str = "SET @source_heartbeat_period";
const READS: &str = "max_execution_time = 600000";

/// Until the run goes on, on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(600);

/// A connection, and what troubles it.
struct Troubled {
    proxy: Proxy,
    /// How long a trouble lasts that lasts.
    long: Duration,
    while_copying: bool,
    while_tailing: bool,
    /// What shows that the run goes on.
    grows: fn(&Json) -> u64,
    /// What the run says on the way.
    says: &'static str,
}

fn batches(status: &Json) -> u64 {
    status["tail"]["batches"].as_u64().unwrap_or(0)
}

/// A copy that is slow for as long as it takes, and then the tail alone; whatever befalls the connection, the run goes on
/// by itself, and both sides are equal at the end. `connection`: given the port that leads to MySQL.
async fn goes_on(test: &str, connection: impl AsyncFnOnce(&mut Scenario, u16) -> Troubled) {
    let copying = Proxy::meeting(mysql_port(), READS).await;
    let mut scenario = Scenario::new(test, &FOLLOWS).await.fill(30, 900).await;
    scenario.settings.source = "tls = \"disabled\"".into();
    scenario.settings.mysql_through = Some(copying.port);
    (scenario.settings.chunk_rows, scenario.settings.workers) = (5, 1);
    scenario.init().await;
    let troubled = connection(&mut scenario, copying.port).await;
    let application = scenario.application(1).await;
    copying.set(Way::Slow);
    let run = scenario.start(&["run"]);
    scenario.until_status_within(PATIENCE, "copy and tail to work", both_work(0)).await;
    if troubled.while_copying {
        let status = befall(&scenario, &troubled, "copying").await;
        assert!(!copied(&status), "all of them came while it was copied: {status}");
    }
    copying.set(Way::Open);
    scenario.until_status_within(PATIENCE, "the copy to be complete", copied).await;
    if troubled.while_tailing {
        befall(&scenario, &troubled, "tailing").await;
    }
    let transactions = application.stop().await;
    scenario.until_written().await;
    let status = scenario.status().await.expect("it runs");
    println!("{transactions} transactions; retries: {}; leases: {}", status["retries"], status["leases"]);
    run.signal("INT");
    run.ended().await.expect_code(130).says(&[troubled.says]);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 400);
}

/// One trouble after the other, each seen to have met the connection, and the run to go on after each.
async fn befall(scenario: &Scenario, troubled: &Troubled, phase: &str) -> Json {
    let mut after = Json::Null;
    for trouble in Trouble::ALL {
        let (begin, hits) = (std::time::Instant::now(), troubled.proxy.hits());
        let meets = async || trouble.befalls(&troubled.proxy, troubled.long).await;
        until_so_within(PATIENCE, &format!("{} while {phase}", trouble.name()), meets).await;
        let before = scenario.status().await.expect("it runs");
        let goes_on = |status: &Json| (troubled.grows)(status) > (troubled.grows)(&before);
        let what = format!("the run to go on after: {} while {phase}", trouble.name());
        after = scenario.until_status_within(PATIENCE, &what, goes_on).await;
        let met = troubled.proxy.hits() - hits;
        let seconds = begin.elapsed().as_secs_f64();
        println!("{phase}: {} met {met}, {seconds:.1} s, {} chunks", trouble.name(), chunks_done(&after));
    }
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binlog_stream_outlives_every_trouble_of_its_connection() {
    goes_on("nstream", async |scenario, to_mysql| {
        let proxy = Proxy::meeting(to_mysql, STREAMS).await;
        scenario.settings.mysql_through = Some(proxy.port);
        // longer than a stream may be silent
        let (long, says) = (Duration::from_secs(6), "no heartbeat");
        Troubled { proxy, long, while_copying: true, while_tailing: true, grows: batches, says }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_outlives_every_trouble_of_its_connection_to_mysql() {
    goes_on("nreads", async |scenario, to_mysql| {
        let proxy = Proxy::meeting(to_mysql, READS).await;
        scenario.settings.mysql_through = Some(proxy.port);
        let (long, says) = (Duration::from_secs(3), "SELECT");
        Troubled { proxy, long, while_copying: true, while_tailing: false, grows: chunks_done, says }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_every_trouble_of_its_connections_to_memcached() {
    let memcached = Own::memcached().await;
    goes_on("nleases", async |scenario, _| {
        let proxy = Proxy::start(memcached.port, None).await;
        scenario.settings.memcached = Some(proxy.address());
        let (long, says) = (Duration::from_secs(3), "the lease server is away");
        Troubled { proxy, long, while_copying: true, while_tailing: true, grows: batches, says }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_every_trouble_of_its_connections_to_the_gateway() {
    goes_on("ngateway", async |scenario, _| {
        let proxy = Proxy::start(port("TAILFILL_THRIFT2_PORT"), None).await;
        scenario.settings.gateways = vec![proxy.address()];
        let (long, says) = (Duration::from_secs(3), "gateway");
        Troubled { proxy, long, while_copying: true, while_tailing: true, grows: batches, says }
    })
    .await;
}
