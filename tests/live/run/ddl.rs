//! What the tail does about statements that change the mapped table.

use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use serde_json::Value as Json;

/// A table that is copied and caught up.
async fn copied(test: &str) -> Scenario {
    let scenario = Scenario::new(test, &FOLLOWS).await.fill(10, 100).await;
    scenario.init().await;
    scenario.catch_up().await;
    scenario
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_or_a_column_that_is_not_mapped_is_passed_over_in_the_middle() {
    let mut scenario = copied("index").await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.sql("UPDATE follows SET note = 'before'").await;
    scenario.sql("ALTER TABLE follows ADD INDEX by_note (note)").await;
    scenario.sql("UPDATE follows SET note = 'between' WHERE followee_id < 5").await;
    // one change of the columns at a time: rows from before the next one must be read by then
    scenario.until_written().await;
    scenario
        .sql("ALTER TABLE follows ADD COLUMN color VARCHAR(10) NULL DEFAULT 'red' AFTER follower_id")
        .await;
    scenario.sql("DELETE FROM follows WHERE followee_id = 3").await;
    scenario.sql("DROP INDEX by_note ON follows").await;
    scenario.sql("UPDATE follows SET weight = 7 WHERE followee_id = 4").await;
    scenario.comes_to_rest(run).await;
}

/// Waits until all targets are parked, for reasons that name all of `said`.
async fn until_parked(scenario: &Scenario, said: &[&str]) {
    let parked = |target: &Json| {
        let life = target["life_cycle"].as_str().unwrap_or_default();
        life.starts_with("parked") && said.iter().all(|text| life.contains(text))
    };
    let all = |status: &Json| status["targets"].as_array().is_some_and(|all| all.iter().all(parked));
    scenario.until_status(&format!("all targets to be parked for {said:?}"), all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_column_that_is_dropped_parks_the_mapping_and_the_run_goes_on() {
    let mut scenario = copied("dropcolumn").await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.sql("UPDATE follows SET note = 'before'").await;
    scenario.sql("ALTER TABLE follows DROP COLUMN weight").await;
    scenario.sql("UPDATE follows SET note = 'after'").await;
    until_parked(&scenario, &["ALTER TABLE", "follows was altered", "weight", "tailfill recopy"]).await;
    scenario.until_written().await;
    run.interrupted().await;
    for _ in 0..2 {
        let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1);
        ended.says(&["parked, so HBase misses changes", "weight"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_parks_the_mapping_and_no_restart_forgets_it() {
    let mut scenario = copied("truncate").await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.sql("UPDATE follows SET note = 'before'").await;
    scenario.until_written().await;
    scenario.sql("TRUNCATE follows").await;
    scenario.sql("INSERT INTO follows VALUES (1, 1, NOW(3), 'after', 1)").await;
    until_parked(&scenario, &["TRUNCATE", "follows", "tailfill recopy"]).await;
    // the checkpoint goes on
    scenario.until_written().await;
    let before = scenario.shown(0).await;
    assert!(
        !before.is_empty()
            && before.values().all(|cells| cells.get("note").is_some_and(|note| note == "before"))
    );
    run.interrupted().await;
    for _ in 0..2 {
        let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1);
        ended.says(&["parked, so HBase misses changes", "TRUNCATE"]);
    }
    assert_eq!(scenario.shown(0).await, before, "nothing was written beyond it");
}
