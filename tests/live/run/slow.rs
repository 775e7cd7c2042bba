//! A backlog on a real HBase that takes little: something is done durably all the time.

use crate::support::proxy::{Proxy, Way};
use crate::support::scenario::Scenario;
use crate::support::setup::port;
use crate::support::shape::FOLLOWS;
use std::time::Duration;

/// Bytes a second, over all connections.
const RATE: u32 = 300_000;
const TRANSACTIONS: u64 = 100;
/// In each of them.
const CHANGES: u64 = 1_000;
/// How often `written` has to move while HBase is slow.
const MOVES: usize = 4;
/// For a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_100_000_changes_is_written_bit_by_bit_where_hbase_takes_300_kb_a_second() {
    let proxy = Proxy::start(port("TAILFILL_THRIFT2_PORT"), None).await;
    let mut scenario = Scenario::new("slow", &FOLLOWS).await.fill(20, 200).await;
    scenario.init().await;
    scenario.catch_up().await;
    for number in 0..TRANSACTIONS {
        let first = 1_000_000 + number * CHANGES;
        let rows = format!(
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {CHANGES}) \
             SELECT i % 50, {first} + i, NOW(3), REPEAT('x', 60), i FROM n"
        );
        let columns = "followee_id, follower_id, created_at, note, weight";
        scenario.sql(&format!("INSERT INTO follows ({columns}) {rows}")).await;
    }
    scenario.settings.gateways = vec![proxy.address()];
    scenario.settings.batch_rows = 1_000;
    proxy.set(Way::Rate(RATE));
    let run = scenario.start(&["run"]);
    let mut written = String::new();
    for number in 0..MOVES {
        let status = scenario
            .until_status_within(PATIENCE, "written to move", |status| {
                let now = status["positions"]["written"]["gtids"].as_str().unwrap_or_default();
                !now.is_empty() && now != written
            })
            .await;
        written = status["positions"]["written"]["gtids"].as_str().expect("a GTID set").to_owned();
        println!("move {number}: {} batches", status["tail"]["batches"]);
    }
    proxy.set(Way::Open);
    let items = scenario.comes_to_rest(run).await as u64;
    assert!(items >= TRANSACTIONS * CHANGES, "{items}");
}
