//! Source tables: names, columns, types.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `schema.table`, unquoted, as MySQL stores it. Shown in backquotes where it would be ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    pub schema: String,
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
        bytes: u8,
        unsigned: bool,
    },
    Year,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Float,
    Double,
    Bit {
        bits: u8,
    },
    Date,
    /// `fraction`: declared digits after the second, 0..=6.
    Time {
        fraction: u8,
    },
    DateTime {
        fraction: u8,
    },
    Timestamp {
        fraction: u8,
    },
    /// CHAR, VARCHAR, TEXT; `charset` and `collation` in MySQL's names.
    Text {
        charset: String,
        collation: String,
    },
    /// BINARY(n).
    Binary {
        length: u32,
    },
    /// VARBINARY and the BLOB types.
    VarBinary,
    Enum {
        labels: Vec<String>,
    },
    Set {
        labels: Vec<String>,
    },
    Json,
    Geometry,
    Vector,
}

/// One column of a source table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub column_type: ColumnType,
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
    pub name: TableName,
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
