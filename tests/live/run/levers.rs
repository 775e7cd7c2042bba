//! Pausing and resuming, as an operator does it: under load, over restarts, and when MySQL's binlog runs out meanwhile.

use crate::support::mysql::{mysql_port, purge_binlogs};
use crate::support::own::Own;
use crate::support::scenario::{Scenario, chunks_done, copied};
use crate::support::shape::FOLLOWS;
use serde_json::Value as Json;

fn paused(status: &Json, work: &str) -> bool {
    status["control"][work]["wanted"] == "paused"
}

fn waits_for_a_person(status: &Json, who: &str) -> bool {
    let waits = status["waiting"].as_array().expect("waits are data");
    waits.iter().any(|wait| wait["kind"] == "resume" && wait["who"] == who)
}

fn gtids(status: &Json, which: &str) -> String {
    status["positions"][which]["gtids"].as_str().expect("a set").to_owned()
}

fn warned_of_purge(status: &Json) -> bool {
    status["warnings"].as_array().expect("a list").iter().any(|warning| warning["kind"] == "purge_ahead")
}

/// All that was received before the pause is written and checkpointed.
fn at_rest(status: &Json) -> bool {
    waits_for_a_person(status, "tail") && gtids(status, "received") == gtids(status, "checkpointed")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_stays_paused_over_a_restart_and_goes_on_as_it_says() {
    let mut scenario = Scenario::on(mysql_port(), "pauses", &FOLLOWS).await.fill(150, 4_000).await;
    scenario.settings.chunk_rows = 20;
    scenario.init().await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    let both = |status: &Json| chunks_done(status) > 0 && status["tail"]["batches"].as_u64() > Some(10);
    scenario.until_status("copy and tail to work", both).await;

    let said = scenario.run(&["pause", "--reason", "deploy"]).await.expect_code(0);
    assert!(said.out.contains("the tail is paused: the run reads no more changes"), "{}", said.out);
    assert!(said.out.contains("the backfill is paused: no new part begins"), "{}", said.out);
    assert!(said.err.contains("to continue: `tailfill resume`"), "{}", said.err);
    let rest = |status: &Json| at_rest(status) && waits_for_a_person(status, "backfill");
    let status = scenario.until_status("the run to rest", rest).await;
    assert!(status["waits"].to_string().contains("deploy"), "{}", status["waits"]);
    let (written, chunks) = (gtids(&status, "written"), chunks_done(&status));
    let again = scenario.run(&["pause", "tail"]).await.expect_code(0);
    assert!(again.out.contains("the tail is as it was: paused by "), "{}", again.out);

    let unjudged = scenario.run(&["verify", "--full"]).await.expect_code(3);
    unjudged.says(&["the tail is paused by ", "HBase misses all changes since then", "`tailfill resume`"]);

    run.signal("TERM");
    run.ended().await.expect_code(130);
    let text = scenario.run(&["status"]).await.expect_code(0).out;
    assert!(text.contains("paused        the tail, paused by ") && text.contains(": deploy"), "{text}");
    let run = scenario.start(&["run"]);
    let status = scenario.until_status("the next run to rest", rest).await;
    assert_eq!((gtids(&status, "written"), chunks_done(&status)), (written, chunks), "nothing was written");
    assert!(run.err_so_far().contains("the tail is paused by"), "{}", run.err_so_far());

    scenario.run(&["resume", "backfill"]).await.expect_code(0);
    let copies = |status: &Json| chunks_done(status) > chunks && waits_for_a_person(status, "tail");
    scenario.until_status("the copy to go on beside the paused tail", copies).await;
    let resumed = scenario.run(&["resume"]).await.expect_code(0);
    assert!(resumed.out.contains("the tail is running: the run reads the changes after"), "{}", resumed.out);
    assert!(resumed.out.contains("the backfill is as it was: running by "), "{}", resumed.out);
    println!("{} transactions", application.stop().await);
    assert!(scenario.comes_to_rest(run).await > 1_000);
    let log = std::fs::read_to_string(scenario.dir().join("state/events.jsonl")).expect("an event log");
    let events: Vec<Json> =
        log.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    let told = [
        "run_started",
        "opened",
        "paused",
        "paused",
        "run_ended",
        "run_started",
        "opened",
        "resumed",
        "resumed",
    ];
    let mut rest = names.iter();
    assert!(told.iter().all(|name| rest.any(|found| found == name)), "{names:?}");
    let paused = events.iter().find(|event| event["event"] == "paused").expect("it was paused");
    assert_eq!(
        (&paused["reason"], &paused["words"]),
        (&"deploy".into(), &"the tail is paused from now on".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_to_end_is_refused_while_it_is_paused() {
    let mut scenario = Scenario::on(mysql_port(), "pauseend", &FOLLOWS).await.fill(5, 50).await;
    scenario.run(&["pause"]).await.expect_code(1).says(&["tailfill init"]);
    scenario.init().await;
    let said = scenario.run(&["pause", "tail", "--reason", "deploy"]).await.expect_code(0);
    assert!(said.out.contains("no run is up: the next one starts like this"), "{}", said.out);
    let log = std::fs::read_to_string(scenario.dir().join("state/events.jsonl")).expect("an event log");
    assert!(log.contains(r#""event":"paused""#) && log.contains("deploy"), "of a stopped run too: {log}");
    scenario.run(&["throttle", "set", "backfill.workers=2"]).await.expect_code(0);
    let log = std::fs::read_to_string(scenario.dir().join("state/events.jsonl")).expect("an event log");
    assert!(log.contains(r#""event":"limit_changed""#), "limits too: {log}");
    let refused = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(3);
    refused.says(&["the tail is paused by ", ": deploy", "help: to continue: `tailfill resume`"]);
    scenario.run(&["run", "--until", "caught-up", "--resume"]).await.expect_code(0);
    scenario.sql("DELETE FROM follows LIMIT 7").await;
    scenario.run(&["pause"]).await.expect_code(0);
    scenario.run(&["run", "--until", "caught-up"]).await.expect_code(3);
    scenario.run(&["resume"]).await.expect_code(0);
    scenario.catch_up().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_paused_for_long_warns_before_mysql_purges_what_it_needs() {
    let server = Own::mysql(&["--binlog-expire-logs-seconds=20"]).await;
    let mut scenario = Scenario::on(server.port, "pausepurge", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to have copied", copied).await;
    scenario.run(&["pause", "tail"]).await.expect_code(0);
    scenario.until_status("the run to rest", at_rest).await;
    scenario.sql("UPDATE follows SET note = 'unread'").await;
    let status = scenario.until_status("a warning", warned_of_purge).await;
    assert!(status["purge_in_seconds"].as_u64() < Some(5), "{status}");
    // the advice: longer, or resume
    scenario.sql("SET PERSIST binlog_expire_logs_seconds = 3600").await;
    let longer = |status: &Json| status["purge_in_seconds"].as_u64() > Some(3_000);
    let status = scenario.until_status("the purge to be far", longer).await;
    assert!(!warned_of_purge(&status), "{status}");

    purge_binlogs(&mut scenario.conn).await;
    let refused = scenario.run(&["resume", "tail"]).await.expect_code(5);
    refused.says(&["tailfill run --accept-gap"]);
    let status = scenario.status().await.expect("it is up");
    assert!(paused(&status, "tail") && at_rest(&status), "{status}");
    run.interrupted().await;
    scenario.run(&["run", "--until", "caught-up", "--accept-gap"]).await.expect_code(3);
    scenario.run(&["run", "--until", "caught-up", "--accept-gap", "--resume"]).await.expect_code(0);
    scenario.compare().await;
}
