//! Mappings as the program uses them: names resolved to column indexes.

use super::{TableSchema, Value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The place of a source table among the tables of a run. Several mappings may share one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u16);

/// The place of a mapping among the mappings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingId(pub u16);

/// The place of a target among all targets of a run (over all mappings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u16);

/// One `[[mapping]]`: a source table, its list key, item key and order, and its targets.
/// All column numbers are indexes into `schema.columns`, and so into a [`Row`](super::Row).
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Equals its place in the run's list of mappings.
    pub id: MappingId,
    /// 1 to 64 of `a-z A-Z 0-9 _ -`: part of Memcache keys and of records.
    pub name: String,
    /// Where its rows come from.
    pub table: TableId,
    /// The table as the mapping was resolved against it.
    pub schema: Arc<TableSchema>,
    /// The list key: at least one column, in the order of the row key.
    pub key: Vec<usize>,
    /// The item key: at least one column, none of the list key's.
    pub item: Vec<usize>,
    /// What items of a list are sorted by; `None`: by the item key.
    pub order: Option<OrderKey>,
    /// At least one; each gets every change.
    pub targets: Vec<Target>,
}

impl Mapping {
    /// Whether the primary key begins with the columns of the list key, in any order: then a list's rows lie
    /// together in the primary key.
    pub fn list_key_leads(&self) -> bool {
        self.leads(&self.schema.primary_key)
    }

    /// Whether one of the unique keys does: then a list's rows are found by it.
    pub fn list_key_leads_a_unique_key(&self) -> bool {
        self.schema.unique_keys.iter().any(|unique| self.leads(unique))
    }

    /// Whether a unique index says that key and item name one row.
    pub fn is_unique(&self) -> bool {
        let named = |column: &usize| self.key.contains(column) || self.item.contains(column);
        self.schema.unique_keys.iter().any(|unique| unique.iter().all(named))
    }

    fn leads(&self, index: &[usize]) -> bool {
        let leading = index.get(..self.key.len()).unwrap_or(&[]);
        !self.key.is_empty()
            && self.key.len() == leading.len()
            && self.key.iter().all(|key| leading.contains(key))
    }

    /// The list key's values, in key order, in a primary key.
    pub fn list_of_primary_key<'a>(&self, primary_key: &'a [Value]) -> Option<Vec<&'a Value>> {
        let place = |key| self.schema.primary_key.iter().position(|column| column == key);
        self.key.iter().map(|key| primary_key.get(place(key)?)).collect()
    }
}

/// The order column of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Not a column of the list key.
    pub column: usize,
    /// Largest first: all bits of the order part of an address are then inverted.
    pub descending: bool,
}

/// One `[[mapping.target]]`: an HBase table, a family, and a layout.
#[derive(Clone, Debug)]
pub struct Target {
    /// Equals its place among the targets of all mappings.
    pub id: TargetId,
    /// HBase table name, `namespace:table` or `table`.
    pub table: String,
    /// The column family of the items' cells.
    pub family: String,
    /// One HBase row per item, or one per list.
    pub layout: Layout,
    /// Column indexes that become cells, or parts of one cell, in configured order.
    pub columns: Vec<usize>,
    /// What one cell holds.
    pub form: CellForm,
    /// How the value of a single column is written: with [`CellForm::Columns`] and [`CellForm::Alone`].
    pub values: ValueEncoding,
    /// 1..=256.
    pub salt_buckets: u16,
    /// Whether the order key is part of an item's address (a membership target leaves it out).
    pub ordered: bool,
    /// Wide and ordered only: the width of a segment, in units of the order part (microseconds, or the
    /// integer's own), at least 1.
    pub segment: Option<u64>,
    /// Wide only: rows keep their number of items in the family `c`.
    pub counted: bool,
}

/// How a target lays a list out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// One HBase row per item.
    Tall,
    /// One HBase row per list, or per list and segment; one cell per item.
    Wide,
}

/// What the cells of an item hold. A wide item has one cell, so it is never [`CellForm::Columns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CellForm {
    /// One cell per column; qualifier = the column's name.
    Columns,
    /// One cell: a MessagePack map of the columns.
    Msgpack,
    /// One cell: a JSON object of the columns.
    Json,
    /// One cell: the value of the only column, empty where that is NULL.
    Alone,
}

/// How a cell's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ValueEncoding {
    /// The text that MySQL prints for the value.
    Utf8,
    /// The binary form of docs/formats.md; a zero or partial date has none, and is refused.
    Bytes,
}
