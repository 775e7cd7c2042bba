use super::*;
use crate::model::TargetId;
use crate::sink::fixtures::target;
use crate::sink::hbase::fake::{poll_until, row, stalled_gateway};
use crate::sink::hbase::thrift1::Thrift1Sink;
use crate::sink::{PackedRows, RowWrite, Sink};
use hbase_thrift::hbase::THbaseSyncClient;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Builder;

fn shared(address: SocketAddr) -> Connections {
    Connections(Arc::new(Shared {
        address,
        transport: Transport::Buffered,
        connect_timeout: Duration::from_secs(3),
        operation_timeout: Duration::from_secs(60),
        idle_max: 2,
        idle: Mutex::default(),
    }))
}

/// A gateway that answers one call a connection with `bytes` behind the head of a reply, then does as `then` says.
fn gateway(bytes: &'static [u8], then: impl Fn(std::net::TcpStream) + Send + 'static) -> Connections {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connections = shared(listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 256];
            let length = stream.read(&mut request).unwrap();
            let mut reply = request[..length - 1].to_vec();
            reply[3] = 2;
            reply.extend_from_slice(bytes);
            stream.write_all(&reply).unwrap();
            then(stream);
        }
    });
    connections
}

/// Field 0: an empty list of names.
const NO_TABLES: &[u8] = b"\x0f\x00\x00\x0b\x00\x00\x00\x00\x00";

async fn tables(connections: &Connections) -> thrift::Result<Vec<Vec<u8>>> {
    connections.call(|client| client.get_table_names()).await
}

#[tokio::test]
async fn a_connection_is_used_again_unless_the_gateway_has_closed_it() {
    let (closed, closing) = std::sync::mpsc::channel();
    let keeping = gateway(NO_TABLES, std::mem::forget);
    let ending = gateway(NO_TABLES, move |stream| {
        drop(stream);
        closed.send(()).unwrap();
    });
    for _ in 0..2 {
        assert!(tables(&keeping).await.unwrap().is_empty());
        assert_eq!(keeping.idle().len(), 1);
        assert!(keeping.take_idle().is_some_and(|connection| connection.socket.is_quiet()));
        assert!(tables(&ending).await.unwrap().is_empty(), "another connection is made");
        closing.recv().unwrap();
        assert_eq!(ending.idle().len(), 1);
        assert!(ending.take_idle().is_none());
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_read_is_an_error_and_costs_the_connection() {
    // Field 0: a list that claims to have two thousand million names.
    let endless = gateway(b"\x0f\x00\x00\x0b\x7f\xff\xff\xff", std::mem::forget);
    assert!(matches!(tables(&endless).await, Err(thrift::Error::Protocol(_))));
    assert_eq!(endless.idle().len(), 0);
}

#[test]
fn dropping_a_write_stops_what_was_not_sent_and_frees_its_thread() {
    // One blocking thread: a write that kept it would let no other call through.
    let runtime = Builder::new_multi_thread().worker_threads(2).max_blocking_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
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
    });
}

#[tokio::test]
async fn a_gateway_that_is_silent_beyond_the_sockets_time_out_has_not_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut silent = shared(listener.local_addr().unwrap());
    Arc::get_mut(&mut silent.0).expect("nobody shares it yet").operation_timeout = Duration::from_millis(1);
    let error = tables(&silent).await.expect_err("nobody answers");
    assert!(failure::is_timeout(&error), "{error:?}");
}
