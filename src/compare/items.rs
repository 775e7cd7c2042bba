//! Single items: their names in MySQL, and what HBase has of them, whatever the layout.

use crate::model::{Layout, Mapping, Target, Value};
use crate::sink::layout::Address;
use crate::sink::{CellNames, ReadRows, SinkError, StoredRow};
use bytes::Bytes;
use std::collections::BTreeMap;

/// List and item key of an item, values in the order of their columns.
pub type ItemKey = (Vec<Value>, Vec<Value>);

/// The names of a row of MySQL.
pub fn item_key(mapping: &Mapping, row: &[Value]) -> ItemKey {
    let values = |columns: &[usize]| columns.iter().map(|column| row[*column].clone()).collect();
    (values(&mapping.key), values(&mapping.item))
}

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

/// What HBase has at these addresses, in their order.
pub async fn look_up(
    sink: &dyn ReadRows,
    target: &Target,
    addresses: &[Address],
) -> Result<Vec<Option<StoredRow>>, SinkError> {
    if target.layout == Layout::Tall {
        let keys: Vec<Bytes> = addresses.iter().map(|address| address.row.clone()).collect();
        return sink.read(target.id, &keys).await;
    }
    let rows = sink.read_cells(target.id, &cells_at(addresses)).await?;
    let found = rows.into_iter().flatten().flat_map(wide_items);
    let found: BTreeMap<Address, StoredRow> =
        found.map(|Found { address, stored }| (address, stored)).collect();
    Ok(addresses.iter().map(|address| found.get(address).cloned()).collect())
}
