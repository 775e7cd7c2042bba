//! Tables for the tests of this folder, from a few words each.

use super::table::Table;
use crate::model::{Column, ColumnType, TableName, TableSchema};
use crate::source::facts_index::{Index, IndexPart, TableBuild};
use std::sync::Arc;

/// `name type`, with `null` behind where it can be NULL, `virtual` for a virtual generated column.
fn column(text: &str) -> Column {
    let words: Vec<&str> = text.split(' ').collect();
    let column_type = match words[1] {
        "int" => ColumnType::Integer { bytes: 8, unsigned: true },
        "datetime" => ColumnType::DateTime { fraction: 3 },
        "text" => ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() },
        "binary" => ColumnType::Binary { length: 16 },
        "double" => ColumnType::Double,
        other => panic!("no type {other}"),
    };
    Column {
        name: words[0].replace('~', " "),
        column_type,
        nullable: words.contains(&"null"),
        declared: words[1].into(),
        virtual_generated: words.contains(&"virtual"),
    }
}

/// `PRIMARY a b`, `unique u a`, `index i a:500 b`: a number is that of different values. All columns are whole.
fn index(schema: &TableSchema, text: &str) -> Index {
    let mut words = text.split(' ');
    let kind = words.next().expect("a kind");
    let name = if kind == "PRIMARY" { kind } else { words.next().expect("a name") };
    let part = |word: &str| {
        let (name, distinct) = word.split_once(':').unwrap_or((word, "0"));
        let column = schema.column_index(name).unwrap_or_else(|| panic!("no column {name}"));
        IndexPart { column, descending: false, distinct: distinct.parse().expect("a number") }
    };
    Index { name: name.into(), parts: words.map(part).collect(), is_whole: true, is_unique: kind != "index" }
}

/// A table of so many rows.
pub fn table(rows: u64, columns: &[&str], indexes: &[&str]) -> Table {
    let name = TableName { schema: "social".into(), table: "follows".into() };
    let columns = columns.iter().map(|text| column(text)).collect();
    let mut schema = TableSchema { name, columns, primary_key: vec![], unique_keys: vec![] };
    let indexes: Vec<Index> = indexes.iter().map(|text| index(&schema, text)).collect();
    for index in indexes.iter().filter(|index| index.is_unique) {
        let columns = index.columns();
        if columns.iter().any(|column| schema.columns[*column].nullable) {
            continue;
        }
        if index.is_primary() {
            schema.primary_key.clone_from(&columns);
        }
        schema.unique_keys.push(columns);
    }
    let build = TableBuild { indexes, ..TableBuild::default() };
    Table { schema: Arc::new(schema), build, rows, undecodable: Vec::new() }
}

/// The table with which most people begin.
pub fn follows() -> Table {
    table(
        1_000_000,
        &["followee_id int", "follower_id int", "created_at datetime", "note text null"],
        &[
            "PRIMARY followee_id:20000 follower_id:1000000",
            "index by_time followee_id:20000 created_at:900000",
        ],
    )
}
