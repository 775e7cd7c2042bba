//! Values and lists as people read them, and as JSON.

use super::compare::Difference;
use super::list::{Answers, Pair, Side, StoredItem};
use crate::model::{ColumnType, Mapping, Target, Value, ValueEncoding};
use crate::sink::{encode, tall};
use bytes::Bytes;
use serde_json::{Map, json};
use std::fmt::Write as _;

/// Characters of one value in a table, and in an example.
const CHARS_MAX: usize = 64;

/// Key columns with their values: `followee_id=7 follower_id=42`.
pub fn key_text(mapping: &Mapping, key: &[Value], item: &[Value]) -> String {
    let columns = mapping.key.iter().chain(&mapping.item);
    let named = columns.zip(key.iter().chain(item)).map(|(&column, value)| {
        let name = mapping.schema.columns.get(column).map_or("?", |column| column.name.as_str());
        format!("{name}={}", shown(&value_text(mapping, column, value)))
    });
    named.collect::<Vec<_>>().join(" ")
}

/// Text without characters that would spoil a line: control characters and backslashes as escapes.
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || c == '\\' {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// [`printable`], and not longer than a line can take.
fn shown(text: &str) -> String {
    let shown = printable(text);
    match shown.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}... ({} bytes)", &shown[..end], text.len()),
        None => shown,
    }
}

fn value_text(mapping: &Mapping, column: usize, value: &Value) -> String {
    let bytes = encode::cell_value(mapping, column, value, ValueEncoding::Utf8).ok().flatten();
    let column_type = mapping.schema.columns.get(column).map(|column| &column.column_type);
    bytes.map_or_else(|| "NULL".to_owned(), |bytes| cell_text(column_type, ValueEncoding::Utf8, &bytes))
}

/// A cell's value: binary as `0x...`, and so whatever is not as its column and encoding say.
fn cell_text(column_type: Option<&ColumnType>, encoding: ValueEncoding, bytes: &[u8]) -> String {
    let hex = || format!("0x{}", hex::encode(bytes));
    let Some(column_type) = column_type else { return hex() };
    let eight = || <[u8; 8]>::try_from(bytes).ok();
    match (encoding, column_type) {
        (
            _,
            ColumnType::Binary { .. }
            | ColumnType::VarBinary
            | ColumnType::Bit { .. }
            | ColumnType::Geometry
            | ColumnType::Vector,
        ) => hex(),
        (ValueEncoding::Bytes, ColumnType::Integer { unsigned: true, .. } | ColumnType::Year) => {
            eight().map_or_else(hex, |bytes| u64::from_be_bytes(bytes).to_string())
        }
        (ValueEncoding::Bytes, ColumnType::Integer { .. }) => {
            eight().map_or_else(hex, |bytes| i64::from_be_bytes(bytes).to_string())
        }
        (ValueEncoding::Utf8, _)
        | (
            ValueEncoding::Bytes,
            ColumnType::Text { .. } | ColumnType::Enum { .. } | ColumnType::Set { .. } | ColumnType::Json,
        ) => std::str::from_utf8(bytes).map_or_else(|_| hex(), str::to_owned),
        (ValueEncoding::Bytes, _) => hex(),
    }
}

/// The columns of a table of items, and the values of each.
struct Columns<'a> {
    mapping: &'a Mapping,
    target: &'a Target,
    /// Qualifiers: the configured columns, then what else turned up.
    qualifiers: Vec<Bytes>,
}

impl<'a> Columns<'a> {
    /// As a table shows them.
    fn new(mapping: &'a Mapping, target: &'a Target, pairs: &[Pair]) -> Columns<'a> {
        let mut columns = Columns::all(mapping, target, pairs);
        columns.drop_order_cell(pairs);
        columns
    }

    fn all(mapping: &'a Mapping, target: &'a Target, pairs: &[Pair]) -> Columns<'a> {
        let columns = target.columns.iter().filter_map(|&column| mapping.schema.columns.get(column));
        let mut qualifiers: Vec<Bytes> =
            columns.map(|column| Bytes::copy_from_slice(column.name.as_bytes())).collect();
        for item in pairs.iter().flat_map(|pair| [&pair.mysql, &pair.hbase]).flatten() {
            for (qualifier, _) in &item.cells {
                if !qualifiers.contains(qualifier) {
                    qualifiers.push(qualifier.clone());
                }
            }
        }
        Columns { mapping, target, qualifiers }
    }

    /// The order value is in the row key; its cell is shown only where it says something else.
    fn drop_order_cell(&mut self, pairs: &[Pair]) {
        let Some(order) = self.order_column() else { return };
        let name = self.column_name(order).to_owned();
        let Some(at) = self.qualifiers.iter().position(|qualifier| *qualifier == name) else { return };
        let agrees = |pair: &Pair| {
            let key = self.key_values(pair).into_iter().next();
            let cells = [&pair.mysql, &pair.hbase].into_iter().flatten();
            cells.into_iter().all(|item| self.cell(item, &self.qualifiers[at]) == key)
        };
        if pairs.iter().all(agrees) {
            self.qualifiers.remove(at);
        }
    }

    fn order_column(&self) -> Option<usize> {
        self.mapping.order.filter(|_| self.target.ordered).map(|order| order.column)
    }

    fn column_name(&self, column: usize) -> &str {
        self.mapping.schema.columns.get(column).map_or("?", |column| column.name.as_str())
    }

    /// The columns of the row key that are shown: order, item.
    fn key_columns(&self) -> impl Iterator<Item = usize> {
        self.order_column().into_iter().chain(self.mapping.item.iter().copied())
    }

    fn names(&self) -> Vec<String> {
        let keys = self.key_columns().map(|column| printable(self.column_name(column)));
        keys.chain(self.qualifiers.iter().map(|name| printable(&String::from_utf8_lossy(name)))).collect()
    }

    /// The row key's shown values; the whole key in hexadecimal where it is none of the mapping.
    fn key_values(&self, pair: &Pair) -> Vec<String> {
        match tall::split_row_key(self.mapping, self.target, &pair.row) {
            Some(parts) => {
                let values = parts.order.iter().chain(&parts.item);
                self.key_columns().zip(values).map(|(c, value)| value_text(self.mapping, c, value)).collect()
            }
            None => {
                let mut values = vec![String::new(); self.key_columns().count()];
                if let Some(first) = values.first_mut() {
                    *first = format!("row 0x{}", hex::encode(&pair.row));
                }
                values
            }
        }
    }

    /// `None` for an absent cell.
    fn cell(&self, item: &StoredItem, qualifier: &Bytes) -> Option<String> {
        let (_, bytes) = item.cells.iter().find(|(name, _)| name == qualifier)?;
        let columns = &self.mapping.schema.columns;
        let column = columns.iter().find(|column| column.name.as_bytes() == &qualifier[..]);
        Some(cell_text(column.map(|column| &column.column_type), self.target.values, bytes))
    }

    /// One side of a line; cells that differ end with `*`.
    fn line(&self, pair: &Pair, item: &StoredItem) -> Vec<String> {
        let differs = |qualifier: &Bytes| match &pair.difference {
            Some(Difference::Different(cells)) => cells.iter().any(|cell| cell.qualifier == *qualifier),
            _ => false,
        };
        let mut line: Vec<String> = self.key_values(pair).iter().map(|text| shown(text)).collect();
        for qualifier in &self.qualifiers {
            let text = self.cell(item, qualifier).map_or_else(|| "NULL".to_owned(), |text| shown(&text));
            line.push(if differs(qualifier) { format!("{text} *") } else { text });
        }
        line
    }
}

/// The answer as lines of text, with a header. `side` is what was asked.
pub fn answers_text(mapping: &Mapping, answers: &Answers, side: Side) -> String {
    match answers {
        Answers::Count { mysql, hbase } => {
            let mut text = String::new();
            for (name, count) in [("MySQL", mysql), ("HBase", hbase)] {
                if let Some(count) = count {
                    let _ = writeln!(text, "{name}  {count}");
                }
            }
            text + if answers.equal() { "" } else { "they DIFFER\n" }
        }
        Answers::Items { target, pairs } => {
            let columns = Columns::new(mapping, target, pairs);
            match side {
                Side::Both => side_by_side(&columns, pairs),
                Side::Mysql => one_side(&columns, pairs, |pair| pair.mysql.as_ref()),
                Side::Hbase => one_side(&columns, pairs, |pair| pair.hbase.as_ref()),
            }
        }
    }
}

fn one_side(columns: &Columns<'_>, pairs: &[Pair], item: impl Fn(&Pair) -> Option<&StoredItem>) -> String {
    let mut table = vec![columns.names()];
    table.extend(pairs.iter().filter_map(|pair| Some(columns.line(pair, item(pair)?))));
    aligned(&table) + &counted(table.len() - 1)
}

fn side_by_side(columns: &Columns<'_>, pairs: &[Pair]) -> String {
    let names = columns.names();
    let blank = vec![String::new(); names.len()];
    let mark = |pair: &Pair| match pair.difference {
        None => " ",
        Some(Difference::Different(_)) => "|",
        Some(Difference::Missing) => "<",
        Some(Difference::Extra) => ">",
    };
    let row = |left: &[String], mark: &str, right: &[String]| {
        left.iter().cloned().chain([mark.to_owned()]).chain(right.iter().cloned()).collect::<Vec<_>>()
    };
    let mut titles = (blank.clone(), blank.clone());
    if let (Some(left), Some(right)) = (titles.0.first_mut(), titles.1.first_mut()) {
        (*left, *right) = ("MySQL".to_owned(), "HBase".to_owned());
    }
    let mut table = vec![row(&titles.0, "", &titles.1), row(&names, "", &names)];
    for pair in pairs {
        let line = |item: &Option<StoredItem>| item.as_ref().map(|item| columns.line(pair, item));
        let (left, right) = (line(&pair.mysql), line(&pair.hbase));
        table.push(row(left.as_ref().unwrap_or(&blank), mark(pair), right.as_ref().unwrap_or(&blank)));
    }
    let differing = pairs.iter().filter(|pair| pair.difference.is_some()).count();
    let verdict = match differing {
        0 => "both sides are equal".to_owned(),
        n => format!("{n} DIFFER (| and *: other cells, <: only in MySQL, >: only in HBase)"),
    };
    format!("{}{}{verdict}\n", aligned(&table), counted(pairs.len()))
}

fn counted(items: usize) -> String {
    format!("{items} {}\n", if items == 1 { "item" } else { "items" })
}

/// Cells in columns, two spaces between them.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in table {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The answer as one JSON object: `equal`, and for each side that was asked a count or its items.
pub fn answers_json(mapping: &Mapping, answers: &Answers, side: Side) -> String {
    let mut json = Map::new();
    json.insert("mapping".into(), json!(mapping.name));
    if side == Side::Both {
        json.insert("equal".into(), json!(answers.equal()));
    }
    match answers {
        Answers::Count { mysql, hbase } => {
            json.extend(mysql.map(|count| ("mysql".to_owned(), json!(count))));
            json.extend(hbase.map(|count| ("hbase".to_owned(), json!(count))));
        }
        Answers::Items { target, pairs } => {
            let columns = Columns::all(mapping, target, pairs);
            let items = |side: fn(&Pair) -> Option<&StoredItem>| {
                let items = pairs.iter().filter_map(|pair| Some(item_json(&columns, pair, side(pair)?)));
                json!(items.collect::<Vec<_>>())
            };
            if side.has_mysql() {
                json.insert("mysql".into(), items(|pair| pair.mysql.as_ref()));
            }
            if side.has_hbase() {
                json.insert("hbase".into(), items(|pair| pair.hbase.as_ref()));
            }
        }
    }
    format!("{}\n", serde_json::Value::Object(json))
}

/// `{"row": hex, "key": {column: text}, "cells": {qualifier: text}}`; an absent cell is left out.
fn item_json(columns: &Columns<'_>, pair: &Pair, item: &StoredItem) -> serde_json::Value {
    let names = columns.key_columns().map(|column| columns.column_name(column).to_owned());
    let key: Map<String, serde_json::Value> =
        names.zip(columns.key_values(pair)).map(|(name, text)| (name, json!(text))).collect();
    let cells: Map<String, serde_json::Value> = columns
        .qualifiers
        .iter()
        .filter_map(|name| {
            Some((String::from_utf8_lossy(name).into_owned(), json!(columns.cell(item, name)?)))
        })
        .collect();
    json!({ "row": hex::encode(&pair.row), "key": key, "cells": cells })
}
