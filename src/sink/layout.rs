//! From a row to what is written: list keys, addresses and cells, by the target's layout.

use super::SinkError;
use crate::model::{Layout, Mapping, Row, Target, Value};
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
pub fn list_key(mapping: &Mapping, row: &Row) -> Result<Vec<u8>, SinkError> {
    super::encode::key_parts(mapping, &mapping.key, row)
}

/// The encoded list key of plain values, in key order.
pub fn list_key_of(mapping: &Mapping, key: &[Value]) -> Result<Vec<u8>, SinkError> {
    super::encode::key_parts_of(mapping, &mapping.key, key)
}

/// The HBase row of an item: its address.
pub fn address(mapping: &Mapping, target: &Target, row: &Row) -> Result<Bytes, SinkError> {
    match target.layout {
        Layout::Tall => super::tall::row_key(mapping, target, row),
    }
}

/// The full write of an item.
pub fn item_write(mapping: &Mapping, target: &Target, row: &Row) -> Result<ItemWrite, SinkError> {
    match target.layout {
        Layout::Tall => super::tall::item_write(mapping, target, row),
    }
}
