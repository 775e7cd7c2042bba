//! What a person is told about positions: where a tail can continue, and what a move costs.

/// `@TIME` names a moment that has not come.
///
/// Performed by `live::run::positions::a_moment_is_found_in_the_binlog_and_others_are_refused`.
pub fn moment_ahead() -> &'static str {
    "give a moment of the past; `now` is what MySQL has committed now"
}

/// `@TIME` names a moment before what MySQL keeps.
///
/// Performed by `live::run::positions::a_moment_is_found_in_the_binlog_and_others_are_refused`.
pub fn moment_purged() -> &'static str {
    "give a later moment; `earliest` is the oldest position that MySQL still has"
}

/// A tail is to be moved while it reads.
///
/// Performed by `live::run::positions::a_newer_position_is_a_gap_that_a_person_accepts`.
pub fn pause_first() -> &'static str {
    "pause the tail first: `tailfill pause tail`"
}

/// A position that would leave changes out.
///
/// Performed by `live::run::positions::a_newer_position_is_a_gap_that_a_person_accepts`.
pub fn accept_gap() -> &'static str {
    "to continue where the tail stands: `tailfill resume`; to miss these transactions: the same command with \
     --accept-gap, after which the run copies everything again"
}

/// A state that nothing was tailed with has no position to move.
///
/// Performed by `live::run::positions::a_state_without_a_position_says_how_it_gets_one`.
pub fn begin_with_from() -> &'static str {
    "start the run with `--from POSITION`"
}

/// A transaction that cannot be left out, because the source has not committed it.
///
/// Performed by `live::run::positions::a_transaction_that_cannot_be_applied_is_left_out_and_its_table_copied_again`.
pub fn known_transactions() -> &'static str {
    "SELECT @@gtid_executed shows the transactions that MySQL has committed"
}

/// The tail was moved over changes, or a transaction was left out.
///
/// Performed by `live::run::positions::a_newer_position_is_a_gap_that_a_person_accepts`.
pub fn copied_again() -> &'static str {
    "`tailfill status` shows the open gap until everything is copied again"
}
