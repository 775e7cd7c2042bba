//! A row named by its key columns, as what stands behind WHERE to find it.

use crate::model::table::quote;
use crate::model::{Column, ColumnType, ColumnValue, TableSchema};
use std::fmt::Write;

/// A key column of a row.
pub enum KeyCell<'a> {
    Value(ColumnValue<'a>),
    /// The column's bytes, where they are no text.
    Bytes(&'a [u8]),
}

/// `` `tag` = _cp932 X'879b' AND `post` = 3 ``. Texts that are not plain, and bytes, stand in hex.
pub fn condition<'a>(schema: &TableSchema, cells: impl Iterator<Item = (usize, KeyCell<'a>)>) -> String {
    let mut sql = String::new();
    for (index, cell) in cells {
        let Some(column) = schema.columns.get(index) else { continue };
        if !sql.is_empty() {
            sql.push_str(" AND ");
        }
        let name = quote(&column.name);
        let _ = match (cell, &column.column_type) {
            (KeyCell::Bytes(bytes), ColumnType::Text { charset, .. }) => {
                write!(sql, "{name} = _{charset} X'{}'", hex::encode(bytes))
            }
            (KeyCell::Bytes(bytes), _) => write!(sql, "{name} = X'{}'", hex::encode(bytes)),
            (KeyCell::Value(ColumnValue::Null), _) => write!(sql, "{name} IS NULL"),
            (KeyCell::Value(value), _) => write!(sql, "{name} = {}", literal(&value)),
        };
    }
    sql
}

/// `; all such rows: SELECT ..` for a text column with bytes that are no text of its set, or not the only ones of their
/// text; empty for other columns. `keys`: the columns to name rows by.
pub fn all_like(schema: &TableSchema, keys: &[usize], column: usize) -> String {
    let Some(Column { name, column_type: ColumnType::Text { charset, .. }, .. }) = schema.columns.get(column)
    else {
        return String::new();
    };
    let name = quote(name);
    let condition = format!(
        "CONVERT(CAST({name} AS BINARY) USING {charset}) IS NULL AND {name} IS NOT NULL OR \
         CAST(CONVERT(CONVERT({name} USING utf8mb4) USING {charset}) AS BINARY) <> CAST({name} AS BINARY)"
    );
    format!("; all such rows: {}", schema.select(keys.iter().copied(), &condition))
}

fn literal(value: &ColumnValue<'_>) -> String {
    match value {
        ColumnValue::Null => "NULL".into(),
        ColumnValue::Int(number) => number.to_string(),
        ColumnValue::UInt(number) => number.to_string(),
        ColumnValue::Float(number) => number.to_string(),
        ColumnValue::Double(number) => number.to_string(),
        ColumnValue::Text(text) if text.bytes().all(|b| b.is_ascii_graphic() && b != b'\'' && b != b'\\') => {
            format!("'{text}'")
        }
        ColumnValue::Text(text) => format!("_utf8mb4 X'{}'", hex::encode(text.as_bytes())),
        ColumnValue::Bytes(bytes) => format!("X'{}'", hex::encode(bytes)),
        ColumnValue::DateTime(d) => format!(
            "'{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}'",
            d.year, d.month, d.day, d.hour, d.minute, d.second, d.micros
        ),
        ColumnValue::Time(t) => {
            let sign = if t.negative { "-" } else { "" };
            format!("'{sign}{:02}:{:02}:{:02}.{:06}'", t.hours, t.minutes, t.seconds, t.micros)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, TableName, Value};

    #[test]
    fn a_row_is_named_so_that_it_can_be_selected() {
        let column = |name: &str, column_type| Column {
            name: name.into(),
            column_type,
            nullable: false,
            declared: String::new(),
            virtual_generated: false,
        };
        let text = ColumnType::Text { charset: "cp932".into(), collation: "cp932_bin".into() };
        let schema = TableSchema {
            name: TableName { schema: "s".into(), table: "t".into() },
            columns: vec![
                column("tag", text),
                column("post", ColumnType::Integer { bytes: 4, unsigned: false }),
            ],
            primary_key: vec![0, 1],
            unique_keys: vec![],
        };
        let name = |tag: KeyCell<'_>| {
            let cells = [(0, tag), (1, KeyCell::Value(Value::Int(3)))];
            condition(&schema, cells.into_iter())
        };
        let text = |text: &'static str| Value::Text(text.into());
        assert_eq!(name(KeyCell::Bytes(b"\x87\x9B")), "`tag` = _cp932 X'879b' AND `post` = 3");
        assert_eq!(name(KeyCell::Value(text("abc"))), "`tag` = 'abc' AND `post` = 3");
        assert_eq!(name(KeyCell::Value(text("it's"))), "`tag` = _utf8mb4 X'69742773' AND `post` = 3");
    }
}
