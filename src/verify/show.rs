//! Values and lists as people read them, and as JSON.

use super::list::{Answers, Count, Pair, Side, StoredItem, Work};
use crate::compare::Difference;
use crate::model::{ColumnType, Cursor, Mapping, Target, Value, ValueEncoding};
use crate::sink::decode;
use crate::sink::encode;
use crate::sink::layout::Codec;
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
    bytes.map_or_else(
        || "NULL".to_owned(),
        |bytes| cell_text(mapping, Some(column), ValueEncoding::Utf8, &bytes),
    )
}

/// A cell's value: binary as `0x...`, and so whatever is not as its column and encoding say.
fn cell_text(mapping: &Mapping, column: Option<usize>, encoding: ValueEncoding, bytes: &[u8]) -> String {
    let hex = || format!("0x{}", hex::encode(bytes));
    let Some((column, declared)) = column.and_then(|at| Some((at, mapping.schema.columns.get(at)?))) else {
        return hex();
    };
    let is_text = encoding == ValueEncoding::Utf8 || is_text_in_bytes(&declared.column_type);
    if decode::is_raw(&declared.column_type) {
        hex()
    } else if is_text {
        std::str::from_utf8(bytes).map_or_else(|_| hex(), str::to_owned)
    } else {
        let value = decode::key_value(&declared.column_type, encoding, bytes);
        value.map_or_else(hex, |value| value_text(mapping, column, &value))
    }
}

/// Types whose values are texts in `bytes` too.
fn is_text_in_bytes(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Text { .. } | ColumnType::Enum { .. } | ColumnType::Set { .. } | ColumnType::Json
    )
}

/// The columns of a table of items, and the values of each.
struct Columns<'a> {
    mapping: &'a Mapping,
    target: &'a Target,
    /// The configured columns, then what else turned up.
    names: Vec<Bytes>,
}

impl<'a> Columns<'a> {
    /// As a table shows them.
    fn new(mapping: &'a Mapping, target: &'a Target, pairs: &[Pair]) -> Columns<'a> {
        let mut columns = Columns::all(mapping, target, pairs);
        columns.drop_order_column(pairs);
        columns
    }

    fn all(mapping: &'a Mapping, target: &'a Target, pairs: &[Pair]) -> Columns<'a> {
        let columns = target.columns.iter().filter_map(|&column| mapping.schema.columns.get(column));
        let mut names: Vec<Bytes> =
            columns.map(|column| Bytes::copy_from_slice(column.name.as_bytes())).collect();
        for item in pairs.iter().flat_map(|pair| [&pair.mysql, &pair.hbase]).flatten() {
            for (name, _) in &item.columns {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        Columns { mapping, target, names }
    }

    /// The order value is in the address; that of the columns is shown only where it says something else.
    fn drop_order_column(&mut self, pairs: &[Pair]) {
        let Some(order) = self.order_column() else { return };
        let name = self.column_name(order).to_owned();
        let Some(at) = self.names.iter().position(|other| *other == name) else { return };
        let agrees = |pair: &Pair| {
            let key = self.key_values(pair).into_iter().next();
            let items = [&pair.mysql, &pair.hbase].into_iter().flatten();
            items.into_iter().all(|item| self.text(item, &self.names[at]) == key)
        };
        if pairs.iter().all(agrees) {
            self.names.remove(at);
        }
    }

    fn order_column(&self) -> Option<usize> {
        self.mapping.order.filter(|_| self.target.ordered).map(|order| order.column)
    }

    fn column_name(&self, column: usize) -> &str {
        self.mapping.schema.columns.get(column).map_or("?", |column| column.name.as_str())
    }

    /// The columns of the address that are shown: order, item.
    fn key_columns(&self) -> impl Iterator<Item = usize> {
        self.order_column().into_iter().chain(self.mapping.item.iter().copied())
    }

    fn titles(&self) -> Vec<String> {
        let keys = self.key_columns().map(|column| printable(self.column_name(column)));
        keys.chain(self.names.iter().map(|name| printable(&String::from_utf8_lossy(name)))).collect()
    }

    /// The address's shown values; all of it in hexadecimal where it is none of the mapping.
    fn key_values(&self, pair: &Pair) -> Vec<String> {
        match Codec::of(self.mapping, self.target).split(&pair.address) {
            Some(parts) => {
                let values = parts.order.iter().chain(&parts.item);
                self.key_columns().zip(values).map(|(c, value)| value_text(self.mapping, c, value)).collect()
            }
            None => {
                let mut values = vec![String::new(); self.key_columns().count()];
                if let Some(first) = values.first_mut() {
                    *first = format!("row 0x{}", hex::encode(&pair.address.row));
                    if let Some(cell) = &pair.address.cell {
                        let _ = write!(first, " cell 0x{}", hex::encode(cell));
                    }
                }
                values
            }
        }
    }

    /// `None` for NULL.
    fn text(&self, item: &StoredItem, name: &Bytes) -> Option<String> {
        let (_, bytes) = item.columns.iter().find(|(other, _)| other == name)?;
        let column =
            self.mapping.schema.columns.iter().position(|column| column.name.as_bytes() == &name[..]);
        Some(cell_text(self.mapping, column, decode::encoding(self.target), bytes))
    }

    /// One side of a line; columns that differ end with `*`.
    fn line(&self, pair: &Pair, item: &StoredItem) -> Vec<String> {
        let differing = self.differing(pair);
        let mut line: Vec<String> = self.key_values(pair).iter().map(|text| shown(text)).collect();
        for name in &self.names {
            let text = self.text(item, name).map_or_else(|| "NULL".to_owned(), |text| shown(&text));
            line.push(if differing.contains(&name) { format!("{text} *") } else { text });
        }
        line
    }

    /// The columns in which both sides differ: all of them, where one value that holds all is merely written otherwise.
    fn differing(&self, pair: &Pair) -> Vec<&Bytes> {
        let (Some(Difference::Different(_)), Some(mysql), Some(hbase)) =
            (&pair.difference, &pair.mysql, &pair.hbase)
        else {
            return Vec::new();
        };
        let value = |item: &StoredItem, name: &Bytes| {
            item.columns.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
        };
        let differ: Vec<&Bytes> =
            self.names.iter().filter(|name| value(mysql, name) != value(hbase, name)).collect();
        if differ.is_empty() { self.names.iter().collect() } else { differ }
    }
}

/// The answer as lines of text, with a header. `side` is what was asked.
pub fn answers_text(mapping: &Mapping, answers: &Answers, side: Side) -> String {
    match answers {
        Answers::Count { mysql, hbase } => {
            let mut text = String::new();
            if let Some(count) = mysql {
                let _ = writeln!(text, "MySQL  {count}");
            }
            if let Some(count) = hbase {
                let _ = writeln!(text, "HBase  {}{}", count.items, not_counted(count));
            }
            text + if answers.equal() { "" } else { "they DIFFER\n" }
        }
        Answers::Items { target, pairs, next } => {
            let columns = Columns::new(mapping, target, pairs);
            let items = match side {
                Side::Both => side_by_side(&columns, pairs),
                Side::Mysql => one_side(&columns, pairs, |pair| pair.mysql.as_ref()),
                Side::Hbase => one_side(&columns, pairs, |pair| pair.hbase.as_ref()),
            };
            let next = next.as_ref().map(|next| json!(cursor_texts(mapping, next)).to_string());
            let next = next.map(|next| format!("next page: --after '{}'\n", next.replace('\'', "'\\''")));
            items + &next.unwrap_or_default()
        }
    }
}

fn not_counted(count: &Count) -> String {
    match count.rows_uncounted {
        0 => String::new(),
        rows => format!(" (not counted yet: the cells of {} were)", many(rows, "row")),
    }
}

/// A place as `--after` takes it.
fn cursor_texts(mapping: &Mapping, cursor: &Cursor) -> Vec<String> {
    let order = mapping.order.map(|order| order.column).into_iter().zip(&cursor.order);
    let item = mapping.item.iter().copied().zip(&cursor.item);
    order.chain(item).map(|(column, value)| value_text(mapping, column, value)).collect()
}

fn one_side(columns: &Columns<'_>, pairs: &[Pair], item: impl Fn(&Pair) -> Option<&StoredItem>) -> String {
    let mut table = vec![columns.titles()];
    table.extend(pairs.iter().filter_map(|pair| Some(columns.line(pair, item(pair)?))));
    aligned(&table) + &counted(table.len() - 1)
}

fn side_by_side(columns: &Columns<'_>, pairs: &[Pair]) -> String {
    let names = columns.titles();
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
    many(items as u64, "item") + "\n"
}

fn many(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
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

/// The answer as one JSON object: `equal`, for each side that was asked a count or its items, and what was done for it.
pub fn answers_json(mapping: &Mapping, answers: &Answers, side: Side, work: Option<&Work>) -> String {
    let mut json = Map::new();
    json.insert("mapping".into(), json!(mapping.name));
    if side == Side::Both {
        json.insert("equal".into(), json!(answers.equal()));
    }
    match answers {
        Answers::Count { mysql, hbase } => {
            json.extend(mysql.map(|count| ("mysql".to_owned(), json!(count))));
            json.extend(hbase.map(|count| ("hbase".to_owned(), json!(count.items))));
            let uncounted = hbase.map(|count| count.rows_uncounted).filter(|rows| *rows > 0);
            json.extend(uncounted.map(|rows| ("rows_uncounted".to_owned(), json!(rows))));
        }
        Answers::Items { target, pairs, next } => {
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
            json.extend(next.as_ref().map(|next| ("next".to_owned(), json!(cursor_texts(mapping, next)))));
        }
    }
    json.extend(work.map(|work| ("work".to_owned(), work_json(work))));
    format!("{}\n", serde_json::Value::Object(json))
}

/// `{"row": hex, "cell": hex, "key": {column: text}, "cells": {column: text}}`; `cell` only in the wide layout, and what is
/// NULL is left out.
fn item_json(columns: &Columns<'_>, pair: &Pair, item: &StoredItem) -> serde_json::Value {
    let names = columns.key_columns().map(|column| columns.column_name(column).to_owned());
    let key: Map<String, serde_json::Value> =
        names.zip(columns.key_values(pair)).map(|(name, text)| (name, json!(text))).collect();
    let values: Map<String, serde_json::Value> = columns
        .names
        .iter()
        .filter_map(|name| {
            Some((String::from_utf8_lossy(name).into_owned(), json!(columns.text(item, name)?)))
        })
        .collect();
    let mut json = Map::new();
    json.insert("row".into(), json!(hex::encode(&pair.address.row)));
    json.extend(pair.address.cell.as_ref().map(|cell| ("cell".to_owned(), json!(hex::encode(cell)))));
    json.insert("key".into(), json!(key));
    json.insert("cells".into(), json!(values));
    serde_json::Value::Object(json)
}

/// What was done for an answer, as lines of text.
pub fn work_text(work: &Work) -> String {
    let mut text = String::new();
    if work.selects.selects > 0 {
        let (rows, selects) = (many(work.selects.rows, "row"), many(work.selects.selects, "SELECT"));
        let _ = writeln!(text, "MySQL read {rows} in {selects}");
    }
    if let Some((table, answer)) = &work.hbase {
        let _ = writeln!(text, "HBase answered from {table} by {answer}");
    }
    if let Some(reads) = &work.reads {
        let (rows, cells) = (many(reads.rows, "row"), many(reads.cells, "cell"));
        let _ = writeln!(text, "HBase read {rows} with {cells} in {}", many(reads.calls, "call"));
    }
    text
}

/// The same as a JSON object.
fn work_json(work: &Work) -> serde_json::Value {
    let mut json = Map::new();
    if work.selects.selects > 0 {
        json.insert("mysql".into(), json!({ "selects": work.selects.selects, "rows": work.selects.rows }));
    }
    if let Some((table, answer)) = &work.hbase {
        let mut hbase = json!({ "table": table, "answer": answer });
        if let (Some(hbase), Some(reads)) = (hbase.as_object_mut(), &work.reads) {
            hbase.insert("calls".into(), json!(reads.calls));
            hbase.insert("rows".into(), json!(reads.rows));
            hbase.insert("cells".into(), json!(reads.cells));
        }
        json.insert("hbase".into(), hbase);
    }
    serde_json::Value::Object(json)
}
