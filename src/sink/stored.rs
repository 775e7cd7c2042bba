//! Rows and cells as they are written and as HBase shows them, and which of them are read.

use crate::model::Tick;
use bytes::Bytes;

/// What is written to one HBase row at one tick: an atomic unit of content, not of visibility. Rows travel as
/// [`PackedWrite`]; this form is for those who build or look at single writes.
///
/// `delete_family` excludes the other two (no row gets a family marker and a put in one batch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowWrite {
    pub row: Bytes,
    pub tick: Tick,
    /// A DeleteFamily marker at `tick`.
    pub delete_family: bool,
    /// Cells put at `tick`: qualifier, value.
    pub puts: Vec<(Bytes, Bytes)>,
    /// Qualifiers that get a DeleteColumns marker at `tick`.
    pub delete_columns: Vec<Bytes>,
}

/// A cell as HBase shows it: the newest version that no marker covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCell {
    pub qualifier: Bytes,
    pub value: Bytes,
    pub tick: Tick,
}

/// A row as HBase shows it; a row without visible cells does not exist. Cells by qualifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    pub row: Bytes,
    pub cells: Vec<StoredCell>,
}

/// A part of a target to read. `start` inclusive, `stop` exclusive, empty means unbounded;
/// reversed scans go from `start` (the higher key, inclusive) down to `stop` (exclusive).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanRange {
    pub start: Bytes,
    pub stop: Bytes,
    pub reversed: bool,
    /// At most this many rows.
    pub limit: usize,
}
