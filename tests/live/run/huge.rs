//! A transaction that is larger than anything that may be held in memory.

use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use std::time::Duration;

/// Bytes of resident memory that a debug build may take. 200,000 changes held as rows and writes of two targets would
/// be far above it.
const MEMORY_MAX: u64 = 400 << 20;
const ROWS: u64 = 200_000;
const HUGE_LIMIT: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_transaction_streams_in_bounded_memory() {
    let mut scenario = Scenario::new("huge", &FOLLOWS).await;
    scenario.settings.batch_rows = 2_000;
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.sql(&format!("SET cte_max_recursion_depth = {ROWS}")).await;
    scenario
        .sql(&format!(
            "INSERT INTO follows WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
             SELECT i % 40, i, '2024-01-01' + INTERVAL i SECOND, IF(i % 3, 'a note of usual length', NULL), i % 1000 FROM n"
        ))
        .await;
    // the list key of every fourth row, in one transaction
    scenario.sql("UPDATE follows SET followee_id = followee_id + 1000 WHERE followee_id < 10").await;
    scenario
        .until_status_within(HUGE_LIMIT, "the updates to be written", |status| {
            status["tail"]["updates"].as_u64() == Some(ROWS / 4) && status["tail"]["queued_rows"] == 0
        })
        .await;
    scenario.until_written().await;
    let memory = run.memory_high().expect("it runs");
    println!("{} MiB of resident memory at most", memory >> 20);
    assert!(memory < MEMORY_MAX, "{} MiB", memory >> 20);
    run.interrupted().await;
    scenario.catch_up().await;
    assert_eq!(scenario.compare().await as u64, ROWS);
}
