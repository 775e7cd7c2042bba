//! Where a walk is: what it takes to go on with it in another process.

use crate::model::Value;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a walk over a table is, in the order of primary keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum SourcePlace {
    /// Before the first row.
    #[default]
    Start,
    /// Behind this primary key.
    After(Vec<Value>),
    /// Behind the last row.
    End,
}

/// Where a walk over a range of a target is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPlace {
    /// The next row to read, or the row that is read; empty: from the beginning of the table on.
    #[serde(with = "hexadecimal")]
    pub row: Bytes,
    /// Of the row, only cells behind this one.
    #[serde(with = "maybe_hexadecimal")]
    pub after: Option<Bytes>,
}

/// Where a walk is that also looks at counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyPlace {
    /// Of the items; `None`: all were read.
    pub items: Option<TargetPlace>,
    /// Of the rows before this one counts were read.
    #[serde(with = "hexadecimal")]
    pub from: Bytes,
    /// The last row so far, which may go on, with the cells that were read.
    pub open: Option<RowCells>,
    /// Counts that are still to be read of rows that are behind.
    pub merge: Option<MergePlace>,
    /// No page of items is left, not even an empty one.
    pub ended: bool,
}

/// A row, and how many cells of it were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCells(#[serde(with = "hexadecimal")] pub Bytes, pub u64);

/// Counts that are to be read beside cells that were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergePlace {
    /// In order; a page of items has no more rows.
    pub with_cells: Vec<RowCells>,
    /// The first row whose count is still to be read.
    #[serde(with = "hexadecimal")]
    pub start: Bytes,
    /// Exclusive; empty: unbounded.
    #[serde(with = "hexadecimal")]
    pub stop: Bytes,
}

/// Bytes as a text, as JSON wants it.
mod hexadecimal {
    use super::{Bytes, Deserialize, Deserializer, Serializer};
    use serde::de::Error;

    pub fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        hex::decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}

/// The same, where there may be none.
mod maybe_hexadecimal {
    use super::{Bytes, Deserialize, Deserializer, Serialize, Serializer};
    use serde::de::Error;

    pub fn serialize<S: Serializer>(bytes: &Option<Bytes>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(hex::encode).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Bytes>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| hex::decode(text).map(Bytes::from)).transpose().map_err(D::Error::custom)
    }
}
