//! The wall clock is set while nothing runs, and while something does.

use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use crate::support::wall_clock::WallClock;
use serde_json::Value as Json;
use std::time::{SystemTime, UNIX_EPOCH};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

const CAUGHT_UP: [&str; 3] = ["run", "--until", "caught-up"];

async fn copied(test: &str) -> Scenario {
    let scenario = Scenario::new(test, &FOLLOWS).await.fill(30, 500).await;
    scenario.init().await;
    scenario.catch_up().await;
    scenario
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis() as u64
}

fn tick(status: &Json) -> u64 {
    status["mark"]["tick"].as_u64().unwrap_or_default()
}

fn lead_ms(status: &Json) -> u64 {
    status["tick_lead_ms"].as_u64().expect("status has a lead")
}

/// Deletes, updates and brings back items, and waits until they are written.
async fn change(scenario: &mut Scenario) {
    for statement in [
        "INSERT INTO follows VALUES (5, 700000, NOW(3), 'once', 1)",
        "DELETE FROM follows WHERE follower_id = 700000",
        "DELETE FROM follows ORDER BY follower_id LIMIT 9",
        "UPDATE follows SET note = NULL ORDER BY created_at LIMIT 9",
        "INSERT INTO follows VALUES (5, 700000, NOW(3), 'again', 1)",
        "DELETE FROM follows WHERE follower_id = 700000",
    ] {
        scenario.sql(statement).await;
    }
    scenario.until_written().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_forward_by_a_day_or_back_by_an_hour_refuses_a_start_until_it_is_right() {
    let mut scenario = copied("wrongclock").await;
    let before = scenario.status().await.expect("there is a state")["positions"].clone();
    scenario.sql("DELETE FROM follows LIMIT 5").await;
    for ahead in [DAY, -HOUR] {
        let clock = WallClock::new();
        clock.set(ahead);
        for arguments in [&CAUGHT_UP[..], &["check"]] {
            let ended = scenario.start_with(arguments, &clock.env()).ended().await.expect_code(3);
            let said = format!("{}{}", ended.out, ended.err);
            assert!(said.contains("synchronise the clocks"), "{said}");
        }
        assert!(clock.was_seen(ahead));
    }
    assert_eq!(scenario.status().await.expect("there is a state")["positions"], before);
    scenario.catch_up().await;
    scenario.compare().await;
}

/// All clocks of a machine were an hour ahead, and are right again: as far as ours is asked.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn ticks_go_on_above_the_last_one_when_the_clocks_were_set_back_by_an_hour_between_two_starts() {
    let mut scenario = copied("setback").await;
    let clock = WallClock::new();
    clock.set(HOUR);
    let [preload, file] = clock.env();
    let ahead = [preload, file, ("TAILFILL_FAILPOINTS", "clocks-not-compared")];
    let run = scenario.start_with(&["run"], &ahead);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    change(&mut scenario).await;
    let status = scenario.until_status("a mark", |status| tick(status) > 0).await;
    let last = tick(&status);
    assert!(last > now_ms() + 3_500_000, "it is an hour ahead: {last}");
    run.signal("TERM");
    run.ended().await.expect_code(130);

    let run = scenario.start(&["run"]);
    let goes_on = |status: &Json| status["phase"] == "tailing" && tick(status) > last;
    let status = scenario.until_status("a mark above the last tick", goes_on).await;
    assert!(lead_ms(&status) > 3_400_000 && tick(&status) < last + 60_000, "one by one: {status}");
    assert!(run.err_so_far().contains("was set back"), "{}", run.err_so_far());
    change(&mut scenario).await;
    scenario.compare().await;
    let text = scenario.run(&["status"]).await.expect_code(0).out;
    assert!(text.contains("ms ahead of the clock"), "{text}");
    run.kill();
    scenario.catch_up().await;
    scenario.compare().await;
    scenario.run(&["verify", "--full"]).await.expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_under_a_run_changes_no_tick() {
    let mut scenario = copied("jump").await;
    let clock = WallClock::new();
    let run = scenario.start_with(&["run"], &clock.env());
    let status = scenario.until_status("a mark", |status| tick(status) > 0).await;
    let mut last = tick(&status);
    for ahead in [-HOUR, DAY, 0] {
        clock.set(ahead);
        // its answers over HTTP have a date
        until_so("the process to see the clock", async || {
            scenario.status().await;
            clock.was_seen(ahead)
        })
        .await;
        change(&mut scenario).await;
        let status = scenario.until_status("a newer mark", |status| tick(status) > last).await;
        last = tick(&status);
        assert!(last.abs_diff(now_ms()) < 60_000 && lead_ms(&status) < 60_000, "{status}");
        scenario.compare().await;
    }
    run.signal("TERM");
    run.ended().await.expect_code(130);
}
