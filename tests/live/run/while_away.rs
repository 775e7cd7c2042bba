//! A change of a mapped table that cannot be followed parks that mapping, also where it came while nothing ran or while
//! rows were still copied. The others go on, no restart forgets it, and the re-copy that is advised ends equal.

use crate::support::lists::{Form, Lists};
use crate::support::scenario::{Scenario, chunks_done};
use crate::support::shape::{ENTRIES, FOLLOWS};
use serde_json::Value as Json;
use std::time::Duration;

/// What the late-write horizon and a busy machine may take.
const LIMIT: Duration = Duration::from_secs(140);

/// The target of the mapping that nothing happens to.
const OTHERS: usize = 2;

/// Mapping `lists` of the table follows, and mapping `others` of another table, not copied yet.
async fn empty(test: &str) -> Scenario {
    let others = Lists { name: "others", shape: &ENTRIES, targets: vec![Form::tall("e")] };
    let mut scenario = Scenario::new(test, &FOLLOWS).await.moving(vec![Lists::of(&FOLLOWS), others]).await;
    scenario.settings.operation_timeout = "3s";
    scenario
}

async fn copied(test: &str) -> Scenario {
    let scenario = empty(test).await.fill(10, 100).await;
    scenario.init().await;
    scenario.catch_up().await;
    scenario
}

/// Whether all targets of `lists` are parked for a reason that says all of `said`, and the others are not.
fn is_parked(status: &Json, said: &[&str]) -> bool {
    let life = |target: usize| status["targets"][target]["life_cycle"].as_str().unwrap_or_default();
    let parked = |life: &str| life.starts_with("parked") && said.iter().all(|text| life.contains(text));
    parked(life(0)) && parked(life(1)) && !life(OTHERS).is_empty() && !life(OTHERS).starts_with("parked")
}

/// Two starts that end, and one that goes on: `lists` is parked in each, and the other mapping is tailed.
async fn stays_parked(scenario: &mut Scenario, said: &[&str]) {
    scenario.run(&["check"]).await.expect_code(0);
    let said = [said, &["at binlog.", "transaction", "`tailfill recopy lists --yes`"]].concat();
    for round in 0..2 {
        scenario.sql(&format!("UPDATE entries SET body = 'round {round}'")).await;
        let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1);
        ended.says(&["parked, so HBase misses changes: lists -> "]);
        let status = scenario.status().await.expect("it has a state");
        assert!(is_parked(&status, &said), "{said:?}: {status}");
        scenario.compare_target(OTHERS).await;
        // it refuses no more than a run does
        let check = scenario.run(&["check"]).await.expect_code(0);
        assert!(check.out.contains("parked: "), "{}", check.out);
    }
    let run = scenario.start(&["run"]);
    scenario.sql("DELETE FROM entries LIMIT 2").await;
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.until_status("lists to be parked", |status| is_parked(status, &said)).await;
    scenario.until_written().await;
    scenario.compare_target(OTHERS).await;
    run.interrupted().await;
}

async fn comes_back(scenario: &mut Scenario) {
    scenario.start(&["recopy", "lists", "--yes"]).ended_within(LIMIT).await.expect_code(0);
    scenario.sql("UPDATE follows SET note = 'again' WHERE followee_id = 2").await;
    scenario.sql("DELETE FROM follows WHERE followee_id = 3 LIMIT 1").await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_renamed_while_nothing_ran_parks_until_it_is_back_and_copied_again() {
    let mut scenario = copied("awayrename").await;
    scenario.sql("RENAME TABLE follows TO follows_old").await;
    stays_parked(&mut scenario, &["RENAME TABLE", "follows"]).await;
    let refused = scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(3);
    refused.says(&["follows", "does not exist"]);
    scenario.sql("DELETE FROM follows_old LIMIT 5").await;
    scenario.sql("RENAME TABLE follows_old TO follows").await;
    stays_parked(&mut scenario, &["RENAME TABLE", "follows"]).await;
    comes_back(&mut scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_dropped_while_nothing_ran_parks_until_it_is_back_and_copied_again() {
    let mut scenario = copied("awaydrop").await;
    scenario.sql("UPDATE follows SET note = 'before' WHERE followee_id = 1").await;
    scenario.sql("DROP TABLE follows").await;
    stays_parked(&mut scenario, &["DROP TABLE", "follows"]).await;
    scenario.sql(&FOLLOWS.create()).await;
    let rows: Vec<String> = (1..40).map(|item| FOLLOWS.row(item % 4, item, item)).collect();
    scenario.sql(&format!("{}{}", FOLLOWS.insert(), rows.join(", "))).await;
    comes_back(&mut scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_column_that_was_dropped_while_nothing_ran_parks_until_the_mapping_does_without() {
    let mut scenario = copied("awaycolumn").await;
    scenario.sql("UPDATE follows SET weight = 7 WHERE followee_id = 1").await;
    scenario.sql("ALTER TABLE follows DROP COLUMN weight").await;
    stays_parked(&mut scenario, &["ALTER TABLE", "follows was altered", "weight"]).await;
    scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(3).says(&["weight", "gone"]);
    let targets = &mut scenario.lists[0].targets;
    targets[0] = targets[0].clone().columns(&["note", "created_at"]);
    targets[1] = targets[1].clone().columns(&["note"]);
    comes_back(&mut scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_column_of_another_type_parks_until_it_is_what_it_was() {
    let mut scenario = copied("awaykey").await;
    scenario.sql("ALTER TABLE follows MODIFY follower_id VARCHAR(20) NOT NULL").await;
    stays_parked(&mut scenario, &["ALTER TABLE", "follows was altered", "follower_id"]).await;
    scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(3).says(&["follower_id"]);
    scenario.sql("ALTER TABLE follows MODIFY follower_id BIGINT UNSIGNED NOT NULL").await;
    comes_back(&mut scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_key_that_was_dropped_while_nothing_ran_parks_until_there_is_one() {
    let mut scenario = copied("awayprimary").await;
    scenario.sql("ALTER TABLE follows DROP PRIMARY KEY").await;
    stays_parked(&mut scenario, &["ALTER TABLE", "unique index"]).await;
    scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(3).says(&["primary key"]);
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(3).says(&["primary key"]);
    run.interrupted().await;
    scenario.sql("ALTER TABLE follows ADD PRIMARY KEY (followee_id, follower_id)").await;
    comes_back(&mut scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_dropped_while_it_is_copied_parks_and_the_other_is_copied() {
    let mut scenario = empty("copydrop").await.fill(50, 30_000).await;
    scenario.settings.chunk_rows = 100;
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("some chunks to be copied", |status| chunks_done(status) > 2).await;
    scenario.sql("DROP TABLE follows").await;
    scenario.until_status("lists to be parked", |status| is_parked(status, &["DROP TABLE"])).await;
    run.interrupted().await;
    stays_parked(&mut scenario, &["DROP TABLE", "follows"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_no_run_has_seen_refuses_the_first_start() {
    let mut scenario = empty("awayfirst").await;
    scenario.init().await;
    scenario.sql("DROP TABLE follows").await;
    scenario.run(&["run", "--until", "caught-up"]).await.expect_code(3).says(&["follows", "does not exist"]);
}
