//! From a row to what is written: list keys, addresses and cells, by the target's layout.

use super::SinkError;
use crate::model::{ColumnValue, Layout, Mapping, Target, Value};
use bytes::Bytes;

/// A full write of one item: where, and every configured column as a put or, when NULL, as a name
/// that has no cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemWrite {
    pub row: Bytes,
    pub puts: Vec<(Bytes, Bytes)>,
    /// Qualifiers of the columns that are NULL.
    pub nulls: Vec<Bytes>,
}

/// The encoded list key of a row: its key parts one after the other, without salt. Equal bytes
/// are the same list.
pub fn list_key(mapping: &Mapping, row: &[ColumnValue<'_>]) -> Result<Vec<u8>, SinkError> {
    super::encode::key_parts(mapping, &mapping.key, row)
}

/// Appends the encoded list key of a row to `key`.
pub fn push_list_key(mapping: &Mapping, row: &[ColumnValue<'_>], key: &mut Vec<u8>) -> Result<(), SinkError> {
    super::encode::push_parts(mapping, &mapping.key, row, key)
}

/// The encoded list key of plain values, in key order.
pub fn list_key_of(mapping: &Mapping, key: &[Value]) -> Result<Vec<u8>, SinkError> {
    super::encode::key_parts_of(mapping, &mapping.key, key)
}

/// What the HBase rows of a list begin with, from its encoded key: lists in the order of their prefixes are in
/// the order of their rows.
pub fn list_prefix(target: &Target, list_key: &[u8]) -> Bytes {
    match target.layout {
        Layout::Tall => super::tall::list_prefix(target, list_key),
    }
}

/// The HBase row of an item: its address.
pub fn address(mapping: &Mapping, target: &Target, row: &[ColumnValue<'_>]) -> Result<Bytes, SinkError> {
    let mut address = Vec::with_capacity(ADDRESS_BYTES);
    push_address(mapping, target, row, &mut address)?;
    Ok(address.into())
}

/// Appends the address of an item to `out`.
pub fn push_address(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    match target.layout {
        Layout::Tall => super::tall::push_row_key(mapping, target, row, out),
    }
}

/// Appends the cells of an item to `out`, packed ([`push_cell`](super::rows::push_cell)): every configured column, with
/// a value or as NULL, in configured order.
pub fn push_cells(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    match target.layout {
        Layout::Tall => super::tall::push_cells(mapping, target, row, out),
    }
}

/// The full write of an item.
pub fn item_write(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
) -> Result<ItemWrite, SinkError> {
    match target.layout {
        Layout::Tall => super::tall::item_write(mapping, target, row),
    }
}

/// Room for most addresses.
const ADDRESS_BYTES: usize = 40;
