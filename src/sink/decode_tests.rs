use super::*;
use crate::model::Time;
use crate::sink::fixtures::{column, followers, text_type};
use crate::sink::layout::Codec;
use proptest::prelude::*;
use std::sync::Arc;

/// Followers whose note alone may be NULL; the second target has items without any cell.
fn mapping() -> Mapping {
    let mut mapping = followers();
    let mut schema = (*mapping.schema).clone();
    schema.columns.iter_mut().for_each(|column| column.nullable = column.name == "note");
    schema.columns[2].column_type = ColumnType::DateTime { fraction: 0 };
    mapping.schema = Arc::new(schema);
    mapping.targets[0].columns = vec![2, 3];
    mapping.targets[1].columns = vec![3];
    mapping
}

/// The mapping of the fixtures, with a column of every kind of value behind its own.
fn with_every_kind() -> Mapping {
    let mut mapping = mapping();
    let mut schema = (*mapping.schema).clone();
    schema.columns.extend([
        column("n", ColumnType::Integer { bytes: 8, unsigned: false }),
        column("u", ColumnType::Integer { bytes: 8, unsigned: true }),
        column("f", ColumnType::Float),
        column("d", ColumnType::Double),
        column("dec", ColumnType::Decimal { precision: 10, scale: 2 }),
        column("t", text_type()),
        column("b", ColumnType::VarBinary),
        column("bit", ColumnType::Bit { bits: 9 }),
        column("when", ColumnType::DateTime { fraction: 3 }),
        column("time", ColumnType::Time { fraction: 0 }),
    ]);
    mapping.schema = Arc::new(schema);
    mapping
}

fn row((n, u, d): (i64, u64, f64), text: String, bytes: Vec<u8>, nulls: u16) -> Vec<Value> {
    let when = DateTime::from_micros_since_epoch(n.rem_euclid(4_000_000_000_000_000) / 1_000 * 1_000);
    let time = Time { negative: n < 0, hours: 838, minutes: 59, seconds: 1, micros: 0 };
    let mut row = vec![Value::UInt(7), Value::UInt(42), Value::DateTime(when), Value::Null];
    row.extend([
        Value::Int(n),
        Value::UInt(u),
        Value::Float(d as f32),
        Value::Double(d),
        Value::Text("-12.30".into()),
        Value::Text(text.into()),
        Value::Bytes(bytes.into()),
        Value::Bytes(vec![1, 65].into()),
        Value::DateTime(when),
        Value::Time(time),
    ]);
    for (place, value) in row.iter_mut().skip(3).enumerate() {
        if nulls & (1 << place) != 0 {
            *value = Value::Null;
        }
    }
    row
}

/// Columns of the row as this form holds them.
fn through(mapping: &Mapping, form: CellForm, layout: Layout, row: &[Value]) -> Vec<(Bytes, Bytes)> {
    let columns = (2..mapping.schema.columns.len()).collect();
    let target = Target { form, layout, columns, ..mapping.targets[0].clone() };
    let write = Codec::of(mapping, &target).item_write(row).unwrap();
    super::columns(mapping, &target, write.puts.iter().map(|(name, value)| (name, value)))
}

proptest! {
    #[test]
    fn one_value_of_all_columns_comes_apart_into_what_cells_would_hold(
        n: i64, u: u64, d in proptest::num::f64::NORMAL | proptest::num::f64::ZERO, text in ".*",
        bytes in proptest::collection::vec(any::<u8>(), 0..300), nulls: u16,
    ) {
        let d = if (d as f32).is_finite() { d } else { 1.5 };
        let (mapping, row) = (with_every_kind(), row((n, u, d), text, bytes, nulls));
        let cells = through(&mapping, CellForm::Columns, Layout::Tall, &row);
        for layout in [Layout::Tall, Layout::Wide] {
            prop_assert_eq!(&through(&mapping, CellForm::Msgpack, layout, &row), &cells);
            prop_assert_eq!(&through(&mapping, CellForm::Json, layout, &row), &cells);
        }
    }

    #[test]
    fn any_bytes_come_apart_or_are_unreadable(bytes: Vec<u8>) {
        let mapping = with_every_kind();
        for form in [CellForm::Msgpack, CellForm::Json, CellForm::Alone] {
            let target = Target { form, layout: Layout::Wide, ..mapping.targets[0].clone() };
            let cell = (Bytes::from_static(b"q"), Bytes::from(bytes.clone()));
            let _ = super::columns(&mapping, &target, std::iter::once((&cell.0, &cell.1)));
        }
    }
}

#[test]
fn what_is_no_value_of_ours_is_kept_as_it_is() {
    let mapping = with_every_kind();
    let cases: [(CellForm, &'static [u8]); 6] = [
        (CellForm::Msgpack, b"\x81\xa1n"),
        (CellForm::Msgpack, b"\x80\x80"),
        (CellForm::Msgpack, b"\x81\xa1n\x90"),
        (CellForm::Json, b"[1]"),
        (CellForm::Json, b"{\"n\":true}"),
        (CellForm::Json, b"{\"b\":\"no base64!\"}"),
    ];
    for (form, value) in cases {
        let target = Target { form, layout: Layout::Wide, ..mapping.targets[0].clone() };
        let cell = (Bytes::from_static(b"q"), Bytes::from_static(value));
        let found = super::columns(&mapping, &target, std::iter::once((&cell.0, &cell.1)));
        assert_eq!(found, [(UNREADABLE, cell.1)]);
    }
}

#[test]
fn an_empty_value_alone_is_null_where_there_can_be_null() {
    let mapping = mapping();
    let of = |column: usize, value: &'static str| {
        let target = Target { form: CellForm::Alone, columns: vec![column], ..mapping.targets[0].clone() };
        let cell = (Bytes::new(), Bytes::from(value));
        super::columns(&mapping, &target, std::iter::once((&cell.0, &cell.1)))
    };
    assert_eq!(of(3, ""), []);
    assert_eq!(of(3, "x"), [("note".into(), "x".into())]);
    assert_eq!(of(2, ""), [("created_at".into(), Bytes::new())]);
}

#[test]
fn key_values_are_read_back_in_both_encodings() {
    let when = DateTime::from_micros_since_epoch(1_704_067_200_123_000);
    let values = [
        (ColumnType::Integer { bytes: 8, unsigned: true }, Value::UInt(u64::MAX)),
        (ColumnType::Integer { bytes: 8, unsigned: false }, Value::Int(-7)),
        (ColumnType::Year, Value::UInt(2024)),
        (ColumnType::Timestamp { fraction: 3 }, Value::DateTime(when)),
        (text_type(), Value::Text("a\0ü".into())),
        (ColumnType::VarBinary, Value::Bytes(vec![0, 255].into())),
    ];
    for (column_type, value) in values {
        let mut mapping = mapping();
        let schema = crate::model::TableSchema {
            columns: vec![column("c", column_type.clone())],
            ..(*mapping.schema).clone()
        };
        mapping.schema = Arc::new(schema);
        for encoding in [ValueEncoding::Utf8, ValueEncoding::Bytes] {
            let bytes = crate::sink::encode::cell_value(&mapping, 0, &value, encoding).unwrap().unwrap();
            assert_eq!(key_value(&column_type, encoding, &bytes), Some(value.clone()), "{column_type:?}");
        }
    }
    for bytes in [&b""[..], b"x", b"2024-13-01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
        for encoding in [ValueEncoding::Utf8, ValueEncoding::Bytes] {
            assert_eq!(key_value(&ColumnType::DateTime { fraction: 0 }, encoding, bytes), None);
            assert_eq!(key_value(&ColumnType::Double, encoding, bytes), None);
        }
    }
}
