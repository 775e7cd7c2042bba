//! Walks over whole tables, a bounded piece at a time.

use super::VerifyError;
use super::read::{SinkReader, SourceReader};
use crate::model::{Mapping, Row, Target, Value};
use crate::sink::{ScanRange, StoredRow};
use bytes::Bytes;

/// Rows of the first page of a bucket, and of any page at most.
const PAGE_ROWS_FIRST: usize = 500;
const PAGE_ROWS_MAX: usize = 5_000;
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

    /// The next rows; `None` after the last ones.
    pub async fn next(&mut self, reader: &mut SourceReader<'_>) -> Result<Option<Vec<Row>>, VerifyError> {
        let Some(after) = self.next.take() else { return Ok(None) };
        let (rows, end) = reader.chunk(self.mapping, after, self.chunk_rows).await?;
        self.next = end.map(Some);
        Ok(Some(rows))
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
            limit: PAGE_ROWS_FIRST,
        })
        .collect()
}

/// A range of a target in row-key order.
pub struct BucketWalk<'a> {
    target: &'a Target,
    rest: Option<ScanRange>,
}

impl<'a> BucketWalk<'a> {
    pub fn new(target: &'a Target, bucket: ScanRange) -> BucketWalk<'a> {
        BucketWalk { target, rest: Some(bucket) }
    }

    /// The next rows; `None` after the last ones.
    pub async fn next(&mut self, reader: &SinkReader<'_>) -> Result<Option<Vec<StoredRow>>, VerifyError> {
        let Some(range) = self.rest.take() else { return Ok(None) };
        let page = reader.scan(self.target.id, &range).await?;
        self.rest = page.rest.map(|rest| ScanRange { limit: page_rows(&page.rows), ..rest });
        Ok(Some(page.rows))
    }
}

/// How many rows to ask for after these.
fn page_rows(rows: &[StoredRow]) -> usize {
    let cells =
        |row: &StoredRow| row.cells.iter().map(|c| c.qualifier.len() + c.value.len() + 64).sum::<usize>();
    let bytes: usize = rows.iter().map(|row| row.row.len() + cells(row)).sum();
    (PAGE_BYTES / bytes.div_ceil(rows.len().max(1)).max(1)).clamp(1, PAGE_ROWS_MAX)
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
