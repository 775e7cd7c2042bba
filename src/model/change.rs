//! Row changes, as the binlog reports them.

use super::{ColumnValue, TableId, Value};

/// One row, indexed by the table's column order. Columns that no mapping uses are
/// [`Value::Null`] and must not be looked at.
pub type Row = Vec<Value>;

/// One row change: insert (`before` absent), delete (`after` absent) or update (both).
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// Of the run's tables; its schema at that position says what the columns are.
    pub table: TableId,
    /// The row that the change found.
    pub before: Option<Row>,
    /// The row that the change left.
    pub after: Option<Row>,
}

/// A [`RowChange`] whose rows lie elsewhere: in the event that they are decoded from, or in a [`RowChange`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowChangeRef<'a> {
    /// As [`RowChange::table`].
    pub table: TableId,
    /// The row that the change found.
    pub before: Option<&'a [ColumnValue<'a>]>,
    /// The row that the change left.
    pub after: Option<&'a [ColumnValue<'a>]>,
}

impl RowChange {
    /// Borrows both rows; nothing is copied.
    pub fn as_ref(&self) -> RowChangeRef<'_> {
        RowChangeRef { table: self.table, before: self.before.as_deref(), after: self.after.as_deref() }
    }
}

impl RowChangeRef<'_> {
    /// Copies both rows, their texts and bytes too.
    pub fn to_owned(&self) -> RowChange {
        let row = |row: &[ColumnValue<'_>]| row.iter().map(|value| value.clone().into_owned()).collect();
        RowChange { table: self.table, before: self.before.map(row), after: self.after.map(row) }
    }
}
