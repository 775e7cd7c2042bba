use super::*;
use crate::model::{Row, Tick};
use crate::sink::fixtures::{date_time, followers};
use crate::sink::layout::Codec;
use crate::sink::rows::{Packed, RowBlock};

fn follower(created_at: &str, note: Value) -> Row {
    vec![Value::UInt(7), Value::UInt(42), Value::DateTime(date_time(created_at)), note]
}

const VECTOR: &str = "0a00000000000000077ff9f228efdcff87000000000000002a";

#[test]
fn the_row_key_has_the_bytes_of_the_vector() {
    let mapping = followers();
    let row = follower("2024-01-01 00:00:00.123", Value::Null);
    assert_eq!(hex::encode(Codec::of(&mapping, &mapping.targets[0]).address(&row).unwrap().row), VECTOR);
    let has = Codec::of(&mapping, &mapping.targets[1]).address(&row).unwrap();
    assert_eq!(hex::encode(has.row), "0a0000000000000007000000000000002a");
}

#[test]
fn row_keys_of_plain_values_are_those_of_rows() {
    let mapping = followers();
    let row = follower("2024-01-01 00:00:00.123", Value::Null);
    let of = |target, order| row_key_of(&mapping, target, &row[..1], order, &row[1..2]);
    assert_eq!(
        of(&mapping.targets[0], Some(&row[2])).unwrap(),
        Codec::of(&mapping, &mapping.targets[0]).address(&row).unwrap().row
    );
    assert_eq!(
        of(&mapping.targets[1], None).unwrap(),
        Codec::of(&mapping, &mapping.targets[1]).address(&row).unwrap().row
    );
    assert!(of(&mapping.targets[0], None).is_err());
}

#[test]
fn an_item_is_written_with_its_nulls_named() {
    let mapping = followers();
    let row = follower("2024-01-01 00:00:00.123", Value::Null);
    let write = Codec::of(&mapping, &mapping.targets[0]).item_write(&row).unwrap();
    assert_eq!(write.puts, [("created_at".into(), "2024-01-01 00:00:00.123".into())]);
    assert_eq!(write.nulls, [Bytes::from("note")]);
    assert_eq!(cells_of(&mapping, &row), (write.puts, write.nulls));
}

/// The item's packed cells, taken apart.
fn cells_of(mapping: &Mapping, row: &Row) -> (Vec<(Bytes, Bytes)>, Vec<Bytes>) {
    let mut cells = Vec::new();
    push_cells(mapping, &mapping.targets[0], row, &mut cells).unwrap();
    let cell_bytes = cells.len() as u32;
    let row =
        Packed { at: 0, key_bytes: 0, address_bytes: 0, cell_bytes, delete_family: false, markers: true };
    let block = RowBlock::new(cells, vec![row], Tick(1));
    let write = block.writes(0..1).next().unwrap().unpack();
    (write.puts, write.delete_columns)
}

#[test]
fn an_item_without_any_value_gets_the_placeholder() {
    let mut mapping = followers();
    mapping.targets[0].columns = vec![3];
    let row = follower("2024-01-01 00:00:00.123", Value::Null);
    let write = Codec::of(&mapping, &mapping.targets[0]).item_write(&row).unwrap();
    assert_eq!(write.puts, [PLACEHOLDER]);
    assert_eq!(write.nulls, [Bytes::from("note")]);
    assert_eq!(cells_of(&mapping, &row), (write.puts, write.nulls));
}

#[test]
fn a_row_key_comes_apart_into_its_values() {
    let mapping = followers();
    let row = follower("2024-01-01 00:00:00.123", Value::Null);
    let key = hex::decode(VECTOR).unwrap();
    let parts = split_row_key(&mapping, &mapping.targets[0], &key).unwrap();
    assert_eq!(parts.salt, 0x0a);
    assert_eq!(parts.list_key[..], 7_u64.to_be_bytes());
    assert_eq!(
        (&parts.key[..], parts.order.as_ref(), &parts.item[..]),
        (&row[..1], Some(&row[2]), &row[1..2])
    );
}

#[test]
fn bytes_that_are_no_row_key_do_not_come_apart() {
    let mapping = followers();
    let target = &mapping.targets[0];
    let key = hex::decode(VECTOR).unwrap();
    for length in 0..key.len() {
        assert_eq!(split_row_key(&mapping, target, &key[..length]), None);
    }
    assert_eq!(split_row_key(&mapping, target, &[&key[..], &[0]].concat()), None);
    let other_salt = [&[0x0b], &key[1..]].concat();
    assert_eq!(split_row_key(&mapping, target, &other_salt), None);
}

#[test]
fn a_list_lies_between_its_prefix_and_the_key_after_it() {
    let mapping = followers();
    let target = &mapping.targets[0];
    let forward = list_range(target, &7_u64.to_be_bytes(), false, 5);
    assert_eq!(hex::encode(&forward.start), "0a0000000000000007");
    assert_eq!(hex::encode(&forward.stop), "0a0000000000000008");
    let backward = list_range(target, &7_u64.to_be_bytes(), true, 5);
    assert_eq!((&backward.start, &backward.stop), (&forward.stop, &forward.start));
    assert_eq!(stop_after_prefix(&[1, 0xff, 0xff])[..], [2]);
    assert_eq!(stop_after_prefix(&[0xff, 0xff]), Bytes::new());
}

#[test]
fn later_items_come_first_when_the_order_is_descending() {
    let mapping = followers();
    let key = |created_at| {
        Codec::of(&mapping, &mapping.targets[0]).address(&follower(created_at, Value::Null)).unwrap()
    };
    assert!(key("2024-01-02 00:00:00.000") < key("2024-01-01 00:00:00.000"));
}
