//! What was thrown at the pipeline, and how often: a kind of trouble that never comes proves nothing.

use std::collections::BTreeMap;
use std::fmt;

macro_rules! kinds {
    ($($kind:ident = $text:literal,)+) => {
        /// A kind of trouble, or something that came of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Thrown {
            $($kind,)+
        }

        const ALL: &[(Thrown, &str)] = &[$((Thrown::$kind, $text),)+];
    };
}

kinds! {
    Crash = "processes killed",
    Zombie = "processes that live on",
    Stop = "processes stopped",
    PilotRun = "runs of a pilot",
    PilotGrows = "pilots that got larger",
    TailPaused = "tails paused",
    BackfillPaused = "backfills paused",
    Resumed = "tails and backfills resumed",
    MovedBack = "tails moved back",
    MovedOver = "tails moved over changes",
    Skipped = "transactions skipped",
    Limited = "times that limits of the copy were set",
    Outage = "servers away",
    Extra = "items that only HBase has",
    Missing = "items taken from HBase",
    Changed = "items changed in HBase",
    WrongCount = "counts made wrong",
    Late = "writes of before that land late",
    OfAll = "re-copies of the mapping that were done",
    OfLists = "re-copies of lists that were done",
    DryRun = "dry runs that were done",
    Unfinished = "re-copies that were cut short",
    AloneRun = "runs for a re-copy alone",
    Mended = "damaged lists mended on the way",
    Written = "items written by re-copies",
    Deleted = "items deleted by re-copies",
    Recounted = "rows recounted by re-copies",
    Idle = "re-copies of what is right, which touched nothing",
    Refusal = "targets refused",
    ParkedByRefusal = "targets parked because they were refused",
    LeftOut = "runs that left a target out",
    ParkedByLeaving = "targets parked because they were left out",
    Joined = "runs after which a target joins",
    Unparked = "targets taken back",
    Failover = "failovers",
    Reordered = "transactions in another order there",
    CannotCut = "journals that could not be cut again",
    Lossy = "failovers that lost transactions",
    HaltedByLoss = "runs that halted because the source lost what was journaled",
    NothingLost = "lossy failovers that lost nothing that was journaled",
    Compaction = "compactions",
    Purged = "delete markers purged",
    IndexAdded = "indexes added",
    ColumnAdded = "columns added",
    ColumnDropped = "columns dropped",
    ColumnReplaced = "columns dropped as another one was added",
    ColumnMoved = "columns moved",
    MappedMoved = "mapped columns moved",
    MappedWidened = "mapped columns made longer",
    MappedExchanged = "mapped columns that exchanged their names",
    MappedRetyped = "mapped columns that changed their type",
    MappedRefilled = "mapped columns dropped and added",
    Truncated = "tables truncated",
    Dropped = "tables dropped",
    Recreated = "tables created again",
    ReadByPlaces = "transactions in bytes, without names of columns",
    ReadByNames = "transactions in bytes, with names of columns",
    ReadBehind = "transactions that were read when the table had another definition already",
    ParkedByStatement = "tables whose rows were left out from somewhere on",
    LeftOutRows = "transactions of which rows were left out",
    ReadAgain = "tables whose rows were read again",
    ParkedByDefinition = "targets parked because of a definition",
}

/// How often each kind came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Thrown, u64>);

impl Tally {
    pub fn add(&mut self, kind: Thrown, times: u64) {
        *self.0.entry(kind).or_default() += times;
    }

    pub fn add_all(&mut self, other: &Tally) {
        other.0.iter().for_each(|(kind, times)| self.add(*kind, *times));
    }

    pub fn of(&self, kind: Thrown) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// The kinds that never came.
    pub fn never(&self) -> Vec<&'static str> {
        ALL.iter().filter(|(kind, _)| self.of(*kind) == 0).map(|(_, text)| *text).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ALL.iter().try_for_each(|(kind, text)| writeln!(f, "{:>8}  {text}", self.of(*kind)))
    }
}
