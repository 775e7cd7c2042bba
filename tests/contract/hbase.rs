//! What only the real gateways have: tables, clocks, protocols, failures.

use super::sink::{PURGE_DELETES_MS, TARGET, connect, server, unique_target};
use bytes::Bytes;
use std::time::{Duration, Instant};
use tailfill::clock::{Clock, SteadyClock};
use tailfill::model::{Target, TargetId, Tick};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink, PROBE_ROW, Transport};
use tailfill::sink::{PackedRows, RUN_ATTRIBUTE, RowWrite, ScanRange, Sink, SinkError, TableState};

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
    assert_eq!(attributes[RUN_ATTRIBUTE], "run-1");
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
    for transport in [Transport::Buffered, Transport::Framed] {
        let sink = connect(transport, &[no_family.clone(), no_table.clone()]).await;
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
                assert!(
                    matches!(error, SinkError::Missing { .. }),
                    "{transport:?} {id:?} call {call}: {error}"
                );
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
    for transport in [Transport::Buffered, Transport::Framed] {
        let sink = connect(transport, std::slice::from_ref(&target)).await;
        let before = SteadyClock::start().now_ms();
        let stamp = sink.server_clock_ms(TARGET).await.unwrap();
        let after = SteadyClock::start().now_ms();
        assert!((before - 1_000..=after + 1_000).contains(&stamp), "{before} {stamp} {after}");
        assert_eq!(sink.read(TARGET, &[Bytes::from_static(PROBE_ROW)]).await.unwrap(), [None]);
    }
    creating.drop_table(&target.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_another_protocol_is_recognised_in_bounded_time() {
    let cases = [
        (Transport::Buffered, "TAILFILL_THRIFT2_FRAMED_PORT", "framed, but `buffered`"),
        (Transport::Framed, "TAILFILL_THRIFT2_PORT", "buffered (unframed), but `framed`"),
        (Transport::Buffered, "TAILFILL_THRIFT1_PORT", "Thrift1"),
        (Transport::Framed, "TAILFILL_THRIFT1_PORT", "Thrift1"),
    ];
    for (transport, variable, said) in cases {
        let options = HbaseOptions { transport, ..HbaseOptions::new(vec![server(variable)]) };
        let start = Instant::now();
        let Err(error) = HbaseSink::connect(options, vec![]).await else { panic!("{variable}: connected") };
        println!("{transport:?} to {variable}: {} ms: {error}", start.elapsed().as_millis());
        assert!(matches!(error, SinkError::WrongProtocol { .. }), "{variable}: {error}");
        assert!(error.to_string().contains(said), "{variable}: {error}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_away_is_passed_over_while_another_answers() {
    let closed = || async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let target = unique_target("away");
    let alone = HbaseSink::connect(HbaseOptions::new(vec![closed().await]), vec![]).await;
    assert!(matches!(alone.err(), Some(SinkError::Unavailable { .. })));
    let options = HbaseOptions::new(vec![closed().await, server("TAILFILL_THRIFT2_PORT")]);
    let sink = HbaseSink::connect(options, vec![target.clone()]).await.unwrap();
    sink.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    for row in 0..10 {
        sink.write(TARGET, &PackedRows::of(&[put(&[row], vec![row])]).writes()).await.unwrap();
    }
    sink.drop_table(&target.table).await.unwrap();
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
    let read = framed.read(TARGET, &[large.row]).await.unwrap();
    assert_eq!(read[0].as_ref().map(|row| row.cells[0].value.len()), Some(3 << 20));
    // Nearly a frame's size passes, with neighbours.
    let near: Vec<RowWrite> = (0..5).map(|row| put(&[b'n', row], vec![0; (2 << 20) - 2_000])).collect();
    framed.write(TARGET, &PackedRows::of(&near).writes()).await.unwrap();
    // HBase takes cells up to 10 MB.
    let error = buffered
        .write(TARGET, &PackedRows::of(&[put(b"huge", vec![0; 11 << 20])]).writes())
        .await
        .unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    // The bound is right: a cell of just this size passes, one byte more would not.
    let largest = (10 << 20) - 24 - "most".len() - "f".len() - "q".len();
    buffered.write(TARGET, &PackedRows::of(&[put(b"most", vec![0; largest])]).writes()).await.unwrap();
    assert!(
        buffered
            .write(TARGET, &PackedRows::of(&[put(b"most", vec![0; largest + 1])]).writes())
            .await
            .is_err()
    );
    buffered.drop_table(&target.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_answer_in_time_is_unavailable_and_a_later_one_succeeds() {
    let target = unique_target("timeout");
    let patient = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    patient.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    let options = HbaseOptions {
        operation_timeout: Duration::from_micros(1),
        ..HbaseOptions::new(vec![server("TAILFILL_THRIFT2_PORT")])
    };
    let hasty = HbaseSink::connect(options, vec![target.clone()]).await.unwrap();
    for _ in 0..3 {
        let error = hasty.write(TARGET, &PackedRows::of(&[put(b"r", vec![1])]).writes()).await.unwrap_err();
        assert!(error.to_string().contains("no answer to puts within"), "{error}");
        assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    }
    patient.write(TARGET, &PackedRows::of(&[put(b"r", vec![1])]).writes()).await.unwrap();
    patient.drop_table(&target.table).await.unwrap();
}
