//! Counts beside the cells that they count, row by row, without holding more than a page of either.
//!
//! A walk over the cells of a wide target knows how many each row has once it has passed the row. What the rows say
//! of themselves (`c:n`) is read then. In between the row may be written to, so that a wrong count fits by chance.
//! Whatever writes to a counted row moves its `c:t`, so that is read before the row too ([`Ahead`]): a row has rested
//! where it is the same before and after.

use super::VerifyError;
use super::ahead::Ahead;
use super::digest::Suspects;
use super::found::Found;
use super::read::SinkReader;
use super::report::TargetReport;
use super::scan::{BucketWalk, PAGE_ITEMS_MAX};
use crate::model::Target;
use crate::sink::{CountedRow, ScanRange};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec::IntoIter;

/// A row of a counted target. Rows without cells and without count are not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowTally {
    pub row: Bytes,
    /// How many it has.
    pub cells: u64,
    /// What it says.
    pub count: Option<u64>,
    /// Nothing was done to it since before its first cell was read.
    pub rested: bool,
}

/// A walk over a part of a target which also looks at counts, where there are any.
pub struct TallyWalk<'a> {
    target: &'a Target,
    items: BucketWalk<'a>,
    /// Of the rows before this one counts were read.
    from: Bytes,
    stop: Bytes,
    /// The last row so far, which may go on.
    open: Option<(Bytes, u64)>,
    ahead: Ahead,
    merge: Option<Merge>,
    ended: bool,
}

/// What a walk comes upon.
pub enum Passed {
    Items(Vec<Found>),
    /// Rows that lie behind, in order.
    Rows(Vec<RowTally>),
}

impl<'a> TallyWalk<'a> {
    pub fn new(target: &'a Target, bucket: ScanRange) -> TallyWalk<'a> {
        TallyWalk::of(target, &bucket, BucketWalk::new(target, bucket.clone()))
    }

    /// A walk that leaves values out.
    pub fn names(target: &'a Target, bucket: ScanRange) -> TallyWalk<'a> {
        TallyWalk::of(target, &bucket, BucketWalk::names(target, bucket.clone()))
    }

    fn of(target: &'a Target, bucket: &ScanRange, items: BucketWalk<'a>) -> TallyWalk<'a> {
        let (from, stop) = (bucket.start.clone(), bucket.stop.clone());
        let ahead = Ahead::of(bucket);
        TallyWalk { target, items, from, stop, open: None, ahead, merge: None, ended: false }
    }

    /// The next page, of items or of rows; `None` after the last one.
    pub async fn next(&mut self, reader: &SinkReader<'_>) -> Result<Option<Passed>, VerifyError> {
        if let Some(merge) = &mut self.merge {
            let rows = merge.next(self.target, reader, &mut self.ahead).await?;
            self.merge.take_if(|merge| merge.rest.is_none());
            return Ok(Some(Passed::Rows(rows)));
        }
        if self.ended {
            return Ok(None);
        }
        if self.target.counted {
            self.ahead.look(self.target.id, reader, self.open.as_ref().map(|(row, _)| row)).await?;
        }
        let page = self.items.next(reader).await?;
        self.ended = page.is_none();
        if self.target.counted {
            let behind = self.take_in(page.as_deref());
            let until = self.open.as_ref().map_or(&self.stop, |(row, _)| row).clone();
            if self.ended || !behind.is_empty() {
                let start = std::mem::replace(&mut self.from, until.clone());
                self.merge = Some(Merge::new(behind, start, until));
            }
        }
        Ok(page
            .map(Passed::Items)
            .or_else(|| Some(Passed::Rows(Vec::new())).filter(|_| self.merge.is_some())))
    }

    /// The rows that ended with a page, with their cells; `None`: all did.
    fn take_in(&mut self, page: Option<&[Found]>) -> Vec<(Bytes, u64)> {
        let Some(page) = page else { return self.open.take().into_iter().collect() };
        let mut behind = Vec::new();
        for Found { address, .. } in page {
            match &mut self.open {
                Some((row, cells)) if *row == address.row => *cells += 1,
                open => behind.extend(open.replace((address.row.clone(), 1))),
            }
        }
        behind
    }
}

/// Rows with cells and rows with counts, in one order.
struct Merge {
    with_cells: Peekable<IntoIter<(Bytes, u64)>>,
    /// Of the counts.
    rest: Option<ScanRange>,
}

impl Merge {
    fn new(with_cells: Vec<(Bytes, u64)>, start: Bytes, stop: Bytes) -> Merge {
        let rest = Some(ScanRange { start, stop, reversed: false, limit: PAGE_ITEMS_MAX });
        Merge { with_cells: with_cells.into_iter().peekable(), rest }
    }

    /// The rows of one page of counts; those that are left once there is no other.
    async fn next(
        &mut self,
        target: &Target,
        reader: &SinkReader<'_>,
        ahead: &mut Ahead,
    ) -> Result<Vec<RowTally>, VerifyError> {
        let uncounted = |(row, cells)| RowTally { row, cells, count: None, rested: false };
        let mut rows = Vec::new();
        let Some(range) = self.rest.take() else { return Ok(rows) };
        let page = reader.scan_counts(target.id, &range).await?;
        for CountedRow { row, count, tick, .. } in page.found {
            while let Some(without) = self.with_cells.next_if(|(before, _)| *before < row) {
                rows.push(uncounted(without));
            }
            let cells = self.with_cells.next_if(|(same, _)| *same == row).map_or(0, |(_, cells)| cells);
            let rested = ahead.take(&row).is_some_and(|before| before == tick);
            if cells > 0 || count.is_some() {
                rows.push(RowTally { row, cells, count, rested });
            }
        }
        self.rest = page.rest;
        if self.rest.is_none() {
            rows.extend(self.with_cells.by_ref().map(uncounted));
        }
        Ok(rows)
    }
}

/// Rows that are remembered by name because they were written to while they were read.
const MOVED_MAX: usize = 10_000;

/// What the first reading has seen of the counts of a target.
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

impl CountsSeen {
    pub fn new(due: bool) -> CountsSeen {
        CountsSeen { due, compared: 0, uncounted: 0, suspects: Suspects::none(), moved: BTreeSet::new() }
    }

    pub fn add(&mut self, tally: &RowTally) {
        match tally.count {
            Some(_) => self.compared += 1,
            None if !self.due => self.uncounted += 1,
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

    pub fn note(&self, report: &mut TargetReport) {
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
        None if due => Judged::Suspect,
        None => Judged::Open,
    }
}
