//! What the continuous verification of a run keeps: the differences that stand, and how far its walk is.

use crate::model::Value;
use serde::{Deserialize, Serialize};

/// A difference that was confirmed, and that no later comparison has found equal. Keys are named, values never. Key, in the
/// history space: `finding`, a zero byte, and a number that rises, as 8 bytes big-endian.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRecord {
    /// When it was found first, milliseconds since 1970.
    pub found_at_ms: u64,
    /// The mapping's name.
    pub mapping: String,
    /// The HBase table.
    pub table: String,
    /// The column family.
    pub family: String,
    /// `missing`, `extra` or `different`.
    pub kind: String,
    /// The key columns and their values.
    pub key: String,
    /// What differs: columns, or why an extra item does not belong.
    pub what: Vec<String>,
    /// Where it lies: the row key in hexadecimal.
    pub row: String,
    /// And the cell's name in the wide layout, in hexadecimal.
    pub cell: Option<String>,
}

/// How far the present walk is. Key: `verify_walk` in the meta space.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WalkRecord {
    /// When it began, milliseconds since 1970.
    pub began_at_ms: u64,
    /// Those that it has come to, the last one possibly in part, in the order of the configuration.
    pub targets: Vec<WalkedTarget>,
    /// How far it is in the last one; `None`: it is through.
    pub side: Option<WalkSide>,
}

/// Where a walk is in a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalkSide {
    /// It looks MySQL's rows up in HBase.
    Mysql {
        /// The primary key of the last row; `None`: it is before the first one.
        after: Option<Vec<Value>>,
    },
    /// It looks HBase's items up in MySQL.
    Hbase {
        /// The number of the salt bucket.
        bucket: usize,
        /// The row key of the last item, and in the wide layout the name of its cell, in hexadecimal.
        behind: Option<(String, Option<String>)>,
    },
}

/// What a walk has found in one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkedTarget {
    /// The mapping's name.
    pub mapping: String,
    /// The HBase table.
    pub table: String,
    /// The column family.
    pub family: String,
    /// Rows of MySQL that were looked up in HBase.
    pub rows: u64,
    /// Items of HBase that were looked up in MySQL.
    pub items: u64,
    /// Items that only MySQL has.
    pub missing: u64,
    /// Items that only HBase has.
    pub extra: u64,
    /// Items with other cells.
    pub different: u64,
    /// Items that changed faster than they could be compared.
    pub unsettled: u64,
}
