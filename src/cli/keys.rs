//! KEY and ITEM: what a person types, read by the types of the columns.

use super::usage::usage;
use crate::failure::Failure;
use crate::model::{Column, ColumnType, DateTime, TableSchema, Value};

/// Reads the values of `columns` from `text`: a plain value for one column (`42`, `bob`,
/// `2024-01-31 10:00:00`), a JSON array for several (`[7,"eu"]`), binary as `0x...`. Also for one
/// column an array of one, for values that would else mean something (`["[x]"]`).
/// `what` names the argument in messages, which never repeat the value.
///
/// # Errors
/// A usage failure that says what the column takes.
pub fn parse(what: &str, text: &str, schema: &TableSchema, columns: &[usize]) -> Result<Vec<Value>, Failure> {
    let columns: Vec<&Column> = columns.iter().filter_map(|index| schema.columns.get(*index)).collect();
    let parts = split_parts(what, text, &columns)?;
    let values = parts.iter().zip(&columns).map(|(part, column)| value(what, part, column));
    values.collect()
}

/// Splits at commas outside of brackets and quotes: the KEYs of `--only`.
pub fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let parts = text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if depth > 0 => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return true,
            _ => {}
        }
        false
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn split_parts(what: &str, text: &str, columns: &[&Column]) -> Result<Vec<String>, Failure> {
    let array: Option<Vec<serde_json::Value>> =
        if text.starts_with('[') { serde_json::from_str(text).ok() } else { None };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    match array {
        Some(elements) if elements.len() == columns.len() => {
            elements.into_iter().map(|e| scalar(what, e)).collect()
        }
        None if columns.len() == 1 => Ok(vec![text.to_owned()]),
        Some(elements) => Err(usage(format!(
            "{what}: give {} ({}), not {}",
            counted(columns.len()),
            names.join(", "),
            elements.len()
        ))),
        None => Err(usage(format!(
            "{what}: give a JSON array of {} values ({}), like [7,\"eu\"]",
            columns.len(),
            names.join(", ")
        ))),
    }
}

fn counted(columns: usize) -> String {
    if columns == 1 { "1 value".to_owned() } else { format!("{columns} values") }
}

fn scalar(what: &str, element: serde_json::Value) -> Result<String, Failure> {
    match element {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        _ => Err(usage(format!("{what}: the array can hold only numbers and texts"))),
    }
}

/// One value, by the column's type.
pub fn value(what: &str, text: &str, column: &Column) -> Result<Value, Failure> {
    typed(text, &column.column_type)
        .map_err(|takes| usage(format!("{what}: column {} ({}) takes {takes}", column.name, column.declared)))
}

/// The value, or what the type takes.
fn typed(text: &str, column_type: &ColumnType) -> Result<Value, String> {
    match column_type {
        ColumnType::Integer { bytes, unsigned: true } => {
            let most = u64::MAX >> (64 - 8 * u32::from(*bytes).clamp(1, 8));
            let number = text.parse().ok().filter(|number| *number <= most);
            number.map(Value::UInt).ok_or_else(|| format!("a whole number from 0 to {most}"))
        }
        ColumnType::Integer { bytes, unsigned: false } => {
            let most = i64::MAX >> (64 - 8 * u32::from(*bytes).clamp(1, 8));
            let number = text.parse().ok().filter(|number| (-most - 1..=most).contains(number));
            number.map(Value::Int).ok_or_else(|| format!("a whole number from {} to {most}", -most - 1))
        }
        ColumnType::Year => {
            let year = text.parse().ok().filter(|year| *year == 0 || (1901..=2155).contains(year));
            year.map(Value::UInt).ok_or_else(|| "a year from 1901 to 2155, or 0".to_owned())
        }
        ColumnType::Date => {
            let date = DateTime::from_text(text, 0).filter(|_| text.len() == 10);
            date.map(Value::DateTime).ok_or_else(|| "a date, like 2024-01-31".to_owned())
        }
        ColumnType::DateTime { fraction } | ColumnType::Timestamp { fraction } => {
            DateTime::from_text(text, *fraction)
                .map(Value::DateTime)
                .ok_or_else(|| date_time_shape(*fraction))
        }
        ColumnType::Text { .. } => Ok(Value::Text(text.to_owned().into())),
        ColumnType::Binary { length } => {
            let bytes = hex_bytes(text).filter(|bytes| bytes.len() as u64 == u64::from(*length));
            bytes
                .map(|bytes| Value::Bytes(bytes.into()))
                .ok_or_else(|| format!("{length} bytes as 0x and {} hex digits", u64::from(*length) * 2))
        }
        ColumnType::VarBinary => hex_bytes(text)
            .map(|bytes| Value::Bytes(bytes.into()))
            .ok_or_else(|| "bytes as 0x and hex digits".to_owned()),
        _ => Err("no value: its type cannot be part of a key".to_owned()),
    }
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

fn date_time_shape(fraction: u8) -> String {
    let digits = "123456".get(..usize::from(fraction)).unwrap_or_default();
    let point = if digits.is_empty() { "" } else { "." };
    format!("a time in UTC, like \"2024-01-31 10:00:00{point}{digits}\"")
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::error::Exit;
    use crate::model::{Mapping, MappingId, TableId, TableName};
    use std::sync::Arc;

    /// A mapping whose key columns `k0`, `k1` ... have these types, and whose item is `item`.
    pub fn mapping(name: &str, key_types: Vec<ColumnType>) -> Mapping {
        let column = |name: String, column_type| Column {
            name,
            column_type,
            nullable: false,
            declared: "declared".to_owned(),
            virtual_generated: false,
        };
        let item = ColumnType::Integer { bytes: 8, unsigned: true };
        let mut columns: Vec<Column> = Vec::new();
        for (index, key_type) in key_types.into_iter().enumerate() {
            columns.push(column(format!("k{index}"), key_type));
        }
        columns.push(column("item".to_owned(), item));
        let schema = TableSchema {
            name: TableName { schema: "s".to_owned(), table: "t".to_owned() },
            primary_key: (0..columns.len()).collect(),
            unique_keys: Vec::new(),
            columns,
        };
        Mapping {
            id: MappingId(0),
            name: name.to_owned(),
            table: TableId(0),
            key: (0..schema.columns.len() - 1).collect(),
            item: vec![schema.columns.len() - 1],
            schema: Arc::new(schema),
            order: None,
            targets: Vec::new(),
        }
    }

    fn key(text: &str, types: &[ColumnType]) -> Result<Vec<Value>, Failure> {
        let mapping = mapping("m", types.to_vec());
        parse("KEY", text, &mapping.schema, &mapping.key)
    }

    fn text_type() -> ColumnType {
        ColumnType::Text { charset: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned() }
    }

    const BIGINT: ColumnType = ColumnType::Integer { bytes: 8, unsigned: false };
    const TINY_UNSIGNED: ColumnType = ColumnType::Integer { bytes: 1, unsigned: true };

    #[test]
    fn a_plain_value_is_read_by_the_type_of_the_column() {
        let moment =
            DateTime { year: 2024, month: 1, day: 31, hour: 10, minute: 2, second: 3, micros: 120_000 };
        let day = DateTime { year: 2024, month: 2, day: 29, ..DateTime::default() };
        let cases = [
            ("-9223372036854775808", BIGINT, Value::Int(i64::MIN)),
            ("255", TINY_UNSIGNED, Value::UInt(255)),
            ("18446744073709551615", ColumnType::Integer { bytes: 8, unsigned: true }, Value::UInt(u64::MAX)),
            ("2024", ColumnType::Year, Value::UInt(2024)),
            ("2024-02-29", ColumnType::Date, Value::DateTime(day)),
            ("2024-02-29", ColumnType::DateTime { fraction: 0 }, Value::DateTime(day)),
            ("2024-01-31T10:02:03.12", ColumnType::Timestamp { fraction: 3 }, Value::DateTime(moment)),
            ("bob", text_type(), Value::Text("bob".into())),
            ("0x41", text_type(), Value::Text("0x41".into())),
            ("[not json", text_type(), Value::Text("[not json".into())),
            ("", text_type(), Value::Text("".into())),
            ("[\"[x]\"]", text_type(), Value::Text("[x]".into())),
            ("0x00fF", ColumnType::VarBinary, Value::Bytes(vec![0, 255].into())),
            ("0x", ColumnType::VarBinary, Value::Bytes(vec![].into())),
            ("0x0102", ColumnType::Binary { length: 2 }, Value::Bytes(vec![1, 2].into())),
        ];
        for (text, column_type, expected) in cases {
            assert_eq!(key(text, &[column_type]).unwrap(), [expected], "{text}");
        }
    }

    #[test]
    fn several_columns_take_a_json_array() {
        let values = key(
            "[18446744073709551615, \"eu\"]",
            &[ColumnType::Integer { bytes: 8, unsigned: true }, text_type()],
        );
        assert_eq!(values.unwrap(), [Value::UInt(u64::MAX), Value::Text("eu".into())]);
    }

    #[test]
    fn bad_input_is_a_usage_error_that_names_the_column_and_not_the_value() {
        let cases: [(&str, &[ColumnType], &str); 13] = [
            (
                "bob",
                &[BIGINT],
                "KEY: column k0 (declared) takes a whole number from -9223372036854775808 to 9223372036854775807",
            ),
            ("256", &[TINY_UNSIGNED], "KEY: column k0 (declared) takes a whole number from 0 to 255"),
            ("1.0", &[TINY_UNSIGNED], "KEY: column k0 (declared) takes a whole number from 0 to 255"),
            (
                "-129",
                &[ColumnType::Integer { bytes: 1, unsigned: false }],
                "KEY: column k0 (declared) takes a whole number from -128 to 127",
            ),
            ("1900", &[ColumnType::Year], "KEY: column k0 (declared) takes a year from 1901 to 2155, or 0"),
            ("2024-02-30", &[ColumnType::Date], "KEY: column k0 (declared) takes a date, like 2024-01-31"),
            (
                "2024-02-28 25:00:00",
                &[ColumnType::DateTime { fraction: 0 }],
                "KEY: column k0 (declared) takes a time in UTC, like \"2024-01-31 10:00:00\"",
            ),
            (
                "2024-02-28 10:00:00.1234",
                &[ColumnType::DateTime { fraction: 3 }],
                "KEY: column k0 (declared) takes a time in UTC, like \"2024-01-31 10:00:00.123\"",
            ),
            ("abc", &[ColumnType::VarBinary], "KEY: column k0 (declared) takes bytes as 0x and hex digits"),
            (
                "0x01",
                &[ColumnType::Binary { length: 2 }],
                "KEY: column k0 (declared) takes 2 bytes as 0x and 4 hex digits",
            ),
            ("7", &[BIGINT, text_type()], "KEY: give a JSON array of 2 values (k0, k1), like [7,\"eu\"]"),
            ("[7]", &[BIGINT, text_type()], "KEY: give 2 values (k0, k1), not 1"),
            ("[7,null]", &[BIGINT, text_type()], "KEY: the array can hold only numbers and texts"),
        ];
        for (text, types, sentence) in cases {
            let failure = key(text, types).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{text}");
            assert_eq!(failure.error.to_string(), sentence, "{text}");
        }
    }

    #[test]
    fn keys_are_split_at_commas_outside_of_brackets_and_quotes() {
        assert_eq!(split("1, 2,,3"), ["1", "2", "3"]);
        assert_eq!(split(r#"[1,"a,]\",b"],[2,"c"]"#), [r#"[1,"a,]\",b"]"#, r#"[2,"c"]"#]);
        assert_eq!(split(r#"5" pipe,x"#), [r#"5" pipe"#, "x"]);
    }
}
