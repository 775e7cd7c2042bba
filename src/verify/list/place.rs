//! Where an item stands in the order of its list.

use crate::model::{Cursor, Mapping, Target, Value};
use crate::sink::decode;
use crate::sink::layout::{Address, Codec};
use crate::sink::{SinkError, answer, parts};
use bytes::Bytes;

/// Sorts as the list is ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// By the address, which is in the list's order.
    Address(Address),
    /// By the parts of an address that would be.
    Parts(Vec<u8>),
    /// The item does not say where it stands: behind all that do.
    Unknown(Address),
}

/// The position of an item with these cells.
pub fn of_item<'a>(
    mapping: &Mapping,
    target: &Target,
    address: &Address,
    cells: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
) -> Position {
    if answer::keeps_order(mapping, target) {
        return Position::Address(address.clone());
    }
    let cursor = cursor(mapping, target, address, &decode::columns(mapping, target, cells));
    let parts = cursor.and_then(|cursor| of_cursor(mapping, target, &cursor).ok());
    parts.unwrap_or_else(|| Position::Unknown(address.clone()))
}

/// The position that a cursor names in a target whose addresses hold no order value.
pub fn of_cursor(mapping: &Mapping, target: &Target, cursor: &Cursor) -> Result<Position, SinkError> {
    let ordered = Target { ordered: true, ..target.clone() };
    let mut parts = Vec::new();
    parts::push_item_of(mapping, &ordered, cursor.order.as_ref(), &cursor.item, &mut parts)?;
    Ok(Position::Parts(parts))
}

/// Order value and item of an address, the order value from the columns where the address does not hold it. `None` for an
/// address that is none of the mapping, and where the order value is nowhere.
pub fn cursor(
    mapping: &Mapping,
    target: &Target,
    address: &Address,
    columns: &[(Bytes, Bytes)],
) -> Option<Cursor> {
    let parts = Codec::of(mapping, target).split(address)?;
    let order = match (mapping.order, parts.order) {
        (None, _) => None,
        (Some(_), Some(order)) => Some(order),
        (Some(order), None) => Some(order_value(mapping, target, order.column, &parts.item, columns)?),
    };
    Some(Cursor { order, item: parts.item })
}

fn order_value(
    mapping: &Mapping,
    target: &Target,
    column: usize,
    item: &[Value],
    columns: &[(Bytes, Bytes)],
) -> Option<Value> {
    if let Some(at) = mapping.item.iter().position(|of_item| *of_item == column) {
        return item.get(at).cloned();
    }
    let column = mapping.schema.columns.get(column)?;
    let (_, bytes) = columns.iter().find(|(name, _)| name == column.name.as_bytes())?;
    decode::key_value(&column.column_type, decode::encoding(target), bytes)
}
