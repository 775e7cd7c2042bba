//! An independent comparison of a MySQL table and its HBase tables: every item, every cell.
//!
//! It reads MySQL as text that MySQL itself makes, and row keys by what docs/formats.md says, with a decoder of
//! its own. It shares nothing with tailfill but the HBase connection.

use super::mysql;
use super::shape::{Column, Kind, Shape};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use std::collections::BTreeMap;
use tailfill::model::TargetId;
use tailfill::sink::hbase::HbaseSink;
use tailfill::sink::{ScanRange, Sink, StoredRow};

/// List key, order (empty without), item key.
pub type Address = (Vec<String>, Vec<String>, Vec<String>);
/// Values by column.
pub type Cells = BTreeMap<String, String>;
pub type Items = BTreeMap<Address, Cells>;

/// One target as the comparison sees it.
pub struct Side<'a> {
    pub shape: &'a Shape,
    pub ordered: bool,
    pub buckets: u16,
}

impl Side<'_> {
    /// Every item that MySQL has.
    pub async fn of_mysql(&self, port: u16, database: &str) -> Items {
        let shape = self.shape;
        let (cells, order) = (shape.cells(self.ordered), self.order());
        let keys: Vec<Column> = shape.key.iter().chain(&order).chain(shape.item).copied().collect();
        let selected = keys.iter().map(key_text).chain(cells.iter().map(cell_text)).collect::<Vec<_>>();
        let query = format!("SELECT {} FROM {}", selected.join(", "), shape.table);
        let mut conn = mysql::connect(port, Some(database)).await;
        let rows: Vec<Row> = conn.query(query).await.expect("the table can be read");
        let mut items = Items::new();
        for row in rows {
            let values: Vec<Option<String>> = row.unwrap().into_iter().map(text).collect();
            let parts: Vec<String> =
                values[..keys.len()].iter().map(|part| part.clone().expect("keys are NOT NULL")).collect();
            let (list, rest) = parts.split_at(shape.key.len());
            let (order, item) = rest.split_at(order.len());
            let mut found = Cells::new();
            for (cell, value) in cells.iter().zip(&values[keys.len()..]) {
                found.extend(value.clone().map(|value| (cell.name.to_owned(), value)));
            }
            if found.is_empty() {
                found.insert(String::new(), String::new());
            }
            items.insert((list.to_vec(), order.to_vec(), item.to_vec()), found);
        }
        items
    }

    /// Every item that HBase shows.
    pub async fn of_hbase(&self, sink: &HbaseSink, target: TargetId) -> Items {
        let everything = ScanRange { limit: usize::MAX, ..ScanRange::default() };
        let rows = sink.scan(target, &everything).await.expect("the table can be scanned");
        let rows = rows.iter().filter(|row| row.row.as_ref() != [0xff]);
        rows.map(|row| (self.decode(&row.row), self.cells(row))).collect()
    }

    fn order(&self) -> Vec<Column> {
        if self.ordered { vec![self.shape.order] } else { Vec::new() }
    }

    fn decode(&self, row: &[u8]) -> Address {
        let (salt, mut rest) = row.split_first().expect("a row key has a salt");
        let all = rest;
        let list: Vec<String> =
            self.shape.key.iter().map(|column| part(column.kind, false, &mut rest)).collect();
        let list_key = &all[..all.len() - rest.len()];
        assert_eq!(
            u32::from(*salt),
            crc32(list_key) % u32::from(self.buckets),
            "the salt of {}",
            hex::encode(row)
        );
        let descending = self.shape.descending;
        let order: Vec<String> =
            self.order().iter().map(|column| part(column.kind, descending, &mut rest)).collect();
        let item = self.shape.item.iter().map(|column| part(column.kind, false, &mut rest)).collect();
        assert!(rest.is_empty(), "{} bytes too many in {}", rest.len(), hex::encode(row));
        (list, order, item)
    }

    fn cells(&self, row: &StoredRow) -> Cells {
        let columns = self.shape.cells(self.ordered);
        let mut cells = Cells::new();
        for cell in &row.cells {
            let name = String::from_utf8_lossy(&cell.qualifier).into_owned();
            let binary = columns.iter().any(|column| column.name == name && column.kind == Kind::Binary);
            let value = match binary {
                true => hex::encode_upper(&cell.value),
                false => String::from_utf8(cell.value.to_vec()).expect("values are text"),
            };
            cells.insert(name, value);
        }
        if cells.len() > 1 {
            cells.remove(""); // says only that the item exists
        }
        cells
    }
}

/// What is not the same on both sides.
#[derive(Debug, Default)]
pub struct Differences {
    pub missing: Vec<Address>,
    pub extra: Vec<Address>,
    pub different: Vec<(Address, Cells, Cells)>,
}

pub fn differences(mysql: &Items, hbase: &Items) -> Differences {
    let only_in = |here: &Items, there: &Items| {
        here.keys().filter(|address| !there.contains_key(*address)).cloned().collect()
    };
    let different = mysql.iter().filter_map(|(address, cells)| {
        let found = hbase.get(address).filter(|found| *found != cells)?;
        Some((address.clone(), cells.clone(), found.clone()))
    });
    Differences {
        missing: only_in(mysql, hbase),
        extra: only_in(hbase, mysql),
        different: different.collect(),
    }
}

/// Fails with samples unless both are equal.
pub fn assert_same(what: &str, mysql: &Items, hbase: &Items) {
    let Differences { mut missing, mut extra, mut different } = differences(mysql, hbase);
    if missing.is_empty() && extra.is_empty() && different.is_empty() {
        return;
    }
    let counts = (missing.len(), extra.len(), different.len());
    missing.truncate(5);
    extra.truncate(5);
    different.truncate(5);
    panic!(
        "{what}: {} items in MySQL, {} in HBase; (missing, extra, different) = {counts:?}, among them \
         missing {missing:?}, extra {extra:?}, different {different:?}",
        mysql.len(),
        hbase.len(),
    );
}

/// The expression by which MySQL prints a part of a key.
fn key_text(column: &Column) -> String {
    match column.kind {
        Kind::Unsigned | Kind::Signed | Kind::Text => format!("CAST({} AS CHAR)", column.name),
        Kind::Moment => format!("CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {}) AS CHAR)", column.name),
        Kind::Binary => format!("HEX({})", column.name),
    }
}

fn cell_text(column: &Column) -> String {
    match column.kind {
        Kind::Binary => format!("HEX({})", column.name),
        _ => format!("CAST({} AS CHAR)", column.name),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8(bytes).expect("CAST(... AS CHAR) is text")),
        other => panic!("{other:?} is not text"),
    }
}

/// Takes a part from the front of `rest` and prints it as MySQL would.
fn part(kind: Kind, descending: bool, rest: &mut &[u8]) -> String {
    match kind {
        Kind::Unsigned => u64::from_be_bytes(eight(descending, rest)).to_string(),
        Kind::Signed | Kind::Moment => {
            let flipped = u64::from_be_bytes(eight(descending, rest));
            ((flipped ^ (1 << 63)) as i64).to_string()
        }
        Kind::Text => String::from_utf8(string(descending, rest)).expect("text is UTF-8"),
        Kind::Binary => hex::encode_upper(string(descending, rest)),
    }
}

fn eight(descending: bool, rest: &mut &[u8]) -> [u8; 8] {
    let (head, tail) = rest.split_first_chunk::<8>().expect("a number has eight bytes");
    *rest = tail;
    head.map(|byte| if descending { !byte } else { byte })
}

/// 00 FF is a zero byte, 00 00 is the end.
fn string(descending: bool, rest: &mut &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut next = || {
        let (first, tail) = rest.split_first().expect("a string has an end");
        *rest = tail;
        if descending { !*first } else { *first }
    };
    loop {
        match next() {
            0 => match next() {
                0xff => found.push(0),
                0 => return found,
                other => panic!("00 {other:02x} is no part of a string"),
            },
            byte => found.push(byte),
        }
    }
}

/// IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
