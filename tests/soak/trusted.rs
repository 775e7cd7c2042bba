//! What the soak rests on: the checker finds what is wrong and nothing else, and the proxy does what its faults are called.

use super::checker;
use super::round::lists;
use crate::support::proxy::{Bite, Proxy, Way};
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use bytes::Bytes;
use tailfill::model::{TargetId, Tick};
use tailfill::sink::{
    CountChange, CountedRow, CountedWrite, PackedRows, ReadCounts, ReadRows, RowWrite, ScanRange, WriteRows,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TALL: TargetId = TargetId(0);
const WIDE: TargetId = TargetId(1);

/// Differences of the tall, the wide and the packed target.
async fn found(scenario: &Scenario) -> Vec<u64> {
    let compared = checker::compare(scenario).await;
    compared.iter().for_each(|one| println!("{}", one.json()));
    compared.iter().map(|one| one.differences).collect()
}

fn everything() -> ScanRange {
    ScanRange { limit: usize::MAX, ..ScanRange::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checker_finds_what_is_planted_and_nothing_else() {
    let scenario = Scenario::new("planted", &FOLLOWS).await.moving(vec![lists(&FOLLOWS)]).await;
    let mut scenario = scenario.fill(20, 400).await;
    scenario.init().await;
    scenario.catch_up().await;
    assert_eq!(found(&scenario).await, [0, 0, 0]);

    // nothing tails: a delete that is lost, a value, an insert; two of them make a count wrong
    scenario.sql(&format!("DELETE FROM follows WHERE {}", FOLLOWS.is_item(3, 1))).await;
    scenario.sql(&format!("UPDATE follows SET note = 'planted' WHERE {}", FOLLOWS.is_item(5, 1))).await;
    scenario.sql(&format!("{}{}", FOLLOWS.insert(), FOLLOWS.row(7, 9_999, 1))).await;
    assert_eq!(found(&scenario).await, [3, 3 + 2, 3]);
    scenario.catch_up().await;
    assert_eq!(found(&scenario).await, [0, 0, 0]);

    miscount(&scenario).await;
    assert_eq!(found(&scenario).await, [0, 1, 0]);
    write_what_no_target_has(&scenario).await;
    assert_eq!(found(&scenario).await, [1, 1, 0]);
}

/// One row says that it has an item more.
async fn miscount(scenario: &Scenario) {
    let sink = scenario.hbase().await;
    let rows = sink.scan_counts(WIDE, &everything()).await.expect("it can be scanned");
    // the last row is no list: the program asks for the time through it
    let CountedRow { row, tick, count, .. } = rows.into_iter().next().expect("there are rows");
    let write = CountedWrite {
        row,
        expected: tick,
        tick: Tick(tick.expect("it is counted").0 + 1),
        puts: vec![],
        delete_columns: vec![],
        count: CountChange::Set(count.expect("it is counted") + 1),
    };
    assert!(sink.write_counted(WIDE, &write).await.expect("it can be written"));
}

/// A cell of no column.
async fn write_what_no_target_has(scenario: &Scenario) {
    let sink = scenario.hbase().await;
    let row = sink.scan(TALL, &everything()).await.expect("it can be scanned").swap_remove(0).row;
    let puts = vec![(Bytes::from("stranger"), Bytes::from("x"))];
    let tick = Tick(u64::from(u32::MAX) * 1_000);
    let write = RowWrite { row, tick, delete_family: false, puts, delete_columns: vec![] };
    sink.write(TALL, &PackedRows::of(&[write]).writes()).await.expect("it can be written");
}

/// A server that answers ten bytes to each request of five, and the proxy in front of it; the receiver has the requests.
async fn proxied() -> (Proxy, tokio::sync::mpsc::UnboundedReceiver<[u8; 5]>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut request = [0; 5];
                while client.read_exact(&mut request).await.is_ok() {
                    let _ = sender.send(request);
                    let _ = client.write_all(b"0123456789").await;
                }
            });
        }
    });
    (Proxy::start(port, None).await, receiver)
}

/// What comes back on a new connection until its end, or until ten bytes are there.
async fn ask(proxy: &Proxy) -> Vec<u8> {
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.expect("the proxy listens");
    client.write_all(b"write").await.expect("the proxy reads");
    let mut reply = vec![0; 10];
    let mut read = 0;
    while read < reply.len()
        && let Ok(more @ 1..) = client.read(&mut reply[read..]).await
    {
        read += more;
    }
    reply.truncate(read);
    reply
}

#[tokio::test]
async fn a_reply_that_is_cut_or_lost_belongs_to_a_request_that_went_through() {
    let (proxy, mut requests) = proxied().await;
    assert_eq!(ask(&proxy).await, b"0123456789");
    for (bite, arrives) in [(Bite::Cut, &b"01234"[..]), (Bite::Lost, b"")] {
        requests.recv().await.expect("the request before");
        proxy.bite(bite);
        assert_eq!(ask(&proxy).await, arrives);
    }
    assert_eq!(requests.recv().await, Some(*b"write"));
    assert_eq!((ask(&proxy).await, proxy.hits()), (b"0123456789".to_vec(), 2));
}

#[tokio::test]
async fn a_request_that_a_black_hole_held_arrives_after_its_sender_has_gone() {
    let (proxy, mut requests) = proxied().await;
    proxy.set(Way::BlackHole);
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.expect("the proxy listens");
    client.write_all(b"write").await.expect("the proxy reads");
    until_so("the request to be held", async || proxy.hits() == 1).await;
    drop(client);
    assert!(requests.try_recv().is_err());
    proxy.set(Way::Open);
    assert_eq!(requests.recv().await, Some(*b"write"));
}

#[tokio::test]
async fn a_reset_ends_the_connections_that_there_are_and_no_later_one() {
    let (proxy, _requests) = proxied().await;
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.expect("the proxy listens");
    client.write_all(b"write").await.expect("the proxy reads");
    client.read_exact(&mut [0; 10]).await.expect("an answer");
    proxy.reset();
    let error = client.read(&mut [0; 1]).await.expect_err("a reset is an error");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(ask(&proxy).await, b"0123456789");
}
