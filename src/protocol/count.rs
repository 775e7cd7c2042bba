//! Counts: what becomes of a row of a counted target, and of its number of items (I11).
//!
//! Pure. A row's `c:t` is the tick of the last that was done to it; everything is one write that is made only where
//! `c:t` is still what was read. So the number that is written was reckoned from the cells that are there:
//! - what was done already (`c:t` at or above the tick) is done no more;
//! - an item counts by whether its cell is there, not by what the change says: a repeated insert adds nothing;
//! - nothing that is compared goes back: each tick is handed out once, and `c:t` only rises.
//!
//! What this cannot see is a plain write: a chunk's. So while one may still bring an item, no row has a count
//! ([`CountMode::NotYet`]); see `pipeline::counts::counting` for when that ends.

use crate::lock::ListId;
use crate::model::{TargetId, Tick};
use crate::sink::{CountChange, CountedRow, CountedWrite};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Whether rows of a target have counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountMode {
    /// Chunks may still bring items: nobody sets a count, and one that is there from before is taken away.
    NotYet,
    /// No chunk can change what is there: whoever writes a row leaves it counted.
    Counting,
}

/// What is done to a row at one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowWork {
    /// Done already where `c:t` is not below it.
    pub tick: Tick,
    /// Decided before the row is read.
    pub what: WorkKind,
}

/// What a tick asks of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// A batch's last operation on each item that it mentions; no item is in both.
    Batch {
        /// Qualifier and value of each item that is there afterwards.
        puts: Vec<(Bytes, Bytes)>,
        /// Qualifiers of the items that are not there afterwards.
        delete_columns: Vec<Bytes>,
    },
    /// Sets the count of a row that has none.
    Count,
    /// Takes the count of a row away.
    Forget,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is done already, or there is nothing to do.
    Done,
    /// Find out how many cells the row has, then ask again.
    CountCells,
    /// Send this; where it is refused, read again.
    Write(CountedWrite),
    /// Nothing: the row's `c:t` is none of ours, and would pass for changes that were never made.
    Foreign,
}

/// Decides on `work` for a row as it was `found`. `whole`: how many cells it has in all, where somebody has counted
/// them since.
///
/// A recount takes its place in the row's queue behind every lower tick, so a row that is past it has had it, or a batch
/// that set the count. One that has not is [`Step::Foreign`].
pub fn step(found: &CountedRow, work: &RowWork, mode: CountMode, whole: Option<u64>) -> Step {
    if found.tick >= Some(work.tick) {
        return match work.what {
            WorkKind::Count if found.count.is_none() => Step::Foreign,
            WorkKind::Forget if found.count.is_some() => Step::Foreign,
            _ => Step::Done,
        };
    }
    let (puts, delete_columns, count) = match &work.what {
        WorkKind::Forget if found.count.is_none() => return Step::Done,
        WorkKind::Forget => (Vec::new(), Vec::new(), CountChange::Remove),
        WorkKind::Count if found.count.is_some() => return Step::Done,
        WorkKind::Count => match whole {
            Some(items) => (Vec::new(), Vec::new(), CountChange::Set(items)),
            None => return Step::CountCells,
        },
        WorkKind::Batch { puts, delete_columns } => {
            let Some(count) = count_after(found, puts, delete_columns, mode, whole) else {
                return Step::CountCells;
            };
            (puts.clone(), delete_columns.clone(), count)
        }
    };
    let (row, expected, tick) = (found.row.clone(), found.tick, work.tick);
    Step::Write(CountedWrite { row, expected, tick, puts, delete_columns, count })
}

/// `None`: the row's cells must be counted first.
fn count_after(
    found: &CountedRow,
    puts: &[(Bytes, Bytes)],
    delete_columns: &[Bytes],
    mode: CountMode,
    whole: Option<u64>,
) -> Option<CountChange> {
    if mode == CountMode::NotYet {
        return Some(if found.count.is_some() { CountChange::Remove } else { CountChange::Keep });
    }
    let is_there = |qualifier: &Bytes| found.present.binary_search(qualifier).is_ok();
    let come = puts.iter().filter(|(qualifier, _)| !is_there(qualifier)).count() as u64;
    let gone = delete_columns.iter().filter(|qualifier| is_there(qualifier)).count() as u64;
    let before = whole.or(found.count)?;
    match (before + come).checked_sub(gone) {
        Some(items) => Some(CountChange::Set(items)),
        // the count that was read is none of ours
        None if whole.is_none() => None,
        // somebody else wrote between two reads: the compare refuses this
        None => Some(CountChange::Set(0)),
    }
}

/// The row as it is once `write` was made, so that the next tick's work need not read it again. Of `present` it is
/// true for the items that were asked for, those of `write` among them.
pub fn after(mut found: CountedRow, write: &CountedWrite) -> CountedRow {
    found.tick = Some(write.tick);
    match write.count {
        CountChange::Keep => {}
        CountChange::Set(items) => found.count = Some(items),
        CountChange::Remove => found.count = None,
    }
    let mut present: BTreeSet<Bytes> = found.present.into_iter().collect();
    write.delete_columns.iter().for_each(|qualifier| _ = present.remove(qualifier));
    present.extend(write.puts.iter().map(|(qualifier, _)| qualifier.clone()));
    found.present = present.into_iter().collect();
    found
}

/// What a walk over a target's rows asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recounting {
    /// Rows without a count get one.
    Count,
    /// Rows with a count lose it.
    Forget,
}

/// Rows of a counted target whose counts are to be set or taken away, at a mark of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recount {
    /// A counted one.
    pub target: TargetId,
    /// The same for all of its rows.
    pub what: Recounting,
    /// Each with its list, by list.
    pub rows: Vec<(ListId, Bytes)>,
}

/// The part of a recount that lies in one list. It stands in the list's queue behind every batch below its tick and
/// before every one above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRecount {
    /// Its lease covers all the rows.
    pub list: ListId,
    /// A counted one.
    pub target: TargetId,
    /// That of the mark at which it is done.
    pub tick: Tick,
    /// The same for all of its rows.
    pub what: Recounting,
    /// Row keys, all of the list.
    pub rows: Vec<Bytes>,
}

impl Recount {
    /// Its parts by list, at `tick`.
    pub fn by_list(&self, tick: Tick) -> Vec<ListRecount> {
        let of_list = |group: &[(ListId, Bytes)]| ListRecount {
            list: group[0].0,
            target: self.target,
            tick,
            what: self.what,
            rows: group.iter().map(|(_, row)| row.clone()).collect(),
        };
        let mut rows = self.rows.clone();
        rows.sort_unstable();
        rows.chunk_by(|(a, _), (b, _)| a == b).map(of_list).collect()
    }
}

impl ListRecount {
    pub(crate) fn work(&self) -> RowWork {
        let what = match self.what {
            Recounting::Count => WorkKind::Count,
            Recounting::Forget => WorkKind::Forget,
        };
        RowWork { tick: self.tick, what }
    }
}

#[cfg(test)]
#[path = "count_tests.rs"]
mod tests;
