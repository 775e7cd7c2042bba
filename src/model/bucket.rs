//! The bucket of a list: a number below a million that every language can compute (docs/formats.md, "Buckets").
//!
//! A sample of lists, and later the share of lists that is read from HBase, are those whose buckets are below a number. So a
//! higher share only adds lists, and everybody means the same lists by it.

use super::{Column, ColumnType, DateTime, Mapping, Value};
use sha2::{Digest, Sha256};

/// How many buckets there are.
pub const BUCKETS: u32 = 1_000_000;

/// The bucket of the list that is called `key` in a mapping: the first 8 bytes, big-endian, of SHA-256 of the UTF-8 text
/// `MAPPING:KEY`, modulo [`BUCKETS`]. `key`: as [`key_name`] has it.
pub fn bucket(mapping: &str, key: &str) -> u32 {
    let mut digest = Sha256::new();
    digest.update(mapping);
    digest.update(":");
    digest.update(key);
    let first: [u8; 8] = digest.finalize()[..8].try_into().expect("SHA-256 has 32 bytes");
    (u64::from_be_bytes(first) % u64::from(BUCKETS)) as u32
}

/// KEY of a list as `tailfill get` takes it: the value itself where the list key is one column (`42`, `bob`), else a JSON
/// array without blanks (`[7,"eu"]`) in which all but whole numbers are texts. Bytes are `0x` and lower-case hex digits,
/// times are in UTC with as many digits as the column declares. `key`: values of the key columns, in key order.
pub fn key_name(mapping: &Mapping, key: &[Value]) -> String {
    let columns = mapping.key.iter().map(|column| mapping.schema.columns.get(*column));
    match key {
        [value] => plain(mapping.key.first().and_then(|column| mapping.schema.columns.get(*column)), value),
        values => {
            let part = |(column, value): (Option<&Column>, &Value)| match value {
                Value::Int(_) | Value::UInt(_) => plain(column, value),
                _ => serde_json::Value::String(plain(column, value)).to_string(),
            };
            let parts: Vec<String> = columns.zip(values).map(part).collect();
            format!("[{}]", parts.join(","))
        }
    }
}

fn plain(column: Option<&Column>, value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Text(text) => text.clone().into_owned(),
        Value::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        Value::DateTime(time) => moment(column, time),
        // no list key has any other
        Value::Null | Value::Float(_) | Value::Double(_) | Value::Time(_) => String::new(),
    }
}

fn moment(column: Option<&Column>, time: &DateTime) -> String {
    let DateTime { year, month, day, hour, minute, second, micros } = time;
    let date = format!("{year:04}-{month:02}-{day:02}");
    match column.map(|column| &column.column_type) {
        Some(ColumnType::Date) => date,
        Some(ColumnType::DateTime { fraction } | ColumnType::Timestamp { fraction }) if *fraction > 0 => {
            let digits = usize::from(*fraction).min(6);
            format!("{date} {hour:02}:{minute:02}:{second:02}.{}", &format!("{micros:06}")[..digits])
        }
        _ => format!("{date} {hour:02}:{minute:02}:{second:02}"),
    }
}

/// Reads a share of the lists (`1%`, `0.01%`) as a number of buckets: more than 0 %, at most 100 %, in steps of 0.0001 %.
pub fn share(text: &str) -> Option<u32> {
    let (whole, digits) = match text.strip_suffix('%')?.trim_end().split_once('.') {
        Some((whole, digits)) => (whole, digits),
        None => (text.strip_suffix('%')?.trim_end(), ""),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || digits.len() > 4 || !is_number(whole) || !is_number(digits) {
        return None;
    }
    let buckets = format!("{whole}{digits:0<4}").parse::<u32>().ok()?;
    (1..=BUCKETS).contains(&buckets).then_some(buckets)
}

/// A number of buckets as a share: `1%`, `0.01%`.
pub fn share_text(buckets: u32) -> String {
    let text = format!("{}.{:04}", buckets / 10_000, buckets % 10_000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MappingId, TableId, TableName, TableSchema};
    use std::sync::Arc;

    fn mapping(types: Vec<ColumnType>) -> Mapping {
        let column = |(place, column_type): (usize, ColumnType)| Column {
            name: format!("k{place}"),
            column_type,
            nullable: false,
            declared: String::new(),
            virtual_generated: false,
        };
        let columns: Vec<Column> = types.into_iter().enumerate().map(column).collect();
        let key = (0..columns.len()).collect();
        let name = TableName { schema: "s".into(), table: "t".into() };
        let schema = Arc::new(TableSchema { name, columns, primary_key: vec![], unique_keys: vec![] });
        let (id, table) = (MappingId(0), TableId(0));
        Mapping { id, name: "m".into(), table, schema, key, item: vec![], order: None, targets: vec![] }
    }

    fn text() -> ColumnType {
        ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() }
    }

    /// The vectors of docs/formats.md.
    #[test]
    fn buckets_are_what_the_page_of_formats_says() {
        let page = include_str!("../../docs/formats.md");
        let rows = page.lines().skip_while(|line| !line.starts_with("| `MAPPING:KEY` |")).skip(2);
        let mut seen = 0;
        for row in rows.take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let (name, number) = (cells[0].trim_matches('`'), cells[1]);
            let (mapping, key) = name.split_once(':').expect("MAPPING:KEY");
            assert_eq!(bucket(mapping, key).to_string(), number, "{name}");
            seen += 1;
        }
        assert!(seen >= 8, "{seen} vectors");
    }

    #[test]
    fn a_key_is_named_as_get_takes_it() {
        let moment =
            DateTime { year: 2024, month: 1, day: 31, hour: 10, minute: 2, second: 3, micros: 120_000 };
        let big = ColumnType::Integer { bytes: 8, unsigned: true };
        let one = [
            (big.clone(), Value::UInt(u64::MAX), "18446744073709551615"),
            (ColumnType::Integer { bytes: 8, unsigned: false }, Value::Int(-1), "-1"),
            (text(), Value::Text("b\"ob".into()), "b\"ob"),
            (ColumnType::VarBinary, Value::Bytes(vec![0, 255].into()), "0x00ff"),
            (ColumnType::Date, Value::DateTime(moment), "2024-01-31"),
            (ColumnType::DateTime { fraction: 0 }, Value::DateTime(moment), "2024-01-31 10:02:03"),
            (ColumnType::Timestamp { fraction: 3 }, Value::DateTime(moment), "2024-01-31 10:02:03.120"),
        ];
        for (column_type, value, name) in one {
            assert_eq!(key_name(&mapping(vec![column_type]), &[value]), name);
        }
        let two = [Value::UInt(7), Value::Text("e\"u\n\u{e9}".into())];
        assert_eq!(key_name(&mapping(vec![big, text()]), &two), "[7,\"e\\\"u\\n\u{e9}\"]");
    }

    #[test]
    fn a_share_is_a_number_of_buckets() {
        let shares = [("1%", 10_000), ("0.01%", 100), ("100%", BUCKETS), ("12.5 %", 125_000), ("0.0001%", 1)];
        for (text, buckets) in shares {
            assert_eq!(share(text), Some(buckets), "{text}");
            assert_eq!(share(&share_text(buckets)), Some(buckets), "{text}");
        }
        assert_eq!(share_text(125_000), "12.5%");
        for wrong in ["", "1", "%", "0%", "100.1%", "101%", "0.00001%", "-1%", "1e1%", ".5%", "1,5%"] {
            assert_eq!(share(wrong), None, "{wrong}");
        }
    }
}
