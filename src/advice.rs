//! What a person is told to do about a refusal or a parking, in one place.
//!
//! Each function says one way on, with the commands to type as they are to be typed (`-c FILE` left out), and names the test
//! that performs it: most take the commands out of the sentence, carry them out on real servers, and compare both sides
//! afterwards. `tests/properties/advice.rs` fails where a piece has no such test, and where advice stands elsewhere in `src`.

mod differences;
mod positions;
mod support;
mod verification;

pub use differences::by_hand;
pub use positions::{
    accept_gap, begin_with_from, copied_again, known_transactions, moment_ahead, moment_purged, pause_first,
};
pub use support::{add_check, add_log};
pub use verification::findings;

use crate::model::Parking;

/// The command that takes the parked targets of a mapping back.
///
/// Performed by `live::run::advice::tables::a_fresh_state_takes_over_a_table_that_holds_rows_and_copies_it_again`.
pub fn recopy(mapping: &str) -> String {
    format!("tailfill recopy {mapping} --yes")
}

/// The command for each mapping.
fn recopies<'a>(mappings: impl IntoIterator<Item = &'a str>) -> String {
    let commands: Vec<String> =
        mappings.into_iter().map(|mapping| format!("`{}`", recopy(mapping))).collect();
    commands.join(", ")
}

/// A mapping whose table cannot be followed from a place in the binlog on: how its rows are read, or what they are, is not
/// known.
///
/// Performed by `live::run::advice::statements::a_table_that_is_emptied_or_made_again_comes_back`.
pub fn bring_back(mapping: &str, parking: &Parking) -> String {
    match parking.what.as_str() {
        "ALTER TABLE" => altered(mapping),
        _ => format!("bring the target back: `{}`", recopy(mapping)),
    }
}

/// A table whose mapped columns are others now: a run keeps those that it began with.
///
/// Performed by `live::run::advice::alters::a_column_of_another_type_is_copied_again`.
pub fn altered(mapping: &str) -> String {
    format!(
        "stop the run; if a mapped column was renamed or dropped, edit the configuration; run `{}`; start the run \
         again",
        recopy(mapping)
    )
}

/// A table whose rows have no order, no address of their own, or change without a word in the binlog.
///
/// Performed by `live::run::advice::alters::a_table_that_lost_its_unique_index_comes_back_once_it_has_one`.
pub fn fix_table(mapping: &str) -> String {
    format!("fix the table in MySQL, then run `{}`", recopy(mapping))
}

/// A table that is gone, or that cannot be mapped as it is.
///
/// Performed by `live::run::advice::ways_out::a_recopy_of_a_table_that_is_gone_says_so_and_works_once_it_is_back`.
pub fn then_recopy(advice: &str, mapping: &str) -> String {
    format!("{advice}; then run `{}`", recopy(mapping))
}

/// A copy whose columns, or how they are written, are others now.
///
/// Performed by `live::run::advice::columns::a_run_whose_columns_were_edited_parks_the_target_and_says_what_brings_it_back`.
pub fn columns_changed(mapping: &str) -> String {
    format!("run `{}`: it compares all items and writes those that differ", recopy(mapping))
}

/// A column of the table that a target does not have, since the file names no `columns`.
///
/// Performed by `live::run::advice::columns::a_column_that_comes_is_offered_and_what_is_offered_works`.
pub fn new_column(mapping: &str, columns: &[String], new: &[String]) -> String {
    let all: Vec<String> = columns.iter().chain(new).map(|name| format!("{name:?}")).collect();
    format!(
        "if you want the new columns in HBase, set columns = [{}] in this target, stop the run if one is up, and \
         run `{}`; if not, you need do nothing",
        all.join(", "),
        recopy(mapping)
    )
}

/// A target whose items lie elsewhere now.
///
/// Performed by `live::run::advice::columns::what_moves_items_is_refused_by_check_init_and_run_alike`.
pub fn addresses_changed() -> &'static str {
    "undo the change; or name another HBase table in this target and run `tailfill init`: the next run copies the \
     rows into that table"
}

/// A target that is parked, whatever the reason.
///
/// Performed by `live::run::advice::tables::a_fresh_state_takes_over_a_table_that_holds_rows_and_copies_it_again`.
pub fn parked(mapping: &str) -> String {
    format!("fix the cause (if columns changed, edit the configuration), then run `{}`", recopy(mapping))
}

/// A run that has done what it was asked for, but for targets of these mappings.
///
/// Performed by `live::run::advice::ways_out::other_ways_out_of_a_parking_work_or_say_what_does`.
pub fn left_parked<'a>(mappings: impl IntoIterator<Item = &'a str>) -> String {
    format!(
        "`tailfill status` shows the reason, and what to fix first; then run {}; or name other HBase tables for \
         these targets",
        recopies(mappings)
    )
}

/// A table that holds rows before its copy begins.
///
/// Performed by `live::run::refusals::a_table_that_holds_rows_before_its_copy_begins_is_refused`.
pub fn not_empty(table: &str) -> String {
    format!(
        "empty the table in the HBase shell (truncate_preserve '{table}'), or name another table: rows that MySQL \
         has deleted would stay in HBase"
    )
}

/// A re-copy that is asked of a run which was started with another configuration.
///
/// Performed by `live::run::advice::first_steps::a_recopy_with_other_columns_than_the_run_has_says_to_stop_it`.
pub fn stop_and_recopy(mapping: &str) -> String {
    format!("stop that run, run `{}`, and start the run again", recopy(mapping))
}

/// A copy whose table holds other rows than it wrote: what `init` says once it has parked it.
///
/// Performed by `live::run::advice::tables::a_table_that_was_dropped_is_created_by_init_and_filled_by_the_recopy_that_init_says`.
pub fn copied_anew(mapping: &str) -> String {
    columns_changed(mapping)
}

/// A table that is gone, while the run that writes to it has not noticed.
///
/// Performed by `live::run::advice::first_steps::a_table_that_is_gone_under_a_run_is_made_again_once_that_has_stopped`.
pub fn gone_under_a_run(table: &str) -> String {
    format!(
        "the HBase table {table} is gone, and a run still writes to it: stop the run, then run `tailfill init` again"
    )
}

/// A table can be taken over only while no run has the state.
///
/// Performed by `live::run::advice::first_steps::a_table_is_taken_over_once_the_run_that_is_up_has_stopped`.
pub fn adopt_alone() -> &'static str {
    "stop the run that is up, then run `tailfill init --adopt` again"
}

/// A row that has no form in HBase.
///
/// Performed by `live::run::advice::rows::a_row_without_a_place_may_be_deleted_before_the_tail_has_seen_it_go`.
pub fn row_refused(mapping: &str) -> String {
    format!("correct or delete the row in MySQL, then run `{}`", recopy(mapping))
}

/// Every target of a run is parked.
///
/// Performed by `live::run::advice::statements::a_table_that_is_emptied_or_made_again_comes_back`.
pub fn all_parked<'a>(mappings: impl IntoIterator<Item = &'a str>) -> String {
    format!(
        "the run reads the binlog and writes nothing until you bring the targets back: {}",
        recopies(mappings)
    )
}

/// A target that is parked missed changes of all lists.
///
/// Performed by `live::run::advice::ways_out::a_recopy_of_one_list_of_a_parked_mapping_says_to_copy_all`.
pub fn recopy_all(mapping: &str) -> String {
    format!("copy the whole mapping again: run `{}`", recopy(mapping))
}

/// A start at a position that is not written yet.
///
/// Performed by `live::run::advice::ways_out::other_ways_out_of_a_parking_work_or_say_what_does`.
pub fn keep_checkpoint() -> &'static str {
    "run without --from to continue from the checkpoint"
}

/// A position that leaves out a transaction, and has later ones.
///
/// Performed by `live::run::positions::a_position_with_a_hole_is_refused_and_one_of_the_history_works`.
pub fn without_hole() -> &'static str {
    "take a position of `tailfill position history`, or FILE:OFFSET, or a GTID set with everything before its last transaction"
}

/// A table that is to be mapped while the tail has not passed what lies before a transaction that was skipped.
///
/// Performed by `live::run::positions::a_table_that_is_mapped_right_after_a_skip_waits_for_the_tail`.
pub fn map_later() -> &'static str {
    "run without the new mapping until `tailfill position show` has that transaction under \"checkpointed\", and add it then"
}

/// A start before a statement behind which rows cannot be read.
///
/// Performed by `live::run::advice::ways_out::a_start_before_a_statement_that_parked_is_refused_and_one_behind_it_works`.
pub fn behind_statement() -> &'static str {
    "run without --from to continue from the checkpoint, or name a position after that statement"
}

/// The command that goes on without what the source has lost.
const OVER_GAP: &str = "`tailfill run --accept-gap` copies everything again";

/// The source has not got the binlog after the checkpoint any more.
///
/// Performed by `live::run::advice::ways_out::a_purged_binlog_is_gone_over_as_the_refusal_says`.
pub fn purged() -> String {
    format!(
        "use a server that still has these transactions; or accept the gap: {OVER_GAP}; \
         binlog_expire_logs_seconds sets how long MySQL keeps its binlog"
    )
}

/// The source does not know the position.
///
/// Performed by `live::run::position::a_purged_position_is_refused_with_its_own_exit_code`.
pub fn position_gone() -> String {
    format!("use a server that has this position; or accept the gap: {OVER_GAP}")
}

/// The source has not got what was read from it: it was restored, or another took its place.
///
/// Performed by `live::run::position::a_source_that_began_its_numbering_again_is_refused_at_every_start_until_a_person_decides`.
pub fn transactions_lost() -> String {
    format!(
        "a restore of MySQL, or a failover to a replica, may have lost these transactions: use a server that has \
         them; or accept the gap: {OVER_GAP}"
    )
}

/// A run copies and does not tail, so nothing can be compared.
///
/// Performed by `live::run::modes::a_run_that_only_copies_says_so_and_refuses_to_be_verified`.
pub fn verify_later() -> &'static str {
    "wait until that run ends; let `tailfill run` catch up; then verify"
}

/// Nothing was copied with this state yet, or no run is up that could be asked.
///
/// Performed by `live::run::advice::first_steps::a_recopy_before_the_first_run_says_to_start_one`.
pub fn start() -> &'static str {
    "start a run: `tailfill run`"
}

/// Another process has the state.
///
/// Performed by `live::run::advice::first_steps::a_second_run_is_refused_and_asks_the_first_one`.
pub fn one_run() -> &'static str {
    "only one run can use a state_dir: stop the other one, or see its work with `tailfill status`"
}

/// What happened stands in the status.
///
/// Performed by `live::run::advice::first_steps::a_second_run_is_refused_and_asks_the_first_one`.
pub fn see_status() -> &'static str {
    "see `tailfill status`"
}

/// A refusal that `check` says more about.
///
/// Performed by `live::run::advice::first_steps::a_run_that_is_refused_says_where_all_of_it_stands`.
pub fn see_check() -> &'static str {
    "`tailfill check` shows every check"
}

/// MySQL refuses something, or a table is none that can be mapped.
///
/// Performed by `live::run::advice::first_steps::a_run_that_is_refused_says_where_all_of_it_stands`.
pub fn check() -> &'static str {
    "run `tailfill check`: it tests the grants, the server's settings and the mapped tables"
}

/// An HBase table that is not there.
///
/// Performed by `live::run::advice::first_steps::a_run_before_init_says_to_run_it`.
pub fn init() -> &'static str {
    "run `tailfill init`"
}

/// An HBase table in a namespace that is not there.
///
/// Performed by `live::run::refusals::a_table_that_is_disabled_and_a_namespace_that_is_missing_are_called_so`.
pub fn create_namespace() -> &'static str {
    "in the HBase shell: create_namespace 'NAMESPACE' (the part of the table's name before the colon); then run \
     `tailfill init`"
}

/// A state that is not there.
///
/// Performed by `live::run::advice::first_steps::a_run_before_init_says_to_run_it`.
pub fn init_creates_it() -> &'static str {
    "`tailfill init` creates it"
}

/// Tables that `init` does not take as they are.
///
/// Performed by `live::run::advice::tables::a_fresh_state_takes_over_a_table_that_holds_rows_and_copies_it_again`.
pub fn init_again() -> &'static str {
    "fix this, then run `tailfill init` again"
}

/// A table that another state has made, or nobody.
///
/// Performed by `live::run::advice::tables::a_fresh_state_takes_over_a_table_that_holds_rows_and_copies_it_again`.
pub fn adopt() -> &'static str {
    "if no other tailfill writes to the table, `tailfill init --adopt` takes it over; else name another table"
}

/// A table behind a Thrift1 gateway, which neither tells whose it is nor can change that.
///
/// Performed by `live::init::through_thrift1_a_table_is_ready_with_what_a_person_has_to_look_at`.
pub fn adopt_by_shell(table: &str, statement: &str) -> String {
    format!(
        "a Thrift1 gateway can neither show nor change the owner of {table}: run this in the HBase shell, then \
         init without --adopt: {statement}"
    )
}

/// A table behind a framed Thrift2 gateway, which cannot change whose it is.
///
/// Performed by `live::init::the_statements_for_the_shell_do_in_the_shell_what_init_does_itself`.
pub fn adopt_by_shell_framed(table: &str, statement: &str) -> String {
    format!(
        "{table} belongs to another run, and a framed gateway cannot change that: run this in the HBase shell, \
         then init again: {statement}"
    )
}

/// A table without the family of a target.
///
/// Performed by `live::init::a_missing_family_is_refused`.
pub fn add_family() -> &'static str {
    "add the family in the HBase shell, name another table, or drop this one and run `tailfill init`"
}

/// A dry run of a re-copy.
///
/// Performed by `live::run::advice::first_steps::a_difference_is_mended_as_the_dry_runs_say`.
pub fn with_yes() -> &'static str {
    "nothing was written; the same command with --yes writes it"
}

/// A pilot continues, because no option says which lists.
///
/// Performed by `live::run::pilot::lists_of_a_file_are_moved_compared_asked_for_and_not_copied_twice`.
pub fn move_all_lists() -> &'static str {
    "`tailfill run --all` moves all lists"
}

/// HBase is asked for a list that the pilot does not move.
///
/// Performed by `live::run::pilot::lists_of_a_file_are_moved_compared_asked_for_and_not_copied_twice`.
pub fn list_outside_the_pilot() -> &'static str {
    "ask MySQL for it: --from mysql; or move all lists: `tailfill run --all`"
}

/// A list is to be copied again that the pilot does not move.
///
/// Performed by `live::run::pilot::lists_of_a_file_are_moved_compared_asked_for_and_not_copied_twice`.
pub fn list_of_the_pilot() -> &'static str {
    "name lists of the pilot, or move all lists first: `tailfill run --all`"
}

/// All lists are moved, and a pilot is asked for.
///
/// Performed by `live::run::pilot::fewer_lists_are_refused_and_the_ways_out_work`.
pub fn all_lists_go_on() -> &'static str {
    "`tailfill run` continues with all lists; a pilot needs a state_dir and HBase tables of its own"
}

/// Lists of before are not among those of this run.
///
/// Performed by `live::run::pilot::fewer_lists_are_refused_and_the_ways_out_work`.
pub fn narrower_pilot() -> &'static str {
    "`tailfill run` continues with the lists of the last run, and `tailfill run --all` moves all lists; to add lists, name the \
     lists of the last run, too; fewer lists need a new state_dir and new HBase tables"
}

/// The source went on while no run was up.
///
/// Performed by `live::run::advice::first_steps::a_source_that_went_on_is_compared_once_a_run_has_caught_up`.
pub fn catch_up_first() -> &'static str {
    "let `tailfill run` catch up first, or compare while it runs"
}

/// A verification that was interrupted.
///
/// Performed by `live::verify_resume::a_pass_that_is_interrupted_says_how_to_go_on_and_refuses_what_it_did_not_begin`.
pub fn resume_verify() -> &'static str {
    "`tailfill verify --full --resume` continues it, with the same options"
}

/// An interrupted verification that cannot be resumed.
///
/// Performed by `live::verify_resume::a_pass_that_is_interrupted_says_how_to_go_on_and_refuses_what_it_did_not_begin`.
pub fn verify_anew() -> &'static str {
    "`tailfill verify --full`, without --resume, begins a new one"
}

/// A question that no target answers.
///
/// Performed by `live::queries::a_query_that_no_target_answers_is_refused_by_check_init_and_run_unless_accepted`.
pub fn ask_mysql(change: &str) -> String {
    format!("ask with `--from mysql`; {change}")
}

/// The journal does not fit what the source delivers: another server wrote its transactions in another order.
///
/// Performed by `simulation::seeds::the_sink_ends_equal_to_the_engine_whatever_happens`.
pub fn cut_anew() -> &'static str {
    "if the source failed over to another server, run again with `--from` and the checkpoint's GTID set \
     (`tailfill position show`): the run then replays the range with new ticks"
}

/// MySQL does not answer a run.
///
/// Performed by `live::run::mysql::mysql_that_is_killed_and_that_is_restarted_under_a_run_costs_only_time`.
pub fn source_away() -> &'static str {
    "start MySQL again, or repair the network: the run connects again by itself, or ends with exit code 1 after \
     run.retry_for"
}

/// MySQL's binlog shows a transaction that its engine has not committed.
///
/// Performed by `live::run::window::a_delete_in_the_window_stays_deleted_when_the_run_is_killed_and_started_inside_the_window`.
pub fn source_commits() -> &'static str {
    "in MySQL, SHOW PROCESSLIST names the session that waits in its COMMIT (often for a replica: semi-synchronous \
     replication); the run continues once that COMMIT returns"
}

/// Another session of MySQL has locked a table.
///
/// Performed by `live::run::locked::a_start_names_the_session_that_has_locked_a_table_and_goes_on_once_it_is_unlocked`.
pub fn table_lock() -> &'static str {
    "UNLOCK TABLES in that session, or KILL it if nobody needs it any more"
}

/// HBase does not answer a run.
///
/// Performed by `live::run::gateway::a_gateway_that_is_killed_and_restarted_in_the_middle_costs_only_time`.
pub fn hbase_away() -> &'static str {
    "start HBase or its gateway again: the run repeats its writes by itself, or ends with exit code 1 after \
     run.retry_for"
}

/// Another program holds leases.
///
/// Performed by `live::lease_example::a_change_of_a_list_that_another_program_holds_is_written_once_it_lets_go`.
pub fn lists_elsewhere() -> &'static str {
    "wait until the leases expire; if they stay, end the program that takes them"
}

/// Memcached does not answer, and a run may not write without leases.
///
/// Performed by `live::run::memcached::a_run_that_may_not_write_without_leases_says_so_and_goes_on_as_it_says`.
pub fn memcached_away() -> &'static str {
    "start memcached again, or stop the run, set lease.on_loss = \"degrade\", and start the run again"
}

/// A person has paused the tail or the backfill of a run.
///
/// Performed by `live::run::levers::a_paused_run_stays_paused_over_a_restart_and_goes_on_as_it_says`.
pub fn resume() -> &'static str {
    "to continue: `tailfill resume`"
}

/// Something holds the copy back.
///
/// Performed by `live::run::throttle::each_limit_holds_the_copy_with_its_figure_and_lets_it_go`.
pub fn throttle() -> &'static str {
    "the copy continues by itself when this is over; `tailfill throttle show` lists every limit, `tailfill throttle set \
     KEY=VALUE` changes one"
}

/// A limit of the copy that does not exist, or does not take the value.
///
/// Performed by `live::run::throttle::each_limit_holds_the_copy_with_its_figure_and_lets_it_go`.
pub fn limit_keys() -> &'static str {
    "`tailfill throttle show` lists the keys; config/example.toml explains them"
}

/// MySQL will soon purge what a run has not read.
///
/// Performed by `live::run::levers::a_tail_that_is_paused_for_long_warns_before_mysql_purges_what_it_needs`.
pub fn purge_ahead() -> &'static str {
    "resume the tail if it is paused (`tailfill resume tail`), or have MySQL keep its binlogs for longer: SET PERSIST \
     binlog_expire_logs_seconds, to more than it is now"
}

/// What a run was started for cannot come about, because a person has paused it.
///
/// Performed by `live::run::levers::a_run_that_is_to_end_is_refused_while_it_is_paused`.
pub fn resume_first() -> &'static str {
    "to continue: `tailfill resume`, or start the run with --resume"
}

/// Memcached gives no leases, and a run writes without them.
///
/// Performed by `live::run::memcached::memcached_that_is_restarted_in_the_middle_costs_nothing_but_the_leases`.
pub fn leases_degraded() -> &'static str {
    "start memcached again, or give it more memory; no delete depends on leases, but other programs may"
}

/// Leases are gone before they are given back.
///
/// Performed by `live::run::memcached::a_full_memcached_that_evicts_leases_while_they_are_held_costs_no_item`.
pub fn leases_lost() -> &'static str {
    "give memcached more memory (-m), or raise lease.expiry; no delete depends on leases, but other programs may"
}

/// A row that has no form in HBase, where its mapping is not known.
///
/// Performed by `live::run::advice::rows::a_row_without_a_place_may_be_deleted_before_the_tail_has_seen_it_go`.
pub fn correct_row() -> &'static str {
    "correct or delete the row in MySQL, then copy its mapping again (`tailfill status` shows the command)"
}
