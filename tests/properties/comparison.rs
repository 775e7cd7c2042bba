//! The comparison of the live tests sees what it must see: it is tried on tables that are wrong in one thing.

use crate::support::compare::{Found, Side, WideRow, assert_counted, assert_same};
use crate::support::decode::{self, Writing};
use crate::support::lists::{Cells, Form};
use crate::support::page;
use crate::support::shape::{FOLLOWS, Kind};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use tailfill::clock::SteadyClock;
use tailfill::model::{TargetId, Tick};
use tailfill::sink::memory::MemorySink;
use tailfill::sink::{CountChange, CountedWrite, PackedRows, RowWrite, WriteRows};

const DAY: u64 = 86_400 * 1_000_000;

/// Wide, a row for each day, one bucket.
fn days() -> Form {
    Form::wide("days", Cells::Json).segmented("\"1d\"", DAY).salted(1).columns(&["note"])
}

fn complement(number: i64) -> [u8; 8] {
    (!(number as u64 ^ (1 << 63))).to_be_bytes()
}

/// The row of list 7 and of a day since 1970.
fn row(salt: u8, day: i64) -> Vec<u8> {
    [&[salt][..], &7_u64.to_be_bytes(), &complement(day)].concat()
}

/// An item that was made so many microseconds after 1970.
fn qualifier(micros: i64, item: u64) -> Vec<u8> {
    [complement(micros), item.to_be_bytes()].concat()
}

/// What the comparison reads from a table of these cells: row, qualifier, value.
async fn read(form: &Form, cells: &[(Vec<u8>, Vec<u8>, &str)]) -> Found {
    let target = form.to_read(0, "t".into());
    let sink = MemorySink::with_tables(&[target], Arc::new(SteadyClock::start()));
    let writes: Vec<RowWrite> = cells
        .iter()
        .map(|(row, qualifier, value)| RowWrite {
            row: row.clone().into(),
            tick: Tick(1),
            delete_family: false,
            puts: vec![(qualifier.clone().into(), Bytes::copy_from_slice(value.as_bytes()))],
            delete_columns: vec![],
        })
        .collect();
    sink.write(TargetId(0), &PackedRows::of(&writes).writes()).await.expect("a double takes everything");
    Side { shape: &FOLLOWS, form }.of_hbase(&sink, TargetId(0)).await
}

#[tokio::test]
async fn what_is_right_is_read() {
    let cells = [
        (row(0, 1), qualifier(DAY as i64 + 5, 3), "{\"note\":\"hi\"}"),
        (row(0, 1), qualifier(DAY as i64, 4), "{}"),
        (row(0, -1), qualifier(-1, 5), "{}"),
        (vec![0xff], b"tailfill.clock.1".to_vec(), ""),
    ];
    let found = read(&days(), &cells).await;
    assert_eq!(found.items.len(), 3);
    assert_eq!(found.rows.values().copied().collect::<Vec<_>>(), [1, 2]);
    let hi = (vec!["7".into()], vec![(DAY + 5).to_string()], vec!["3".into()]);
    assert_eq!(found.items[&hi], [("note".to_owned(), "hi".to_owned())].into());
}

#[tokio::test]
#[should_panic(expected = "the salt of")]
async fn a_wrong_salt_is_seen() {
    read(&days(), &[(row(1, 1), qualifier(DAY as i64, 3), "{}")]).await;
}

#[tokio::test]
#[should_panic(expected = "[\"-1\"] in")]
async fn an_item_in_a_segment_that_is_not_its_own_is_seen() {
    read(&days(), &[(row(0, 0), qualifier(-1, 3), "{}")]).await;
}

#[tokio::test]
#[should_panic(expected = "bytes too many")]
async fn bytes_behind_a_key_are_seen() {
    let longer = [row(0, 1), vec![0]].concat();
    read(&days(), &[(longer, qualifier(DAY as i64, 3), "{}")]).await;
}

#[tokio::test]
#[should_panic(expected = "is no column of the target")]
async fn a_column_too_many_is_seen() {
    read(&days(), &[(row(0, 1), qualifier(DAY as i64, 3), "{\"weight\":\"1.00\"}")]).await;
}

#[tokio::test]
#[should_panic(expected = "] in")]
async fn segments_in_the_wrong_direction_are_seen() {
    let ascending = [&[0][..], &7_u64.to_be_bytes(), &(1_u64 ^ (1 << 63)).to_be_bytes()].concat();
    read(&days(), &[(ascending, qualifier(DAY as i64, 3), "{}")]).await;
}

#[tokio::test]
#[should_panic(expected = "(missing, extra, different) = (1, 1, 0)")]
async fn an_item_with_another_order_is_a_missing_and_an_extra_one() {
    let right = read(&days(), &[(row(0, 1), qualifier(DAY as i64, 3), "{}")]).await;
    let wrong = read(&days(), &[(row(0, 1), qualifier(DAY as i64 + 1, 3), "{}")]).await;
    assert_same("t", &right, &wrong);
}

#[tokio::test]
#[should_panic(expected = "(missing, extra, different) = (0, 0, 1)")]
async fn a_note_that_should_be_null_is_a_difference() {
    let right = read(&days(), &[(row(0, 1), qualifier(DAY as i64, 3), "{}")]).await;
    let wrong = read(&days(), &[(row(0, 1), qualifier(DAY as i64, 3), "{\"note\":\"\"}")]).await;
    assert_same("t", &right, &wrong);
}

/// What the comparison reads of the counts of two days: one with an item, one whose items are gone.
async fn counts_read(items: u64, gone: CountChange) -> BTreeMap<WideRow, Option<u64>> {
    let form = days().counted();
    let sink = MemorySink::with_tables(&[form.to_read(0, "t".into())], Arc::new(SteadyClock::start()));
    for (day, count) in [(1, CountChange::Set(items)), (2, gone)] {
        let (puts, delete_columns, tick) = (vec![], vec![], Tick(1));
        let write =
            CountedWrite { row: row(0, day).into(), expected: None, tick, puts, delete_columns, count };
        assert!(sink.write_counted(TargetId(0), &write).await.expect("a double takes everything"));
    }
    Side { shape: &FOLLOWS, form: &form }.counts(&sink, TargetId(0)).await
}

#[tokio::test]
async fn right_counts_are_taken_for_right() {
    let found = read(&days(), &[(row(0, 1), qualifier(DAY as i64, 3), "{}")]).await;
    assert_counted("t", &found, &counts_read(1, CountChange::Set(0)).await);
}

#[tokio::test]
#[should_panic(expected = "the count of ([\"7\"], Some(1))")]
async fn a_count_that_is_not_the_number_of_items_is_seen() {
    let found = read(&days(), &[(row(0, 1), qualifier(DAY as i64, 3), "{}")]).await;
    assert_counted("t", &found, &counts_read(2, CountChange::Set(0)).await);
}

#[tokio::test]
#[should_panic(expected = "Some(2)), which has no items")]
async fn a_row_without_items_that_is_not_counted_is_seen() {
    let found = read(&days(), &[(row(0, 1), qualifier(DAY as i64, 3), "{}")]).await;
    assert_counted("t", &found, &counts_read(1, CountChange::Keep).await);
}

/// The decoder is not ours to trust either: it reads the page's own examples.
#[test]
fn the_decoder_reads_what_the_page_shows() {
    let mut read = 0;
    for row in page::table("| cell of |") {
        let integer = ["TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR"];
        let kind = match row[0].split(['(', ' ']).next().unwrap_or_default() {
            name if integer.contains(&name) && (row[0].contains("UNSIGNED") || name == "YEAR") => {
                Kind::Unsigned
            }
            name if integer.contains(&name) => Kind::Signed,
            // its own sum is one of 128 bits
            "DECIMAL" if row[0] != "DECIMAL(65,30)" => Kind::Decimal,
            "CHAR" | "VARCHAR" | "TEXT" => Kind::Text,
            "BINARY" | "VARBINARY" | "BLOB" => Kind::Binary,
            _ => continue,
        };
        let value = match row[1].strip_prefix("0x") {
            Some(digits) => digits.to_uppercase(),
            None if kind == Kind::Text => serde_json::from_str(&row[1]).expect("a JSON string"),
            None => row[1].clone(),
        };
        assert_eq!(decode::value(kind, Writing::Utf8, &page::text(&row[2])), value, "{row:?}");
        let bytes = page::bytes(&row[3]).expect("these have a form in bytes");
        assert_eq!(decode::value(kind, Writing::Bytes, &bytes), value, "{row:?}");
        let packed = |writing, bytes: &[u8]| decode::packed(writing, |_| Some(kind), bytes).remove(0).1;
        let map = [&[0x81, 0xa1, b'c'][..], &page::bytes(&row[4]).expect("hexadecimal")].concat();
        assert_eq!(packed(Writing::Msgpack, &map), value, "{row:?}");
        if kind != Kind::Binary {
            assert_eq!(packed(Writing::Json, format!("{{\"c\":{}}}", row[5]).as_bytes()), value, "{row:?}");
        }
        read += 1;
    }
    assert!(read > 40, "{read}");
    for row in page::table("| part of |").iter().filter(|row| row[0].starts_with("VAR")) {
        let (kind, value) = match row[1].strip_prefix("0x") {
            Some(digits) => (Kind::Binary, digits.to_uppercase()),
            None => (Kind::Text, serde_json::from_str(&row[1]).expect("a JSON string")),
        };
        for (descending, shown) in [(false, &row[2]), (true, &row[3])] {
            let bytes = page::bytes(shown).expect("hexadecimal");
            let mut rest = &bytes[..];
            assert_eq!(
                (decode::part(kind, descending, &mut rest), rest.len()),
                (value.clone(), 0),
                "{row:?}"
            );
        }
    }
}
