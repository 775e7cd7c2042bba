//! What the tail does about statements that change the mapped table.

use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_column_that_is_dropped_halts_the_run() {
    let mut scenario = copied("dropcolumn").await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.sql("UPDATE follows SET note = 'before'").await;
    scenario.sql("ALTER TABLE follows DROP COLUMN weight").await;
    scenario.sql("UPDATE follows SET note = 'after'").await;
    run.ended().await.expect_code(1).says(&["follows was altered", "weight", "help:"]);
    // it starts again only with a configuration that fits the table
    scenario.run(&["run"]).await.expect_code(3).says(&["weight"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_halts_the_run_and_is_not_passed_over_later() {
    let mut scenario = copied("truncate").await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.sql("UPDATE follows SET note = 'before'").await;
    scenario.until_written().await;
    scenario.sql("TRUNCATE follows").await;
    scenario.sql("INSERT INTO follows VALUES (1, 1, NOW(3), 'after', 1)").await;
    let said = ["truncate", "follows", "help:"];
    run.ended().await.expect_code(1).says(&said);
    let before = scenario.shown(0).await;
    assert!(
        !before.is_empty()
            && before.values().all(|cells| cells.get("note").is_some_and(|note| note == "before"))
    );
    scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1).says(&said);
    assert_eq!(scenario.shown(0).await, before, "nothing was written beyond it");
}
