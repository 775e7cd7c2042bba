//! How a run is stopped, and that there is one of them.

use crate::support::own::Own;
use crate::support::scenario::{Scenario, chunks_done};
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::Tailfill;
use crate::support::wait::until_so;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Five seconds are promised; the rest is for a machine that is busy.
const STOP_LIMIT: Duration = Duration::from_secs(120);
/// What a pipe of Linux takes while nobody reads.
const PIPE_BYTES: usize = 65_536;

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_drains_and_checkpoints_in_the_middle_of_the_work() {
    let mut scenario = Scenario::new("signals", &FOLLOWS).await.fill(200, 4_000).await;
    scenario.settings.chunk_rows = 20;
    scenario.init().await;
    let application = scenario.application(4).await;
    for signal in ["INT", "TERM"] {
        let run = scenario.start(&["run"]);
        scenario
            .until_status("copy and tail to work", |status| {
                chunks_done(status) > 0 && status["tail"]["batches"].as_u64() > Some(10)
            })
            .await;
        run.signal(signal);
        let ended = run.ended_within(STOP_LIMIT).await.expect_code(130);
        assert!(ended.out.contains("stopped and checkpointed"), "{}", ended.out);
        // nothing that was sealed is left to be sent again
        let status = scenario.status().await.expect("there is a state");
        let gtids = |which: &str| status["positions"][which]["gtids"].as_str().expect("GTIDs").to_owned();
        let query = format!("SELECT GTID_SUBSET('{}', '{}')", gtids("sealed"), gtids("checkpointed"));
        assert_eq!(scenario.ask(&query).await, "1", "{query}");
    }
    application.stop().await;
    scenario.catch_up().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_what_cannot_be_drained() {
    let gateway = Own::gateway().await;
    let mut scenario = Scenario::new("twice", &FOLLOWS).await.fill(20, 200).await;
    scenario.settings.gateways = vec![gateway.address()];
    scenario.init().await;
    scenario.catch_up().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    gateway.signal("STOP"); // it takes calls and never answers
    scenario.sql("UPDATE follows SET note = 'stuck'").await;
    scenario
        .until_status("a change that cannot be written", |status| {
            status["tail"]["queued_rows"].as_u64() > Some(0)
        })
        .await;
    run.signal("INT");
    until_so("the run to say that it stops", async || run.err_so_far().contains("stopping:")).await;
    run.signal("INT");
    let ended = run.ended_within(STOP_LIMIT).await.expect_code(130);
    assert_eq!(ended.out, "", "it did not come to its end");
    gateway.signal("CONT");
    scenario.catch_up().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_with_the_same_state_is_refused() {
    let scenario = Scenario::new("second", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    let said = ["in use by another tailfill", "help: only one run can use a state_dir"];
    scenario.run(&["run"]).await.expect_code(3).says(&said);
    let status = scenario.status().await.expect("the first one still runs");
    assert_eq!(status["pid"], run.pid());
    run.signal("TERM");
    run.ended_within(STOP_LIMIT).await.expect_code(130);
    scenario.catch_up().await;
    scenario.compare().await;
}

/// Waits for the end of a process whose output nobody reads.
async fn exit_code(child: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it was started by this test") {
            return status.code();
        }
        if begin.elapsed() >= STOP_LIMIT {
            child.kill().expect("it was started by this test");
            panic!("it does not end");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn send(child: &Child, signal: &str) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status();
    assert!(status.expect("kill can be started").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_readers_are_gone_goes_on_and_ends_when_it_is_told_to() {
    let mut scenario = Scenario::new("unread", &FOLLOWS).await.fill(20, 200).await;
    scenario.init().await;
    for signal in ["INT", "TERM"] {
        let mut child =
            Tailfill::start_with_output(&scenario.config(), &["run"], Stdio::piped(), Stdio::piped());
        scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
        drop((child.stdout.take(), child.stderr.take()));
        scenario.sql(&format!("UPDATE follows SET note = 'unread {signal}'")).await;
        scenario.until_written().await;
        send(&child, signal);
        assert_eq!(exit_code(&mut child).await, Some(130));
    }
    scenario.catch_up().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_output_is_read_no_further_goes_on_and_ends_when_it_is_told_to() {
    let mut scenario = Scenario::new("full", &FOLLOWS).await.fill(20, 200).await;
    scenario.init().await;
    // full from the beginning, and nobody reads
    let (_reader, mut full) = std::io::pipe().expect("a pipe");
    full.write_all(&[b'.'; PIPE_BYTES]).expect("it has room");
    let (out, err) = (full.try_clone().expect("a second end"), full);
    let mut child = Tailfill::start_with_output(&scenario.config(), &["run"], out.into(), err.into());
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scenario.sql("UPDATE follows SET note = 'behind it'").await;
    scenario.until_written().await;
    send(&child, "INT");
    assert_eq!(exit_code(&mut child).await, Some(130));
    scenario.catch_up().await;
    scenario.compare().await;
}
