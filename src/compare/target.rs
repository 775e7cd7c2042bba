//! HBase's side: look-ups by address, pages, and a walk item by item.

use super::Sides;
use super::items::{Found, look_up, tall_item, wide_items};
use super::permit::ReadPermit;
use super::place::TargetPlace;
use super::reading::{Reading, retry};
use crate::model::{Layout, Target};
use crate::sink::layout::Address;
use crate::sink::{CellNames, CellRange, CountedRow, ScanRange, StoredRow};
use bytes::Bytes;

/// Rows, or cells, of the first page of a bucket, and of any page at most.
const PAGE_ITEMS_FIRST: usize = 500;
pub const PAGE_ITEMS_MAX: usize = 5_000;
/// What a page should hold, judged by the page before it.
const PAGE_BYTES: usize = 8 << 20;

/// Some of a range, and what is left of it.
pub struct Page<T, Range> {
    pub found: Vec<T>,
    pub rest: Option<Range>,
}

/// Reads of HBase.
impl<R: Reading> Sides<'_, R> {
    /// Items by address, in the order asked for; in the wide layout each with its cell alone.
    pub async fn items(&self, addresses: &[Address]) -> Result<Vec<Option<StoredRow>>, R::Error> {
        let stored =
            retry(self.by, || async { Ok(look_up(self.sink, self.target, addresses).await?) }).await?;
        self.by.items_read(stored.len());
        Ok(stored)
    }

    /// The first rows of `range`.
    pub async fn rows(&self, range: &ScanRange) -> Result<Page<StoredRow, ScanRange>, R::Error> {
        let found = retry(self.by, || async { Ok(self.sink.scan(self.target.id, range).await?) }).await?;
        let rest = range.rest(found.len(), found.last().map(|last| &last.row));
        Ok(Page { found, rest })
    }

    /// The keys of the first rows of `range`.
    pub async fn keys(&self, range: &ScanRange) -> Result<Page<Bytes, ScanRange>, R::Error> {
        let found =
            retry(self.by, || async { Ok(self.sink.scan_keys(self.target.id, range).await?) }).await?;
        let rest = range.rest(found.len(), found.last());
        Ok(Page { found, rest })
    }

    /// The first cells of `range`.
    pub async fn cells(&self, range: &CellRange) -> Result<Page<StoredRow, CellRange>, R::Error> {
        let found =
            retry(self.by, || async { Ok(self.sink.scan_cells(self.target.id, range).await?) }).await?;
        let rest = range.rest(&found);
        Ok(Page { found, rest })
    }

    /// What the first counted rows of `range` say of themselves.
    pub async fn counts(&self, range: &ScanRange) -> Result<Page<CountedRow, ScanRange>, R::Error> {
        let found =
            retry(self.by, || async { Ok(self.sink.scan_counts(self.target.id, range).await?) }).await?;
        let rest = range.rest(found.len(), found.last().map(|last| &last.row));
        Ok(Page { found, rest })
    }

    /// What counted rows say of themselves, and which of the named cells they have.
    pub async fn counted(&self, wanted: &[CellNames]) -> Result<Vec<CountedRow>, R::Error> {
        retry(self.by, || async { Ok(self.sink.read_counted(self.target.id, wanted).await?) }).await
    }
}

/// The ranges of a target's row keys, one a salt bucket. Together they hold every possible key, so that rows
/// that no mapping ever wrote are found too.
pub fn buckets(target: &Target) -> Vec<ScanRange> {
    let count = target.salt_buckets.clamp(1, 256);
    let bound = |salt: u16| {
        let inner = u8::try_from(salt).ok().filter(|_| salt > 0 && salt < count);
        inner.map_or_else(Bytes::new, |salt| Bytes::copy_from_slice(&[salt]))
    };
    (0..count)
        .map(|salt| ScanRange {
            start: bound(salt),
            stop: bound(salt + 1),
            reversed: false,
            limit: PAGE_ITEMS_FIRST,
        })
        .collect()
}

/// What a walk brings of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bring {
    Values,
    /// Only where it lies: the cells are empty, or left out.
    Names,
}

/// A range of a target in the order of row keys, and in the wide layout of cells: item by item.
pub struct TargetWalk<'a, R> {
    sides: Sides<'a, R>,
    bring: Bring,
    rest: Option<Rest>,
}

/// What is left to read.
enum Rest {
    Rows(ScanRange),
    /// A row may have more cells than a page.
    Cells(CellRange),
}

impl<'a, R: Reading> TargetWalk<'a, R> {
    /// The first page has `range.limit` rows or cells.
    pub fn new(sides: Sides<'a, R>, range: ScanRange, bring: Bring) -> TargetWalk<'a, R> {
        let rest = match sides.target.layout {
            Layout::Tall => Rest::Rows(range),
            Layout::Wide => {
                let ScanRange { start, stop, limit, .. } = range;
                let names_only = bring == Bring::Names;
                Rest::Cells(CellRange { start, stop, limit, names_only, after: None })
            }
        };
        TargetWalk { sides, bring, rest: Some(rest) }
    }

    /// The rest of a range behind an item that lies in it; `None`: all of it.
    pub fn behind(
        sides: Sides<'a, R>,
        range: ScanRange,
        bring: Bring,
        behind: Option<&Address>,
    ) -> TargetWalk<'a, R> {
        let mut walk = TargetWalk::new(sides, range, bring);
        let Some(Address { row, cell }) = behind else { return walk };
        walk.rest = match (walk.rest.take(), cell) {
            (Some(Rest::Rows(range)), _) => {
                Some(range.after(row)).filter(|rest| !rest.is_empty()).map(Rest::Rows)
            }
            (Some(Rest::Cells(range)), Some(cell)) => Some(Rest::Cells(range.behind(row, cell))),
            (rest, _) => rest,
        };
        walk
    }

    /// Goes on where another walk over the same range was; `None`: it had come to the end.
    pub fn go_on(mut self, from: Option<TargetPlace>) -> TargetWalk<'a, R> {
        self.rest = self.rest.zip(from).map(|(rest, TargetPlace { row, after })| match rest {
            Rest::Rows(range) => Rest::Rows(ScanRange { start: row, ..range }),
            Rest::Cells(range) => Rest::Cells(CellRange { start: row, after, ..range }),
        });
        self
    }

    /// Where it is; `None` at the end.
    pub fn place(&self) -> Option<TargetPlace> {
        self.rest.as_ref().map(|rest| match rest {
            Rest::Rows(range) => TargetPlace { row: range.start.clone(), after: None },
            Rest::Cells(range) => TargetPlace { row: range.start.clone(), after: range.after.clone() },
        })
    }

    /// The next items; `None` after the last ones.
    pub async fn next(&mut self) -> Result<Option<Vec<Found>>, R::Error> {
        match self.permit().await {
            Some(permit) => self.next_with(permit).await,
            None => Ok(None),
        }
    }

    /// Waits until the next page may be read; `None` at the end.
    pub async fn permit(&self) -> Option<ReadPermit> {
        let most = match self.rest.as_ref()? {
            Rest::Rows(range) => range.limit,
            Rest::Cells(range) => range.limit,
        };
        Some(self.sides.by.permit(most).await)
    }

    /// The next items; `None` after the last ones.
    pub async fn next_with(&mut self, permit: ReadPermit) -> Result<Option<Vec<Found>>, R::Error> {
        let (found, rest) = match self.rest.take() {
            None => return Ok(None),
            Some(Rest::Rows(range)) => {
                let range = ScanRange { limit: permit.rows, ..range };
                let Page { found, rest } = self.rows(&range).await?;
                let found: Vec<Found> = found.into_iter().map(tall_item).collect();
                let limit = page_items(&found);
                (found, rest.map(|rest| Rest::Rows(ScanRange { limit, ..rest })))
            }
            Some(Rest::Cells(range)) => {
                let range = CellRange { limit: permit.rows, ..range };
                let Page { found, rest } = self.sides.cells(&range).await?;
                let found: Vec<Found> = found.into_iter().flat_map(wide_items).collect();
                let limit = page_items(&found);
                (found, rest.map(|rest| Rest::Cells(CellRange { limit, ..rest })))
            }
        };
        permit.used(found.len());
        self.sides.by.items_read(found.len());
        self.rest = rest;
        Ok(Some(found))
    }

    async fn rows(&self, range: &ScanRange) -> Result<Page<StoredRow, ScanRange>, R::Error> {
        if self.bring == Bring::Values {
            return self.sides.rows(range).await;
        }
        let Page { found, rest } = self.sides.keys(range).await?;
        let named = |row| StoredRow { row, cells: Vec::new() };
        Ok(Page { found: found.into_iter().map(named).collect(), rest })
    }
}

/// How many rows, or cells, to ask for after these.
fn page_items(items: &[Found]) -> usize {
    let cells =
        |row: &StoredRow| row.cells.iter().map(|c| c.qualifier.len() + c.value.len() + 64).sum::<usize>();
    let bytes: usize = items.iter().map(|item| item.address.row.len() + cells(&item.stored)).sum();
    (PAGE_BYTES / bytes.div_ceil(items.len().max(1)).max(1)).clamp(1, PAGE_ITEMS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fixtures;

    #[test]
    fn the_buckets_of_a_target_hold_every_possible_key() {
        for salt_buckets in [1, 2, 16, 255, 256] {
            let target = Target { salt_buckets, ..fixtures::target(0, "t", false) };
            let buckets = buckets(&target);
            assert_eq!(buckets.len(), usize::from(salt_buckets));
            assert!(buckets[0].start.is_empty());
            assert!(buckets[buckets.len() - 1].stop.is_empty());
            for pair in buckets.windows(2) {
                assert!(!pair[0].stop.is_empty());
                assert_eq!(pair[0].stop, pair[1].start);
            }
        }
    }
}
