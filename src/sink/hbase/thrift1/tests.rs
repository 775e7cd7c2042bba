use super::*;
use crate::sink::fixtures::target;
use crate::sink::hbase::fake::{poll_until, row, stalled_gateway};
use crate::sink::{PackedRows, RowWrite};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn dropping_a_write_stops_what_was_not_sent_yet() {
    let writes = Arc::new(AtomicUsize::new(0));
    let address = stalled_gateway(Interface::Thrift1, writes.clone()).await;
    let options = HbaseOptions { connections: 1, ..HbaseOptions::new(vec![address]) };
    let sink = Thrift1Sink::connect(options, vec![target(0, "t", true)]).await.unwrap();
    // Three calls' worth; none is ever answered.
    let rows: Vec<RowWrite> = (0..6_000).map(row).collect();
    let rows = PackedRows::of(&rows);
    let rows = rows.writes();
    for calls in 1..=3 {
        poll_until(sink.write(TargetId(0), &rows), &writes, calls).await;
    }
    assert_eq!(writes.load(Ordering::SeqCst), 3);
}
