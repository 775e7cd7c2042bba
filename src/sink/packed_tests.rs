//! Packed values, read back by readers that are not ours.

use super::*;
use crate::model::{CellForm, Column, ColumnType, DateTime, Layout, Time, Value};
use crate::sink::fixtures::{column, mapping_of, target, text_type};
use proptest::prelude::*;

fn packed(columns: Vec<Column>, row: &[Value], form: CellForm) -> Vec<u8> {
    let all = (0..columns.len()).collect();
    let target = Target { form, layout: Layout::Wide, columns: all, ..target(0, "t", true) };
    let mapping = mapping_of(columns);
    let mut out = Vec::new();
    match form {
        CellForm::Msgpack => push_msgpack(&mapping, &target, row, &mut out).unwrap(),
        _ => push_json(&mapping, &target, row, &mut out).unwrap(),
    }
    out
}

fn signed() -> ColumnType {
    ColumnType::Integer { bytes: 8, unsigned: false }
}

#[test]
fn every_kind_of_value_has_the_form_that_the_page_says() {
    let columns = vec![
        column("n", signed()),
        column("u", ColumnType::Integer { bytes: 8, unsigned: true }),
        column("f", ColumnType::Float),
        column("d", ColumnType::Double),
        column("dec", ColumnType::Decimal { precision: 10, scale: 2 }),
        column("t", text_type()),
        column("b", ColumnType::VarBinary),
        column("when", ColumnType::DateTime { fraction: 3 }),
        column("time", ColumnType::Time { fraction: 0 }),
        column("gone", text_type()),
    ];
    let when = DateTime { year: 2024, month: 1, day: 2, micros: 123_000, ..DateTime::default() };
    let time = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 0 };
    let row = [
        Value::Int(-33),
        Value::UInt(u64::MAX),
        Value::Float(0.1),
        Value::Double(-0.0),
        Value::Text("-12.30".into()),
        Value::Text("a\"\\\n\u{1}ü".into()),
        Value::Bytes(vec![0, 255, 16].into()),
        Value::DateTime(when),
        Value::Time(time),
        Value::Null,
    ];
    let json = packed(columns.clone(), &row, CellForm::Json);
    assert_eq!(
        String::from_utf8(json).unwrap(),
        r#"{"n":-33,"u":18446744073709551615,"f":0.1,"d":-0,"dec":"-12.30","t":"a\"\\\n\u0001ü","b":"AP8Q","when":"2024-01-02 00:00:00.123","time":"-838:59:59"}"#
    );
    let msgpack = packed(columns, &row, CellForm::Msgpack);
    let expected = [
        &b"\x89\xa1n\xd0\xdf\xa1u\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1f\xca\x3d\xcc\xcc\xcd"[..],
        b"\xa1d\xcb\x80\0\0\0\0\0\0\0\xa3dec\xa6-12.30\xa1t\xa7a\"\\\n\x01\xc3\xbc\xa1b\xc4\x03\0\xff\x10",
        b"\xa4when\xb72024-01-02 00:00:00.123\xa4time\xaa-838:59:59",
    ];
    assert_eq!(hex::encode(msgpack), hex::encode(expected.concat()));
}

#[test]
fn an_item_without_values_is_an_empty_map() {
    let columns = || vec![column("n", signed())];
    assert_eq!(packed(columns(), &[Value::Null], CellForm::Msgpack), [0x80]);
    assert_eq!(packed(columns(), &[Value::Null], CellForm::Json), b"{}");
}

/// Integers at the edges of MessagePack's formats.
#[test]
fn integers_take_their_shortest_form() {
    let bytes =
        |number: i64| packed(vec![column("n", signed())], &[Value::Int(number)], CellForm::Msgpack).len() - 3;
    let edges =
        [-2_147_483_649, -2_147_483_648, -32_769, -32_768, -129, -128, -33, -32, -1, 0, 127, 128, 255, 256];
    assert_eq!(edges.map(bytes), [9, 5, 5, 3, 3, 2, 2, 1, 1, 1, 1, 2, 2, 3]);
    assert_eq!([65_535, 65_536, 4_294_967_295, 4_294_967_296].map(bytes), [3, 5, 5, 9]);
}

proptest! {
    #[test]
    fn json_is_read_back_by_serde(number: i64, text: String, bytes: Vec<u8>, double: f64) {
        prop_assume!(double.is_finite());
        prop_assert!(is_json_number(double));
        let columns = vec![
            column("n", signed()),
            column("t", text_type()),
            column("b", ColumnType::VarBinary),
            column("d", ColumnType::Double),
        ];
        let row = [Value::Int(number), Value::Text(text.clone().into()), Value::Bytes(bytes.clone().into()), Value::Double(double)];
        let json: serde_json::Value = serde_json::from_slice(&packed(columns, &row, CellForm::Json)).unwrap();
        prop_assert_eq!(json["n"].as_i64(), Some(number));
        prop_assert_eq!(json["t"].as_str(), Some(&text[..]));
        prop_assert_eq!(STANDARD.decode(json["b"].as_str().unwrap()).unwrap(), bytes);
        prop_assert_eq!(json["d"].as_f64().unwrap().to_bits(), double.to_bits());
    }
}
