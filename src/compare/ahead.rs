//! When the rows that a walk comes to were last written to, read before their cells are.

use super::Sides;
use super::reading::Reading;
use super::target::PAGE_ITEMS_MAX;
use crate::model::Tick;
use crate::sink::{CountedRow, ScanRange};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How old what was read may become: where rows are long, those far ahead would all have been written to meanwhile.
const AGE_MAX: Duration = Duration::from_secs(2);

/// `c:t` of the rows from the one that is walked over on. As many as a page of cells may hold, or up to the end.
pub struct Ahead {
    ticks: BTreeMap<Bytes, Option<Tick>>,
    /// What was not looked at yet.
    rest: Option<ScanRange>,
    /// Where the walk ends.
    stop: Bytes,
    looked: Instant,
}

impl Ahead {
    pub fn of(bucket: &ScanRange) -> Ahead {
        let rest = Some(ScanRange { limit: PAGE_ITEMS_MAX, ..bucket.clone() });
        Ahead { ticks: BTreeMap::new(), rest, stop: bucket.stop.clone(), looked: Instant::now() }
    }

    /// The same for a walk that goes on in the middle of a row, whose first cells were read before: what this row says now
    /// proves nothing about them.
    pub fn behind(bucket: &ScanRange, open: &Bytes) -> Ahead {
        let mut ahead = Ahead::of(bucket);
        ahead.forget_after(open);
        ahead
    }

    /// To be called before a page of cells is read. `open`: the row that the walk is in the middle of.
    pub async fn read_ahead<R: Reading>(
        &mut self,
        sides: Sides<'_, R>,
        open: Option<&Bytes>,
    ) -> Result<(), R::Error> {
        if self.looked.elapsed() > AGE_MAX
            && let Some(open) = open
        {
            self.forget_after(open);
        }
        while self.ticks.len() < PAGE_ITEMS_MAX
            && let Some(range) = self.rest.take()
        {
            let page = sides.counts(&range).await?;
            self.ticks.extend(page.found.into_iter().map(|CountedRow { row, tick, .. }| (row, tick)));
            self.rest = page.rest;
        }
        Ok(())
    }

    fn forget_after(&mut self, open: &Bytes) {
        self.ticks.retain(|row, _| row == open);
        let next = [open, &b"\0"[..]].concat();
        let stop = self.stop.clone();
        self.rest = Some(ScanRange { start: next.into(), stop, reversed: false, limit: PAGE_ITEMS_MAX });
        self.looked = Instant::now();
    }

    /// What a row said before it was walked over, `Some(None)` if it had no tick; `None` if that is not known. It and
    /// those before it are behind the walk now.
    pub fn take(&mut self, row: &Bytes) -> Option<Option<Tick>> {
        let after = self.ticks.split_off(row);
        self.ticks = after;
        self.ticks.remove(row)
    }
}
