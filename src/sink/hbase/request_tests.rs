use super::super::calls::FoundCell;
use super::*;
use crate::sink::{PackedRows, RowWrite};

const TO: TableFamily<'static> = TableFamily { table: b"t", family: b"f" };

fn write(row: &str, value: &str) -> RowWrite {
    RowWrite {
        row: Bytes::copy_from_slice(row.as_bytes()),
        tick: Tick(7),
        delete_family: false,
        puts: vec![("q".into(), Bytes::copy_from_slice(value.as_bytes()))],
        delete_columns: vec!["a".into(), "b".into()],
    }
}

fn bounds(rows: usize, bytes: usize) -> Bounds {
    Bounds { rows, bytes, hard: true, cell_bytes: 5_000 }
}

fn calls(rows: &[RowWrite], bounds: Bounds) -> Result<Mutations, String> {
    mutations(&PackedRows::of(rows).writes(), &TO, bounds)
}

/// The number of mutations that a call has, as it says itself.
fn count(call: &Call) -> usize {
    let head = wire::call_head(TO.table).len();
    let count = u32::from_be_bytes(call.arguments[head - 4..head].try_into().unwrap());
    assert_eq!(call.rows, count as usize);
    call.rows
}

fn counts(calls: &[Call]) -> Vec<usize> {
    calls.iter().map(count).collect()
}

fn column(name: &[u8], timestamp: i64) -> Column<'_> {
    Column { qualifier: Some(name), timestamp: Some(timestamp), ..Column::whole(b"f") }
}

fn cell_of<'a>((qualifier, value, timestamp): (&'a [u8], &'a [u8], i64)) -> Cell<'a> {
    Cell { family: b"f", qualifier, value, timestamp: Some(timestamp) }
}

fn alone(write: impl FnOnce(&mut Vec<u8>)) -> Call {
    let mut call = wire::call_head(TO.table);
    let head = call.len();
    write(&mut call);
    wire::finish_call(&mut call, head, 1);
    Call { rows: 1, arguments: call.into() }
}

#[test]
fn puts_and_markers_go_in_calls_of_their_own() {
    let both = calls(&[write("r", "v")], bounds(10, 1 << 20)).unwrap();
    let columns = [&b"a"[..], b"b"];
    assert_eq!(
        both.deletes,
        [alone(|call| wire::delete(
            call,
            b"r",
            Marker::Columns,
            2,
            columns.into_iter().map(|name| column(name, 7))
        ))]
    );
    let cells = [(&b"q"[..], &b"v"[..])];
    assert_eq!(
        both.puts,
        [alone(|call| wire::put(
            call,
            b"r",
            1,
            cells.into_iter().map(|(name, value)| cell_of((name, value, 7)))
        ))]
    );
    let family = RowWrite { delete_family: true, puts: vec![], delete_columns: vec![], ..write("r", "") };
    let only = calls(&[family], bounds(10, 1 << 20)).unwrap();
    assert_eq!(
        only.deletes,
        [alone(|call| wire::delete(
            call,
            b"r",
            Marker::Family,
            1,
            [Column { timestamp: Some(7), ..Column::whole(b"f") }].into_iter()
        ))]
    );
    assert!(only.puts.is_empty());
}

#[test]
fn calls_are_split_by_rows_and_by_bytes() {
    let rows: Vec<RowWrite> = (0..25).map(|row| write(&format!("{row:03}"), "value")).collect();
    let split = calls(&rows, bounds(10, 1 << 20)).unwrap();
    assert_eq!((counts(&split.puts), counts(&split.deletes)), (vec![10, 10, 5], vec![10, 10, 5]));
    let head = wire::call_head(TO.table).len();
    let one_put = (split.puts[0].arguments.len() - head - 1) / 10;
    let split = calls(&rows, bounds(100, ENVELOPE_BYTES + 4 * one_put)).unwrap();
    assert_eq!(counts(&split.puts), [4, 4, 4, 4, 4, 4, 1]);
    let whole = calls(&rows, bounds(100, 1 << 20)).unwrap();
    let content = |call: &Call| call.arguments[head..call.arguments.len() - 1].to_vec();
    let joined: Vec<u8> = split.puts.iter().flat_map(content).collect();
    assert_eq!(joined, content(&whole.puts[0]), "nothing is lost between calls");
}

#[test]
fn a_row_above_the_frame_limit_is_refused_and_sent_alone_without_frames() {
    let large = "x".repeat(4_000);
    let error = calls(&[write("r", &large)], bounds(10, 3_000)).unwrap_err();
    assert!(error.contains("max_frame_size_in_mb") && !error.contains("xxx"), "{error}");
    let soft = Bounds { hard: false, ..bounds(10, 3_000) };
    assert_eq!(counts(&calls(&[write("q", "v"), write("r", &large)], soft).unwrap().puts), [1, 1]);
}

#[test]
fn what_hbase_would_misread_is_refused() {
    let with_tick = |tick| RowWrite { tick: Tick(tick), ..write("r", "v") };
    let refused = |row| calls(&[row], bounds(10, 1 << 20)).unwrap_err();
    refused(with_tick(i64::MAX as u64));
    refused(with_tick(u64::MAX));
    refused(write("", "v"));
    refused(write(&"x".repeat(ROW_KEY_BYTES_MAX + 1), "v"));
    let error = refused(write("r", &"x".repeat(5_000)));
    assert!(error.contains("keyvalue.maxsize"), "{error}");
}

#[test]
fn a_page_of_a_scan_follows_the_size_of_rows() {
    let mut page = Page::default();
    assert_eq!(page.rows(), 500);
    let row = |value: usize| StoredRow {
        row: "r".into(),
        cells: vec![StoredCell { qualifier: "q".into(), value: vec![0; value].into(), tick: Tick(1) }],
    };
    page.learn(&[row(10)]);
    assert_eq!(page.rows(), 5_000);
    page.learn(&[row(1 << 20)]);
    assert_eq!(page.rows(), 3);
    page.learn(&[row(16 << 20)]);
    assert_eq!(page.rows(), 1);
}

#[test]
fn a_result_without_row_is_no_row_and_one_without_timestamp_is_refused() {
    assert_eq!(stored_row(Found::default()), Ok(None));
    let cell = FoundCell { family: "f".into(), ..FoundCell::default() };
    let result = Found { row: Some("r".into()), cells: vec![cell] };
    assert!(stored_row(result).is_err());
}

#[test]
fn writes_to_one_row_share_a_mutation_and_keep_their_ticks() {
    let cell = |name: &str, tick: u64| RowWrite {
        puts: vec![(Bytes::copy_from_slice(name.as_bytes()), "v".into())],
        delete_columns: vec![],
        tick: Tick(tick),
        ..write("r", "")
    };
    let marker = RowWrite { puts: vec![], delete_columns: vec!["c".into()], tick: Tick(9), ..write("r", "") };
    let rows = [cell("a", 7), cell("b", 8), marker, write("s", "v")];
    let found = calls(&rows, bounds(10, 1 << 20)).unwrap();
    assert_eq!((found.puts.len(), found.puts[0].rows), (1, 3), "three writes have puts");
    let puts = [(&b"a"[..], &b"v"[..], 7), (b"b", b"v", 8)];
    let expected = alone(|call| wire::put(call, b"r", 2, puts.into_iter().map(cell_of)));
    let head = wire::call_head(TO.table).len();
    assert!(
        found.puts[0].arguments[head..].starts_with(&expected.arguments[head..expected.arguments.len() - 1])
    );
    let markers = alone(|call| wire::delete(call, b"r", Marker::Columns, 1, [column(b"c", 9)].into_iter()));
    assert!(
        found.deletes[0].arguments[head..].starts_with(&markers.arguments[head..markers.arguments.len() - 1])
    );
}

#[test]
fn a_row_with_more_cells_than_a_call_takes_is_split() {
    let cell = |number: usize| RowWrite {
        puts: vec![(format!("{number:06}").into(), "v".into())],
        delete_columns: vec![],
        ..write("r", "")
    };
    let rows: Vec<RowWrite> = (0..25).map(cell).collect();
    let found = calls(&rows, bounds(10, 1 << 20)).unwrap();
    assert_eq!(found.puts.iter().map(|call| call.rows).collect::<Vec<_>>(), [10, 10, 5]);
    let large: Vec<RowWrite> = rows
        .iter()
        .map(|row| RowWrite { puts: vec![(row.puts[0].0.clone(), vec![7; 1_000].into())], ..row.clone() })
        .collect();
    let bounds = Bounds { hard: true, ..bounds(1_000, 8 << 10) };
    let found = calls(&large, bounds).unwrap();
    assert!(found.puts.iter().all(|call| call.arguments.len() <= 8 << 10));
    assert_eq!(found.puts.iter().map(|call| call.rows).sum::<usize>(), 25);
}
