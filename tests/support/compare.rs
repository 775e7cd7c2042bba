//! An independent comparison of a MySQL table and an HBase table, in every layout: each item, each value, each row.
//!
//! It reads MySQL as text that MySQL itself makes, and HBase by what docs/formats.md says, with a decoder of its own
//! ([`decode`]). It shares nothing with tailfill but the HBase connection.

use super::decode::{self, Writing};
use super::lists::{Cells as Holds, Form};
use super::mysql;
use super::shape::{Column, Kind, Shape};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use std::collections::BTreeMap;
use tailfill::model::TargetId;
use tailfill::sink::{CellRange, CountedRow, ReadCounts, ReadRows, ScanRange, StoredRow};

/// List key, order (empty without), item key.
pub type Address = (Vec<String>, Vec<String>, Vec<String>);
/// Values by column.
pub type Cells = BTreeMap<String, String>;
pub type Items = BTreeMap<Address, Cells>;
/// Which HBase row of the wide layout: list key, segment.
pub type WideRow = (Vec<String>, Option<i64>);

/// What one side has.
#[derive(Debug, Default)]
pub struct Found {
    pub items: Items,
    /// In the wide layout: how many items each row has.
    pub rows: BTreeMap<WideRow, u64>,
}

/// One target as the comparison sees it.
pub struct Side<'a> {
    pub shape: &'a Shape,
    pub form: &'a Form,
}

impl Side<'_> {
    /// Everything that MySQL has.
    pub async fn of_mysql(&self, port: u16, database: &str) -> Found {
        let (keys, cells) = (self.keys(), self.form.columns_of(self.shape));
        let writing = Writing::of(self.form);
        let mut selected = vec![self.segment_expression()];
        selected.extend(keys.iter().map(key_expression));
        selected.extend(cells.iter().map(|cell| value_expression(cell, writing)));
        let query = format!("SELECT {} FROM {}", selected.join(", "), self.shape.table);
        let mut conn = mysql::connect(port, Some(database)).await;
        conn.query_drop("SET time_zone = '+00:00'").await.expect("the test server accepts root");
        let rows: Vec<Row> = conn.query(query).await.expect("the table can be read");
        let mut found = Found::default();
        for row in rows {
            let mut values = row.unwrap().into_iter().map(text);
            let segment =
                values.next().flatten().map(|digits| digits.parse().expect("a segment is a number"));
            let mut part = |_: &Column| values.next().flatten().expect("keys are NOT NULL");
            let list: Vec<String> = self.shape.key.iter().map(&mut part).collect();
            let order = self.order().iter().map(&mut part).collect();
            let item = self.shape.item.iter().map(&mut part).collect();
            if self.form.wide {
                *found.rows.entry((list.clone(), segment)).or_default() += 1;
            }
            let cells = cells.iter().zip(values).map(|(cell, value)| (cell.name.to_owned(), value)).collect();
            found.items.insert((list, order, item), self.cells_of_mysql(cells));
        }
        found
    }

    fn cells_of_mysql(&self, values: Vec<(String, Option<String>)>) -> Cells {
        if let Holds::Column(_) = self.form.cells {
            return values.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
        }
        let cells: Cells = values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        match cells.is_empty() && self.form.cells == Holds::Columns {
            true => [(String::new(), String::new())].into(),
            false => cells,
        }
    }

    /// Everything that HBase shows.
    ///
    /// # Panics
    /// When something there is not as docs/formats.md says: a salt, a part, an item in a segment that is not its own, a
    /// list that is not in its order, a value.
    pub async fn of_hbase(&self, sink: &dyn ReadRows, target: TargetId) -> Found {
        let rows = match self.form.wide {
            true => sink.scan_cells(target, &CellRange { limit: usize::MAX, ..CellRange::default() }).await,
            false => sink.scan(target, &ScanRange { limit: usize::MAX, ..ScanRange::default() }).await,
        };
        let rows = rows.expect("the table can be scanned");
        let (mut found, mut last) = (Found::default(), None);
        for row in rows.iter().filter(|row| !is_clock(&row.row)) {
            let items =
                if self.form.wide { self.wide_row(row, &mut found) } else { vec![self.tall_row(row)] };
            for (address, cells) in items {
                self.check_order(last.as_ref(), &address);
                last = Some(address.clone());
                assert!(
                    found.items.insert(address, cells).is_none(),
                    "{} is there twice",
                    hex::encode(&row.row)
                );
            }
        }
        found
    }

    /// What the counted rows of HBase say: their items, where they are counted yet.
    pub async fn counts(&self, sink: &dyn ReadCounts, target: TargetId) -> BTreeMap<WideRow, Option<u64>> {
        let everything = ScanRange { limit: usize::MAX, ..ScanRange::default() };
        let rows = sink.scan_counts(target, &everything).await.expect("the family c can be scanned");
        let rows = rows.into_iter().filter(|row| !is_clock(&row.row));
        rows.map(|CountedRow { row, count, .. }| (self.row_key(&row), count)).collect()
    }

    fn order(&self) -> Vec<Column> {
        if self.form.ordered { vec![self.shape.order] } else { Vec::new() }
    }

    fn keys(&self) -> Vec<Column> {
        self.shape.key.iter().copied().chain(self.order()).chain(self.shape.item.iter().copied()).collect()
    }

    /// The segment, as MySQL reckons it: rounded down.
    fn segment_expression(&self) -> String {
        let Some(segment) = self.form.segment else { return "NULL".into() };
        let (order, width) = (number_expression(&self.shape.order), segment.width);
        let order = format!("CAST({order} AS DECIMAL(30, 0))");
        format!("CAST(({order} - MOD(MOD({order}, {width}) + {width}, {width})) DIV {width} AS CHAR)")
    }

    /// The list, and what follows it in the row key.
    fn list_key<'a>(&self, row: &'a [u8]) -> (Vec<String>, &'a [u8]) {
        let (salt, all) = row.split_first().expect("a row key has a salt");
        let mut rest = all;
        let list = self.shape.key.iter().map(|column| decode::part(column.kind, false, &mut rest)).collect();
        let list_key = &all[..all.len() - rest.len()];
        let expected = decode::crc32(list_key) % u32::from(self.form.salt);
        assert_eq!(u32::from(*salt), expected, "the salt of {}", hex::encode(row));
        (list, rest)
    }

    /// Order and item.
    fn item(&self, bytes: &[u8]) -> (Vec<String>, Vec<String>) {
        let (mut rest, descending) = (bytes, self.shape.descending);
        let order =
            self.order().iter().map(|column| decode::part(column.kind, descending, &mut rest)).collect();
        let item = self.shape.item.iter().map(|column| decode::part(column.kind, false, &mut rest)).collect();
        assert!(rest.is_empty(), "{} bytes too many in {}", rest.len(), hex::encode(bytes));
        (order, item)
    }

    /// List and segment of a row of the wide layout.
    fn row_key(&self, row: &[u8]) -> WideRow {
        let (list, mut rest) = self.list_key(row);
        let segment = self.form.segment.map(|_| decode::signed_part(self.shape.descending, &mut rest));
        assert!(rest.is_empty(), "{} bytes too many in {}", rest.len(), hex::encode(row));
        (list, segment)
    }

    fn tall_row(&self, row: &StoredRow) -> (Address, Cells) {
        let (list, rest) = self.list_key(&row.row);
        let (order, item) = self.item(rest);
        let cells = match self.form.cells {
            Holds::Columns => self.columns(row),
            _ => {
                assert!(row.cells.len() == 1 && row.cells[0].qualifier.is_empty(), "one cell without a name");
                self.one_value(&row.cells[0].value)
            }
        };
        ((list, order, item), cells)
    }

    /// The items of a row, which is noted.
    fn wide_row(&self, row: &StoredRow, found: &mut Found) -> Vec<(Address, Cells)> {
        let (list, segment) = self.row_key(&row.row);
        let mut items = Vec::new();
        for cell in &row.cells {
            let (order, item) = self.item(&cell.qualifier);
            if let Some(width) = self.form.segment.map(|segment| i128::from(segment.width)) {
                let number: i128 = order[0].parse().expect("an order with segments is a number");
                let expected = number.div_euclid(width);
                assert_eq!(segment.map(i128::from), Some(expected), "{order:?} in {}", hex::encode(&row.row));
            }
            items.push(((list.clone(), order, item), self.one_value(&cell.value)));
        }
        found.rows.insert((list, segment), items.len() as u64);
        items
    }

    /// Items of a list come in its order, whatever row they are in.
    fn check_order(&self, last: Option<&Address>, next: &Address) {
        let Some((list, order, _)) = last.filter(|_| self.form.ordered) else { return };
        let number = |order: &[String]| order[0].parse::<i128>().expect("an order is a number or a moment");
        let (last, next_order) = (number(order), number(&next.1));
        let in_order = if self.shape.descending { last >= next_order } else { last <= next_order };
        assert!(*list != next.0 || in_order, "{next_order} behind {last} in {list:?}");
    }

    /// A cell for each column.
    fn columns(&self, row: &StoredRow) -> Cells {
        let (columns, writing) = (self.form.columns_of(self.shape), Writing::of(self.form));
        let mut cells = Cells::new();
        for cell in &row.cells {
            let name = String::from_utf8(cell.qualifier.to_vec()).expect("a column's name is text");
            let column = columns.iter().find(|column| column.name == name);
            let value = match column {
                Some(column) => decode::value(column.kind, writing, &cell.value),
                None => {
                    assert!(name.is_empty() && cell.value.is_empty(), "a cell {name:?} of no column");
                    String::new()
                }
            };
            cells.insert(name, value);
        }
        if cells.len() > 1 {
            cells.remove(""); // says only that the item exists
        }
        cells
    }

    /// A value that is all there is of an item.
    fn one_value(&self, bytes: &[u8]) -> Cells {
        let (columns, writing) = (self.form.columns_of(self.shape), Writing::of(self.form));
        if let Holds::Column(name) = self.form.cells {
            let value = match bytes {
                [] => String::new(), // NULL, or empty
                bytes => decode::value(columns[0].kind, writing, bytes),
            };
            return [(name.to_owned(), value)].into();
        }
        let kind = |name: &str| columns.iter().find(|column| column.name == name).map(|column| column.kind);
        let found = decode::packed(writing, kind, bytes);
        let mut in_order = columns.iter().map(|column| column.name);
        assert!(found.iter().all(|(name, _)| in_order.any(|next| next == name)), "columns in another order");
        found.into_iter().collect()
    }
}

/// The row through which tailfill asks HBase for the time.
fn is_clock(row: &[u8]) -> bool {
    row == [0xff]
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

/// Fails with samples unless both have the same items, in the same rows.
pub fn assert_same(what: &str, mysql: &Found, hbase: &Found) {
    let Differences { mut missing, mut extra, mut different } = differences(&mysql.items, &hbase.items);
    if missing.is_empty() && extra.is_empty() && different.is_empty() {
        assert!(mysql.rows == hbase.rows, "{what}: the same items are in other rows");
        return;
    }
    let counts = (missing.len(), extra.len(), different.len());
    missing.truncate(5);
    extra.truncate(5);
    different.truncate(5);
    panic!(
        "{what}: {} items in MySQL, {} in HBase; (missing, extra, different) = {counts:?}, among them \
         missing {missing:?}, extra {extra:?}, different {different:?}",
        mysql.items.len(),
        hbase.items.len(),
    );
}

/// Fails unless every row of MySQL is counted in HBase with as many items as it has, and every other row with none.
pub fn assert_counted(what: &str, mysql: &Found, counts: &BTreeMap<WideRow, Option<u64>>) {
    for (row, items) in &mysql.rows {
        assert_eq!(counts.get(row), Some(&Some(*items)), "{what}: the count of {row:?}");
    }
    for (row, count) in counts.iter().filter(|(row, _)| !mysql.rows.contains_key(*row)) {
        assert_eq!(*count, Some(0), "{what}: the count of {row:?}, which has no items");
    }
}

/// A part of a key as MySQL prints it.
fn key_expression(column: &Column) -> String {
    match column.kind {
        Kind::Binary | Kind::Fixed(_) => format!("HEX({})", column.name),
        _ => format!("CAST({} AS CHAR)", number_expression(column)),
    }
}

/// A value as MySQL prints it, in the form that it can be read back in from HBase.
fn value_expression(column: &Column, writing: Writing) -> String {
    let name = column.name;
    match (column.kind, writing) {
        (Kind::Binary | Kind::Fixed(_), Writing::Json) => format!("REPLACE(TO_BASE64({name}), '\\n', '')"),
        (Kind::Binary | Kind::Fixed(_), _) => format!("HEX({name})"),
        (Kind::Moment, Writing::Bytes) => format!("CAST({} AS CHAR)", number_expression(column)),
        // MySQL shows the YEAR 0000 so, and the format has its number
        (Kind::Unsigned, _) => format!("CAST({name} + 0 AS CHAR)"),
        _ => format!("CAST({name} AS CHAR)"),
    }
}

/// Moments as microseconds since 1970.
fn number_expression(column: &Column) -> String {
    match column.kind {
        Kind::Moment => format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {})", column.name),
        _ => column.name.to_owned(),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8(bytes).expect("CAST(... AS CHAR) is text")),
        other => panic!("{other:?} is not text"),
    }
}
