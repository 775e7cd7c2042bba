//! From a row to what is written, and back: list keys, which are a mapping's, and what a target makes of a row.

pub(crate) use super::parts::list_prefix;
use super::rows::{Packed, push_cell, push_null, push_value};
use super::{RowWrite, SinkError, encode, limits, packed, parts, rows, tall, wide};
use crate::model::{CellForm, ColumnValue, Layout, Mapping, Target, Tick, Value};
use bytes::Bytes;
use std::convert::Infallible;

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

/// The values of a list key, in key order; `None` when the bytes are none of this mapping.
pub fn key_of_list(mapping: &Mapping, mut list_key: &[u8]) -> Option<Vec<Value>> {
    let key = parts::take_parts(mapping, &mapping.key, &mut list_key)?;
    list_key.is_empty().then_some(key)
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

/// How a target lays out the items of its mapping: addresses, cells, and both taken apart again. Free to copy.
#[derive(Clone, Copy, Debug)]
pub struct Codec<'a> {
    mapping: &'a Mapping,
    target: &'a Target,
}

impl<'a> Codec<'a> {
    /// `target` is one of `mapping`.
    pub fn of(mapping: &'a Mapping, target: &'a Target) -> Codec<'a> {
        Codec { mapping, target }
    }

    /// Appends address and cells of an item to `buffer`.
    ///
    /// # Errors
    /// `Unencodable`: it has no address, or a value without a form, or HBase does not take it.
    pub fn pack_item(&self, row: &[ColumnValue<'_>], buffer: &mut Vec<u8>) -> Result<Packed, SinkError> {
        let packed = self.pack(row, buffer, Codec::push_cells)?;
        let (key, cells) = (packed.key(buffer), &buffer[packed.at + packed.key_bytes as usize..]);
        limits::fits(self.mapping, self.target, key, cells)?;
        Ok(packed)
    }

    /// Appends the address of an item to `buffer`, and what deletes it. `None`: HBase cannot have such an item, so there
    /// is nothing to delete.
    pub fn pack_deleted(&self, row: &[ColumnValue<'_>], buffer: &mut Vec<u8>) -> Option<Packed> {
        let packed = self.pack(row, buffer, Codec::push_deleted_cells).ok()?;
        if !limits::key_fits(packed.key(buffer)) {
            buffer.truncate(packed.at);
            return None;
        }
        Some(packed)
    }

    fn pack(
        &self,
        row: &[ColumnValue<'_>],
        buffer: &mut Vec<u8>,
        push_cells: impl FnOnce(&Self, &[ColumnValue<'_>], &mut Vec<u8>) -> Result<usize, SinkError>,
    ) -> Result<Packed, SinkError> {
        let at = buffer.len();
        self.push_row_key(row, buffer)?;
        let cells_at = buffer.len();
        let of_address = push_cells(self, row, buffer)?;
        Ok(Packed {
            at,
            key_bytes: rows::short(cells_at - at),
            address_bytes: rows::short(cells_at - at + of_address),
            cell_bytes: rows::short(buffer.len() - cells_at),
            delete_family: false,
            markers: false,
        })
    }

    /// The address of an item.
    pub fn address(&self, row: &[ColumnValue<'_>]) -> Result<Address, SinkError> {
        let mut key = Vec::with_capacity(ADDRESS_BYTES);
        self.push_row_key(row, &mut key)?;
        let cell = match self.target.layout {
            Layout::Tall => None,
            Layout::Wide => {
                let mut qualifier = Vec::with_capacity(ADDRESS_BYTES);
                parts::push_item(self.mapping, self.target, row, &mut qualifier)?;
                Some(qualifier.into())
            }
        };
        Ok(Address { row: key.into(), cell })
    }

    /// The address of an item of plain values: `order` is needed exactly when the target is ordered.
    pub fn address_of(
        &self,
        key: &[Value],
        order: Option<&Value>,
        item: &[Value],
    ) -> Result<Address, SinkError> {
        let (mapping, target) = (self.mapping, self.target);
        Ok(match target.layout {
            Layout::Tall => Address { row: tall::row_key_of(mapping, target, key, order, item)?, cell: None },
            Layout::Wide => {
                let (row, qualifier) = wide::address_of(mapping, target, key, order, item)?;
                Address { row, cell: Some(qualifier) }
            }
        })
    }

    /// The full write of an item.
    pub fn item_write(&self, row: &[ColumnValue<'_>]) -> Result<ItemWrite, SinkError> {
        let made = || {
            let address = self.address(row)?;
            let mut cells = Vec::new();
            self.push_cells(row, &mut cells)?;
            limits::fits(self.mapping, self.target, &address.row, &cells)?;
            let RowWrite { puts, delete_columns, .. } = rows::unpacked(&cells, Tick(0));
            Ok(ItemWrite { address, puts, nulls: delete_columns })
        };
        made().map_err(|error| limits::named(self.mapping, row, error))
    }

    /// Takes a stored address apart; `None` when it is none of this mapping and target. Dates come back in microseconds.
    pub fn split(&self, address: &Address) -> Option<AddressParts> {
        let (mapping, target) = (self.mapping, self.target);
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

    /// What the rows of a list begin with: lists in this order are in the order of their rows.
    pub fn list_prefix(&self, list_key: &[u8]) -> Bytes {
        list_prefix(self.target, list_key)
    }

    /// Takes the key of a row that items share apart; `None` when it is none of this mapping and target.
    pub fn split_row<'r>(&self, row: &'r [u8]) -> Option<wide::WideRow<'r>> {
        wide::split_row_key(self.mapping, self.target, row)
    }

    /// Appends the key of the row that an item lies in to `out`.
    fn push_row_key(&self, row: &[ColumnValue<'_>], out: &mut Vec<u8>) -> Result<(), SinkError> {
        match self.target.layout {
            Layout::Tall => tall::push_row_key(self.mapping, self.target, row, out),
            Layout::Wide => wide::push_row_key(self.mapping, self.target, row, out),
        }
    }

    /// Appends the packed cells of an item to `out` (`push_cell`): with its values.
    ///
    /// Returns how many of their bytes belong to the item's address: none, or in the wide layout those of the qualifier.
    fn push_cells(&self, row: &[ColumnValue<'_>], out: &mut Vec<u8>) -> Result<usize, SinkError> {
        let begin = out.len();
        match self.target.layout {
            Layout::Wide => wide::push_item_qualifier(self.mapping, self.target, row, out)?,
            Layout::Tall if self.target.form == CellForm::Columns => {
                tall::push_cells(self.mapping, self.target, row, out)?;
                return Ok(0);
            }
            Layout::Tall => {
                push_cell(out, &[], |out| self.push_item_value(row, out))?;
                return Ok(0);
            }
        }
        let of_address = out.len() - begin;
        push_value(out, |out| self.push_item_value(row, out))?;
        Ok(of_address)
    }

    /// Appends the packed cells by which an item is deleted to `out`: none where its row goes, or its only cell without
    /// a value. Returns as [`Codec::push_cells`].
    fn push_deleted_cells(&self, row: &[ColumnValue<'_>], out: &mut Vec<u8>) -> Result<usize, SinkError> {
        let begin = out.len();
        if self.target.layout == Layout::Tall {
            return Ok(0);
        }
        wide::push_item_qualifier(self.mapping, self.target, row, out)?;
        let of_address = out.len() - begin;
        push_null(out);
        Ok(of_address)
    }

    /// Appends the value of an item's only cell. There always is one, since the cell says that the item exists.
    fn push_item_value(&self, row: &[ColumnValue<'_>], out: &mut Vec<u8>) -> Result<bool, SinkError> {
        let (mapping, target) = (self.mapping, self.target);
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
}

impl Address {
    /// Appends the address to `buffer`, and what deletes the item there.
    pub fn pack_deleted(&self, buffer: &mut Vec<u8>) -> Packed {
        let mut packed = self.pack(buffer, |buffer| {
            if let Some(name) = &self.cell {
                push_stored(name, None, buffer);
            }
        });
        packed.delete();
        packed
    }

    /// Appends the address to `buffer`, and a full write of the item there: its values, and markers for its NULLs and
    /// `strays`.
    pub fn pack_written(&self, item: &ItemWrite, strays: &[Bytes], buffer: &mut Vec<u8>) -> Packed {
        let mut packed = self.pack(buffer, |buffer| {
            item.puts.iter().for_each(|(qualifier, value)| push_stored(qualifier, Some(value), buffer));
            item.nulls.iter().chain(strays).for_each(|qualifier| push_stored(qualifier, None, buffer));
        });
        packed.markers = true;
        packed
    }

    fn pack(&self, buffer: &mut Vec<u8>, push_cells: impl FnOnce(&mut Vec<u8>)) -> Packed {
        let at = buffer.len();
        buffer.extend_from_slice(&self.row);
        let cells_at = buffer.len();
        push_cells(buffer);
        let name = self.cell.as_ref().map_or(0, |name| rows::packed_name_bytes(name));
        Packed {
            at,
            key_bytes: rows::short(self.row.len()),
            address_bytes: rows::short(self.row.len() + name),
            cell_bytes: rows::short(buffer.len() - cells_at),
            delete_family: false,
            markers: false,
        }
    }
}

/// Appends a packed cell: with a value, or NULL.
fn push_stored(qualifier: &[u8], value: Option<&Bytes>, out: &mut Vec<u8>) {
    let put = |out: &mut Vec<u8>| {
        value.iter().for_each(|value| out.extend_from_slice(value));
        Ok::<bool, Infallible>(value.is_some())
    };
    let Ok(_) = push_cell(out, qualifier, put);
}

/// Room for most addresses.
const ADDRESS_BYTES: usize = 40;
