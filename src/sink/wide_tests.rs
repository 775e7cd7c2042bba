//! The wide layout against DESIGN's vectors, and taken apart again.

use super::*;
use crate::model::{CellForm, ColumnType, Layout, OrderKey, Tick};
use crate::sink::fixtures::{column, date_time, followers, mapping_of, target};
use crate::sink::layout::{self, Address, Codec};
use crate::sink::rows;
use proptest::prelude::*;

/// Thirty days in microseconds.
const MONTH: u64 = 30 * 86_400 * 1_000_000;

fn wide(segment: Option<u64>) -> Target {
    let tall = target(0, "followers_wide", true);
    Target { layout: Layout::Wide, form: CellForm::Msgpack, segment, ..tall }
}

fn row(created_at: &str, note: Option<&'static str>) -> Vec<Value> {
    let note = note.map_or(Value::Null, |note| Value::Text(note.into()));
    vec![Value::UInt(7), Value::UInt(42), Value::DateTime(date_time(created_at)), note]
}

fn hex_of(mapping: &Mapping, target: &Target, row: &[Value]) -> (String, String) {
    let Address { row, cell } = Codec::of(mapping, target).address(row).unwrap();
    (hex::encode(row), hex::encode(cell.expect("a wide item is a cell")))
}

#[test]
fn row_keys_and_qualifiers_are_those_of_the_design() {
    let mut mapping = followers();
    let row = row("2024-01-01 00:00:00.123", None);
    let item = "7ff9f228efdcff87000000000000002a";
    let (key, qualifier) = hex_of(&mapping, &wide(None), &row);
    assert_eq!((key.as_str(), qualifier.as_str()), ("0a0000000000000007", item));
    let (key, qualifier) = hex_of(&mapping, &wide(Some(MONTH)), &row);
    assert_eq!((key.as_str(), qualifier.as_str()), ("0a00000000000000077ffffffffffffd6e", item));
    mapping.order = Some(OrderKey { column: 2, descending: false });
    let (key, qualifier) = hex_of(&mapping, &wide(Some(MONTH)), &row);
    assert_eq!(key, "0a00000000000000078000000000000291");
    assert_eq!(qualifier, "80060dd710230078000000000000002a");
    let unordered = Target { ordered: false, ..wide(None) };
    assert_eq!(hex_of(&mapping, &unordered, &row).1, "000000000000002a");
}

#[test]
fn a_segment_is_rounded_down_also_before_1970() {
    let integer = |unsigned| ColumnType::Integer { bytes: 8, unsigned };
    let mut mapping =
        mapping_of(vec![column("l", integer(true)), column("i", integer(true)), column("o", integer(false))]);
    mapping.item = vec![1];
    mapping.order = Some(OrderKey { column: 2, descending: false });
    let target = Target { columns: vec![], ..wide(Some(10)) };
    let segment = |order: i64| {
        let key = row_key_of(&mapping, &target, &[Value::UInt(7)], Some(&Value::Int(order))).unwrap();
        split_row_key(&mapping, &target, &key).unwrap().segment
    };
    assert_eq!([-11, -10, -1, 0, 9, 10].map(segment), [-2, -1, -1, 0, 0, 1].map(Some));
    assert_eq!(segment(i64::MIN), Some(i64::MIN.div_euclid(10)));
}

#[test]
fn a_segment_number_that_has_no_64_bits_is_refused() {
    let unsigned = ColumnType::Integer { bytes: 8, unsigned: true };
    let mut mapping =
        mapping_of(vec![column("l", unsigned.clone()), column("i", unsigned.clone()), column("o", unsigned)]);
    mapping.item = vec![1];
    mapping.order = Some(OrderKey { column: 2, descending: false });
    let target = Target { columns: vec![], ..wide(Some(1)) };
    let order = Value::UInt(u64::MAX);
    assert!(row_key_of(&mapping, &target, &[Value::UInt(7)], Some(&order)).is_err());
    let target = Target { segment: Some(2), ..target };
    assert!(row_key_of(&mapping, &target, &[Value::UInt(7)], Some(&order)).is_ok());
}

#[test]
fn an_item_is_one_cell_and_is_deleted_by_its_name() {
    let (mapping, target) = (followers(), wide(Some(MONTH)));
    let row = row("2024-01-01 00:00:00.123", Some("hi"));
    let write = Codec::of(&mapping, &target).item_write(&row).unwrap();
    let qualifier = write.address.cell.clone().expect("a wide item is a cell");
    assert_eq!(write.puts.len(), 1);
    assert_eq!((&write.puts[0].0, write.nulls.len()), (&qualifier, 0));
    let mut buffer = Vec::new();
    let packed = layout::Codec::of(&mapping, &target).pack_deleted(&row, &mut buffer).unwrap();
    let deleted = rows::unpacked(&buffer[packed.key_bytes as usize..], Tick(1));
    assert_eq!((deleted.puts, deleted.delete_columns), (vec![], vec![qualifier]));
}

#[test]
fn a_column_that_stands_alone_is_empty_where_it_is_null() {
    let mapping = followers();
    let alone = Target { form: CellForm::Alone, columns: vec![3], ..wide(None) };
    let value = |note| {
        let row = row("2024-01-01 00:00:00.123", note);
        Codec::of(&mapping, &alone).item_write(&row).unwrap().puts[0].1.clone()
    };
    assert_eq!((&value(Some("hi"))[..], &value(None)[..]), (&b"hi"[..], &b""[..]));
}

proptest! {
    #[test]
    fn addresses_come_apart_again_and_keep_the_order_of_the_list(
        values in proptest::collection::vec((0_u64..3, any::<u64>(), -1_000_000_000_000_000_i64..1_000_000_000_000_000), 2),
        descending in any::<bool>(),
        segment in proptest::option::of(1_u64..10_000_000_000),
    ) {
        let mut mapping = followers();
        mapping.order = Some(OrderKey { column: 2, descending });
        let target = wide(segment);
        let address = |&(list, item, micros): &(u64, u64, i64)| {
            let moment = Value::DateTime(crate::model::DateTime::from_micros_since_epoch(micros));
            let row = [Value::UInt(list), Value::UInt(item), moment.clone(), Value::Null];
            let address = Codec::of(&mapping, &target).address(&row).unwrap();
            let parts = Codec::of(&mapping, &target).split(&address).unwrap();
            assert_eq!((parts.key, parts.order, parts.item), (vec![Value::UInt(list)], Some(moment), vec![Value::UInt(item)]));
            address
        };
        let [a, b] = [&values[0], &values[1]];
        if a.0 == b.0 {
            let by_order = if descending { b.2.cmp(&a.2) } else { a.2.cmp(&b.2) };
            prop_assert_eq!(address(a).cmp(&address(b)), by_order.then(a.1.cmp(&b.1)));
        }
    }
}
