//! Single cells of wide rows: what is asked for, and counted rows.

use super::StoredRow;
use crate::model::Tick;
use bytes::Bytes;

/// The family of counts. It holds nothing else (DESIGN section 3, "Counts").
pub const COUNTS_FAMILY: &str = "c";
/// Qualifier of the number of items of a row: 8 bytes, big-endian. Absent: not counted yet.
pub const COUNT: &[u8] = b"n";
/// Qualifier of the tick of the last batch that was applied to a row: 8 bytes, big-endian.
pub const COUNT_TICK: &[u8] = b"t";

/// A part of a target to read cell by cell: by row key, and in a row by qualifier. A wide row may hold more cells
/// than memory takes, so the limit is one of cells, and cuts rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellRange {
    /// The first row (inclusive); empty: unbounded.
    pub start: Bytes,
    /// Of the row `start`, only cells with greater qualifiers.
    pub after: Option<Bytes>,
    /// Exclusive; empty: unbounded.
    pub stop: Bytes,
    /// At most this many cells.
    pub limit: usize,
    /// Leaves values out: they come back empty.
    pub names_only: bool,
}

impl CellRange {
    /// All cells of one row.
    pub fn of_row(row: &Bytes, limit: usize) -> CellRange {
        CellRange { start: row.clone(), stop: next_row(row), limit, ..CellRange::default() }
    }

    /// The rest of this range behind a cell.
    pub fn behind(&self, row: &Bytes, qualifier: &Bytes) -> CellRange {
        CellRange { start: row.clone(), after: Some(qualifier.clone()), ..self.clone() }
    }

    /// The rest of this range once `rows` were read as its beginning; `None`: they were all of it.
    pub fn rest(&self, rows: &[StoredRow]) -> Option<CellRange> {
        let cells: usize = rows.iter().map(|row| row.cells.len()).sum();
        let last = rows.last().filter(|_| cells >= self.limit)?;
        Some(self.behind(&last.row, &last.cells.last()?.qualifier))
    }

    /// Whether no cell can lie in it.
    pub fn is_empty(&self) -> bool {
        self.limit == 0 || (!self.stop.is_empty() && self.start >= self.stop)
    }
}

/// The smallest row key above `row`.
pub fn next_row(row: &[u8]) -> Bytes {
    [row, &[0]].concat().into()
}

/// Some cells of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellNames {
    /// The row key.
    pub row: Bytes,
    /// Of the target's family, in any order.
    pub qualifiers: Vec<Bytes>,
}

/// What a counted row says of itself, and which of the cells that were asked for it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedRow {
    /// The row key.
    pub row: Bytes,
    /// `c:t`.
    pub tick: Option<Tick>,
    /// `c:n`.
    pub count: Option<u64>,
    /// Qualifiers, ascending.
    pub present: Vec<Bytes>,
}

/// One atomic write to a counted row, done only where `c:t` is still `expected`. All of it, `c:t` and `c:n` included, is
/// stamped with `tick`, which `c:t` then holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedWrite {
    /// The row key.
    pub row: Bytes,
    /// `None`: `c:t` is absent.
    pub expected: Option<Tick>,
    /// The timestamp of every cell and marker of the write, and the new `c:t`.
    pub tick: Tick,
    /// Cells of the target's family: qualifier, value.
    pub puts: Vec<(Bytes, Bytes)>,
    /// Qualifiers of the target's family that get a DeleteColumns marker.
    pub delete_columns: Vec<Bytes>,
    /// What becomes of `c:n`.
    pub count: CountChange,
}

/// What becomes of `c:n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountChange {
    /// `c:n` stays as it is, present or absent.
    Keep,
    /// `c:n` becomes this number of items.
    Set(u64),
    /// `c:n` is deleted: from here on the row is not counted.
    Remove,
}

/// The bytes of `c:n` or `c:t`.
pub fn count_bytes(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

/// The number in `c:n` or `c:t`; `None` for another length, which no writer of ours leaves.
pub fn count_number(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}
