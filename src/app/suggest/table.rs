//! What a suggestion is made from: a table as MySQL describes it, and what a person wishes. Pure.

use crate::error::Exit;
use crate::failure::Failure;
use crate::model::spelling::likely;
use crate::model::{ColumnType, TableSchema};
use crate::sink::condition::is_moment;
use crate::sink::encode::can_be_key;
use crate::source::facts_index::{Index, TableBuild};
use std::sync::Arc;

/// Rows below which InnoDB's estimates of different values say nothing.
const ROWS_FOR_ESTIMATES: u64 = 1_000;

/// A table with a primary key.
#[derive(Clone, Debug)]
pub struct Table {
    pub schema: Arc<TableSchema>,
    pub build: TableBuild,
    /// By InnoDB's estimate.
    pub rows: u64,
    /// Columns in a character set that tailfill cannot decode: name and set.
    pub undecodable: Vec<(String, String)>,
}

/// What the command line decides, by column names; empty where the rules decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShapeWish {
    pub list: Vec<String>,
    pub item: Vec<String>,
    pub order: OrderWish,
}

/// `--order`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OrderWish {
    #[default]
    ByRule,
    /// The lists have no order but that of their items.
    None,
    By(String),
}

impl Table {
    pub fn name(&self, column: usize) -> &str {
        self.schema.columns.get(column).map_or("?", |column| column.name.as_str())
    }

    /// `followee_id, follower_id`.
    pub fn names(&self, columns: &[usize]) -> String {
        let names: Vec<&str> = columns.iter().map(|column| self.name(*column)).collect();
        names.join(", ")
    }

    /// Why a column cannot be a part of a key; `None` when it can.
    pub fn unfit(&self, column: usize) -> Option<String> {
        let column = &self.schema.columns[column];
        let declared = &column.declared;
        if !can_be_key(&column.column_type) {
            return Some(format!(
                "its type is {declared}; keys take integers, strings, binary strings and dates"
            ));
        }
        if column.nullable {
            return Some(format!("it can be NULL ({declared})"));
        }
        if column.virtual_generated {
            return Some("it is a virtual generated column, which the binlog may lack".to_owned());
        }
        let set = self.undecodable.iter().find(|(name, _)| *name == column.name);
        set.map(|(_, set)| format!("tailfill cannot decode its character set {set}"))
    }

    pub fn fits(&self, columns: &[usize]) -> bool {
        columns.iter().all(|column| self.unfit(*column).is_none())
    }

    pub fn is_moment(&self, column: usize) -> bool {
        is_moment(&self.schema.columns[column].column_type)
    }

    pub fn is_integer(&self, column: usize) -> bool {
        matches!(self.schema.columns[column].column_type, ColumnType::Integer { .. } | ColumnType::Year)
    }

    pub fn is_unsigned(&self, column: usize) -> bool {
        let column_type = &self.schema.columns[column].column_type;
        matches!(column_type, ColumnType::Integer { unsigned: true, .. } | ColumnType::Year)
    }

    /// Columns that can become cells, beside those of keys.
    pub fn cells(&self, key: &[usize], item: &[usize]) -> Vec<usize> {
        let columns = 0..self.schema.columns.len();
        columns
            .filter(|column| !key.contains(column) && !item.contains(column) && self.can_be_cell(*column))
            .collect()
    }

    pub fn can_be_cell(&self, column: usize) -> bool {
        let column = &self.schema.columns[column];
        !column.virtual_generated && self.undecodable.iter().all(|(name, _)| *name != column.name)
    }

    /// Rows for each different value of the first `parts` columns of an index; `None` where InnoDB's estimate says nothing.
    pub fn rows_each(&self, index: &Index, parts: usize) -> Option<f64> {
        let distinct = index.parts.get(parts.checked_sub(1)?)?.distinct;
        (self.rows >= ROWS_FOR_ESTIMATES && distinct > 0).then(|| self.rows as f64 / distinct as f64)
    }

    /// The index that begins with these columns, in any order.
    pub fn index_of(&self, columns: &[usize]) -> Option<&Index> {
        self.build.indexes.iter().find(|index| begins_with(index, columns))
    }
}

/// Whether an index begins with these columns, in any order.
pub fn begins_with(index: &Index, columns: &[usize]) -> bool {
    let first = index.parts.get(..columns.len()).unwrap_or_default();
    first.len() == columns.len() && first.iter().all(|part| columns.contains(&part.column))
}

/// A name that was typed.
pub fn column(table: &Table, option: &str, name: &str) -> Result<usize, Failure> {
    table.schema.column_index(name).ok_or_else(|| {
        let names: Vec<&str> = table.schema.columns.iter().map(|column| column.name.as_str()).collect();
        let help = match likely(name, names.iter().copied()) {
            Some(likely) => format!("did you mean {likely}?"),
            None => format!("its columns: {}", names.join(", ")),
        };
        Failure::new(Exit::Usage, format!("{option}: {} has no column {name:?}", table.schema.name))
            .with_help(help)
    })
}

/// `the primary key`, `the index by_shop`.
pub fn called(index: &Index) -> String {
    match (index.is_primary(), index.is_unique) {
        (true, _) => "the primary key".to_owned(),
        (false, true) => format!("the unique key {}", index.name),
        (false, false) => format!("the index {}", index.name),
    }
}
