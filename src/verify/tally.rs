//! What the first reading makes of counts beside the cells that they count.

use super::digest::Suspects;
use super::report::VerifyTargetReport;
use crate::compare::RowTally;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Rows that are remembered by name because they were written to while they were read.
const MOVED_MAX: usize = 10_000;

/// What the first reading has seen of the counts of a target.
#[derive(Clone)]
pub struct CountsSeen {
    /// Whether every row that has items must have a count by now.
    due: bool,
    /// Rows that say how many items they have, and rows that need not yet.
    compared: u64,
    uncounted: u64,
    /// Where a row has not as many cells as it says, or should say.
    pub suspects: Suspects,
    /// Rows that were written to meanwhile, so that it proves nothing that they have as many cells as they say.
    pub moved: BTreeSet<Bytes>,
}

/// [`CountsSeen`] as an interrupted pass keeps it: partitions by their numbers, rows in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsRecord {
    due: bool,
    compared: u64,
    uncounted: u64,
    suspects: Vec<usize>,
    moved: Vec<String>,
}

impl CountsSeen {
    pub fn new(due: bool) -> CountsSeen {
        CountsSeen { due, compared: 0, uncounted: 0, suspects: Suspects::none(), moved: BTreeSet::new() }
    }

    /// As it is kept.
    pub fn record(&self) -> CountsRecord {
        let CountsSeen { due, compared, uncounted, .. } = *self;
        let moved = self.moved.iter().map(hex::encode).collect();
        CountsRecord { due, compared, uncounted, suspects: self.suspects.each().collect(), moved }
    }

    /// As it was kept; `None`: a row is none.
    pub fn of(record: CountsRecord) -> Option<CountsSeen> {
        let CountsRecord { due, compared, uncounted, suspects, moved } = record;
        let moved =
            moved.iter().map(|row| hex::decode(row).map(Bytes::from)).collect::<Result<_, _>>().ok()?;
        Some(CountsSeen { due, compared, uncounted, suspects: Suspects::of(suspects), moved })
    }

    pub fn add(&mut self, tally: &RowTally) {
        match tally.count {
            Some(_) => self.compared += 1,
            None if !self.due && tally.cells > 0 => self.uncounted += 1,
            None => {}
        }
        match judge(tally, self.due) {
            Judged::Fits | Judged::Open => {}
            Judged::Moved if self.moved.len() < MOVED_MAX => drop(self.moved.insert(tally.row.clone())),
            Judged::Moved | Judged::Suspect => self.suspects.mark_row(&tally.row),
        }
    }

    /// Whether a row has to be looked at again.
    pub fn any(&self) -> bool {
        self.suspects.any() || !self.moved.is_empty()
    }

    pub fn note(&self, report: &mut VerifyTargetReport) {
        report.counts_compared = self.compared;
        report.uncounted = self.uncounted;
    }
}

/// What a row says of how many cells it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The number that it has.
    Fits,
    /// The number that was found, of a row that was written to meanwhile.
    Moved,
    /// Another number, or nothing although it was counted.
    Suspect,
    /// Nothing, and it need not.
    Open,
}

pub fn judge(tally: &RowTally, due: bool) -> Judged {
    match tally.count {
        Some(count) if count != tally.cells => Judged::Suspect,
        Some(_) if tally.rested => Judged::Fits,
        Some(_) => Judged::Moved,
        None if due && tally.cells > 0 => Judged::Suspect,
        None => Judged::Open,
    }
}
