//! Broken on purpose: each mechanism of the protocol, turned off, must be missed within a budget of seeds.
//! A simulation that finds nothing then would prove nothing when it passes.

#![cfg(feature = "failpoints")]

use super::checker::Kind;
use super::runs::{Report, play};
use super::seeds::story;
use tailfill::failpoints::{Failpoints, Switches};

/// Plays seeds until `finds` says that one shows what must be found.
fn must_be_found(name: &str, switches: Switches, budget: u64, finds: fn(&Report) -> bool) {
    let failpoints = Failpoints::new(switches);
    let found = (0..budget).map(|seed| play(seed, failpoints, false)).find(finds);
    let Some(report) = found else { panic!("{name}: not found within {budget} seeds") };
    println!("{name}: found after {} seeds: {}", report.seed + 1, report.headline());
    if std::env::var_os("TAILFILL_STORY").is_some() {
        println!("{}", story(&report, failpoints));
    }
}

fn a_lost_delete(report: &Report) -> bool {
    report.differences.iter().any(|difference| difference.kind == Kind::Extra)
}

fn a_difference(report: &Report) -> bool {
    !report.differences.is_empty()
}

fn an_older_state(report: &Report) -> bool {
    report.violations.iter().any(|violation| violation.starts_with("a reader of"))
}

#[test]
fn starting_from_the_binlog_status_loses_a_delete() {
    let switches = Switches { start_from_binlog_status: true, ..Switches::default() };
    must_be_found("start from the binlog status", switches, 200, a_lost_delete);
}

#[test]
fn chunks_with_the_newest_tick_lose_a_delete() {
    let switches = Switches { chunk_uses_newest_tick: true, ..Switches::default() };
    must_be_found("chunks with the newest tick", switches, 200, a_lost_delete);
}

#[test]
fn an_insert_that_a_delete_cancels_loses_the_delete() {
    let switches = Switches { insert_delete_cancels: true, ..Switches::default() };
    must_be_found("insert and delete cancel out", switches, 200, a_lost_delete);
}

#[test]
fn null_columns_without_markers_leave_old_values() {
    let switches = Switches { null_markers_dropped: true, ..Switches::default() };
    must_be_found("no markers for NULLs", switches, 20, a_difference);
}

#[test]
fn a_family_marker_beside_a_put_hides_it() {
    let switches = Switches { family_marker_with_put: true, ..Switches::default() };
    must_be_found("a family marker beside a put", switches, 20, a_difference);
}

#[test]
fn a_replay_with_new_ticks_shows_an_older_state() {
    let switches = Switches { replay_takes_new_ticks: true, ..Switches::default() };
    must_be_found("a replay with new ticks", switches, 50, an_older_state);
}

#[test]
fn a_checkpoint_before_the_write_loses_changes() {
    let switches = Switches { checkpoint_before_write: true, ..Switches::default() };
    must_be_found("a checkpoint before the write", switches, 100, a_difference);
}
