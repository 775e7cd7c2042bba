//! Row changes, as the binlog reports them.

use super::{ColumnValue, TableId, Value};

/// One row, indexed by the table's column order. Columns that no mapping uses are
/// [`Value::Null`] and must not be looked at.
pub type Row = Vec<Value>;

/// One row change: insert (`before` absent), delete (`after` absent) or update (both).
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    pub table: TableId,
    pub before: Option<Row>,
    pub after: Option<Row>,
}

/// A [`RowChange`] whose rows lie elsewhere: in the event that they are decoded from, or in a [`RowChange`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowChangeRef<'a> {
    pub table: TableId,
    pub before: Option<&'a [ColumnValue<'a>]>,
    pub after: Option<&'a [ColumnValue<'a>]>,
}

impl RowChange {
    pub fn as_ref(&self) -> RowChangeRef<'_> {
        RowChangeRef { table: self.table, before: self.before.as_deref(), after: self.after.as_deref() }
    }
}

impl RowChangeRef<'_> {
    pub fn to_owned(&self) -> RowChange {
        let row = |row: &[ColumnValue<'_>]| row.iter().map(|value| value.clone().into_owned()).collect();
        RowChange { table: self.table, before: self.before.map(row), after: self.after.map(row) }
    }
}
