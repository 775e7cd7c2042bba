//! What HBase has of single items, whatever the layout.

use crate::sink::layout::Address;
use crate::sink::{CellNames, StoredRow};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What HBase has of one item: its row, in the wide layout with the item's cell alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub address: Address,
    pub stored: StoredRow,
}

/// A tall row as an item.
pub fn tall_item(stored: StoredRow) -> Found {
    Found { address: Address { row: stored.row.clone(), cell: None }, stored }
}

/// A wide row as its items.
pub fn wide_items(row: StoredRow) -> impl Iterator<Item = Found> {
    let key = row.row;
    row.cells.into_iter().map(move |cell| Found {
        address: Address { row: key.clone(), cell: Some(cell.qualifier.clone()) },
        stored: StoredRow { row: key.clone(), cells: vec![cell] },
    })
}

/// The cells at some addresses, by row.
pub fn cells_at(addresses: &[Address]) -> Vec<CellNames> {
    let mut by_row: BTreeMap<&Bytes, Vec<Bytes>> = BTreeMap::new();
    for Address { row, cell } in addresses {
        by_row.entry(row).or_default().extend(cell.clone());
    }
    by_row.into_iter().map(|(row, qualifiers)| CellNames { row: row.clone(), qualifiers }).collect()
}
