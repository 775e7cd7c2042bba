use super::*;
use crate::model::Time;
use crate::sink::fixtures::{column, date_time, mapping_of, text_type};
use proptest::prelude::*;

const DATE_TIME: ColumnType = ColumnType::DateTime { fraction: 6 };
const SIGNED: ColumnType = ColumnType::Integer { bytes: 8, unsigned: false };
const UNSIGNED: ColumnType = ColumnType::Integer { bytes: 8, unsigned: true };

fn part(column_type: &ColumnType, direction: Direction, value: &Value) -> Result<Vec<u8>, SinkError> {
    let mapping = mapping_of(vec![column("c", column_type.clone())]);
    let mut key = Vec::new();
    push_part(&mapping, 0, value, direction, &mut key).map(|()| key)
}

fn part_hex(column_type: &ColumnType, direction: Direction, value: Value) -> String {
    hex::encode(part(column_type, direction, &value).unwrap())
}

fn cell(column_type: ColumnType, encoding: ValueEncoding, value: Value) -> Result<Option<Bytes>, SinkError> {
    cell_value(&mapping_of(vec![column("c", column_type)]), 0, &value, encoding)
}

fn utf8_cell(column_type: ColumnType, value: Value) -> String {
    let bytes = cell(column_type, ValueEncoding::Utf8, value).unwrap().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn bytes_cell(column_type: ColumnType, value: Value) -> String {
    hex::encode(cell(column_type, ValueEncoding::Bytes, value).unwrap().unwrap())
}

#[test]
fn parts_have_the_bytes_of_the_vectors() {
    use Direction::{Ascending, Descending};
    assert_eq!(part_hex(&UNSIGNED, Ascending, Value::UInt(7)), "0000000000000007");
    assert_eq!(part_hex(&SIGNED, Ascending, Value::Int(-1)), "7fffffffffffffff");
    assert_eq!(part_hex(&SIGNED, Descending, Value::Int(-1)), "8000000000000000");
    assert_eq!(part_hex(&ColumnType::Year, Ascending, Value::UInt(2024)), "00000000000007e8");
    let date = Value::DateTime(date_time("2024-01-01 00:00:00.123"));
    assert_eq!(part_hex(&DATE_TIME, Ascending, date.clone()), "80060dd710230078");
    assert_eq!(part_hex(&DATE_TIME, Descending, date), "7ff9f228efdcff87");
    assert_eq!(part_hex(&text_type(), Ascending, Value::Text("a\0b".into())), "6100ff620000");
    assert_eq!(part_hex(&text_type(), Descending, Value::Text("a\0b".into())), "9eff009dffff");
    assert_eq!(part_hex(&ColumnType::VarBinary, Ascending, Value::Bytes(vec![].into())), "0000");
    let binary = ColumnType::Binary { length: 3 };
    assert_eq!(part_hex(&binary, Ascending, Value::Bytes(vec![1, 0, 0].into())), "010000");
    assert_eq!(part_hex(&binary, Descending, Value::Bytes(vec![1, 0, 0].into())), "feffff");
}

#[test]
fn a_key_cannot_hold_null_or_a_date_that_is_none_or_a_refused_type() {
    let dates = [
        DateTime::default(),
        DateTime { year: 2024, ..DateTime::default() },
        DateTime { year: 2024, month: 2, day: 31, ..DateTime::default() },
    ];
    for date in dates {
        let error = part(&DATE_TIME, Direction::Ascending, &Value::DateTime(date)).unwrap_err();
        assert!(
            error.to_string().contains("column c of s.t holds a zero, partial or impossible date"),
            "{error}"
        );
    }
    let error = part(&SIGNED, Direction::Ascending, &Value::Null).unwrap_err();
    assert_eq!(error.to_string(), "m: column c of s.t is NULL, which a key cannot hold");
    let error = part(&ColumnType::Double, Direction::Ascending, &Value::Double(1.0)).unwrap_err();
    assert!(error.to_string().contains("cannot be part of a key"), "{error}");
    let error = part(&UNSIGNED, Direction::Ascending, &Value::Int(1)).unwrap_err();
    assert!(error.to_string().contains("its declared type cannot hold"), "{error}");
    let binary = ColumnType::Binary { length: 3 };
    assert!(part(&binary, Direction::Ascending, &Value::Bytes(vec![1].into())).is_err());
}

#[test]
fn a_key_needs_as_many_values_as_columns() {
    let mapping = mapping_of(vec![column("c", UNSIGNED)]);
    assert!(key_parts_of(&mapping, &[0], &[]).is_err());
    assert!(key_parts_of(&mapping, &[0, 1], &[Value::UInt(1), Value::UInt(2)]).is_err());
    assert!(key_parts(&mapping, &[0], &[]).is_err());
}

#[test]
fn the_salt_is_crc32_of_the_list_key_modulo_buckets() {
    // CRC-32/ISO-HDLC's check value.
    assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
    assert_eq!(salt(&7_u64.to_be_bytes(), 16), 0x0a);
    assert_eq!(salt(&7_u64.to_be_bytes(), 1), 0);
    assert_eq!(salt(b"123456789", 256), 0x26);
}

#[test]
fn utf8_cells_are_what_mysql_prints() {
    let unsigned = Value::UInt(u64::MAX);
    assert_eq!(utf8_cell(UNSIGNED, unsigned), "18446744073709551615");
    assert_eq!(utf8_cell(SIGNED, Value::Int(i64::MIN)), "-9223372036854775808");
    assert_eq!(utf8_cell(ColumnType::Year, Value::UInt(2024)), "2024");
    assert_eq!(utf8_cell(ColumnType::Float, Value::Float(0.1)), "0.1");
    assert_eq!(utf8_cell(ColumnType::Double, Value::Double(1.0)), "1");
    let decimal = ColumnType::Decimal { precision: 10, scale: 2 };
    assert_eq!(utf8_cell(decimal, Value::Text("-1.50".into())), "-1.50");
    let date = date_time("2024-01-02 03:04:05.123456");
    let printed = |fraction| utf8_cell(ColumnType::DateTime { fraction }, Value::DateTime(date));
    assert_eq!(printed(0), "2024-01-02 03:04:05");
    assert_eq!(printed(3), "2024-01-02 03:04:05.123");
    assert_eq!(printed(6), "2024-01-02 03:04:05.123456");
    assert_eq!(utf8_cell(ColumnType::Date, Value::DateTime(date)), "2024-01-02");
    let zero = Value::DateTime(DateTime::default());
    assert_eq!(utf8_cell(ColumnType::Timestamp { fraction: 1 }, zero), "0000-00-00 00:00:00.0");
    let time = Time { negative: true, hours: 838, minutes: 5, seconds: 9, micros: 40_000 };
    assert_eq!(utf8_cell(ColumnType::Time { fraction: 2 }, Value::Time(time)), "-838:05:09.04");
    assert_eq!(utf8_cell(ColumnType::Time { fraction: 0 }, Value::Time(Time::default())), "00:00:00");
    assert_eq!(utf8_cell(text_type(), Value::Text("grüße".into())), "grüße");
}

#[test]
fn raw_types_are_the_same_in_both_encodings() {
    let types = [
        ColumnType::Bit { bits: 9 },
        ColumnType::VarBinary,
        ColumnType::Binary { length: 2 },
        ColumnType::Geometry,
        ColumnType::Vector,
    ];
    for column_type in types {
        for encoding in [ValueEncoding::Utf8, ValueEncoding::Bytes] {
            let bytes = cell(column_type.clone(), encoding, Value::Bytes(vec![1, 255].into())).unwrap();
            assert_eq!(bytes.as_deref(), Some(&[1, 255][..]), "{column_type:?}");
        }
    }
}

#[test]
fn bytes_cells_are_what_hbase_bytes_to_bytes_makes() {
    assert_eq!(bytes_cell(SIGNED, Value::Int(-2)), "fffffffffffffffe");
    assert_eq!(bytes_cell(UNSIGNED, Value::UInt(258)), "0000000000000102");
    assert_eq!(bytes_cell(ColumnType::Float, Value::Float(1.0)), "3f800000");
    assert_eq!(bytes_cell(ColumnType::Double, Value::Double(-2.0)), "c000000000000000");
    let decimal = ColumnType::Decimal { precision: 10, scale: 2 };
    assert_eq!(bytes_cell(decimal, Value::Text("-1.28".into())), "0000000280");
    let date = Value::DateTime(date_time("2024-01-01 00:00:00.123"));
    assert_eq!(bytes_cell(DATE_TIME, date), "00060dd710230078");
    let negative = Time { negative: true, seconds: 1, ..Time::default() };
    assert_eq!(bytes_cell(ColumnType::Time { fraction: 0 }, Value::Time(negative)), "fffffffffff0bdc0");
    assert_eq!(bytes_cell(ColumnType::Json, Value::Text("{\"a\":1}".into())), hex::encode("{\"a\":1}"));
}

#[test]
fn null_is_no_cell_and_a_zero_date_has_no_bytes_form() {
    assert_eq!(cell(SIGNED, ValueEncoding::Utf8, Value::Null).unwrap(), None);
    let zero = Value::DateTime(DateTime::default());
    let error = cell(DATE_TIME, ValueEncoding::Bytes, zero).unwrap_err();
    assert!(error.to_string().contains("names no point in time"), "{error}");
    assert!(cell(ColumnType::Double, ValueEncoding::Utf8, Value::Double(f64::NAN)).is_err());
}

/// Values of one key type, with a comparison key that orders them as MySQL's binary order does.
fn any_values() -> impl Strategy<Value = (ColumnType, Value, Value)> {
    let text = |text: Vec<char>| Value::Text(text.into_iter().collect::<String>().into());
    let chars = || proptest::collection::vec(prop_oneof![Just('\0'), Just('\u{1}'), any::<char>()], 0..6);
    let raw = || proptest::collection::vec(prop_oneof![Just(0), Just(255), any::<u8>()], 0..6);
    // MySQL's dates: year 0 to 9999.
    let micros = || -62_167_219_200_000_000_i64..253_402_300_800_000_000;
    let date = |micros| Value::DateTime(DateTime::from_micros_since_epoch(micros));
    prop_oneof![
        (any::<i64>(), any::<i64>()).prop_map(|(a, b)| (SIGNED, Value::Int(a), Value::Int(b))),
        (any::<u64>(), any::<u64>()).prop_map(|(a, b)| (UNSIGNED, Value::UInt(a), Value::UInt(b))),
        (micros(), micros()).prop_map(move |(a, b)| (DATE_TIME, date(a), date(b))),
        (chars(), chars()).prop_map(move |(a, b)| (text_type(), text(a), text(b))),
        (raw(), raw()).prop_map(|(a, b)| (
            ColumnType::VarBinary,
            Value::Bytes(a.into()),
            Value::Bytes(b.into())
        )),
        (any::<[u8; 3]>(), any::<[u8; 3]>()).prop_map(|(a, b)| {
            (
                ColumnType::Binary { length: 3 },
                Value::Bytes(a.to_vec().into()),
                Value::Bytes(b.to_vec().into()),
            )
        }),
    ]
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::UInt(a), Value::UInt(b)) => a.cmp(b),
        (Value::DateTime(a), Value::DateTime(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        _ => panic!("values of different types"),
    }
}

proptest! {
    #[test]
    fn parts_keep_the_order_of_values_and_descending_parts_reverse_it((column_type, a, b) in any_values()) {
        let up = |value| part(&column_type, Direction::Ascending, value).unwrap();
        let down = |value| part(&column_type, Direction::Descending, value).unwrap();
        prop_assert_eq!(up(&a).cmp(&up(&b)), compare(&a, &b));
        prop_assert_eq!(down(&a).cmp(&down(&b)), compare(&b, &a));
    }

    #[test]
    fn parts_read_back_and_none_is_a_prefix_of_another((column_type, a, b) in any_values()) {
        for direction in [Direction::Ascending, Direction::Descending] {
            let (first, second) = (part(&column_type, direction, &a)?, part(&column_type, direction, &b)?);
            prop_assert!(a == b || !second.starts_with(&first));
            let both = [first, second].concat();
            let mut rest = &both[..];
            prop_assert_eq!(take_part(&column_type, direction, &mut rest), Some(a.clone()));
            prop_assert_eq!(take_part(&column_type, direction, &mut rest), Some(b.clone()));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn reading_a_part_of_any_bytes_does_not_panic(
        (column_type, _, _) in any_values(),
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut rest = &bytes[..];
            if let Some(value) = take_part(&column_type, direction, &mut rest) {
                let read = &bytes[..bytes.len() - rest.len()];
                // Dates outside of MySQL's years are the only ones that do not encode again.
                if let Ok(again) = part(&column_type, direction, &value) {
                    prop_assert_eq!(again, read);
                }
            }
        }
    }
}
