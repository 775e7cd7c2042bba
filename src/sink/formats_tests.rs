//! docs/formats.md is what other people's applications are written after: every example on it is checked.

use super::encode::{self, Direction};
use super::fixtures::{column, date_time, followers, mapping_of, text_type};
use super::tall;
use crate::model::{Column, ColumnType, DateTime, Time, Value, ValueEncoding};

const FORMATS: &str = include_str!("../../docs/formats.md");

/// The rows of the table whose header begins with `header`, cell by cell, without backquotes.
fn table(header: &str) -> Vec<Vec<String>> {
    let rows = FORMATS.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let cells = |line: &str| {
        let line = line.trim().trim_matches('|');
        line.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows: Vec<Vec<String>> = rows.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "formats.md has no table {header}");
    rows
}

/// The number in the brackets of a declared type.
fn number<T: std::str::FromStr>(declared: &str, index: usize) -> Option<T> {
    let (_, rest) = declared.split_once('(')?;
    rest.trim_end_matches(')').split(',').nth(index)?.parse().ok()
}

fn column_type(declared: &str) -> ColumnType {
    let fraction = number(declared, 0).unwrap_or(0);
    match declared.split(['(', ' ']).next().unwrap_or_default() {
        "TINYINT" | "INT" | "BIGINT" => {
            ColumnType::Integer { bytes: 8, unsigned: declared.ends_with("UNSIGNED") }
        }
        "YEAR" => ColumnType::Year,
        "DECIMAL" => {
            ColumnType::Decimal { precision: fraction, scale: number(declared, 1).expect("a scale") }
        }
        "FLOAT" => ColumnType::Float,
        "DOUBLE" => ColumnType::Double,
        "DATE" => ColumnType::Date,
        "DATETIME" => ColumnType::DateTime { fraction },
        "TIMESTAMP" => ColumnType::Timestamp { fraction },
        "TIME" => ColumnType::Time { fraction },
        "VARCHAR" => text_type(),
        "ENUM" => ColumnType::Enum { labels: vec![] },
        "SET" => ColumnType::Set { labels: vec![] },
        "JSON" => ColumnType::Json,
        "VARBINARY" => ColumnType::VarBinary,
        "BINARY" => ColumnType::Binary { length: fraction.into() },
        "BIT" => ColumnType::Bit { bits: fraction },
        other => panic!("formats.md names an unknown type {other}"),
    }
}

fn value(column_type: &ColumnType, text: &str) -> Value {
    let parsed = "formats.md shows a value of its type";
    match column_type {
        ColumnType::Integer { unsigned: false, .. } => Value::Int(text.parse().expect(parsed)),
        ColumnType::Integer { .. } | ColumnType::Year => Value::UInt(text.parse().expect(parsed)),
        ColumnType::Float => Value::Float(text.parse().expect(parsed)),
        ColumnType::Double => Value::Double(text.parse().expect(parsed)),
        ColumnType::Decimal { .. } => Value::Text(text.to_owned().into()),
        ColumnType::Date => {
            let day = date_time(&format!("{text} 00:00:00"));
            Value::DateTime(DateTime { micros: 0, ..day })
        }
        ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => Value::DateTime(date_time(text)),
        ColumnType::Time { .. } => Value::Time(time(text)),
        _ => match text.strip_prefix("0x") {
            Some(digits) => Value::Bytes(hex::decode(digits).expect(parsed).into()),
            None => Value::Text(serde_json::from_str::<String>(text).expect(parsed).into()),
        },
    }
}

fn time(text: &str) -> Time {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let fields: Vec<&str> = text.split([':', '.']).collect();
    let digits = |index: usize| fields.get(index).map_or(0, |field| field.parse::<u16>().expect("digits"));
    let micros = format!("{:0<6}", fields.get(3).unwrap_or(&"")).parse().expect("digits");
    Time { negative, hours: digits(0), minutes: digits(1) as u8, seconds: digits(2) as u8, micros }
}

fn example(declared: &str, text: &str) -> (Column, Value) {
    let column_type = column_type(declared);
    let value = value(&column_type, text);
    (column("c", column_type), value)
}

#[test]
fn every_part_on_the_page_has_the_bytes_it_shows() {
    let rows = table("| part of |");
    assert_eq!(rows.len(), 21);
    for row in rows {
        let (column, value) = example(&row[0], &row[1]);
        let column_type = column.column_type.clone();
        let mapping = mapping_of(vec![column]);
        for (direction, shown) in [(Direction::Ascending, &row[2]), (Direction::Descending, &row[3])] {
            let mut part = Vec::new();
            encode::push_part(&mapping, 0, &value, direction, &mut part).unwrap();
            assert_eq!(&hex::encode(&part), shown, "{row:?} {direction:?}");
            let mut rest = &part[..];
            assert_eq!(encode::take_part(&column_type, direction, &mut rest), Some(value.clone()), "{row:?}");
        }
    }
}

#[test]
fn every_value_on_the_page_has_the_bytes_it_shows() {
    let rows = table("| cell of |");
    assert_eq!(rows.len(), 36);
    for row in rows {
        let (column, value) = example(&row[0], &row[1]);
        let mapping = mapping_of(vec![column]);
        let cell = |encoding| encode::cell_value(&mapping, 0, &value, encoding);
        let text = cell(ValueEncoding::Utf8).unwrap().unwrap();
        match row[2].as_str() {
            "raw" => assert_eq!(Some(text), cell(ValueEncoding::Bytes).unwrap(), "{row:?}"),
            shown => assert_eq!(text, shown.as_bytes(), "{row:?}"),
        }
        match row[3].as_str() {
            "none" => assert!(cell(ValueEncoding::Bytes).is_err(), "{row:?}"),
            shown => assert_eq!(hex::encode(cell(ValueEncoding::Bytes).unwrap().unwrap()), shown, "{row:?}"),
        }
    }
}

#[test]
fn every_row_key_on_the_page_is_that_of_the_example() {
    let mapping = followers();
    let created_at = Value::DateTime(date_time("2024-01-01 00:00:00.123"));
    let rows = table("| target |");
    assert_eq!(rows.len(), 4);
    for row in rows {
        let mut target = mapping.targets[0].clone();
        target.ordered = row[0].starts_with("ordered");
        let buckets = row[0].split(", ").last().and_then(|text| text.split(' ').next());
        target.salt_buckets = buckets.and_then(|digits| digits.parse().ok()).expect("a number of buckets");
        let order = target.ordered.then_some(&created_at);
        let key = tall::row_key_of(&mapping, &target, &[Value::UInt(7)], order, &[Value::UInt(42)]).unwrap();
        assert_eq!(hex::encode(key), row[1].replace(' ', ""), "{row:?}");
    }
}
