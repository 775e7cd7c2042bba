//! What a run says of itself: the answer of `GET /status`, and what `tailfill status` prints.
//!
//! A snapshot, without references into the run. Field names are the JSON's; a field may be added,
//! none changes its meaning.

mod figures;
pub(crate) mod text;
mod throttle;
mod verification;
mod wait;

pub use throttle::{Holding, LimitShown, Origin, ThrottleShown, ThrottleStatus};
pub use verification::{ContinuousStatus, FindingShown, LastWalk, VerifyStatus, WalkShown};
pub use wait::{Awaited, Concern, Kind, Wait, Warning, Who};

use crate::model::{Control, Work};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Makes a [`Status`] of now; called for every request, so it must be quick and never wait.
pub type StatusSource = Arc<dyn Fn() -> Status + Send + Sync>;

/// The state of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    /// The id of the state, which its HBase tables carry.
    #[serde(default)]
    pub state_id: String,
    pub pid: u32,
    /// When this was made, milliseconds since 1970.
    #[serde(default)]
    pub at_ms: u64,
    /// Milliseconds since 1970.
    pub started_at_ms: u64,
    pub uptime_seconds: u64,
    pub phase: Phase,
    /// What a person wants of the tail and of the backfill.
    #[serde(default)]
    pub control: Control,
    /// How fast the copy may be now, and what holds it back.
    #[serde(default)]
    pub throttle: ThrottleStatus,
    /// In how many seconds the source may purge the first change that is not in HBase yet; `None`: never, or not known.
    #[serde(default)]
    pub purge_in_seconds: Option<u64>,
    /// How long the file of the state is; `None`: not known (a dry run has none).
    #[serde(default)]
    pub state_file_bytes: Option<u64>,
    /// Whether only some lists are moved, those of a pilot.
    #[serde(default)]
    pub pilot: bool,
    /// Which lists these are, in words: `2 lists of followers; 1% of replies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pilot_lists: Option<String>,
    /// Everything that somebody waits for now, as sentences; empty: nobody waits.
    pub waits: Vec<String>,
    /// The same as data, in the same order.
    #[serde(default)]
    pub waiting: Vec<Wait>,
    /// What is to be watched although nobody waits for it.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    pub positions: Positions,
    pub lag: Lag,
    /// Whether the source answers; `None`: it was not asked yet.
    #[serde(default)]
    pub source: Option<Answers>,
    /// Whether HBase takes writes; `None`: nothing is known yet.
    #[serde(default)]
    pub hbase: Option<Answers>,
    /// The newest safe mark; `None` until there is one.
    pub mark: Option<Mark>,
    /// How far the newest tick is ahead of the clock (I6).
    pub tick_lead_ms: u64,
    pub tail: TailTotals,
    pub leases: LeaseTotals,
    #[serde(default)]
    pub store: StoreTotals,
    pub retries: Retries,
    /// One for each target of each mapping, in the order of the configuration.
    pub targets: Vec<TargetStatus>,
    /// Gaps that were accepted and are not made good yet: mappings that missed changes are copied again.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// What the run compares by itself.
    #[serde(default)]
    pub verify: VerifyStatus,
}

impl Status {
    /// Shows who waits, as data and as sentences.
    pub fn show_waits(&mut self, waiting: Vec<Wait>) {
        self.waits = waiting.iter().map(|wait| wait.words.clone()).collect();
        self.waiting = waiting;
    }

    /// Why the run does not do its work now; `None`: it does.
    pub fn unready(&self) -> Option<String> {
        match self.phase {
            Phase::Tailing if self.control.is_paused(Work::Tail) => Some("the tail is paused".to_owned()),
            Phase::Tailing | Phase::Copying => self.silent(0),
            phase => Some(phase.name().to_owned()),
        }
    }

    /// Why the run may not recover by itself: it has ended, or a server has not answered for a minute. `None`: it is well.
    pub fn unhealthy(&self) -> Option<String> {
        match self.phase {
            Phase::Ended => Some(self.phase.name().to_owned()),
            _ => self.silent(SILENT_MS),
        }
    }

    /// The first server that has not answered for `ms` milliseconds.
    fn silent(&self, ms: u64) -> Option<String> {
        let servers = [("source", self.source), ("hbase", self.hbase)];
        let silent = |server: &Answers| !server.answers && self.at_ms.saturating_sub(server.since_ms) >= ms;
        let (name, _) = servers.into_iter().find(|(_, server)| server.as_ref().is_some_and(silent))?;
        Some(format!("{name} does not answer"))
    }
}

/// How long a server may be silent before a run counts as unhealthy, milliseconds.
const SILENT_MS: u64 = 60_000;

/// Changes that the source could not give any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// They lie after this, and up to `to`.
    pub from: PositionStatus,
    pub to: PositionStatus,
    pub reason: String,
    /// Milliseconds since 1970.
    pub accepted_at_ms: u64,
    /// The mappings that are not copied again yet.
    pub mappings: Vec<String>,
}

/// What the run does as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Starting,
    /// The history is copied, nothing is tailed (`--backfill-only`).
    Copying,
    /// The binlog is tailed; history may be copied beside it.
    Tailing,
    /// Batches are sent again: HBase may show older states until the old head is passed.
    Replaying,
    /// Asked to stop: what is under way is finished and checkpointed.
    Draining,
    /// Over; the process is about to end.
    Ended,
    /// No process runs: this was read from the state.
    Stopped,
}

impl Phase {
    pub const ALL: [Phase; 7] = [
        Phase::Starting,
        Phase::Copying,
        Phase::Tailing,
        Phase::Replaying,
        Phase::Draining,
        Phase::Ended,
        Phase::Stopped,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Copying => "copying",
            Phase::Tailing => "tailing",
            Phase::Replaying => "replaying",
            Phase::Draining => "draining",
            Phase::Ended => "ended",
            Phase::Stopped => "stopped",
        }
    }
}

/// The four positions, never mixed (DESIGN section 6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    pub received: PositionStatus,
    pub sealed: PositionStatus,
    pub written: PositionStatus,
    pub checkpointed: PositionStatus,
}

impl Positions {
    /// All four with their names, in the order in which a change passes them.
    pub fn named(&self) -> [(&'static str, &PositionStatus); 4] {
        [
            ("received", &self.received),
            ("sealed", &self.sealed),
            ("written", &self.written),
            ("checkpointed", &self.checkpointed),
        ]
    }
}

/// A position in the source's binlog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionStatus {
    /// A GTID set, in MySQL's text form.
    pub gtids: String,
    /// Empty when it is not known yet.
    pub file: String,
    pub offset: u64,
}

/// How far `written` is behind the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Everything that the source had committed this long ago is in HBase; 0 when all of it is, `None` when it is not
    /// known. It grows while the source does not answer.
    pub seconds: Option<f64>,
    /// Bytes of binlog; `None` when it is not known.
    pub bytes: Option<u64>,
    /// From commit in MySQL to written in HBase, over the run: median and 99th percentile.
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// The same of what was written in the last minute and in the last ten.
    #[serde(default)]
    pub last_minute: LagWindow,
    #[serde(default)]
    pub last_ten_minutes: LagWindow,
}

/// From commit in MySQL to written in HBase, over a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LagWindow {
    /// That were written in it; with 0 the others say nothing.
    pub transactions: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// Whether a server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    pub answers: bool,
    /// Since when that is so, milliseconds since 1970.
    pub since_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub tick: u64,
    pub age_ms: u64,
}

/// What was tailed since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailTotals {
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
    pub batches: u64,
    /// Changes that are read and not written yet.
    pub queued_rows: u64,
}

/// Leases since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeaseTotals {
    pub acquired: u64,
    /// Times a list was put aside because this process held it.
    pub waits: u64,
    /// Times a list was put aside because another program held it.
    pub elsewhere: u64,
    /// Of both, those of the tail: lists that it asked for again later.
    pub tail_put_aside: u64,
    /// Times a part of the copy was put aside because some of its lists were not free.
    pub parts_put_aside: u64,
    /// Whether Memcache is away, so that leases come from this process alone.
    pub degraded: bool,
    /// Leases that were given back to Memcache; with `acquired`, the pairs.
    pub released: u64,
    /// Round trips to Memcache: one to take leases, two to give them back.
    pub round_trips: u64,
    /// Nanoseconds that windows and chunks spent in taking and giving back leases, summed over those that do
    /// it side by side.
    pub waited_nanos: u64,
    /// Nanoseconds from asking for leases to having given them back, where they were granted, summed
    /// likewise. `waited_nanos` of it is the share of their time that leases cost.
    pub holding_nanos: u64,
}

/// Durable commits of the state since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreTotals {
    pub commits: u64,
    /// Nanoseconds from asking for a commit to its being durable.
    pub commit_nanos: u64,
    /// Of them, those of the journal: sending waits for them, sealing does not.
    pub journal_commits: u64,
    pub journal_commit_nanos: u64,
}

/// Calls that failed and were repeated, since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    pub source: u64,
    pub sink: u64,
}

/// One target of one mapping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    pub mapping: String,
    /// HBase table and family.
    pub table: String,
    pub family: String,
    /// The life cycle's state as it prints itself; `parked` holds its reason.
    pub life_cycle: String,
    /// The columns that become cells, by name; `None` of an earlier build.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    pub chunks_done: u64,
    /// Chunks whose bounds are known and that are not copied yet.
    pub chunks_to_do: u64,
    /// How many there will be, about.
    pub chunks_total_estimate: u64,
    pub rows_copied: u64,
    pub rows_per_second: f64,
    /// Until the copy is complete; `None` when it is, or when nothing can be said.
    pub eta_seconds: Option<u64>,
    /// `None`: the target is not counted.
    #[serde(default)]
    pub counts: Option<CountsStatus>,
}

/// How far the counts of one target have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsStatus {
    /// `uncounted` (until the copy is complete and the tail has passed it), `counting`, `counted`.
    pub state: String,
    /// Rows that the present walk over all rows has passed.
    pub rows_walked: u64,
    /// Rows that walks of this process have counted; changes count rows too, which is not in here.
    pub rows_counted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(phase: Phase, silent_for_ms: Option<u64>) -> Status {
        let source = silent_for_ms.map(|ms| Answers { answers: false, since_ms: 1_000_000 - ms });
        let hbase = Some(Answers { answers: true, since_ms: 1 });
        Status { phase, at_ms: 1_000_000, source, hbase, ..Status::default() }
    }

    #[test]
    fn a_run_is_ready_while_both_servers_answer_and_well_for_a_minute_longer() {
        let no = || Some("source does not answer".to_owned());
        let cases = [
            (Phase::Tailing, None, None, None),
            (Phase::Copying, None, None, None),
            (Phase::Tailing, Some(59_999), no(), None),
            (Phase::Tailing, Some(60_000), no(), no()),
            (Phase::Starting, None, Some("starting".to_owned()), None),
            (Phase::Replaying, None, Some("replaying".to_owned()), None),
            (Phase::Ended, None, Some("ended".to_owned()), Some("ended".to_owned())),
        ];
        for (phase, silent_for_ms, unready, unhealthy) in cases {
            let status = status(phase, silent_for_ms);
            assert_eq!(
                (status.unready(), status.unhealthy()),
                (unready, unhealthy),
                "{phase:?} {silent_for_ms:?}"
            );
        }
    }
}
