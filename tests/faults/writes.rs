//! Writes that fail, lose their reply or land late.

use super::bench::{Bench, assert_gave_up, contents, delete, in_first_target, insert, row, ticks, update};
use super::gateway::Fate::{FailAfter, FailBefore, Fatal, Late, Pass};
use crate::simulation::database::up_to;
use std::time::Duration;
use tailfill::error::{Disposition, Exit};
use tailfill::protocol::ProtocolError;
use tailfill::sink::SinkError;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_write_whose_reply_was_lost_is_sent_again_with_the_same_ticks_and_content() {
    let bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "first"))]);
    bench.gateway.next_writes([FailAfter, FailAfter, Pass, FailAfter]);
    bench.catches_up().await;
    let sent = bench.gateway.take_sent();
    let targets: Vec<u16> = sent.iter().map(|call| call.target.0).collect();
    assert_eq!(targets, [0, 0, 0, 1, 1], "two replies were lost for the first target, one for the second");
    assert_eq!((&sent[1], &sent[2]), (&sent[0], &sent[0]));
    assert_eq!(sent[4], sent[3]);
    assert_eq!(ticks(&contents(&sent)).len(), 1);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn replies_that_stay_lost_beyond_the_lease_change_nothing_of_what_is_sent() {
    let bench = Bench::opened().await;
    let (old, new) = (row(1, 1, "old"), row(1, 1, "new"));
    bench.commit(vec![insert(&old)]);
    bench.commit(vec![update(&old, &new)]);
    bench.commit(vec![delete(&new)]);
    bench.commit(vec![insert(&old)]);
    bench.gateway.next_writes([FailAfter; 20]);
    let begin = Instant::now();
    bench.catches_up().await;
    assert!(begin.elapsed() > Duration::from_secs(8), "a second lease was needed");
    let contents = contents(&bench.gateway.take_sent());
    assert_eq!(ticks(&contents).len(), 4, "a tick for each batch, however often it was sent");
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_failed_is_sent_again_with_the_same_ticks_and_content() {
    let bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "first"))]);
    bench.gateway.next_writes([FailBefore]);
    bench.catches_up().await;
    let sent = bench.gateway.take_sent();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[1], sent[0]);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_of_a_failed_write_does_not_show_over_a_newer_change() {
    let bench = Bench::opened().await;
    let (gone, old, new) = (row(1, 1, "gone"), row(1, 2, "old"), row(1, 2, "new"));
    bench.commit(vec![insert(&gone)]);
    bench.commit(vec![insert(&old)]);
    bench.gateway.next_writes([Late(Duration::from_secs(30)), Pass, Late(Duration::from_secs(30))]);
    bench.catches_up().await;
    bench.assert_equal().await;
    bench.commit(vec![delete(&gone), update(&old, &new)]);
    bench.catches_up().await;
    assert_eq!(bench.gateway.landed_late(), 0, "the newer changes come first");
    bench.assert_equal().await;
    sleep(Duration::from_secs(40)).await;
    assert_eq!(bench.gateway.landed_late(), 2);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stays_away_ends_the_run_and_the_next_one_sends_the_same() {
    let bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "written"))]);
    bench.catches_up().await;
    bench.commit(vec![insert(&row(1, 2, "unwritten"))]);
    bench.commit(vec![insert(&row(2, 1, "unwritten")), delete(&row(1, 1, "written"))]);
    bench.gateway.take_sent();
    bench.gateway.all_writes(FailBefore);
    assert_gave_up(&bench.fails().await, bench.settings.retry_for);
    assert_eq!(bench.checkpointed().await, up_to(1), "nothing unwritten is passed");
    let journaled = bench.journaled().await;
    assert_eq!(journaled.len(), 3);
    let tried = contents(&bench.gateway.take_sent());
    assert_eq!(ticks(&tried), journaled);
    bench.gateway.all_writes(Pass);
    bench.catches_up().await;
    let written = contents(&bench.gateway.take_sent());
    assert_eq!(ticks(&written), journaled);
    assert_eq!(in_first_target(written), tried, "the first target was as far as the first run came");
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_every_target_ends_the_run_at_once_and_keeps_what_is_checkpointed() {
    let bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "written"))]);
    bench.catches_up().await;
    bench.commit(vec![insert(&row(1, 2, "unwritten"))]);
    bench.gateway.take_sent();
    bench.gateway.all_writes(Fatal);
    let begin = Instant::now();
    let error = bench.fails().await;
    assert!(matches!(error, ProtocolError::Sink(SinkError::Refused { .. })), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Failed));
    assert!(begin.elapsed() < Duration::from_secs(1), "it took {:?}", begin.elapsed());
    let sent = bench.gateway.take_sent();
    assert_eq!(sent.len(), 2, "each target once");
    assert_eq!(bench.checkpointed().await, up_to(1));
    assert_eq!(bench.journaled().await, ticks(&contents(&sent)));
    bench.gateway.all_writes(Pass);
    bench.catches_up().await;
    assert_eq!(bench.gateway.take_sent()[..2], sent, "nothing was parked; the same tick and content");
    bench.assert_equal().await;
}

/// Commits that wait to be written together; the largest number of ticks that one write had.
async fn ticks_of_a_backlog(bench: &Bench) -> usize {
    bench.gateway.next_writes([FailBefore; 12]);
    for item in 0..60 {
        bench.commit(vec![insert(&row(item % 5, 100 + item, "waits"))]);
    }
    bench.catches_up().await;
    let sent = bench.gateway.take_sent();
    sent.iter().map(|call| ticks(&contents(std::slice::from_ref(call))).len()).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_wants_few_ticks_at_a_time_gets_no_more_and_all_of_them() {
    let bench = Bench::opened().await;
    let unbounded = ticks_of_a_backlog(&bench).await;
    assert!(unbounded > 5, "{unbounded} ticks: there is nothing to bound");
    let bench = Bench::opened().await;
    bench.gateway.wants_ticks(3);
    assert_eq!(ticks_of_a_backlog(&bench).await, 3);
    bench.assert_equal().await;
}

/// A backlog of so many rows in so many lists, written to the first target alone.
fn backlog(bench: &Bench, lists: u64, rows: u64) {
    for transaction in 0..rows / 500 {
        let items = (0..500).map(|n| transaction * 500 + n);
        bench.commit(items.map(|item| insert(&row(item % lists, item, "x"))).collect());
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_gets_through_a_sink_that_takes_less_than_its_windows_in_the_time_of_a_lease() {
    for (speed, rows) in [(3_000, 60_000), (300, 8_000), (40, 2_000)] {
        let mut bench = Bench::opened().await;
        (bench.settings.batch_rows, bench.settings.retry_for) = (2_000, Duration::from_secs(60));
        backlog(&bench, 400, rows);
        bench.gateway.takes_rows(speed);
        bench.catches_up().await;
        bench.assert_equal().await;
        let sent: usize = bench.gateway.take_sent().iter().map(|call| call.rows.len()).sum();
        let once = contents_count(&bench, rows);
        assert!(sent < 3 * once, "{sent} rows were asked for, {once} are there, at {speed} rows a second");
    }
}

/// Rows of all targets.
fn contents_count(bench: &Bench, rows: u64) -> usize {
    bench.world.mapping.targets.len() * rows as usize
}

#[tokio::test(start_paused = true)]
async fn a_copy_gets_through_a_slow_sink_too() {
    let mut bench = Bench::unopened();
    bench.settings.retry_for = Duration::from_secs(60);
    backlog(&bench, 400, 4_000);
    bench.gateway.takes_rows(100);
    bench.copies().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_before_the_deadline_is_not_sent_again() {
    let mut bench = Bench::opened().await;
    (bench.settings.batch_rows, bench.settings.retry_for) = (2_000, Duration::from_secs(60));
    bench.settings.writes_at_once = 1;
    backlog(&bench, 400, 8_000);
    bench.gateway.takes_rows(500);
    bench.catches_up().await;
    bench.assert_equal().await;
    let calls = bench.gateway.take_sent();
    let small = calls.iter().filter(|call| call.rows.len() < 600);
    let mut seen = std::collections::BTreeSet::new();
    let again = small.flat_map(|call| &call.rows).filter(|row| !seen.insert((row.row.clone(), row.tick)));
    // part of one small call at each later deadline at most
    assert!(again.count() < 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_wide_row_of_which_some_cells_were_acknowledged_before_the_deadline_is_sent_again() {
    let mut bench = Bench::with_wide_rows();
    bench.catches_up().await;
    (bench.settings.batch_rows, bench.settings.retry_for) = (8_000, Duration::from_secs(120));
    bench.settings.writes_at_once = 1;
    for list in 0..8 {
        bench.commit((0..300).map(|item| insert(&row(list, item, "wide"))).collect());
    }
    bench.gateway.takes_rows(100);
    bench.catches_up().await;
    bench.assert_equal().await;
}
