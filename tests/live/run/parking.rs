//! One target fails for good, and the others go on.

use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_dropped_under_the_run_parks_its_target_and_nothing_else() {
    let mut scenario = Scenario::new("parking", &FOLLOWS).await.fill(40, 1_000).await;
    scenario.init().await;
    scenario.catch_up().await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail to write", |status| status["tail"]["batches"].as_u64() > Some(0)).await;
    let membership = scenario.table(1);
    scenario.hbase().await.drop_table(&membership).await.expect("the table can be dropped");
    let status = scenario
        .until_status("one target to be parked", |status| {
            status["targets"][1]["life_cycle"].as_str().is_some_and(|life| life.starts_with("parked"))
        })
        .await;
    assert!(
        status["targets"][1]["life_cycle"].to_string().contains("does not exist"),
        "it says why: {status}"
    );
    assert_eq!(status["targets"][0]["life_cycle"], "caught_up");
    application.stop().await;
    scenario.until_written().await;
    run.interrupted().await;

    // the others go on without its table, and when it comes back it is left alone: it has missed changes
    let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1);
    ended.says(&["parked, so HBase misses changes", &membership]);
    scenario.init().await;
    scenario.sql("DELETE FROM follows LIMIT 5").await;
    let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1);
    let ended = ended.says(&["parked, so HBase misses changes", &membership, "name other HBase tables"]);
    let progress = |line: &&str| line.contains(" | tail: "); // names every target, where it takes long
    let said: Vec<&str> = ended.err.lines().filter(|line| !progress(line)).collect();
    assert!(!said.concat().contains(&scenario.table(0)), "only that one: {}", ended.err);
    scenario.compare_target(0).await;
    assert!(scenario.shown(1).await.is_empty());
}
