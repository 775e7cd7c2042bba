//! A second opinion on the tail: what the crate mysql_cdc reads in the same part of a real binlog file.
//!
//! The two share no code: not the framing of events, not the table map, not the values. Left out is what mysql_cdc 0.2 cannot
//! read: negative TIMEs, compressed transactions, text that is not UTF-8, digits below a millisecond. The tests of types
//! compare those with a SELECT.

use crate::support::mysql::{Database, read_up_to_now};
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use mysql_cdc::binlog_reader::BinlogReader;
use mysql_cdc::events::binlog_event::BinlogEvent;
use mysql_cdc::events::row_events::mysql_value::MySqlValue;
use mysql_cdc::events::row_events::row_data::RowData;
use std::fmt::Debug;
use std::io::{Read, Seek, SeekFrom, Write};
use tailfill::clock::{Entropy, SeededEntropy};
use tailfill::model::{ColumnType, RowChange, TableSchema, Value};
use tailfill::source::Source;

const COLUMNS: &str = "tiny TINYINT, utiny TINYINT UNSIGNED, small SMALLINT, medium MEDIUMINT, umedium MEDIUMINT UNSIGNED, \
    n INT, un INT UNSIGNED, big BIGINT, ubig BIGINT UNSIGNED, f FLOAT, d DOUBLE, exact DECIMAL(30, 11), \
    short VARCHAR(20), long_text VARCHAR(500), fixed CHAR(12), raw VARBINARY(30), wide TEXT, bytes MEDIUMBLOB, bits BIT(13), \
    kind ENUM('a', 'bb', 'c'), flags SET('x', 'y', 'z'), born YEAR, day DATE, at TIME(3), moment DATETIME(3), stamp TIMESTAMP(2)";

/// An SQL literal for each column, in their order.
fn literals(entropy: &SeededEntropy) -> Vec<String> {
    let below = |bound: u64| entropy.next_u64() % bound;
    let signed = |bits: u32| (entropy.next_u64() as i64 >> (64 - bits)).to_string();
    let text = |most: u64| {
        let letters = ['a', 'ß', '語', ' ', '0', '😀'];
        let text: String = (0..below(most + 1)).map(|_| letters[below(6) as usize]).collect();
        format!("'{text}e'")
    };
    let moment = |month: u64| {
        let day = format!("{}-{month:02}-{:02}", 1971 + below(60), 1 + below(28));
        format!("'{day} {:02}:{:02}:{:02}.{:03}'", below(24), below(60), below(60), below(1_000))
    };
    let literals = vec![
        signed(8),
        below(256).to_string(),
        signed(16),
        signed(24),
        below(1 << 24).to_string(),
        signed(32),
        below(1 << 32).to_string(),
        signed(64),
        entropy.next_u64().to_string(),
        format!("{}.5e-3", signed(20)),
        format!("{}e-7", signed(50)),
        format!("{}.{:011}", signed(60), below(100_000_000_000)),
        text(10),
        text(300),
        text(10),
        format!("'{}'", "r".repeat(below(31) as usize)),
        text(400),
        format!("REPEAT(x'00ff41', {})", below(400)),
        below(1 << 13).to_string(),
        format!("{}", 1 + below(3)),
        below(8).to_string(),
        (1901 + below(255)).to_string(),
        moment(1 + below(12)),
        format!("'{:02}:{:02}:{:02}.{:03}'", below(839), below(60), below(59), below(1_000)),
        moment(1 + below(12)),
        moment(1),
    ];
    literals.into_iter().map(|literal| if below(9) == 0 { "NULL".into() } else { literal }).collect()
}

/// Inserts, updates and deletes of one and of many rows, in statements and in transactions.
async fn write(database: &mut Database, entropy: &SeededEntropy) {
    let row = |id: u64| format!("({id}, {})", literals(entropy).join(", "));
    for batch in 0..12 {
        let rows: Vec<String> = (0..1 + entropy.next_u64() % 20).map(|n| row(100 * batch + n)).collect();
        database.run(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await;
        database.run("START TRANSACTION").await;
        database.run(&format!("REPLACE INTO t VALUES {}", row(100 * batch))).await;
        database.run("UPDATE t SET n = NULL, wide = CONCAT(wide, 'é'), stamp = stamp WHERE id % 3 = 1").await;
        database.run("COMMIT").await;
        database.run("DELETE FROM t WHERE id % 7 = 5").await;
    }
}

/// Where the binlog ends.
async fn end(database: &mut Database) -> (String, u64) {
    let status = database.conn.query_first::<Row, _>("SHOW BINARY LOG STATUS").await.expect("it is allowed");
    let status = status.expect("the binlog is on");
    (status.get(0).expect("a file"), status.get(1).expect("an offset"))
}

/// A binlog file of its own: the head of `file`, and what stands there from `from` to `to`.
async fn part(database: &mut Database, file: &str, from: u64, to: u64) -> std::fs::File {
    let base: String = database.conn.query_first("SELECT @@log_bin_basename").await.unwrap().expect("a path");
    let path = std::path::Path::new(&base).with_file_name(file);
    let mut log = std::fs::File::open(&path).expect("the server runs on this machine");
    let mut read = |from: u64, to: u64| {
        let mut bytes = vec![0; (to - from) as usize];
        log.seek(SeekFrom::Start(from)).and_then(|_| log.read_exact(&mut bytes)).expect("it is that long");
        bytes
    };
    // magic bytes; then the format description, whose length stands in its header
    let length = u32::from_le_bytes(read(4 + 9, 4 + 13).try_into().expect("four bytes"));
    let mut cut = tempfile::tempfile().expect("a temporary file");
    cut.write_all(&[read(0, 4 + u64::from(length)), read(from, to)].concat()).expect("it is written");
    cut.rewind().expect("it is a file");
    cut
}

type Change<T> = (Option<T>, Option<T>);

/// The changes of table `t` of this database, as mysql_cdc reads them.
fn by_mysql_cdc(file: std::fs::File, database: &str) -> Vec<Change<RowData>> {
    let (mut changes, mut ours) = (Vec::new(), None);
    for event in BinlogReader::new(file).expect("a binlog file").read_events() {
        // other tests write what it cannot read
        let Ok((_, event)) = event else { continue };
        match event {
            BinlogEvent::TableMapEvent(map) if map.database_name == database => ours = Some(map.table_id),
            BinlogEvent::WriteRowsEvent(event) if Some(event.table_id) == ours => {
                changes.extend(event.rows.into_iter().map(|row| (None, Some(row))));
            }
            BinlogEvent::DeleteRowsEvent(event) if Some(event.table_id) == ours => {
                changes.extend(event.rows.into_iter().map(|row| (Some(row), None)));
            }
            BinlogEvent::UpdateRowsEvent(event) if Some(event.table_id) == ours => {
                let rows = event.rows.into_iter();
                changes.extend(rows.map(|row| (Some(row.before_update), Some(row.after_update))));
            }
            _ => {}
        }
    }
    changes
}

/// These fields of a date or a time as text, and its milliseconds.
macro_rules! fields {
    ($of:expr, $($field:ident)* $(; $millis:expr)?) => {
        fields(&[$(u32::from($of.$field),)* $($millis)?])
    };
}

/// A value in the words of neither.
fn ours(value: &Value, column: &ColumnType) -> String {
    match (value, column) {
        (Value::Null, _) => "NULL".into(),
        (Value::Int(number), _) => number.to_string(),
        (Value::UInt(number), _) => number.to_string(),
        (Value::Float(number), _) => number.to_string(),
        (Value::Double(number), _) => number.to_string(),
        (Value::Text(text), _) => text.to_string(),
        (Value::Bytes(bytes), _) => hex::encode(bytes),
        (Value::DateTime(date), ColumnType::Date) => {
            fields!(date, year month day)
        }
        (Value::DateTime(at), ColumnType::Timestamp { .. }) => {
            at.micros_since_epoch().map_or("0".into(), |micros| (micros / 1_000).to_string())
        }
        (Value::DateTime(at), _) => fields!(at, year month day hour minute second; at.micros / 1_000),
        (Value::Time(time), _) => {
            assert!(!time.negative, "it cannot read those");
            fields(&[time.hours.into(), time.minutes.into(), time.seconds.into(), time.micros / 1_000])
        }
    }
}

fn theirs(value: &Option<MySqlValue>, column: &ColumnType) -> String {
    let Some(value) = value else { return "NULL".into() };
    match (value, column) {
        (MySqlValue::TinyInt(n), ColumnType::Integer { unsigned: false, .. }) => n.cast_signed().to_string(),
        (MySqlValue::SmallInt(n), ColumnType::Integer { unsigned: false, .. }) => n.cast_signed().to_string(),
        (MySqlValue::MediumInt(n), ColumnType::Integer { unsigned: false, .. }) => {
            ((n << 8).cast_signed() >> 8).to_string()
        }
        (MySqlValue::Int(n), ColumnType::Integer { unsigned: false, .. }) => n.cast_signed().to_string(),
        (MySqlValue::BigInt(n), ColumnType::Integer { unsigned: false, .. }) => n.cast_signed().to_string(),
        (MySqlValue::TinyInt(n), _) => n.to_string(),
        (MySqlValue::SmallInt(n) | MySqlValue::Year(n), _) => n.to_string(),
        (MySqlValue::MediumInt(n) | MySqlValue::Int(n), _) => n.to_string(),
        (MySqlValue::BigInt(n) | MySqlValue::Timestamp(n), _) => n.to_string(),
        (MySqlValue::Float(n), _) => n.to_string(),
        (MySqlValue::Double(n), _) => n.to_string(),
        (MySqlValue::Decimal(text), _) => text.clone(),
        (MySqlValue::String(text), ColumnType::VarBinary | ColumnType::Binary { .. }) => hex::encode(text),
        (MySqlValue::String(text), _) => text.clone(),
        (MySqlValue::Blob(bytes), ColumnType::Text { .. }) => String::from_utf8_lossy(bytes).into_owned(),
        (MySqlValue::Blob(bytes), _) => hex::encode(bytes),
        // the highest bit first
        (MySqlValue::Bit(bits), _) => {
            let number = bits.iter().fold(0_u64, |number, bit| number << 1 | u64::from(*bit));
            hex::encode(&number.to_be_bytes()[8 - bits.len().div_ceil(8)..])
        }
        (MySqlValue::Enum(number), ColumnType::Enum { labels }) => labels[*number as usize - 1].clone(),
        (MySqlValue::Set(bits), ColumnType::Set { labels }) => {
            let set = labels.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
            set.map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(",")
        }
        (MySqlValue::Date(date), _) => fields!(date, year month day),
        (MySqlValue::DateTime(at), _) => fields!(at, year month day hour minute second; at.millis),
        (MySqlValue::Time(time), _) => {
            let hours = u32::try_from(time.hour).expect("it cannot read negative ones");
            fields(&[hours, time.minute.into(), time.second.into(), time.millis])
        }
        (value, column) => panic!("{value:?} in a column {column:?}"),
    }
}

fn fields(fields: &[u32]) -> String {
    fields.iter().map(u32::to_string).collect::<Vec<_>>().join(":")
}

/// A change as text, column by column.
fn told<T: Debug>(change: &Change<T>, cells: impl Fn(&T) -> Vec<String>) -> Change<Vec<String>> {
    (change.0.as_ref().map(&cells), change.1.as_ref().map(&cells))
}

fn cells<T>(values: &[T], schema: &TableSchema, text: impl Fn(&T, &ColumnType) -> String) -> Vec<String> {
    assert_eq!(values.len(), schema.columns.len());
    let columns = schema.columns.iter();
    values.iter().zip(columns).map(|(value, column)| text(value, &column.column_type)).collect()
}

/// The columns that differ.
fn difference(ours: &Change<Vec<String>>, theirs: &Change<Vec<String>>, schema: &TableSchema) -> String {
    let image =
        |change: &Change<Vec<String>>| [change.0.clone(), change.1.clone()].into_iter().flatten().flatten();
    let names = schema.columns.iter().map(|column| &column.name).cycle();
    let pairs = names.zip(image(ours).zip(image(theirs)));
    let lines = pairs.filter(|(_, (ours, theirs))| ours != theirs);
    let lines = lines.map(|(name, (ours, theirs))| format!("{name}: {ours}, and by mysql_cdc {theirs}"));
    let lines = lines.collect::<Vec<_>>().join("; ");
    if lines.is_empty() { "one has an image that the other has not".into() } else { lines }
}

#[tokio::test]
async fn mysql_cdc_reads_the_same_changes_in_the_same_binlog() {
    let seed: u64 = rand::random();
    let entropy = SeededEntropy::new(seed);
    let mut database = Database::create("second_opinion").await;
    database.run("SET time_zone = '+00:00'").await;
    database.run(&format!("CREATE TABLE t (id INT PRIMARY KEY, {COLUMNS})")).await;
    let (source, schemas) = database.source(&["t"]).await;
    // once more if another test rotates the binlog meanwhile
    for _ in 0..5 {
        database.run("DELETE FROM t").await;
        let (start, (file, from)) = (source.start().await.expect("start"), end(&mut database).await);
        write(&mut database, &entropy).await;
        let mut stream = source.stream(&start).await.expect("stream");
        let read = read_up_to_now(&source, stream.as_mut(), &start.reached).await.changes;
        let (last, to) = end(&mut database).await;
        if last != file {
            continue;
        }
        let by_it = by_mysql_cdc(part(&mut database, &file, from, to).await, &database.name);
        let schema = &schemas[0];
        let by_it = by_it.iter().map(|change| told(change, |row| cells(&row.cells, schema, theirs)));
        let by_us = read.iter().map(|RowChange { before, after, .. }| (before.clone(), after.clone()));
        let by_us = by_us.map(|change| told(&change, |row| cells(row, schema, ours)));
        let (by_us, by_it): (Vec<_>, Vec<_>) = (by_us.collect(), by_it.collect());
        assert!(by_us.len() > 100, "{} changes", by_us.len());
        assert_eq!(by_us.len(), by_it.len());
        for (ours, theirs) in by_us.iter().zip(&by_it) {
            assert!(ours == theirs, "seed {seed}: {}", difference(ours, theirs, schema));
        }
        return;
    }
    panic!("the binlog was rotated each time");
}
