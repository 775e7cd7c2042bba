//! Counts beside the cells that they count, row by row, without holding more than a page of either.
//!
//! A walk over the cells of a wide target knows how many each row has once it has passed the row. What the rows say
//! of themselves (`c:n`) is read then. In between the row may be written to, so that a wrong count fits by chance.
//! Whatever writes to a counted row moves its `c:t`, so that is read before the row too ([`Ahead`]): a row has rested
//! where it is the same before and after.

use super::Sides;
use super::ahead::Ahead;
use super::items::Found;
use super::place::{MergePlace, RowCells, TallyPlace};
use super::reading::Reading;
use super::target::{Bring, PAGE_ITEMS_MAX, TargetWalk};
use crate::sink::{CountedRow, ScanRange};
use bytes::Bytes;
use std::iter::Peekable;
use std::vec::IntoIter;

/// A row of a counted target: one that has cells, a count, or a `c:t` alone.
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
pub struct TallyWalk<'a, R> {
    sides: Sides<'a, R>,
    items: TargetWalk<'a, R>,
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

impl<'a, R: Reading> TallyWalk<'a, R> {
    pub fn new(sides: Sides<'a, R>, bucket: ScanRange, bring: Bring) -> TallyWalk<'a, R> {
        let (from, stop) = (bucket.start.clone(), bucket.stop.clone());
        let ahead = Ahead::of(&bucket);
        let items = TargetWalk::new(sides, bucket, bring);
        TallyWalk { sides, items, from, stop, open: None, ahead, merge: None, ended: false }
    }

    /// Goes on where another walk over the same bucket was. Nothing is known any more of when the rows were written to that
    /// it has read and not yet passed, so none of them has rested.
    pub fn go_on(self, from: TallyPlace) -> TallyWalk<'a, R> {
        let TallyPlace { items, from, open, merge, ended } = from;
        let open = open.map(|RowCells(row, cells)| (row, cells));
        let bucket = ScanRange { start: from.clone(), stop: self.stop.clone(), ..ScanRange::default() };
        let ahead = match &open {
            Some((row, _)) => Ahead::behind(&bucket, row),
            None => Ahead::of(&bucket),
        };
        let merge = merge.map(|MergePlace { with_cells, start, stop }| {
            Merge::new(with_cells.into_iter().map(|RowCells(row, cells)| (row, cells)).collect(), start, stop)
        });
        TallyWalk { items: self.items.go_on(items), from, open, ahead, merge, ended, ..self }
    }

    /// Where it is, between two pages.
    pub fn place(&self) -> TallyPlace {
        let cells = |(row, cells): &(Bytes, u64)| RowCells(row.clone(), *cells);
        let merge = self.merge.as_ref().and_then(|merge| {
            let ScanRange { start, stop, .. } = merge.rest.clone()?;
            Some(MergePlace {
                with_cells: merge.with_cells.clone().map(|row| cells(&row)).collect(),
                start,
                stop,
            })
        });
        let (items, from, open) = (self.items.place(), self.from.clone(), self.open.as_ref().map(cells));
        TallyPlace { items, from, open, merge, ended: self.ended }
    }

    /// The next page, of items or of rows; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Passed>, R::Error> {
        let counted = self.sides.target.counted;
        if let Some(merge) = &mut self.merge {
            let rows = merge.next(self.sides, &mut self.ahead).await?;
            self.merge.take_if(|merge| merge.rest.is_none());
            return Ok(Some(Passed::Rows(rows)));
        }
        if self.ended {
            return Ok(None);
        }
        let permit = self.items.permit().await;
        if counted {
            self.ahead.read_ahead(self.sides, self.open.as_ref().map(|(row, _)| row)).await?;
        }
        let page = match permit {
            Some(permit) => self.items.next_with(permit).await?,
            None => None,
        };
        self.ended = page.is_none();
        if counted {
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
    async fn next<R: Reading>(
        &mut self,
        sides: Sides<'_, R>,
        ahead: &mut Ahead,
    ) -> Result<Vec<RowTally>, R::Error> {
        let uncounted = |(row, cells)| RowTally { row, cells, count: None, rested: false };
        let mut rows = Vec::new();
        let Some(range) = self.rest.take() else { return Ok(rows) };
        let page = sides.counts(&range).await?;
        for CountedRow { row, count, tick, .. } in page.found {
            while let Some(without) = self.with_cells.next_if(|(before, _)| *before < row) {
                rows.push(uncounted(without));
            }
            let cells = self.with_cells.next_if(|(same, _)| *same == row).map_or(0, |(_, cells)| cells);
            let rested = ahead.take(&row).is_some_and(|before| before == tick);
            rows.push(RowTally { row, cells, count, rested });
        }
        self.rest = page.rest;
        if self.rest.is_none() {
            rows.extend(self.with_cells.by_ref().map(uncounted));
        }
        Ok(rows)
    }
}
