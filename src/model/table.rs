//! Source tables: names, columns, types.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `schema.table`, unquoted, as MySQL stores it. Shown in backquotes where it would be ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The database.
    pub schema: String,
    /// Without the database.
    pub table: String,
}

impl TableName {
    /// The name as it may stand in a statement: both parts in backquotes.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.table))
    }
}

/// An identifier in backquotes, inner backquotes doubled.
pub fn quote(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |name: &str| !name.contains(['.', '`', ' ']);
        let shown = |name: &str| if plain(name) { name.to_owned() } else { quote(name) };
        write!(f, "{}.{}", shown(&self.schema), shown(&self.table))
    }
}

/// What a column can hold, as far as decoding and encoding need it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ColumnType {
    /// TINYINT 1, SMALLINT 2, MEDIUMINT 3, INT 4, BIGINT 8 bytes.
    Integer {
        /// Of the stored number: 1, 2, 3, 4 or 8.
        bytes: u8,
        /// Its values are then `UInt`, else `Int`.
        unsigned: bool,
    },
    /// 1901 to 2155, and 0.
    Year,
    /// An exact number, kept as the text of its digits.
    Decimal {
        /// All digits: 1..=65.
        precision: u8,
        /// Those behind the point: 0..=30, at most `precision`.
        scale: u8,
    },
    /// 4 bytes, IEEE 754.
    Float,
    /// 8 bytes, IEEE 754; REAL too.
    Double,
    /// Kept as bytes, the first one with the highest bits.
    Bit {
        /// 1..=64.
        bits: u8,
    },
    /// Zero and partial dates too (`0000-00-00`, `2024-00-00`).
    Date,
    /// `fraction`: declared digits after the second, 0..=6.
    Time {
        /// 0..=6.
        fraction: u8,
    },
    /// In no time zone.
    DateTime {
        /// Declared digits after the second, 0..=6.
        fraction: u8,
    },
    /// A point in time; values are in UTC whatever the session's time zone.
    Timestamp {
        /// Declared digits after the second, 0..=6.
        fraction: u8,
    },
    /// CHAR, VARCHAR, TEXT; `charset` and `collation` in MySQL's names.
    Text {
        /// What the bytes in a row image are written in.
        charset: String,
        /// Decides which texts MySQL takes as equal in a key.
        collation: String,
    },
    /// BINARY(n).
    Binary {
        /// Bytes that each value has: shorter ones are padded with zeros.
        length: u32,
    },
    /// VARBINARY and the BLOB types.
    VarBinary,
    /// Kept as the label; row images hold its number.
    Enum {
        /// As declared; number 1 is the first.
        labels: Vec<String>,
    },
    /// Kept as the labels with commas; row images hold a bit for each.
    Set {
        /// As declared; the lowest bit is the first.
        labels: Vec<String>,
    },
    /// Kept as compact text; row images hold MySQL's binary JSON, or a difference to it.
    Json,
    /// Kept as MySQL stores it: a SRID of 4 bytes and WKB.
    Geometry,
    /// Kept as MySQL stores it: floats of 4 bytes, little-endian (since 9.0).
    Vector,
}

/// One column of a source table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// As declared; MySQL compares it without case.
    pub name: String,
    /// What decoding and encoding go by.
    pub column_type: ColumnType,
    /// Whether it was declared without NOT NULL.
    pub nullable: bool,
    /// The declared type as MySQL prints it (`bigint unsigned`), for messages.
    pub declared: String,
    /// A virtual generated column, which `check` refuses for mapped columns.
    pub virtual_generated: bool,
}

/// A source table as `information_schema` describes it; columns in ordinal order, which is their
/// order in a row image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// As `information_schema` spells it.
    pub name: TableName,
    /// In ordinal order; the indexes below count in it.
    pub columns: Vec<Column>,
    /// Column indexes of the primary key, in key order; empty when there is none.
    pub primary_key: Vec<usize>,
    /// Column indexes of each unique index over NOT NULL columns without prefixes, the primary key included.
    pub unique_keys: Vec<Vec<usize>>,
}

impl TableSchema {
    /// The index of the column `name` (MySQL compares column names without case).
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The SELECT of `columns`, each once, of all rows that fulfil a condition.
    pub fn select(&self, columns: impl Iterator<Item = usize>, condition: &str) -> String {
        let mut names: Vec<String> = Vec::new();
        for column in columns.filter_map(|index| self.columns.get(index)) {
            let name = quote(&column.name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        format!("SELECT {} FROM {} WHERE {condition}", names.join(", "), self.name.quoted())
    }
}
