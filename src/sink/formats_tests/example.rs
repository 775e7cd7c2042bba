//! Types and values as docs/formats.md writes them.

use crate::model::{ColumnType, DateTime, Time, Value};
use crate::sink::fixtures::{date_time, text_type};

/// The number in the brackets of a declared type.
fn number<T: std::str::FromStr>(declared: &str, index: usize) -> Option<T> {
    let (_, rest) = declared.split_once('(')?;
    let (inside, _) = rest.split_once(')')?;
    inside.split(',').nth(index)?.parse().ok()
}

pub fn column_type(declared: &str) -> ColumnType {
    let digits = number(declared, 0).unwrap_or(0);
    let integer = |bytes| ColumnType::Integer { bytes, unsigned: declared.contains(" UNSIGNED") };
    match declared.split(['(', ' ']).next().unwrap_or_default() {
        "TINYINT" | "BOOLEAN" => integer(1),
        "SMALLINT" => integer(2),
        "MEDIUMINT" => integer(3),
        "INT" => integer(4),
        "BIGINT" => integer(8),
        "YEAR" => ColumnType::Year,
        "DECIMAL" => ColumnType::Decimal { precision: digits, scale: number(declared, 1).expect("a scale") },
        "FLOAT" => ColumnType::Float,
        "DOUBLE" => ColumnType::Double,
        "BIT" => ColumnType::Bit { bits: digits },
        "DATE" => ColumnType::Date,
        "DATETIME" => ColumnType::DateTime { fraction: digits },
        "TIMESTAMP" => ColumnType::Timestamp { fraction: digits },
        "TIME" => ColumnType::Time { fraction: digits },
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" => text_type(),
        "BINARY" => ColumnType::Binary { length: digits.into() },
        "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => ColumnType::VarBinary,
        "ENUM" => ColumnType::Enum { labels: vec![] },
        "SET" => ColumnType::Set { labels: vec![] },
        "JSON" => ColumnType::Json,
        "GEOMETRY" => ColumnType::Geometry,
        "VECTOR" => ColumnType::Vector,
        other => panic!("formats.md names an unknown type {other}"),
    }
}

pub fn value(column_type: &ColumnType, text: &str) -> Value {
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
