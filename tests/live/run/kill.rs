//! kill -9 at random moments, and going on.

use crate::support::scenario::{Scenario, chunks_done};
use crate::support::shape::{FOLLOWS, LABELS, Shape};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Kills the run again and again, the application at work; then lets it come to its end.
async fn survives_kills(test: &str, shape: &'static Shape, lists: u64, rows: u64, kills: u32) {
    let seed = rand::random::<u64>();
    println!("the seed of the kills is {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut scenario = Scenario::new(test, shape).await.fill(lists, rows).await;
    scenario.settings.chunk_rows = 20;
    scenario.settings.workers = 1;
    scenario.settings.batch_rows = 50;
    scenario.init().await;
    let application = scenario.application(4).await;
    let (mut chunks, mut checkpoint) = (0, String::new());
    let mut copying_when_killed = 0;
    for kill in 0..kills {
        let mut run = scenario.start(&["run", "--until", "caught-up"]);
        // a random moment of its life: from before it has opened its state to long after
        let longest = if kill % 2 == 0 { 1_500 } else { 5_000 };
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..longest))).await;
        if run.has_ended() {
            run.ended().await.expect_code(0);
        } else {
            run.kill();
        }
        let Some(status) = scenario.status().await else { continue };
        let done = chunks_done(&status);
        println!("kill {kill}: {done} chunks");
        // I8: what was copied stays copied
        assert!(done >= chunks, "{done} chunks after {chunks}");
        copying_when_killed += u32::from(done > chunks);
        chunks = done;
        // I5: the checkpoint only goes on
        let now = status["positions"]["checkpointed"]["gtids"].as_str().expect("a GTID set").to_owned();
        let goes_on = format!("SELECT GTID_SUBSET('{checkpoint}', '{now}')");
        assert_eq!(scenario.ask(&goes_on).await, "1", "the checkpoint went from {checkpoint} to {now}");
        checkpoint = now;
    }
    println!(
        "{} transactions, {copying_when_killed} of {kills} kills while copying",
        application.stop().await
    );
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_again_and_again_ends_equal() {
    survives_kills("kill", &FOLLOWS, 300, 10_000, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_lists_lie_across_the_primary_key_survives_kills_too() {
    survives_kills("killx", &LABELS, 100, 2_000, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_goes_on_as_soon_as_it_is_started_again() {
    let mut scenario = Scenario::new("prompt", &FOLLOWS).await.fill(50, 500).await;
    scenario.init().await;
    for round in 0..3 {
        let run = scenario.start(&["run"]);
        // a lease of the killed run must not hold up its successor for longer than it lives
        let status = scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
        assert_eq!(status["pid"], run.pid());
        scenario.sql(&format!("INSERT INTO follows VALUES (1, 100{round}, NOW(3), 'x', {round})")).await;
        scenario.until_written().await;
        run.kill();
    }
    scenario.catch_up().await;
    scenario.compare().await;
}
