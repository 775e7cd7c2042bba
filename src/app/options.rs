//! What a command was asked to do, typed; the command line makes these.

use crate::model::{Pilot, Reached, Value, Wanted, Work};
use crate::verify::{Question, Side};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    pub json: bool,
    /// A query that no target answers is only a warning.
    pub accept_unanswered: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitOptions {
    /// Take over tables that another run created.
    pub adopt: bool,
    /// A query that no target answers is only a warning.
    pub accept_unanswered: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunOptions {
    pub mode: RunMode,
    /// Where the tail begins; `None`: at the checkpoint, or now when there is none.
    pub from: Option<StartAt>,
    /// End once every chunk is copied and the checkpoint has reached the source's position of
    /// that moment.
    pub until_caught_up: bool,
    pub lists: Lists,
    /// Read and count, write nothing.
    pub dry_run: bool,
    /// What a person has paused runs again.
    pub resume: bool,
    /// Where to write what the run did, as one flat JSON object.
    pub summary: Option<std::path::PathBuf>,
    /// A query that no target answers is only a warning.
    pub accept_unanswered: bool,
    /// Go on where the source cannot be continued from the checkpoint, and copy everything again.
    pub accept_gap: bool,
}

/// Which sides of a run work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunMode {
    #[default]
    TailAndBackfill,
    TailOnly,
    BackfillOnly,
}

impl RunMode {
    /// Whether it tails, whether it copies.
    pub fn sides(self) -> (bool, bool) {
        match self {
            RunMode::TailAndBackfill => (true, true),
            RunMode::TailOnly => (true, false),
            RunMode::BackfillOnly => (false, true),
        }
    }
}

/// POSITION, as a person gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// `FILE:OFFSET` in the source's binlog.
    FileOffset { file: String, offset: u64 },
    /// A set of transactions: everything in it counts as read.
    Reached(Reached),
    /// What the source has committed now.
    Now,
    /// The beginning of the oldest binlog that the source has.
    Earliest,
    /// Before the first transaction that the source committed at this moment or later, microseconds since 1970.
    Moment { micros: i64 },
}

/// Which lists a run moves.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Lists {
    /// Those of the last run; all if there was none.
    #[default]
    OfBefore,
    All,
    Pilot(Pilot),
}

/// What `verify` compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compared {
    /// Every item of every mapping.
    #[default]
    Items,
    /// So many items of each target, drawn at random.
    Sample { items: u64 },
    /// The answers to each configured query.
    Answers {
        /// Lists of each mapping that are drawn at random.
        random: usize,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    pub compared: Compared,
    /// Go on with the full comparison that was interrupted.
    pub resume: bool,
    pub json: bool,
    /// Say what a re-copy of the lists that differ would touch.
    pub repair: bool,
    /// With `repair`: do it, and compare again.
    pub yes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeverOptions {
    /// What is paused or resumed.
    pub works: Vec<Work>,
    pub wanted: Wanted,
    /// Why; may be empty.
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecopyOptions {
    /// The mapping's name.
    pub mapping: String,
    /// Values of the key columns of these lists; all of the mapping when empty.
    pub lists: Vec<Vec<Value>>,
    /// Touch HBase; else only say what would be touched.
    pub yes: bool,
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GetOptions {
    /// Values of the mapping's key columns, in key order.
    pub key: Vec<Value>,
    pub what: Question,
    pub from: Side,
    /// HBase answers from this table, whether or not another does better.
    pub table: Option<String>,
    /// Say how much was read.
    pub stats: bool,
    pub json: bool,
}

/// What goes into a support bundle, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SupportOptions {
    /// The archive; `None`: a new file in the working folder, with the time in its name.
    pub output: Option<std::path::PathBuf>,
    /// The log of a run, which tailfill itself does not keep.
    pub log: Option<std::path::PathBuf>,
}
