//! Walks over whole tables, a bounded piece at a time.

use super::VerifyError;
use super::found::Found;
use super::read::{SinkReader, SourceReader};
use crate::model::{Layout, Mapping, Row, Target, Value};
use crate::sink::{CellRange, ScanRange, StoredRow};
use crate::source::KeyRange;
use bytes::Bytes;

/// Rows, or cells, of the first page of a bucket, and of any page at most.
const PAGE_ITEMS_FIRST: usize = 500;
pub const PAGE_ITEMS_MAX: usize = 5_000;
/// What a page should hold, judged by the page before it.
const PAGE_BYTES: usize = 8 << 20;

/// A source table in primary-key order.
pub struct TableWalk<'a> {
    mapping: &'a Mapping,
    chunk_rows: u32,
    /// Where the next chunk begins; `None` at the end.
    next: Option<Option<Vec<Value>>>,
}

impl<'a> TableWalk<'a> {
    pub fn new(mapping: &'a Mapping, chunk_rows: u32) -> TableWalk<'a> {
        TableWalk { mapping, chunk_rows, next: Some(None) }
    }

    /// The next rows, and the range that they were read by; `None` after the last ones.
    pub async fn next(
        &mut self,
        reader: &mut SourceReader<'_>,
    ) -> Result<Option<(Vec<Row>, KeyRange)>, VerifyError> {
        let Some(after) = self.next.take() else { return Ok(None) };
        let (rows, range) = reader.chunk(self.mapping, after, self.chunk_rows).await?;
        self.next = range.up_to.clone().map(Some);
        Ok(Some((rows, range)))
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

/// A range of a target in the order of row keys, and in the wide layout of cells: item by item.
pub struct BucketWalk<'a> {
    target: &'a Target,
    rest: Option<Rest>,
}

/// What is left to read.
enum Rest {
    Rows(ScanRange),
    /// A row may have more cells than a page.
    Cells(CellRange),
}

impl<'a> BucketWalk<'a> {
    pub fn new(target: &'a Target, bucket: ScanRange) -> BucketWalk<'a> {
        let ScanRange { start, stop, limit, .. } = bucket.clone();
        let rest = match target.layout {
            Layout::Tall => Rest::Rows(bucket),
            Layout::Wide => Rest::Cells(CellRange { start, stop, limit, ..CellRange::default() }),
        };
        BucketWalk { target, rest: Some(rest) }
    }

    /// A walk over a wide target that leaves values out.
    pub fn names(target: &'a Target, bucket: ScanRange) -> BucketWalk<'a> {
        let mut walk = BucketWalk::new(target, bucket);
        if let Some(Rest::Cells(range)) = &mut walk.rest {
            range.names_only = true;
        }
        walk
    }

    /// The next items; `None` after the last ones.
    pub async fn next(&mut self, reader: &SinkReader<'_>) -> Result<Option<Vec<Found>>, VerifyError> {
        let found = match self.rest.take() {
            None => return Ok(None),
            Some(Rest::Rows(range)) => {
                let page = reader.scan(self.target.id, &range).await?;
                let go_on = |rest| Rest::Rows(ScanRange { limit: page_items(&page.found), ..rest });
                self.rest = page.rest.map(go_on);
                page.found
            }
            Some(Rest::Cells(range)) => {
                let page = reader.scan_cells(self.target.id, &range).await?;
                let go_on = |rest| Rest::Cells(CellRange { limit: page_items(&page.found), ..rest });
                self.rest = page.rest.map(go_on);
                page.found
            }
        };
        Ok(Some(found))
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
    use crate::verify::fixtures;

    #[test]
    fn the_buckets_of_a_target_hold_every_possible_key() {
        for salt_buckets in [1, 2, 16, 255, 256] {
            let target = Target { salt_buckets, ..fixtures::mapping().targets[0].clone() };
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
