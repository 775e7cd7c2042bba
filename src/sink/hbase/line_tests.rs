use super::*;
use crate::model::TargetId;
use crate::sink::fixtures::target;
use crate::sink::hbase::fake::{poll_until, row, server, stalled_gateway};
use crate::sink::hbase::{HbaseSink, Transport};
use crate::sink::{PackedRows, RowWrite, WriteRows};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

async fn opened(address: &str, transport: Transport) -> Result<Connections, SinkError> {
    let options = HbaseOptions { transport, ..HbaseOptions::new(vec![]) };
    Line::new(address, &options, Interface::Thrift2).connections().await
}

async fn failure_of(answer: Option<&'static [u8]>, close: bool, transport: Transport) -> SinkError {
    match opened(&server(answer, close).await, transport).await {
        Ok(_) => panic!("that is no gateway"),
        Err(error) => error,
    }
}

const BOTH: [Transport; 2] = [Transport::Buffered, Transport::Framed];

#[tokio::test]
async fn a_server_that_answers_something_else_speaks_the_wrong_protocol() {
    for transport in BOTH {
        let error = failure_of(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n"), true, transport).await;
        assert!(matches!(error, SinkError::WrongProtocol { .. }), "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn a_reply_to_another_call_is_no_panic() {
    // putMultiple's reply: version, type reply, name, sequence 0, an empty struct.
    const REPLY: &[u8] = b"\x80\x01\x00\x02\x00\x00\x00\x0bputMultiple\x00\x00\x00\x00\x00";
    let error = failure_of(Some(REPLY), false, Transport::Buffered).await;
    assert!(matches!(error, SinkError::WrongProtocol { .. }), "{error}");
}

#[tokio::test]
async fn lengths_without_end_are_no_panic_and_no_hang() {
    // A reply whose method name claims to have two gigabytes.
    const REPLY: &[u8] = b"\x80\x01\x00\x02\x7f\xff\xff\xffgetThriftServerType";
    for transport in BOTH {
        let error = failure_of(Some(REPLY), true, transport).await;
        println!("{error}");
    }
}

#[tokio::test]
async fn a_server_that_closes_or_is_silent_is_unavailable() {
    for transport in BOTH {
        let error = failure_of(None, true, transport).await;
        assert!(matches!(error, SinkError::Unavailable { .. }), "{transport:?}: {error}");
    }
    let start = Instant::now();
    let error = failure_of(None, false, Transport::Buffered).await;
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(180));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unavailable() {
    let error = match opened("no-such-host.invalid:9090", Transport::Buffered).await {
        Ok(_) => panic!("there is no such host"),
        Err(error) => error,
    };
    assert!(error.to_string().contains("cannot connect"), "{error}");
    assert!(matches!(error, SinkError::Unavailable { .. }));
}

#[tokio::test]
async fn a_small_write_passes_bulk_writes_that_wait() {
    let puts = Arc::new(AtomicUsize::new(0));
    let options = HbaseOptions {
        connections: 4,
        ..HbaseOptions::new(vec![stalled_gateway(Interface::Thrift2, puts.clone()).await])
    };
    let sink = HbaseSink::connect(options, vec![target(0, "t", true)]).await.unwrap();
    let rows: Vec<RowWrite> = (0..20_000).map(row).collect();
    let rows = PackedRows::of(&rows);
    let rows = rows.writes();
    for round in 0..3 {
        puts.store(0, Ordering::SeqCst);
        let mut bulk = sink.write(TargetId(0), &rows);
        poll_until(&mut bulk, &puts, 3).await;
        assert!(timeout(Duration::from_millis(100), &mut bulk).await.is_err(), "nothing answers it");
        assert_eq!(puts.load(Ordering::SeqCst), 3, "round {round}: one connection is left, the rest waits");
        poll_until(sink.write(TargetId(0), &rows[..1]), &puts, 4).await;
    }
}

#[tokio::test]
async fn dropping_a_write_stops_what_was_not_sent_yet() {
    let puts = Arc::new(AtomicUsize::new(0));
    let gateway = stalled_gateway(Interface::Thrift2, puts.clone()).await;
    let target = target(0, "t", true);
    let options = HbaseOptions { connections: 1, ..HbaseOptions::new(vec![gateway]) };
    let sink = HbaseSink::connect(options, vec![target]).await.unwrap();
    // Three calls' worth; the first one is never answered.
    let rows: Vec<RowWrite> = (0..6_000).map(row).collect();
    let rows = PackedRows::of(&rows);
    let rows = rows.writes();
    {
        let write = sink.write(TargetId(0), &rows);
        tokio::pin!(write);
        while puts.load(Ordering::SeqCst) == 0 {
            assert!(timeout(Duration::from_millis(10), &mut write).await.is_err(), "nothing answers it");
        }
    }
    // The gateway is free for the next call at once: neither the connection nor the permit is kept.
    poll_until(sink.write(TargetId(0), &rows[..1]), &puts, 2).await;
    assert_eq!(puts.load(Ordering::SeqCst), 2, "the rest of what was dropped was not sent");
}
