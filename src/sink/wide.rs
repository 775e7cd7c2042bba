//! The wide layout: one HBase row per list, or per list and segment; one cell per item.
//!
//! Row key: salt (1 byte), list key parts, and where the target has segments the segment: the order value divided by
//! the segment's width, rounded down, as a signed part, complemented where the order descends. Qualifier:
//! order part (when the target is ordered), item parts. Value: the columns in one encoding.
//!
//! So the cells of a list, taken row by row and in a row by qualifier, are in the list's order.

use super::encode;
use super::parts::{self, ItemParts, ListParts};
use super::{SinkError, rows::push_qualifier};
use crate::model::{ColumnValue, Mapping, Target, Value};
use bytes::Bytes;

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
    match (target.segment, parts::order_of(mapping, target)) {
        (Some(width), Some(order)) => {
            let value = row.get(order.column).unwrap_or(&ColumnValue::Null);
            push_segment(mapping, target, width, value, key)
        }
        _ => Ok(()),
    }
}

/// Appends the qualifier of an item's cell to `cells`, as packed cells begin.
pub fn push_item_qualifier(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    cells: &mut Vec<u8>,
) -> Result<(), SinkError> {
    push_qualifier(cells, |qualifier| parts::push_item(mapping, target, row, qualifier))
}

/// Row key and qualifier of plain values: `order` is needed exactly when the target is ordered.
///
/// # Errors
/// `Unencodable` as [`push_row_key`], and when a value is missing or too many are given.
pub fn address_of(
    mapping: &Mapping,
    target: &Target,
    key: &[Value],
    order: Option<&Value>,
    item: &[Value],
) -> Result<(Bytes, Bytes), SinkError> {
    let row = row_key_of(mapping, target, key, order)?;
    let mut qualifier = Vec::new();
    parts::push_item_of(mapping, target, order, item, &mut qualifier)?;
    Ok((row, qualifier.into()))
}

/// The row key of plain values: `order` is needed exactly when the target has segments.
pub fn row_key_of(
    mapping: &Mapping,
    target: &Target,
    key: &[Value],
    order: Option<&Value>,
) -> Result<Bytes, SinkError> {
    let list_key = encode::key_parts_of(mapping, &mapping.key, key)?;
    let mut row = parts::salted(target, &list_key);
    if let Some(width) = target.segment {
        let order = parts::order_given(mapping, target, order)?;
        push_segment(mapping, target, width, order, &mut row)?;
    }
    Ok(row.into())
}

/// Appends the segment of an order value.
fn push_segment(
    mapping: &Mapping,
    target: &Target,
    width: u64,
    order: &ColumnValue<'_>,
    key: &mut Vec<u8>,
) -> Result<(), SinkError> {
    let Some(order_key) = parts::order_of(mapping, target) else { return Ok(()) };
    let number = encode::order_number(mapping, order_key.column, order)?;
    let segment = number.div_euclid(i128::from(width.max(1)));
    let segment = i64::try_from(segment).map_err(|_| SinkError::Unencodable {
        mapping: mapping.name.clone(),
        reason: format!("a segment of table {} has no number of 64 bits; make segments wider", target.table),
    })?;
    encode::push_signed(segment, parts::direction(order_key), key);
    Ok(())
}

/// A row key taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct WideRow<'a> {
    /// The list that the row belongs to.
    pub list: ListParts<'a>,
    /// In a target with segments.
    pub segment: Option<i64>,
}

/// Takes a stored row key apart; `None` when it is no key of this mapping and target.
pub fn split_row_key<'a>(mapping: &Mapping, target: &Target, row: &'a [u8]) -> Option<WideRow<'a>> {
    let mut rest = row;
    let list = parts::take_list(mapping, target, &mut rest)?;
    let segment = match (target.segment, parts::order_of(mapping, target)) {
        (Some(_), Some(order)) => Some(encode::take_signed(parts::direction(order), &mut rest)?),
        _ => None,
    };
    rest.is_empty().then_some(WideRow { list, segment })
}

/// Takes a qualifier apart.
pub fn split_qualifier(mapping: &Mapping, target: &Target, qualifier: &[u8]) -> Option<ItemParts> {
    parts::split_item(mapping, target, qualifier)
}

#[cfg(test)]
#[path = "wide_tests.rs"]
mod tests;
