//! What both layouts make addresses of: the salted list key, the order part, the item parts.

use super::SinkError;
use super::encode::{self, Direction};
use crate::model::{ColumnValue, Mapping, OrderKey, Target, Value};
use bytes::Bytes;

/// Appends salt and list key of a row to `key`.
pub fn push_list(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    key: &mut Vec<u8>,
) -> Result<(), SinkError> {
    let salt_at = key.len();
    key.push(0);
    encode::push_parts(mapping, &mapping.key, row, key)?;
    key[salt_at] = encode::salt(&key[salt_at + 1..], target.salt_buckets);
    Ok(())
}

/// Appends the order part, where the target is ordered, and the item parts of a row to `key`.
pub fn push_item(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    key: &mut Vec<u8>,
) -> Result<(), SinkError> {
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

/// [`push_item`] of plain values: `order` is needed exactly when the target is ordered.
///
/// # Errors
/// `Unencodable` as for a row, and when a value is missing or too many are given.
pub fn push_item_of(
    mapping: &Mapping,
    target: &Target,
    order: Option<&Value>,
    item: &[Value],
    key: &mut Vec<u8>,
) -> Result<(), SinkError> {
    if let Some(order_key) = order_of(mapping, target) {
        let value = order_given(mapping, target, order)?;
        encode::push_part(mapping, order_key.column, value, direction(order_key), key)?;
    }
    key.extend(encode::key_parts_of(mapping, &mapping.item, item)?);
    Ok(())
}

/// The order value, or what is wrong without it.
pub fn order_given<'a>(
    mapping: &Mapping,
    target: &Target,
    order: Option<&'a Value>,
) -> Result<&'a Value, SinkError> {
    order.ok_or_else(|| SinkError::Unencodable {
        mapping: mapping.name.clone(),
        reason: format!("addresses in table {} hold the order value, which was not given", target.table),
    })
}

/// Salt and list key.
pub fn salted(target: &Target, list_key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + list_key.len() + 24);
    row.push(encode::salt(list_key, target.salt_buckets));
    row.extend(list_key);
    row
}

/// A list's part of an address, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct ListParts<'a> {
    pub salt: u8,
    /// The encoded list key.
    pub list_key: &'a [u8],
    pub key: Vec<Value>,
}

/// Takes salt and list key off the front of `rest`; `None` when they are none of this mapping and target.
pub fn take_list<'a>(mapping: &Mapping, target: &Target, rest: &mut &'a [u8]) -> Option<ListParts<'a>> {
    let (&salt, behind) = rest.split_first()?;
    *rest = behind;
    let key = take_parts(mapping, &mapping.key, rest)?;
    let list_key = &behind[..behind.len() - rest.len()];
    (salt == encode::salt(list_key, target.salt_buckets)).then_some(ListParts { salt, list_key, key })
}

/// An item's part of an address: its order value, where the target is ordered, and the item key's values.
pub type ItemParts = (Option<Value>, Vec<Value>);

/// Takes all of `rest` apart as [`push_item`] made it; dates come back in microseconds.
pub fn split_item(mapping: &Mapping, target: &Target, mut rest: &[u8]) -> Option<ItemParts> {
    let order = match order_of(mapping, target) {
        Some(order) => {
            let column = mapping.schema.columns.get(order.column)?;
            Some(encode::take_part(&column.column_type, direction(order), &mut rest)?)
        }
        None => None,
    };
    let item = take_parts(mapping, &mapping.item, &mut rest)?;
    rest.is_empty().then_some((order, item))
}

/// Takes the values of some columns off the front of `rest`.
pub fn take_parts(mapping: &Mapping, columns: &[usize], rest: &mut &[u8]) -> Option<Vec<Value>> {
    let types = columns.iter().map(|&column| mapping.schema.columns.get(column));
    types.map(|column| encode::take_part(&column?.column_type, Direction::Ascending, rest)).collect()
}

/// The order key, where the target's addresses hold it.
pub fn order_of(mapping: &Mapping, target: &Target) -> Option<OrderKey> {
    mapping.order.filter(|_| target.ordered)
}

pub fn direction(order: OrderKey) -> Direction {
    if order.descending { Direction::Descending } else { Direction::Ascending }
}

/// What the HBase rows of a list begin with (its salt and its encoded key), from that key: lists in the order of their
/// prefixes are in the order of their rows. In the wide layout without segments it is the row key.
pub fn list_prefix(target: &Target, list_key: &[u8]) -> Bytes {
    salted(target, list_key).into()
}
