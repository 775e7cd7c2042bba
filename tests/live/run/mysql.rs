//! MySQL in trouble, on a server of the test's own: restarted, killed, its binlog rotated and purged, all under a run.

use crate::support::mysql;
use crate::support::own::Own;
use crate::support::scenario::{Scenario, both_work};
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use serde_json::Value as Json;
use std::time::Duration;

/// A run that waits for the late-write horizon, and for what a source may commit late.
const LONGEST: Duration = Duration::from_secs(300);

fn batches(status: &Json) -> u64 {
    status["tail"]["batches"].as_u64().unwrap_or_default()
}

async fn until_both_work(scenario: &Scenario) -> Json {
    scenario.until_status("copy and tail to work", both_work(0)).await
}

/// The test's own connection, after its server was away.
async fn connect_again(scenario: &mut Scenario) {
    scenario.conn = mysql::connect(scenario.settings.mysql_port, Some(&scenario.database)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_that_is_killed_and_that_is_restarted_under_a_run_costs_only_time() {
    let mut server = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(server.port, "restarts", &FOLLOWS).await.fill(150, 4_000).await;
    scenario.settings.chunk_rows = 20;
    scenario.settings.workers = 1;
    scenario.init().await;
    let application = scenario.application(2).await.patient();
    let run = scenario.start(&["run"]);
    let mut status = until_both_work(&scenario).await;
    for kill in [true, false] {
        let reconnects = status["retries"]["source"].as_u64();
        if kill {
            server.kill();
        } else {
            server.terminate().await;
        }
        let noticed = |status: &Json| status["retries"]["source"].as_u64() > reconnects;
        scenario.until_status("the run to notice", noticed).await;
        server.start();
        server.until_it_answers().await;
        let before = batches(&status);
        status = scenario.until_status("the tail to go on", |status| batches(status) > before + 10).await;
    }
    println!("{} transactions; retries {}", application.stop().await, status["retries"]);
    connect_again(&mut scenario).await;
    assert!(scenario.comes_to_rest(run).await > 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binlog_that_is_rotated_under_a_run_and_purged_behind_it_costs_nothing() {
    let server = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(server.port, "rotated", &FOLLOWS).await.fill(150, 3_000).await;
    scenario.settings.chunk_rows = 20;
    scenario.settings.workers = 1;
    scenario.init().await;
    let first = mysql::binlogs(&mut scenario.conn).await.pop().expect("a binlog");
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    until_both_work(&scenario).await;
    for rotation in 0..30 {
        scenario.sql("FLUSH BINARY LOGS").await;
        let enough = application.transactions() + 3;
        until_so("changes in the new file", async || application.transactions() >= enough).await;
        if rotation % 10 == 9 {
            scenario.until_written().await;
            let newest = mysql::binlogs(&mut scenario.conn).await.pop().expect("a binlog");
            // MySQL keeps a file that somebody still reads, and those after it
            scenario.sql(&format!("PURGE BINARY LOGS TO '{newest}'")).await;
        }
    }
    let files = mysql::binlogs(&mut scenario.conn).await;
    assert!(files.len() < 20 && !files.contains(&first), "purged up to what was read: {files:?}");
    application.stop().await;
    scenario.until_written().await;
    let status = scenario.status().await.expect("it runs");
    assert_eq!(status["retries"]["source"], 0, "no connection was lost");
    run.signal("TERM");
    run.ended().await.expect_code(130);

    // everything but the newest file is gone, and the checkpoint is past it
    mysql::purge_binlogs(&mut scenario.conn).await;
    scenario.sql("DELETE FROM follows LIMIT 20").await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 1_000);

    // a change that is purged before it was read cannot be had any more
    scenario.sql("UPDATE follows SET note = 'never read' LIMIT 3").await;
    mysql::purge_binlogs(&mut scenario.conn).await;
    let ended = scenario.run(&["run"]).await.expect_code(5);
    ended.says(&["cannot continue from this position", "purged", "help:", "--accept-gap"]);
    scenario.settings.operation_timeout = "5s";
    goes_on_over_the_gap(&mut scenario).await;
}

/// Accepts the gap, is killed while it is open, and makes it good in the next run, while the application works.
async fn goes_on_over_the_gap(scenario: &mut Scenario) {
    let application = scenario.application(2).await;
    let is_open = |status: &Json| status["gaps"].as_array().is_some_and(|gaps| gaps.len() == 1);
    let run = scenario.start(&["run", "--accept-gap"]);
    scenario.until_status("the gap to be shown", is_open).await;
    run.kill();
    let status = scenario.run(&["status"]).await.expect_code(0).out;
    for text in
        ["\ngap ", " were missed: ", "to be copied again: ", "parked (you accepted a gap in MySQL's binlog"]
    {
        assert!(status.contains(text), "{text:?} is not in:\n{status}");
    }
    let run = scenario.start(&["run", "--until", "caught-up"]);
    let horizon = |status: &Json| status["waits"].to_string().contains("late-write horizon");
    scenario.until_status("the late-write horizon", horizon).await;
    run.ended_within(LONGEST).await.expect_code(0);
    println!("{} transactions", application.stop().await);
    scenario.catch_up().await;
    scenario.compare().await;
    let status = scenario.status().await.expect("it says how it ended");
    assert!(!is_open(&status) && status["targets"].to_string().contains("caught_up"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_what_was_read_from_it_is_gone_on_with_over_the_gap() {
    let server = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(server.port, "lost", &FOLLOWS).await.fill(100, 1_500).await;
    scenario.settings.operation_timeout = "5s";
    scenario.init().await;
    scenario.catch_up().await;
    scenario.sql("INSERT INTO follows VALUES (1, 800000, NOW(3), 'lost', 1)").await;
    scenario.sql("DELETE FROM follows WHERE followee_id = 2").await;
    scenario.catch_up().await;
    // as if it were restored from a copy of before: what was deleted is back, what was inserted never happened
    scenario.sql("SET sql_log_bin = 0").await;
    scenario.sql("DELETE FROM follows WHERE follower_id = 800000").await;
    scenario.sql("INSERT INTO follows VALUES (2, 7, NOW(3), 'back', 1), (2, 8, NOW(3), NULL, 1)").await;
    scenario.sql("RESET BINARY LOGS AND GTIDS").await;
    scenario.sql("SET sql_log_bin = 1").await;
    scenario.sql("INSERT INTO follows VALUES (3, 800001, NOW(3), 'new', 1)").await;
    let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(5);
    ended.says(&["cannot continue from this position", "--accept-gap"]);
    let run = scenario.start(&["run", "--accept-gap", "--until", "caught-up"]);
    run.ended_within(LONGEST).await.expect_code(0);
    assert!(scenario.compare().await > 500);
    scenario.run(&["verify", "--full"]).await.expect_code(0);
}
