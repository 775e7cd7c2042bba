//! The tall layout: one HBase row per item.
//!
//! Row key: salt (1 byte), list key parts, order part (when the target is ordered and the mapping
//! has an order), item key parts. One cell per column, qualifier = the column's name; an item whose
//! columns are all NULL has one cell with empty qualifier and empty value. Or, by [`CellForm`](crate::model::CellForm),
//! one cell with an empty qualifier that holds them all, which `layout` writes.

use super::parts::{self, ListParts};
use super::{ScanRange, SinkError, encode, rows::push_cell};
use crate::model::{ColumnValue, Mapping, Target, Value};
use bytes::Bytes;

/// The cell of an item that has no other: qualifier and value are empty.
pub const PLACEHOLDER: (Bytes, Bytes) = (Bytes::new(), Bytes::new());

/// Appends the row key of an item to `key`.
///
/// # Errors
/// `Unencodable` when a key column holds NULL or a date that names no point in time.
pub fn push_row_key(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    key: &mut Vec<u8>,
) -> Result<(), SinkError> {
    parts::push_list(mapping, target, row, key)?;
    parts::push_item(mapping, target, row, key)
}

/// The row key of plain values: `order` is needed exactly when the target's key holds it.
///
/// # Errors
/// `Unencodable` as [`push_row_key`], and when a value is missing or too many are given.
pub fn row_key_of(
    mapping: &Mapping,
    target: &Target,
    key: &[Value],
    order: Option<&Value>,
    item: &[Value],
) -> Result<Bytes, SinkError> {
    let list_key = encode::key_parts_of(mapping, &mapping.key, key)?;
    let mut row = parts::salted(target, &list_key);
    parts::push_item_of(mapping, target, order, item, &mut row)?;
    Ok(row.into())
}

/// Appends the packed cells of an item to `out`: those of every column, with a value or as NULL, in configured
/// order; the placeholder where all are NULL.
pub fn push_cells(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    let mut all_null = true;
    for &column in &target.columns {
        let value = row.get(column).unwrap_or(&ColumnValue::Null);
        let qualifier = qualifier(mapping, column);
        all_null &= !push_cell(out, qualifier, |out| {
            encode::push_cell_value(mapping, column, value, target.values, out)
        })?;
    }
    if all_null {
        push_cell(out, &PLACEHOLDER.0, |_| Ok(true))?;
    }
    Ok(())
}

/// The rows of a list: in row-key order, or (`reversed`) from its last row to its first.
pub fn list_range(target: &Target, list_key: &[u8], reversed: bool, limit: usize) -> ScanRange {
    let first = parts::list_prefix(target, list_key);
    let stop = stop_after_prefix(&first);
    // No row key equals a list's prefix or the stop key: item parts follow in every one.
    let (start, stop) = if reversed { (stop, first) } else { (first, stop) };
    ScanRange { start, stop, reversed, limit }
}

/// The smallest key above all that begin with `prefix`; empty (unbounded) when there is none.
pub fn stop_after_prefix(prefix: &[u8]) -> Bytes {
    let Some(last) = prefix.iter().rposition(|byte| *byte != 0xff) else { return Bytes::new() };
    let mut stop = prefix[..=last].to_vec();
    stop[last] += 1;
    stop.into()
}

/// A row key taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct RowKeyParts {
    pub salt: u8,
    /// The encoded list key.
    pub list_key: Bytes,
    pub key: Vec<Value>,
    pub order: Option<Value>,
    pub item: Vec<Value>,
}

/// Takes a stored row key apart; `None` when it is no key of this mapping and target (another
/// writer's row, another salt, bytes too many or too few). Dates come back in microseconds.
pub fn split_row_key(mapping: &Mapping, target: &Target, row: &[u8]) -> Option<RowKeyParts> {
    let mut rest = row;
    let ListParts { salt, list_key, key } = parts::take_list(mapping, target, &mut rest)?;
    let (order, item) = parts::split_item(mapping, target, rest)?;
    Some(RowKeyParts { salt, list_key: Bytes::copy_from_slice(list_key), key, order, item })
}

fn qualifier(mapping: &Mapping, column: usize) -> &[u8] {
    mapping.schema.columns.get(column).map_or(&[], |column| column.name.as_bytes())
}

#[cfg(test)]
#[path = "tall_tests.rs"]
mod tests;
