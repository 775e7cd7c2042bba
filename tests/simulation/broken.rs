//! Broken on purpose: each mechanism of the protocol, turned off, must be missed within a budget of seeds.
//! A simulation that finds nothing then would prove nothing when it passes.

#![cfg(feature = "failpoints")]

use super::checker::Kind;
use super::runs::{SeedReport, play};
use super::seeds::story;
use super::world::World;
use tailfill::failpoints::{Failpoints, Switches};

/// Plays seeds until one shows what must be found.
fn must_be_found(name: &str, switches: Switches, budget: u64, finds: fn(&SeedReport) -> Option<String>) {
    must_be_found_in(0..budget, name, switches, finds);
}

/// The same in worlds whose table changes its definition.
fn misreads(name: &str, switches: Switches) {
    let seeds = (0..1_000).filter(|seed| World::drawn(*seed).1.statements > 0);
    must_be_found_in(seeds, name, switches, rows_that_are_misread);
}

fn rows_that_are_misread(report: &SeedReport) -> Option<String> {
    report.violations.iter().find(|violation| violation.contains("by another definition")).cloned()
}

fn must_be_found_in(
    seeds: impl Iterator<Item = u64>,
    name: &str,
    switches: Switches,
    finds: fn(&SeedReport) -> Option<String>,
) {
    let failpoints = Failpoints::new(switches);
    let reports = seeds.map(|seed| play(seed, failpoints, false));
    let found = reports.filter_map(|report| finds(&report).map(|what| (report, what))).next();
    let Some((report, what)) = found else { panic!("{name}: not found") };
    println!("{name}: found after {} seeds: {what}", report.seed + 1);
    if std::env::var_os("TAILFILL_STORY").is_some() {
        println!("{}", story(&report, failpoints));
    }
}

fn a_lost_delete(report: &SeedReport) -> Option<String> {
    report.differences.iter().find(|difference| difference.kind == Kind::Extra).map(ToString::to_string)
}

fn a_difference(report: &SeedReport) -> Option<String> {
    report.differences.first().map(ToString::to_string)
}

fn an_older_state(report: &SeedReport) -> Option<String> {
    report.violations.iter().find(|violation| violation.starts_with("a reader of")).cloned()
}

fn a_wrong_count(report: &SeedReport) -> Option<String> {
    let at_the_end = report.differences.iter().find(|difference| difference.kind == Kind::Count);
    let on_the_way = report.violations.iter().find(|text| text.starts_with("I11: a row of list"));
    on_the_way.cloned().or(at_the_end.map(ToString::to_string))
}

#[test]
fn starting_from_the_binlog_status_loses_a_delete() {
    let switches = Switches { start_from_binlog_status: true, ..Switches::default() };
    must_be_found("start from the binlog status", switches, 400, a_lost_delete);
}

#[test]
fn chunks_with_the_newest_tick_lose_a_delete() {
    let switches = Switches { chunk_uses_newest_tick: true, ..Switches::default() };
    must_be_found("chunks with the newest tick", switches, 400, a_lost_delete);
}

#[test]
fn an_insert_that_a_delete_cancels_loses_the_delete() {
    let switches = Switches { insert_delete_cancels: true, ..Switches::default() };
    must_be_found("insert and delete cancel out", switches, 400, a_lost_delete);
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

#[test]
fn a_count_that_is_written_without_comparing_and_beside_its_cells_is_wrong() {
    let switches = Switches { count_by_plain_put: true, ..Switches::default() };
    must_be_found("counts by a plain put", switches, 100, a_wrong_count);
}

#[test]
fn a_count_from_before_the_copy_is_complete_is_wrong() {
    let switches = Switches { count_pass_before_caught_up: true, ..Switches::default() };
    must_be_found("counting before the copy is complete", switches, 100, a_wrong_count);
}

#[test]
fn a_pilot_that_is_taken_for_copied_leaves_rows_out() {
    let switches = Switches { pilot_taken_for_copied: true, ..Switches::default() };
    let seeds = (0..2_000).filter(|seed| World::drawn(*seed).1.pilot_runs > 0);
    must_be_found_in(seeds, "a pilot taken for copied", switches, a_difference);
}

#[test]
fn a_recopy_that_keeps_what_only_hbase_has_leaves_it_for_good() {
    let switches = Switches { recopy_keeps_extras: true, ..Switches::default() };
    must_be_found("a re-copy that keeps extras", switches, 50, a_lost_delete);
}

#[test]
fn a_recopy_inside_the_horizon_misses_what_lands_late() {
    let switches = Switches { recopy_inside_horizon: true, ..Switches::default() };
    must_be_found("a re-copy inside the horizon", switches, 400, a_lost_delete);
}

#[test]
fn delete_markers_that_are_purged_early_lose_a_delete() {
    let switches = Switches { purge_delay_not_asked: true, ..Switches::default() };
    must_be_found("markers purged early", switches, 200, a_lost_delete);
}

#[test]
fn rows_that_are_read_by_the_definition_of_now_are_misread() {
    misreads("the definition of now", Switches { definition_of_now: true, ..Switches::default() });
}

#[test]
fn rows_are_misread_by_a_definition_that_is_not_proven() {
    misreads("no proof", Switches { definition_not_proven: true, ..Switches::default() });
}

#[test]
fn rows_are_misread_where_a_restart_forgets_a_parking() {
    misreads("a parking that is forgotten", Switches { parking_forgotten: true, ..Switches::default() });
}
