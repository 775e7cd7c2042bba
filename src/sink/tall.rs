//! The tall layout: one HBase row per item.
//!
//! Row key: salt (1 byte), list key parts, order part (when the target is ordered and the mapping
//! has an order), item key parts. One cell per column, qualifier = the column's name; an item whose
//! columns are all NULL has one cell with empty qualifier and empty value.

use super::encode::{self, Direction};
use super::{ScanRange, SinkError, layout::ItemWrite, rows::push_cell};
use crate::model::{ColumnValue, Mapping, OrderKey, Target, Value};
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
    let salt_at = key.len();
    key.push(0);
    encode::push_parts(mapping, &mapping.key, row, key)?;
    key[salt_at] = encode::salt(&key[salt_at + 1..], target.salt_buckets);
    if let Some(order) = order_of(mapping, target) {
        let value = row.get(order.column).unwrap_or(&ColumnValue::Null);
        encode::push_part(mapping, order.column, value, direction(order), key)?;
    }
    for &column in &mapping.item {
        let value = row.get(column).unwrap_or(&ColumnValue::Null);
        encode::push_part(mapping, column, value, Direction::Ascending, key)?;
    }
    Ok(())
}

/// The row key of plain values: `order` is needed exactly when the target's key holds it.
///
/// # Errors
/// `Unencodable` as [`row_key`], and when a value is missing or too many are given.
pub fn row_key_of(
    mapping: &Mapping,
    target: &Target,
    key: &[Value],
    order: Option<&Value>,
    item: &[Value],
) -> Result<Bytes, SinkError> {
    let list_key = encode::key_parts_of(mapping, &mapping.key, key)?;
    let mut row = salted(target, &list_key);
    if let Some(order_key) = order_of(mapping, target) {
        let value = order.ok_or_else(|| SinkError::Unencodable {
            mapping: mapping.name.clone(),
            reason: format!("row keys of table {} hold the order value, which was not given", target.table),
        })?;
        encode::push_part(mapping, order_key.column, value, direction(order_key), &mut row)?;
    }
    row.extend(encode::key_parts_of(mapping, &mapping.item, item)?);
    Ok(row.into())
}

/// The full write of an item: puts and NULLs in configured order; the placeholder where all are NULL.
pub fn item_write(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
) -> Result<ItemWrite, SinkError> {
    let row_key = super::layout::address(mapping, target, row)?;
    let mut write = ItemWrite { row: row_key, puts: Vec::new(), nulls: Vec::new() };
    for &column in &target.columns {
        let value = row.get(column).unwrap_or(&ColumnValue::Null);
        let qualifier = Bytes::copy_from_slice(qualifier(mapping, column));
        match encode::cell_value(mapping, column, value, target.values)? {
            Some(bytes) => write.puts.push((qualifier, bytes)),
            None => write.nulls.push(qualifier),
        }
    }
    if write.puts.is_empty() {
        write.puts.push(PLACEHOLDER);
    }
    Ok(write)
}

/// Appends the packed cells of an item to `out`: what [`item_write`] says.
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

/// What every row key of a list begins with: its salt and its encoded list key.
pub fn list_prefix(target: &Target, list_key: &[u8]) -> Bytes {
    salted(target, list_key).into()
}

/// The rows of a list: in row-key order, or (`reversed`) from its last row to its first.
pub fn list_range(target: &Target, list_key: &[u8], reversed: bool, limit: usize) -> ScanRange {
    let first = list_prefix(target, list_key);
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
    let (&salt, mut rest) = row.split_first()?;
    let key = take_parts(mapping, &mapping.key, &mut rest)?;
    let list_key = &row[1..row.len() - rest.len()];
    if salt != encode::salt(list_key, target.salt_buckets) {
        return None;
    }
    let order = match order_of(mapping, target) {
        Some(order) => {
            let column = mapping.schema.columns.get(order.column)?;
            Some(encode::take_part(&column.column_type, direction(order), &mut rest)?)
        }
        None => None,
    };
    let list_key = Bytes::copy_from_slice(list_key);
    let item = take_parts(mapping, &mapping.item, &mut rest)?;
    rest.is_empty().then_some(RowKeyParts { salt, list_key, key, order, item })
}

fn take_parts(mapping: &Mapping, columns: &[usize], rest: &mut &[u8]) -> Option<Vec<Value>> {
    let types = columns.iter().map(|&column| mapping.schema.columns.get(column));
    types.map(|column| encode::take_part(&column?.column_type, Direction::Ascending, rest)).collect()
}

fn salted(target: &Target, list_key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + list_key.len() + 24);
    row.push(encode::salt(list_key, target.salt_buckets));
    row.extend(list_key);
    row
}

fn order_of(mapping: &Mapping, target: &Target) -> Option<OrderKey> {
    mapping.order.filter(|_| target.ordered)
}

fn direction(order: OrderKey) -> Direction {
    if order.descending { Direction::Descending } else { Direction::Ascending }
}

fn qualifier(mapping: &Mapping, column: usize) -> &[u8] {
    mapping.schema.columns.get(column).map_or(&[], |column| column.name.as_bytes())
}

#[cfg(test)]
#[path = "tall_tests.rs"]
mod tests;
