//! Switches that turn one mechanism of the protocol off, so that a test can show that it notices.
//!
//! Only the feature `failpoints` can turn one: without it every switch is a constant `false`, and the
//! code behind it is not in the program. With it, a switch is on where a test says so for one run, or for the
//! whole process where the environment variable `TAILFILL_FAILPOINTS` names it: `scripts/break` turns each on in
//! turn, and the tests that claim to hold the mechanism must fail.

mod kill;

#[cfg(feature = "failpoints")]
pub(crate) use kill::is_armed;
pub use kill::{KillPoint, kill_at};

macro_rules! switches {
    ($($(#[doc = $doc:literal])+ $switch:ident = $name:literal;)+) => {
        /// The mechanisms that can be turned off.
        #[cfg(feature = "failpoints")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Switches {
            $($(#[doc = $doc])+ pub $switch: bool,)+
        }

        /// The names of all switches, as `TAILFILL_FAILPOINTS` takes them.
        #[cfg(feature = "failpoints")]
        pub const NAMES: &[&str] = &[$($name),+];

        /// The switches that `TAILFILL_FAILPOINTS` names, by commas.
        #[cfg(feature = "failpoints")]
        fn of_process() -> &'static Switches {
            static OF_PROCESS: std::sync::OnceLock<Switches> = std::sync::OnceLock::new();
            OF_PROCESS.get_or_init(|| {
                let names = std::env::var("TAILFILL_FAILPOINTS").unwrap_or_default();
                let on = |name: &str| names.split(',').any(|given| given.trim() == name);
                Switches { $($switch: on($name),)+ }
            })
        }

        impl Failpoints {
            $($(#[doc = $doc])+ pub fn $switch(self) -> bool {
                #[cfg(feature = "failpoints")]
                return self.switches.$switch || of_process().$switch;
                #[cfg(not(feature = "failpoints"))]
                false
            })+
        }
    };
}

/// Which mechanisms are off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failpoints {
    #[cfg(feature = "failpoints")]
    switches: Switches,
}

impl Failpoints {
    /// Turns off what `switches` names; all else does its work.
    #[cfg(feature = "failpoints")]
    pub fn new(switches: Switches) -> Failpoints {
        Failpoints { switches }
    }
}

switches! {
    /// Start (and resume) from the binlog's head as SHOW BINARY LOG STATUS tells it, not from the executed set.
    start_from_binlog_status = "start-from-binlog-status";
    /// Chunks write with the newest tick, not with a safe mark (I3).
    chunk_uses_newest_tick = "chunk-uses-newest-tick";
    /// A tail that is resumed continues from what the source has now, not from what it has read.
    resume_from_now = "resume-from-now";
    /// What a person pauses is paused in this process only.
    pause_not_durable = "pause-not-durable";
    /// A newer position is taken like an older one: what lies between is neither read nor copied again (I5).
    newer_position_not_refused = "newer-position-not-refused";
    /// A position that leaves out a transaction, and has one behind it, is taken (I5).
    hole_not_refused = "hole-not-refused";
    /// A replay from an older position does not say up to where older states may show.
    replay_not_noted = "replay-not-noted";
    /// The tables of a transaction that is left out are neither parked nor copied again (I5).
    skipped_not_copied = "skipped-not-copied";
    /// A target that is brought back joins before the tail has passed what was committed by then (I5).
    recopy_before_tail = "recopy-before-tail";
    /// What a re-copy did when its run began anew elsewhere is forgotten, and not begun again.
    interrupted_not_repeated = "interrupted-not-repeated";
    /// A worker waits for its pace under the leases of the part that it copies next (I8).
    permit_under_leases = "permit-under-leases";
    /// A part stands in the queue for all of its lists as soon as one of them is busy.
    parts_wait_for_all = "parts-wait-for-all";
    /// A signal that cannot be read does not hold the copy.
    unread_signal_is_free = "unread-signal-is-free";
    /// Limits that a person sets hold in this process only.
    limits_not_durable = "limits-not-durable";
    /// An insert and a delete of one address in one batch cancel each other out.
    insert_delete_cancels = "insert-delete-cancels";
    /// A NULL column is left out of a write instead of getting a marker.
    null_markers_dropped = "null-markers-dropped";
    /// An address that is deleted and written in one batch gets a family marker and puts at one tick.
    family_marker_with_put = "family-marker-with-put";
    /// What was journaled is cut anew and gets new ticks after a restart (I2).
    replay_takes_new_ticks = "replay-takes-new-ticks";
    /// The checkpoint moves over a batch as soon as it is journaled (I5).
    checkpoint_before_write = "checkpoint-before-write";
    /// Cells and count of a row are written one after the other, and without comparing (I11).
    count_by_plain_put = "count-by-plain-put";
    /// Rows are counted from the start on, while chunks may still bring items.
    count_pass_before_caught_up = "count-pass-before-caught-up";
    /// Rows are counted although a process that is thought dead may still copy.
    count_beside_zombies = "count-beside-zombies";
    /// A `c:t` above every tick that was handed out is taken for ours.
    foreign_ticks_taken = "foreign-ticks-taken";
    /// Writes are sent also after the deadline of their lease (I4).
    lease_deadline_ignored = "lease-deadline-ignored";
    /// A state that another owner has taken over is written to all the same (I2).
    owner_not_fenced = "owner-not-fenced";
    /// Batches are sent before the journal holds them (I2).
    journal_after_send = "journal-after-send";
    /// An address that a batch passes through gets no delete, whatever was there before.
    passed_through_dropped = "passed-through-dropped";
    /// A wide row counts as written once some of its cells are.
    cells_taken_for_rows = "cells-taken-for-rows";
    /// Chunks count as done before their rows are written (I8).
    chunk_done_before_write = "chunk-done-before-write";
    /// Delete markers may be purged at any time (I7).
    purge_delay_not_asked = "purge-delay-not-asked";
    /// Events are taken as they come, whatever their CRC-32.
    crc_not_checked = "crc-not-checked";
    /// An event of an unknown type is passed over (I9).
    unknown_events_passed_over = "unknown-events-passed-over";
    /// Whoever reaches the admin address may change something.
    admin_token_not_asked = "admin-token-not-asked";
    /// The lists of a pilot are not copied again when others join, whether or not their own copy was complete (I8).
    pilot_taken_for_copied = "pilot-taken-for-copied";
    /// A re-copy does not delete what only HBase has.
    recopy_keeps_extras = "recopy-keeps-extras";
    /// A gap that is accepted is neither noted nor does it park anything.
    gap_forgotten = "gap-forgotten";
    /// A position that a person names becomes the checkpoint before the source was asked for it.
    position_not_asked_for = "position-not-asked-for";
    /// A re-copy does not wait until what was sent before has landed.
    recopy_inside_horizon = "recopy-inside-horizon";
    /// A comparison passes over rows of MySQL that share one address in HBase.
    duplicates_hidden = "duplicates-hidden";
    /// A comparison does not ask that the scans of both sides agree in number.
    scans_not_counted = "scans-not-counted";
    /// A target goes on with the columns that are configured now, whatever its rows have.
    columns_of_now = "columns-of-now";
    /// Keys go back to MySQL as text that the server converts, and two codes of one character are one key.
    key_text_not_bytes = "key-text-not-bytes";
    /// The session has the settings that it was opened with, whatever they are.
    session_charset_trusted = "session-charset-trusted";
    /// What looks different to a comparison is different, whatever is under way.
    difference_believed = "difference-believed";
    /// What was read while a list was held up is compared with a SELECT of later, whatever changed since.
    hold_compared_with_select = "hold-compared-with-select";
    /// Who goes on with a verification has the places of its walks, and not what lies behind them.
    resumed_sums_dropped = "resumed-sums-dropped";
    /// What a look-up does not find is not there, whatever a scan has shown.
    absence_believed = "absence-believed";
    /// A clock that is far from MySQL's or HBase's is taken for right (I6).
    clocks_not_compared = "clocks-not-compared";
    /// A source is taken for the one that was tailed because it has the same GTIDs.
    source_not_compared = "source-not-compared";
    /// While a connection is up, nobody asks whether the source still is the one that is tailed.
    source_not_watched = "source-not-watched";
    /// Statements are read as UTF-8 under the default sql_mode, whatever their session had (I9).
    statement_charset_ignored = "statement-charset-ignored";
    /// A change in statement format is harmless where it does not name a mapped table (I9).
    statement_format_trusted = "statement-format-trusted";
    /// An HBase table is taken for the one that the rows were copied into because it has the same name.
    table_not_compared = "table-not-compared";
    /// Rows are read by the definition that the server has now, not by that of their position.
    definition_of_now = "definition-of-now";
    /// A definition is believed as it was read, without a look ahead.
    definition_not_proven = "definition-not-proven";
    /// A definition is used without being durable.
    definition_after_rows = "definition-after-rows";
    /// A parking is in no history: a restart reads the rows behind it.
    parking_forgotten = "parking-forgotten";
    /// A run maps its tables by what they are now, whatever the state knows of them.
    tables_of_now = "tables-of-now";
    /// A SELECT that a statement of before has failed ends the run, though the tail will park its table.
    overtaken_select_ends = "overtaken-select-ends";
    /// What was judged before its rows were sealed is asked again when they are read again (I2).
    judged_again = "judged-again";
    /// An XA COMMIT whose PREPARE the stream has not read is harmless.
    xa_commit_trusted = "xa-commit-trusted";
    /// Rows are read by the definition whatever their table map says of them.
    wire_not_checked = "wire-not-checked";
    /// A definition of which only the names are known reads rows by the places of columns.
    names_not_asked_for = "names-not-asked-for";
    /// An ALTER of a mapped column changes no bytes of rows that are there.
    bytes_not_compared = "bytes-not-compared";
    /// An older position is taken without a look at what changed the tables since.
    nothing_looked_for_before = "nothing-looked-for-before";
}
