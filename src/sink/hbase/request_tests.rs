use super::*;
use pilota::thrift::{Message, binary::TBinaryProtocol};

const FAMILY: Bytes = Bytes::from_static(b"f");

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

fn encoded_size(message: &impl Message) -> usize {
    let mut buffer = bytes::BytesMut::new();
    message.encode(&mut TBinaryProtocol::new(&mut buffer, false)).unwrap();
    buffer.len()
}

#[test]
fn markers_carry_their_timestamp_on_each_column() {
    let (deletes, puts) = mutations(&[write("r", "v")], &FAMILY, bounds(10, 1 << 20)).unwrap();
    assert_eq!(deletes[0][0].delete_type, Some(TDeleteType::DELETE_COLUMNS));
    assert!(deletes[0][0].columns.iter().flatten().all(|column| column.timestamp == Some(7)));
    assert_eq!(puts[0][0].column_values[0].timestamp, Some(7));
    let family = RowWrite { delete_family: true, puts: vec![], delete_columns: vec![], ..write("r", "") };
    let (deletes, puts) = mutations(&[family], &FAMILY, bounds(10, 1 << 20)).unwrap();
    assert_eq!(deletes[0][0].delete_type, Some(TDeleteType::DELETE_FAMILY));
    assert_eq!(deletes[0][0].columns.as_ref().unwrap()[0].qualifier, None);
    assert!(puts.is_empty());
}

#[test]
fn the_computed_size_is_the_size_on_the_wire() {
    let (deletes, puts) = mutations(&[write("row", "value")], &FAMILY, bounds(10, 1 << 20)).unwrap();
    assert_eq!(puts[0][0].wire_size(), encoded_size(&puts[0][0]));
    assert_eq!(deletes[0][0].wire_size(), encoded_size(&deletes[0][0]));
}

#[test]
fn calls_are_split_by_rows_and_by_bytes() {
    let rows: Vec<RowWrite> = (0..25).map(|row| write(&format!("{row:03}"), "value")).collect();
    let (deletes, puts) = mutations(&rows, &FAMILY, bounds(10, 1 << 20)).unwrap();
    assert_eq!(puts.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(deletes.len(), 3);
    let one_put = puts[0][0].wire_size();
    let (_, puts) = mutations(&rows, &FAMILY, bounds(100, ENVELOPE_BYTES + 4 * one_put)).unwrap();
    assert_eq!(puts.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4, 4, 4, 4, 1]);
}

#[test]
fn a_row_above_the_frame_limit_is_refused_and_sent_alone_without_frames() {
    let large = "x".repeat(4_000);
    let error = mutations(&[write("r", &large)], &FAMILY, bounds(10, 3_000)).unwrap_err();
    assert!(error.contains("max_frame_size_in_mb") && !error.contains("xxx"), "{error}");
    let soft = Bounds { hard: false, ..bounds(10, 3_000) };
    let (_, puts) = mutations(&[write("q", "v"), write("r", &large)], &FAMILY, soft).unwrap();
    assert_eq!(puts.len(), 2);
}

#[test]
fn what_hbase_would_misread_is_refused() {
    let with_tick = |tick| RowWrite { tick: Tick(tick), ..write("r", "v") };
    assert!(mutations(&[with_tick(i64::MAX as u64)], &FAMILY, bounds(10, 1 << 20)).is_err());
    assert!(mutations(&[with_tick(u64::MAX)], &FAMILY, bounds(10, 1 << 20)).is_err());
    assert!(mutations(&[write("", "v")], &FAMILY, bounds(10, 1 << 20)).is_err());
    let error = mutations(&[write("r", &"x".repeat(5_000))], &FAMILY, bounds(10, 1 << 20)).unwrap_err();
    assert!(error.contains("keyvalue.maxsize"), "{error}");
    let too_long = "x".repeat(ROW_KEY_BYTES_MAX + 1);
    assert!(mutations(&[write(&too_long, "v")], &FAMILY, bounds(10, 1 << 20)).is_err());
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
    assert_eq!(stored_row(TResult::default()), Ok(None));
    let cell = TColumnValue { family: FAMILY, ..TColumnValue::default() };
    let result = TResult { row: Some("r".into()), column_values: vec![cell] };
    assert!(stored_row(result).is_err());
}
