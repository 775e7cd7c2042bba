//! Ranges of rows.

use super::cells::next_row;
use bytes::Bytes;

/// The longest row key that HBase takes, in bytes (Java's `Short.MAX_VALUE`).
pub const ROW_KEY_BYTES_MAX: usize = 32_767;

/// A part of a target to read. `start` inclusive, `stop` exclusive, empty means unbounded;
/// reversed scans go from `start` (the higher key, inclusive) down to `stop` (exclusive).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanRange {
    /// The row to begin with; empty: unbounded.
    pub start: Bytes,
    /// The row to end before; empty: unbounded.
    pub stop: Bytes,
    /// From greater row keys to smaller ones.
    pub reversed: bool,
    /// At most this many rows.
    pub limit: usize,
}

impl ScanRange {
    /// One row, with pages of so many rows or cells.
    pub fn of_row(row: &Bytes, limit: usize) -> ScanRange {
        ScanRange { start: row.clone(), stop: next_row(row), reversed: false, limit }
    }

    /// The rest of this range once `last`, its last row read so far, has been seen.
    pub fn after(&self, last: &[u8]) -> ScanRange {
        let start = if self.reversed { closest_before(last) } else { [last, &[0]].concat() };
        // No key lies below the single byte 00, and an empty start would mean unbounded.
        let limit = if start.is_empty() { 0 } else { self.limit };
        ScanRange { start: start.into(), limit, ..self.clone() }
    }

    /// The rest of this range once so many rows were read as its beginning; `None`: they were all of it.
    pub fn rest(&self, rows: usize, last: Option<&Bytes>) -> Option<ScanRange> {
        let rest = self.after(last.filter(|_| rows >= self.limit)?);
        (!rest.is_empty()).then_some(rest)
    }

    /// Whether no row can lie in it.
    pub fn is_empty(&self) -> bool {
        let bounded = !self.start.is_empty() && !self.stop.is_empty();
        let crossed = if self.reversed { self.start <= self.stop } else { self.start >= self.stop };
        self.limit == 0 || (bounded && crossed)
    }
}

/// The greatest possible row key below `row`: without its last byte if that is 00, else with that byte one
/// less and filled up with FF to the greatest length.
fn closest_before(row: &[u8]) -> Vec<u8> {
    let Some((&last, head)) = row.split_last() else { return Vec::new() };
    let mut before = head.to_vec();
    if last > 0 {
        before.push(last - 1);
        before.resize(ROW_KEY_BYTES_MAX, 0xff);
    }
    before
}
