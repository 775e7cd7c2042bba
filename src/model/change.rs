//! Row changes, as the binlog reports them.

use super::{TableId, Value};

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
