//! What only the real gateways have: tables, clocks, protocols, failures.

use super::sink::{PURGE_DELETES_MS, SERVED, TARGET, connect, every, server, unique_target};
use crate::support::own::Speaks;
use bytes::Bytes;
use std::time::{Duration, Instant};
use tailfill::clock::{Clock, SteadyClock};
use tailfill::model::{Target, TargetId, Tick};
use tailfill::sink::hbase::thrift1::Thrift1Sink;
use tailfill::sink::hbase::{HbaseOptions, HbaseSink, Transport};
use tailfill::sink::{
    CellRange, CountChange, CountedWrite, PackedRows, RUN_ATTRIBUTE, ReadCounts, ReadRows, RowWrite,
    ScanRange, Sink, SinkError, TableState, Tables, WriteRows,
};

/// The row that a probe of HBase's clock leaves for a moment.
const PROBE_ROW: &[u8] = b"\xff";

fn put(row: &[u8], value: Vec<u8>) -> RowWrite {
    RowWrite {
        row: Bytes::copy_from_slice(row),
        tick: Tick(SteadyClock::start().now_ms()),
        delete_family: false,
        puts: vec![("q".into(), value.into())],
        delete_columns: vec![],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_created_with_its_settings_and_described() {
    let target = unique_target("create");
    let other = Target { id: TargetId(1), family: "g".into(), ..target.clone() };
    let sink = connect(Transport::Buffered, &[target.clone(), other.clone()]).await;
    assert_eq!(sink.describe(TARGET).await.unwrap(), TableState::Missing);
    sink.create(&target, "run-1", PURGE_DELETES_MS).await.unwrap();
    sink.create(&other, "run-2", PURGE_DELETES_MS).await.expect("it was created with both families");

    let TableState::Present { family, attributes, families } = sink.describe(TARGET).await.unwrap() else {
        panic!("the table was created")
    };
    let family = family.expect("the family was created");
    assert_eq!(family["VERSIONS"], "1");
    assert_eq!(family["BLOOMFILTER"], "ROW");
    assert_eq!(family["DATA_BLOCK_ENCODING"], "FAST_DIFF");
    assert_eq!(family["NEW_VERSION_BEHAVIOR"], "false");
    assert_eq!(family["hbase.hstore.time.to.purge.deletes"], PURGE_DELETES_MS.to_string());
    assert_eq!(attributes.expect("Thrift2 tells them")[RUN_ATTRIBUTE], "run-1");
    assert_eq!(families, ["f", "g"]);

    let third = Target { id: TargetId(2), family: "h".into(), ..target.clone() };
    let error = sink.create(&third, "run-1", PURGE_DELETES_MS).await.unwrap_err();
    assert!(matches!(error, SinkError::Missing { ref family, .. } if family == "h"), "{error}");
    sink.drop_table(&target.table).await.unwrap();
    sink.drop_table(&target.table).await.expect("dropping what is not there is no error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_framed_gateway_gets_no_table_but_the_statement_for_the_shell() {
    let target = unique_target("shell");
    let sink = connect(Transport::Framed, std::slice::from_ref(&target)).await;
    let error = sink.create(&target, "run-1", PURGE_DELETES_MS).await.unwrap_err();
    assert!(error.to_string().contains(&format!("create '{}', {{NAME => 'f'", target.table)), "{error}");
    assert_eq!(sink.describe(TARGET).await.unwrap(), TableState::Missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_or_family_is_reported_as_missing_by_every_call() {
    let target = unique_target("missing");
    let no_family = Target { id: TargetId(1), family: "none".into(), ..target.clone() };
    let no_table = Target { id: TargetId(2), table: unique_target("absent").table, ..target.clone() };
    let creating = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    creating.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    for (speaks, sink) in every(&[no_family.clone(), no_table.clone()]).await {
        for id in [no_family.id, no_table.id] {
            let delete = RowWrite { delete_family: true, puts: vec![], ..put(b"r", vec![]) };
            let results = [
                sink.write(id, &PackedRows::of(&[put(b"r", vec![1])]).writes()).await,
                sink.write(id, &PackedRows::of(&[put(b"r", vec![1]), put(b"\xa0r", vec![1])]).writes()).await,
                sink.write(id, &PackedRows::of(&[delete]).writes()).await,
                sink.read(id, &["r".into()]).await.map(|_| ()),
                sink.scan(id, &ScanRange { limit: 5, ..ScanRange::default() }).await.map(|_| ()),
                sink.server_clock_ms(id).await.map(|_| ()),
            ];
            for (call, result) in results.into_iter().enumerate() {
                let error = result.expect_err("the table or family is missing");
                assert!(matches!(error, SinkError::Missing { .. }), "{speaks:?} {id:?} call {call}: {error}");
            }
        }
    }
    creating.drop_table(&target.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hbases_clock_is_read_and_no_trace_stays() {
    let target = unique_target("clock");
    let creating = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    creating.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    for (speaks, sink) in every(std::slice::from_ref(&target)).await {
        let before = SteadyClock::start().now_ms();
        let stamp = sink.server_clock_ms(TARGET).await.unwrap();
        let after = SteadyClock::start().now_ms();
        assert!((before - 1_000..=after + 1_000).contains(&stamp), "{speaks:?}: {before} {stamp} {after}");
        assert_eq!(sink.read(TARGET, &[Bytes::from_static(PROBE_ROW)]).await.unwrap(), [None]);
    }
    creating.drop_table(&target.table).await.unwrap();
}

/// Several cells, as probes at the same time leave them.
fn probes() -> RowWrite {
    let cells = ["1", "2", "3"].map(|name| (format!("tailfill.clock.{name}").into(), Bytes::new()));
    RowWrite { puts: cells.to_vec(), ..put(PROBE_ROW, vec![]) }
}

/// The keys that a scan of rows and one of keys show.
async fn scanned(sink: &dyn Sink, reversed: bool, limit: usize) -> [Vec<Bytes>; 2] {
    let range = ScanRange { reversed, limit, ..ScanRange::default() };
    let rows = sink.scan(TARGET, &range).await.expect("it reads");
    [rows.into_iter().map(|row| row.row).collect(), sink.scan_keys(TARGET, &range).await.expect("it reads")]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_scan_shows_the_row_of_the_clocks_probe_or_ends_at_it() {
    let target = Target { counted: true, ..unique_target("probe") };
    let creating = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    creating.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    let (before, behind): ([&[u8]; 2], [&[u8]; 2]) = ([b"a", b"b"], [b"\xff\0", b"\xff\xff"]);
    let items = |keys: [&[u8]; 2]| keys.map(|key| put(key, vec![1]));
    let rows: Vec<RowWrite> = items(before).into_iter().chain([probes()]).collect();
    // the probe's row is the only one, then the last one, then in the middle
    let steps = [vec![probes()], rows.clone(), [rows, items(behind).to_vec()].concat()];
    for writes in steps {
        creating.write(TARGET, &PackedRows::of(&writes).writes()).await.unwrap();
        let keys = writes.iter().map(|write| write.row.clone());
        let mut expected: Vec<Bytes> = keys.filter(|key| key != PROBE_ROW).collect();
        for (speaks, sink) in every(std::slice::from_ref(&target)).await {
            for limit in 1..7 {
                let limited = |mut keys: Vec<Bytes>| {
                    keys.truncate(limit);
                    keys
                };
                let forward = limited(expected.clone());
                let cells = CellRange { limit, ..CellRange::default() };
                let cells = sink.scan_cells(TARGET, &cells).await.expect("it reads");
                let cells: Vec<Bytes> = cells.into_iter().map(|row| row.row).collect();
                assert_eq!(cells, forward, "{speaks:?}, {limit}");
                assert_eq!(
                    scanned(&*sink, false, limit).await,
                    [forward.clone(), forward],
                    "{speaks:?}, {limit}"
                );
                expected.reverse();
                let down = limited(expected.clone());
                expected.reverse();
                assert_eq!(scanned(&*sink, true, limit).await, [down.clone(), down], "{speaks:?}, {limit}");
            }
        }
    }
    for row in [b"a", PROBE_ROW, b"\xff\0"] {
        let (row, tick) = (Bytes::copy_from_slice(row), Tick(SteadyClock::start().now_ms()));
        let (puts, delete_columns, count) = (vec![], vec![], CountChange::Set(1));
        let write = CountedWrite { row, expected: None, tick, puts, delete_columns, count };
        assert!(creating.write_counted(TARGET, &write).await.expect("it is written"));
    }
    for limit in 1..4 {
        let range = ScanRange { limit, ..ScanRange::default() };
        let counts = creating.scan_counts(TARGET, &range).await.expect("it reads");
        let rows: Vec<&[u8]> = counts.iter().map(|row| &row.row[..]).collect();
        assert_eq!(rows, [&b"a"[..], b"\xff\0"][..limit.min(2)], "{limit}");
    }
    creating.drop_table(&target.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_another_protocol_is_recognised_in_bounded_time() {
    let said = |speaks: Speaks, really: Speaks| match (speaks, really) {
        (Speaks::Thrift2, Speaks::Thrift2Framed) => "framed, but `buffered`",
        (Speaks::Thrift2Framed, Speaks::Thrift2) => "buffered (unframed), but `framed`",
        (Speaks::Thrift1Framed, Speaks::Thrift1) => "buffered (unframed), but `framed`",
        (_, Speaks::Thrift1) => "it is a Thrift1 gateway",
        _ => "it is a Thrift2 gateway",
    };
    for speaks in Speaks::ALL {
        for (really, variable) in SERVED.into_iter().filter(|(really, _)| *really != speaks) {
            let start = Instant::now();
            let Err(error) = speaks.connect(vec![server(variable)], &[]).await else {
                panic!("{speaks:?} to {really:?}: connected")
            };
            println!("{speaks:?} to {really:?}: {} ms: {error}", start.elapsed().as_millis());
            assert!(matches!(error, SinkError::WrongProtocol { .. }), "{error}");
            assert!(error.to_string().contains(said(speaks, really)), "{error}");
            assert!(start.elapsed() < Duration::from_secs(180));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_away_is_passed_over_while_another_answers() {
    let closed = || async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let target = unique_target("away");
    let creating = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    creating.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    for (speaks, variable) in SERVED {
        let alone = speaks.connect(vec![closed().await], &[]).await;
        assert!(matches!(alone.err(), Some(SinkError::Unavailable { .. })), "{speaks:?}");
        let both = vec![closed().await, server(variable)];
        let sink = speaks.connect(both, std::slice::from_ref(&target)).await.unwrap();
        for row in 0..10 {
            sink.write(TARGET, &PackedRows::of(&[put(&[row], vec![row])]).writes()).await.unwrap();
        }
    }
    creating.drop_table(&target.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hbase_or_the_gateway_cannot_take_is_refused_not_retried() {
    let target = unique_target("large");
    let buffered = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    let framed = connect(Transport::Framed, std::slice::from_ref(&target)).await;
    buffered.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    // Above the frame limit, below HBase's limit of a cell.
    let large = put(b"large", vec![0; 3 << 20]);
    let error = framed.write(TARGET, &PackedRows::of([&large]).writes()).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    buffered.write(TARGET, &PackedRows::of([&large]).writes()).await.unwrap();
    let thrift1 = vec![server("TAILFILL_THRIFT1_PORT")];
    let thrift1 = Speaks::Thrift1.connect(thrift1, std::slice::from_ref(&target)).await.unwrap();
    thrift1.write(TARGET, &PackedRows::of([&large]).writes()).await.unwrap();
    let read = framed.read(TARGET, &[large.row]).await.unwrap();
    assert_eq!(read[0].as_ref().map(|row| row.cells[0].value.len()), Some(3 << 20));
    // Nearly a frame's size passes, with neighbours.
    let near: Vec<RowWrite> = (0..5).map(|row| put(&[b'n', row], vec![0; (2 << 20) - 2_000])).collect();
    framed.write(TARGET, &PackedRows::of(&near).writes()).await.unwrap();
    for sink in [&buffered as &dyn Sink, &*thrift1] {
        // HBase takes cells up to 10 MB.
        let huge = put(b"huge", vec![0; 11 << 20]);
        let error = sink.write(TARGET, &PackedRows::of(&[huge]).writes()).await.unwrap_err();
        assert!(matches!(error, SinkError::Refused { .. }), "{error}");
        // The bound is right: a cell of just this size passes, one byte more would not.
        let largest = (10 << 20) - 24 - "most".len() - "f".len() - "q".len();
        sink.write(TARGET, &PackedRows::of(&[put(b"most", vec![0; largest])]).writes()).await.unwrap();
        let more = put(b"most", vec![0; largest + 1]);
        assert!(sink.write(TARGET, &PackedRows::of(&[more]).writes()).await.is_err());
        let long = put(&[b'k'; 32_768], vec![]);
        let error = sink.write(TARGET, &PackedRows::of(&[long]).writes()).await.unwrap_err();
        assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    }
    buffered.drop_table(&target.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_answer_in_time_is_unavailable_and_a_later_one_succeeds() {
    let target = unique_target("timeout");
    let patient = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    patient.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    let options = |variable| HbaseOptions {
        operation_timeout: Duration::from_micros(1),
        ..HbaseOptions::new(vec![server(variable)])
    };
    let targets = || vec![target.clone()];
    let hasty: [Box<dyn Sink>; 2] = [
        Box::new(HbaseSink::connect(options("TAILFILL_THRIFT2_PORT"), targets()).await.unwrap()),
        Box::new(Thrift1Sink::connect(options("TAILFILL_THRIFT1_PORT"), targets()).await.unwrap()),
    ];
    for sink in hasty {
        let mut unanswered = 0;
        for _ in 0..100 {
            // an answer that is there when the time-out is looked at counts, as on a machine that is very busy
            let Err(error) = sink.write(TARGET, &PackedRows::of(&[put(b"r", vec![1])]).writes()).await else {
                continue;
            };
            assert!(error.to_string().contains("no answer to"), "{error}");
            assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
            unanswered += 1;
            if unanswered == 3 {
                break;
            }
        }
        assert_eq!(unanswered, 3);
    }
    patient.write(TARGET, &PackedRows::of(&[put(b"r", vec![1])]).writes()).await.unwrap();
    patient.drop_table(&target.table).await.unwrap();
}
