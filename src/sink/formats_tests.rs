//! docs/formats.md is what other people's applications are written after: every example on it is checked.

mod example;
mod keys;
#[path = "../../tests/support/page.rs"]
mod page;

use super::cells::{self, COUNT, COUNT_TICK, COUNTS_FAMILY};
use super::encode::{self, Direction};
use super::fixtures::{column, date_time, followers, mapping_of};
use super::layout::Codec;
use crate::model::{CellForm, Column, Mapping, Target, Value, ValueEncoding};
use bytes::Bytes;

fn example(declared: &str, text: &str) -> (Column, Value) {
    let column_type = example::column_type(declared);
    let value = example::value(&column_type, text);
    (column("c", column_type), value)
}

/// Follower 42 of followee 7, with a note.
fn follower(note: &str) -> [Value; 4] {
    let note = match note {
        "NULL" => Value::Null,
        text => Value::Text(serde_json::from_str::<String>(text).expect("a JSON string").into()),
    };
    [Value::UInt(7), Value::UInt(42), Value::DateTime(date_time("2024-01-01 00:00:00.123")), note]
}

/// Columns by name, as `columns` in a configuration gives them.
fn columns(mapping: &Mapping, names: &str) -> Vec<usize> {
    let names: Vec<String> = serde_json::from_str(names).expect("a list of columns");
    names.iter().map(|name| mapping.schema.column_index(name).expect("a column of the example")).collect()
}

/// The cells of an item: qualifier, value.
fn item(mapping: &Mapping, target: &Target, row: &[Value]) -> Vec<(Bytes, Bytes)> {
    Codec::of(mapping, target).item_write(row).expect("the example can be written").puts
}

#[test]
fn every_part_on_the_page_has_the_bytes_it_shows() {
    let rows = page::table("| part of |");
    assert_eq!(rows.len(), 34);
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
    let rows = page::table("| cell of |");
    assert_eq!(rows.len(), 97);
    for row in rows {
        let (column, value) = example(&row[0], &row[1]);
        let mapping = mapping_of(vec![column]);
        let cell = |encoding| encode::cell_value(&mapping, 0, &value, encoding);
        assert_eq!(cell(ValueEncoding::Utf8).unwrap().unwrap(), page::text(&row[2]), "{row:?}");
        match page::bytes(&row[3]) {
            None => assert!(cell(ValueEncoding::Bytes).is_err(), "{row:?}"),
            Some(shown) => assert_eq!(cell(ValueEncoding::Bytes).unwrap().unwrap(), shown, "{row:?}"),
        }
        let packed = |form| {
            let target = Target { form, columns: vec![0], ..followers().targets.remove(0) };
            let mapping = Mapping { key: vec![], item: vec![], order: None, ..mapping.clone() };
            item(&mapping, &target, std::slice::from_ref(&value)).remove(0).1
        };
        assert_eq!(hex::encode(packed(CellForm::Msgpack)), format!("81a163{}", row[4]), "{row:?}");
        assert_eq!(packed(CellForm::Json), format!("{{\"c\":{}}}", row[5]).into_bytes(), "{row:?}");
    }
}

/// Each type that the tool knows has an example, so that a new one is not forgotten.
#[test]
fn every_type_has_an_example_on_the_page() {
    let shown: Vec<_> = page::table("| cell of |").iter().map(|row| example::column_type(&row[0])).collect();
    let kinds: std::collections::HashSet<_> = shown.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 18, "variants of ColumnType");
    let parts: Vec<_> = page::table("| part of |").iter().map(|row| example::column_type(&row[0])).collect();
    assert!(parts.iter().all(encode::can_be_key));
    for kind in shown.iter().filter(|kind| encode::can_be_key(kind)) {
        let same = |part| std::mem::discriminant(part) == std::mem::discriminant(kind);
        assert!(parts.iter().any(same), "{kind:?} can be a key");
    }
}

#[test]
fn every_tall_item_on_the_page_has_the_cells_it_shows() {
    let mapping = followers();
    let rows = page::table("| `columns` | note | cells |");
    assert_eq!(rows.len(), 5);
    for row in rows {
        let target = Target { columns: columns(&mapping, &row[0]), ..mapping.targets[0].clone() };
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let cells = item(&mapping, &target, &follower(&row[1])).into_iter();
        let cells: serde_json::Map<String, serde_json::Value> =
            cells.map(|(qualifier, value)| (text(qualifier), text(value).into())).collect();
        assert_eq!(serde_json::to_string(&cells).unwrap(), row[2], "{row:?}");
    }
}

#[test]
fn every_packed_item_on_the_page_has_the_bytes_it_shows() {
    let mapping = followers();
    let rows = page::table("| `columns` | note | `msgpack` |");
    assert_eq!(rows.len(), 7);
    for row in rows {
        for (form, shown) in [
            (CellForm::Msgpack, page::bytes(&row[2]).unwrap()),
            (CellForm::Json, row[3].clone().into_bytes()),
        ] {
            let columns = columns(&mapping, &row[0]);
            let target = Target { form, columns, ..mapping.targets[0].clone() };
            let cells = item(&mapping, &target, &follower(&row[1]));
            assert_eq!(cells, [(Bytes::new(), Bytes::from(shown))], "{row:?}");
        }
    }
}

#[test]
fn every_column_that_stands_alone_on_the_page_has_the_bytes_it_shows() {
    let mapping = followers();
    let rows = page::table("| `value_column` |");
    assert_eq!(rows.len(), 5);
    for row in rows {
        let columns = columns(&mapping, &format!("[\"{}\"]", row[0]));
        let note = if row[0] == "note" { row[1].as_str() } else { "NULL" };
        for (values, shown) in [(ValueEncoding::Utf8, &row[2]), (ValueEncoding::Bytes, &row[3])] {
            let form = CellForm::Alone;
            let target = Target { form, values, columns: columns.clone(), ..mapping.targets[0].clone() };
            let cells = item(&mapping, &target, &follower(note));
            assert_eq!(cells, [(Bytes::new(), page::bytes(shown).unwrap().into())], "{row:?} {values:?}");
        }
    }
}

#[test]
fn every_count_on_the_page_has_the_bytes_it_shows() {
    let name = |qualifier| format!("{COUNTS_FAMILY}:{}", String::from_utf8_lossy(qualifier));
    let rows = page::table("| cell | number |");
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert!([name(COUNT), name(COUNT_TICK)].contains(&row[0]), "{row:?}");
        let number = row[1].parse().expect("a number");
        assert_eq!(hex::encode(cells::count_bytes(number)), row[2], "{row:?}");
        assert_eq!(cells::count_number(&page::bytes(&row[2]).unwrap()), Some(number), "{row:?}");
    }
}
