//! What a bad network does to a stream: it is noticed, and never waited out for ever.

use crate::support::mysql::{Database, PrivateServer, mysql_port, read_until_error, read_up_to_now};
use crate::support::proxy::{Bite, Proxy};
use std::time::{Duration, Instant};
use tailfill::source::{ChangeStream, MysqlOptions, MysqlSource, Source, SourceError, TlsMode};

async fn through(proxy: &Proxy, database: &Database) -> MysqlSource {
    let options =
        MysqlOptions { tls: TlsMode::Disabled, ..MysqlOptions::new("127.0.0.1", proxy.port, "root") };
    let source = MysqlSource::connect(options).await.expect("connect");
    let schema = source.schema(&database.table("t")).await.expect("schema");
    source.register(vec![(schema.into(), vec![0, 1])]).expect("register");
    source
}

/// A stream through a proxy that has brought something. The database is dropped with it.
async fn streaming(test: &str) -> (Database, Proxy, Box<dyn ChangeStream>) {
    let mut database = Database::create(test).await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY, note TEXT)").await;
    let proxy = Proxy::start(mysql_port(), None).await;
    let source = through(&proxy, &database).await;
    let start = source.start().await.expect("start");
    let mut stream = source.stream(&start).await.expect("stream");
    stream.next().await.expect("a heartbeat");
    (database, proxy, stream)
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_after_four_heartbeats() {
    let (_database, proxy, mut stream) = streaming("silent").await;
    proxy.freeze();
    let frozen = Instant::now();
    let error = read_until_error(stream.as_mut()).await;
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("no heartbeat"), "{error}");
    assert!(frozen.elapsed() < Duration::from_secs(180), "minutes, and not hours, on a busy machine too");
}

#[tokio::test]
async fn a_connection_that_is_cut_inside_a_packet_is_one_to_open_again() {
    let (_database, proxy, mut stream) = streaming("cut").await;
    proxy.bite(Bite::Cut);
    let error = read_until_error(stream.as_mut()).await;
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_bit_flipped_on_the_way_is_noticed() {
    let mut database = Database::create("flip").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY, note TEXT)").await;
    let proxy = Proxy::start(mysql_port(), Some(b"flip the next ")).await;
    let source = through(&proxy, &database).await;
    let start = source.start().await.expect("start");
    database.run("INSERT INTO t VALUES (1, CONCAT('flip the', ' next byte'))").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let error = read_until_error(stream.as_mut()).await;
    assert!(matches!(error, SourceError::NotUnderstood { .. }), "{error}");
    assert!(error.to_string().contains("CRC-32"), "{error}");
}

#[tokio::test]
async fn a_server_without_checksums_is_read_too() {
    let server = PrivateServer::start(&["--binlog-checksum=NONE"]).await;
    let mut database = Database::create_at(server.port, "nosum").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let (source, _) = database.source(&["t"]).await;
    let start = source.start().await.expect("start");
    database.run("INSERT INTO t VALUES (1)").await;
    database.run("SET GLOBAL binlog_checksum = CRC32").await;
    database.run("INSERT INTO t VALUES (2)").await;
    let mut stream = source.stream(&start).await.expect("stream");
    assert_eq!(read_up_to_now(&source, stream.as_mut(), &start.reached).await.inserted().len(), 2);
    let (file, offset) = source.binlog_end().await.expect("end");
    assert_eq!(
        source.position_at(&file, offset).await.expect("position").reached,
        source.executed().await.expect("set")
    );
}

#[tokio::test]
async fn another_replica_with_another_name_does_not_end_our_stream() {
    let mut database = Database::create("twice").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let (first, _) = database.source(&["t"]).await;
    let (second, _) = database.source(&["t"]).await;
    let start = first.start().await.expect("start");
    let mut one = first.stream(&start).await.expect("stream");
    let mut two = second.stream(&start).await.expect("stream");
    for _ in 0..3 {
        one.next().await.expect("first");
        two.next().await.expect("second");
    }
}
