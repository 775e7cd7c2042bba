//! Row keys, qualifiers and segments on the page.

use super::{example, follower, page};
use crate::model::{CellForm, ColumnType, Layout, Mapping, OrderKey, Target, Value};
use crate::sink::fixtures::{column, followers, mapping_of, text_type};
use crate::sink::layout::{Address, Codec};
use crate::sink::wide;

/// The example's mapping and a target of it as `described`: "descending, segment = "30d", 16 buckets".
fn described(mut mapping: Mapping, described: &str, layout: Layout) -> (Mapping, Target) {
    let words: Vec<&str> = described.split(", ").collect();
    let buckets = words.last().and_then(|word| word.split(' ').next()?.parse().ok());
    if let Some(order) = &mut mapping.order {
        order.descending = words.contains(&"descending");
    }
    let segment = words.iter().find_map(|word| word.trim_matches('`').strip_prefix("segment = "));
    let target = Target {
        layout,
        form: if layout == Layout::Wide { CellForm::Msgpack } else { CellForm::Columns },
        ordered: !words.contains(&"without order"),
        salt_buckets: buckets.expect("a number of buckets"),
        segment: segment.map(width),
        ..mapping.targets[0].clone()
    };
    (mapping, target)
}

/// What `segment` says, in units of the order part.
fn width(segment: &str) -> u64 {
    let text = segment.trim_matches('"');
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let micros = match unit {
        "" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "h" => 3_600 * 1_000_000,
        "d" => 86_400 * 1_000_000,
        other => panic!("formats.md names an unknown unit {other}"),
    };
    digits.parse::<u64>().expect("a whole number") * micros
}

fn assert_address(mapping: &Mapping, target: &Target, item: &[Value], row: &[String]) {
    let address = Codec::of(mapping, target).address(item).unwrap();
    let qualifier = match target.layout {
        Layout::Tall => None,
        Layout::Wide => Some(page::bytes(&row[2]).unwrap().into()),
    };
    assert_eq!(address, Address { row: page::bytes(&row[1]).unwrap().into(), cell: qualifier }, "{row:?}");
    let parts = Codec::of(mapping, target).split(&address).expect("it comes apart");
    let values = |columns: &[usize]| columns.iter().map(|&column| item[column].clone()).collect::<Vec<_>>();
    assert_eq!((parts.key, parts.item), (values(&mapping.key), values(&mapping.item)), "{row:?}");
    let order = mapping.order.filter(|_| target.ordered).map(|order| item[order.column].clone());
    assert_eq!(parts.order, order, "{row:?}");
}

#[test]
fn every_row_key_on_the_page_is_that_of_the_example() {
    let rows = page::table("| target |");
    assert_eq!(rows.len(), 5);
    for row in rows {
        let (mapping, target) = described(followers(), &row[0], Layout::Tall);
        assert_address(&mapping, &target, &follower("NULL"), &row);
    }
}

#[test]
fn every_wide_row_key_and_qualifier_on_the_page_is_that_of_the_example() {
    let rows = page::table("| wide target |");
    assert_eq!(rows.len(), 8);
    for row in rows {
        let (mapping, target) = described(followers(), &row[0], Layout::Wide);
        assert_address(&mapping, &target, &follower("NULL"), &row);
    }
}

#[test]
fn every_key_of_several_columns_on_the_page_is_that_of_the_example() {
    let integer = |bytes| ColumnType::Integer { bytes, unsigned: false };
    let mut mapping = mapping_of(vec![
        column("region", text_type()),
        column("shop", ColumnType::Binary { length: 3 }),
        column("sku", ColumnType::VarBinary),
        column("size", integer(2)),
        column("seq", integer(8)),
    ]);
    (mapping.key, mapping.item) = (vec![0, 1], vec![2, 3]);
    mapping.order = Some(OrderKey { column: 4, descending: false });
    mapping.targets = followers().targets;
    let item = [
        Value::Text("größe".into()),
        Value::Bytes(vec![0xbe, 0xef, 0].into()),
        Value::Bytes(vec![0, 1].into()),
        Value::Int(-1),
        Value::Int(-5),
    ];
    let rows = page::table("| composite target |");
    assert_eq!(rows.len(), 5);
    for row in rows {
        let layout = if row[0].starts_with("wide") { Layout::Wide } else { Layout::Tall };
        let (mapping, target) = described(mapping.clone(), &row[0], layout);
        assert_address(&mapping, &target, &item, &row);
    }
}

#[test]
fn every_segment_on_the_page_has_the_number_and_bytes_it_shows() {
    let rows = page::table("| order column |");
    assert_eq!(rows.len(), 23);
    for row in rows {
        let column_type = example::column_type(&row[0]);
        let order = example::value(&column_type, &row[1]);
        let unsigned = ColumnType::Integer { bytes: 8, unsigned: true };
        let mut mapping = mapping_of(vec![column("l", unsigned), column("o", column_type)]);
        for (descending, shown) in [(false, &row[4]), (true, &row[5])] {
            mapping.order = Some(OrderKey { column: 1, descending });
            let base = followers().targets.remove(0);
            let target = Target { layout: Layout::Wide, segment: Some(width(&row[2])), ..base };
            let key = wide::row_key_of(&mapping, &target, &[Value::UInt(7)], Some(&order)).unwrap();
            assert_eq!(&hex::encode(&key[9..]), shown, "{row:?}");
            let number = wide::split_row_key(&mapping, &target, &key).unwrap().segment;
            assert_eq!(number, Some(row[3].parse().expect("a number")), "{row:?}");
        }
    }
}
