//! From a row to what is written: list keys, addresses and cells, by the target's layout.

pub(crate) use super::parts::list_prefix;
use super::rows::{push_cell, push_null, push_value};
use super::{RowWrite, SinkError, encode, limits, packed, parts, rows, tall, wide};
use crate::model::{CellForm, ColumnValue, Layout, Mapping, Target, Tick, Value};
use bytes::Bytes;

/// Where an item lies: in a row of its own, or in one cell of a row that it shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The row key, its salt included.
    pub row: Bytes,
    /// The qualifier of its only cell in the wide layout; `None` in the tall one.
    pub cell: Option<Bytes>,
}

/// A full write of one item: where, and every configured column as a put or, when NULL, as a name
/// that has no cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemWrite {
    /// Of the item's row after the change.
    pub address: Address,
    /// Qualifier and value.
    pub puts: Vec<(Bytes, Bytes)>,
    /// Qualifiers of the columns that are NULL, where each column has a cell.
    pub nulls: Vec<Bytes>,
}

/// The encoded list key of a row: its key parts one after the other, without salt. Equal bytes
/// are the same list.
pub fn list_key(mapping: &Mapping, row: &[ColumnValue<'_>]) -> Result<Vec<u8>, SinkError> {
    encode::key_parts(mapping, &mapping.key, row)
}

/// Appends the encoded list key of a row to `key`.
pub fn push_list_key(mapping: &Mapping, row: &[ColumnValue<'_>], key: &mut Vec<u8>) -> Result<(), SinkError> {
    encode::push_parts(mapping, &mapping.key, row, key)
}

/// The encoded list key of plain values, in key order.
pub fn list_key_of(mapping: &Mapping, key: &[Value]) -> Result<Vec<u8>, SinkError> {
    encode::key_parts_of(mapping, &mapping.key, key)
}

/// The address of an item.
pub fn address(mapping: &Mapping, target: &Target, row: &[ColumnValue<'_>]) -> Result<Address, SinkError> {
    let mut key = Vec::with_capacity(ADDRESS_BYTES);
    push_row_key(mapping, target, row, &mut key)?;
    let cell = match target.layout {
        Layout::Tall => None,
        Layout::Wide => {
            let mut qualifier = Vec::with_capacity(ADDRESS_BYTES);
            parts::push_item(mapping, target, row, &mut qualifier)?;
            Some(qualifier.into())
        }
    };
    Ok(Address { row: key.into(), cell })
}

/// The address of an item of plain values: `order` is needed exactly when the target is ordered.
pub fn address_of(
    mapping: &Mapping,
    target: &Target,
    key: &[Value],
    order: Option<&Value>,
    item: &[Value],
) -> Result<Address, SinkError> {
    Ok(match target.layout {
        Layout::Tall => Address { row: tall::row_key_of(mapping, target, key, order, item)?, cell: None },
        Layout::Wide => {
            let (row, qualifier) = wide::address_of(mapping, target, key, order, item)?;
            Address { row, cell: Some(qualifier) }
        }
    })
}

/// An address taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct AddressParts {
    /// The encoded list key.
    pub list_key: Bytes,
    /// Values of the key columns, in key order.
    pub key: Vec<Value>,
    /// `None` in a target that is not ordered.
    pub order: Option<Value>,
    /// Values of the item columns, in their order.
    pub item: Vec<Value>,
}

/// Takes a stored address apart; `None` when it is none of this mapping and target. Dates come back in microseconds.
pub fn split(mapping: &Mapping, target: &Target, address: &Address) -> Option<AddressParts> {
    match (target.layout, &address.cell) {
        (Layout::Tall, None) => {
            let parts = tall::split_row_key(mapping, target, &address.row)?;
            let tall::RowKeyParts { list_key, key, order, item, .. } = parts;
            Some(AddressParts { list_key, key, order, item })
        }
        (Layout::Wide, Some(qualifier)) => {
            let row = wide::split_row_key(mapping, target, &address.row)?;
            let (order, item) = wide::split_qualifier(mapping, target, qualifier)?;
            let list_key = Bytes::copy_from_slice(row.list.list_key);
            Some(AddressParts { list_key, key: row.list.key, order, item })
        }
        _ => None,
    }
}

/// Appends the key of the row that an item lies in to `out`.
pub fn push_row_key(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    match target.layout {
        Layout::Tall => tall::push_row_key(mapping, target, row, out),
        Layout::Wide => wide::push_row_key(mapping, target, row, out),
    }
}

/// Appends the packed cells of an item to `out` (`push_cell`): with its values.
///
/// Returns how many of their bytes belong to the item's address: none, or in the wide layout those of the qualifier.
pub fn push_cells(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<usize, SinkError> {
    let begin = out.len();
    match target.layout {
        Layout::Wide => wide::push_item_qualifier(mapping, target, row, out)?,
        Layout::Tall if target.form == CellForm::Columns => {
            tall::push_cells(mapping, target, row, out)?;
            return Ok(0);
        }
        Layout::Tall => {
            push_cell(out, &[], |out| push_item_value(mapping, target, row, out))?;
            return Ok(0);
        }
    }
    let of_address = out.len() - begin;
    push_value(out, |out| push_item_value(mapping, target, row, out))?;
    Ok(of_address)
}

/// Appends the packed cells by which an item is deleted to `out`: none where its row goes, or its only cell without
/// a value. Returns as [`push_cells`].
pub fn push_deleted_cells(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<usize, SinkError> {
    let begin = out.len();
    if target.layout == Layout::Tall {
        return Ok(0);
    }
    wide::push_item_qualifier(mapping, target, row, out)?;
    let of_address = out.len() - begin;
    push_null(out);
    Ok(of_address)
}

/// Appends the value of an item's only cell. There always is one, since the cell says that the item exists.
fn push_item_value(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<bool, SinkError> {
    match target.form {
        CellForm::Msgpack => packed::push_msgpack(mapping, target, row, out)?,
        CellForm::Json => packed::push_json(mapping, target, row, out)?,
        CellForm::Alone | CellForm::Columns => {
            for &column in target.columns.iter().take(1) {
                let value = row.get(column).unwrap_or(&ColumnValue::Null);
                encode::push_cell_value(mapping, column, value, target.values, out)?;
            }
        }
    }
    Ok(true)
}

/// The full write of an item.
pub fn item_write(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
) -> Result<ItemWrite, SinkError> {
    let made = || {
        let address = address(mapping, target, row)?;
        let mut cells = Vec::new();
        push_cells(mapping, target, row, &mut cells)?;
        limits::fits(mapping, target, &address.row, &cells)?;
        let RowWrite { puts, delete_columns, .. } = rows::unpacked(&cells, Tick(0));
        Ok(ItemWrite { address, puts, nulls: delete_columns })
    };
    made().map_err(|error| limits::named(mapping, row, error))
}

/// Room for most addresses.
const ADDRESS_BYTES: usize = 40;
