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
    pub id: MappingId,
    pub name: String,
    pub table: TableId,
    pub schema: Arc<TableSchema>,
    pub key: Vec<usize>,
    pub item: Vec<usize>,
    pub order: Option<OrderKey>,
    pub targets: Vec<Target>,
}

impl Mapping {
    /// Whether the primary key begins with the columns of the list key, in any order: then a list's rows lie
    /// together in the primary key.
    pub fn list_key_leads(&self) -> bool {
        let leading = self.schema.primary_key.get(..self.key.len()).unwrap_or(&[]);
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
    pub column: usize,
    pub descending: bool,
}

/// One `[[mapping.target]]`: an HBase table, a family, and a layout.
#[derive(Clone, Debug)]
pub struct Target {
    pub id: TargetId,
    /// HBase table name, `namespace:table` or `table`.
    pub table: String,
    pub family: String,
    pub layout: Layout,
    /// Column indexes that become cells, in configured order.
    pub columns: Vec<usize>,
    pub values: ValueEncoding,
    /// 1..=256.
    pub salt_buckets: u16,
    /// Whether the row key holds the order key (a membership target leaves it out).
    pub ordered: bool,
}

/// How a target lays a list out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// One HBase row per item, one cell per column.
    Tall,
}

/// How a cell's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ValueEncoding {
    Utf8,
    Bytes,
}

/// The values of one primary key, in key order: the bound of a chunk.
pub type KeyTuple = Vec<Value>;
