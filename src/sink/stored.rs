//! Rows and cells as they are written and as HBase shows them.

use crate::model::Tick;
use bytes::Bytes;

/// What is written to one HBase row at one tick: an atomic unit of content, not of visibility. Rows travel as
/// [`PackedWrite`](super::PackedWrite); this form is for those who build or look at single writes.
///
/// `delete_family` excludes the other two (no row gets a family marker and a put in one batch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowWrite {
    /// The row key, its salt included.
    pub row: Bytes,
    /// The timestamp of each put and marker.
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
    /// Without the family, which is the target's.
    pub qualifier: Bytes,
    /// Empty where only names were asked for.
    pub value: Bytes,
    /// The cell's timestamp.
    pub tick: Tick,
}

/// A row as HBase shows it; a row without visible cells does not exist. Cells by qualifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The row key, its salt included.
    pub row: Bytes,
    /// At least one, in the order of qualifiers.
    pub cells: Vec<StoredCell>,
}
