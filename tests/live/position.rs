//! Where a tail starts, and positions that are not there any more.

use crate::support::mysql::{Database, PrivateServer, purge_binlogs, read_up_to_now};
use mysql_async::prelude::Queryable;
use std::time::Duration;
use tailfill::error::{Disposition, Exit};
use tailfill::model::{Position, Reached};
use tailfill::source::{MysqlOptions, MysqlSource, Source, SourceError};

async fn end_of_binlog(source: &MysqlSource) -> (String, u64) {
    source.binlog_end().await.expect("end")
}

#[tokio::test]
async fn a_start_under_load_loses_no_transaction_and_repeats_none() {
    let mut database = Database::create("load").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT)").await;
    let (source, _) = database.source(&["t"]).await;
    let mut writers = Vec::new();
    for _ in 0..4 {
        let mut conn = crate::support::mysql::connection(crate::support::mysql::mysql_port()).await;
        let name = database.name.clone();
        writers.push(tokio::spawn(async move {
            for _ in 0..80 {
                conn.query_drop(format!("INSERT INTO `{name}`.t (n) VALUES (1)")).await.expect("insert");
            }
        }));
    }
    let start = source.start().await.expect("start");
    // What was committed at the start is seen by a SELECT that begins after it.
    let seen: Vec<i64> = database.conn.query("SELECT id FROM t").await.expect("select");
    for writer in writers {
        writer.await.expect("writer");
    }
    let mut stream = source.stream(&start).await.expect("stream");
    let read = read_up_to_now(&source, stream.as_mut(), &start.reached).await;
    let mut ids: Vec<i64> = read
        .inserted()
        .iter()
        .map(|row| if let tailfill::model::Value::Int(id) = row[0] { id } else { panic!("an id") })
        .collect();
    let streamed = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), streamed);
    ids.extend(&seen);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 320);
}

#[tokio::test]
async fn a_hole_that_stays_does_not_hold_up_the_start() {
    let server = PrivateServer::start(&[]).await;
    let mut database = Database::create_at(server.port, "hole").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    database.run("SET gtid_next = 'aaaaaaaa-0000-0000-0000-000000000001:5'").await;
    database.run("INSERT INTO t VALUES (1)").await;
    database.run("SET gtid_next = 'AUTOMATIC'").await;
    let (source, _) = database.source(&["t"]).await;
    let start =
        tokio::time::timeout(Duration::from_secs(10), source.start()).await.expect("in time").expect("start");
    assert!(!start.reached.gtids().holes().is_empty());
    assert_eq!(start.reached, source.executed().await.expect("executed"));
}

#[tokio::test]
async fn a_file_and_offset_name_everything_before_them() {
    let server = PrivateServer::start(&[]).await;
    let mut database = Database::create_at(server.port, "offset").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let (source, _) = database.source(&["t"]).await;
    database.run("INSERT INTO t VALUES (1)").await;
    let (file, offset) = end_of_binlog(&source).await;
    let executed = source.executed().await.expect("executed");
    database.run("INSERT INTO t VALUES (2)").await;
    let position = source.position_at(&file, offset).await.expect("a boundary");
    assert_eq!((position.reached.clone(), position.offset), (executed.clone(), offset));

    let (_, head) = end_of_binlog(&source).await;
    let at_head = source.position_at(&file, head).await.expect("the end is a boundary");
    assert_eq!(at_head.reached, source.executed().await.expect("executed"));
    assert_eq!(source.binlog_head().await.expect("head").reached, at_head.reached);
    assert_eq!(source.position_at(&file, 4).await.expect("the beginning").reached, Reached::default());

    for wrong in [offset + 1, offset - 1, head + 10_000] {
        let error = source.position_at(&file, wrong).await.expect_err("not a boundary");
        assert!(matches!(error, SourceError::PositionLost { .. }), "{error}");
        assert!(error.advice().is_some_and(|advice| advice.contains(&file)), "{error:?}");
    }
    let unknown = source.position_at("binlog.999999", 4).await.expect_err("no such file");
    assert!(matches!(unknown, SourceError::PositionLost { .. }), "{unknown}");

    database.run("FLUSH BINARY LOGS").await;
    database.run("INSERT INTO t VALUES (3)").await;
    let (second, _) = end_of_binlog(&source).await;
    assert_ne!(second, file);
    assert_eq!(source.position_at(&second, 4).await.expect("a file's beginning").reached, at_head.reached);
    assert_eq!(source.position_at(&file, offset).await.expect("an older file").reached, executed);
    let mut stream = source.stream(&position).await.expect("stream");
    assert_eq!(read_up_to_now(&source, stream.as_mut(), &position.reached).await.inserted().len(), 2);
}

#[tokio::test]
async fn purged_and_lost_transactions_end_the_run_with_the_position_exit() {
    let server = PrivateServer::start(&[]).await;
    let mut database = Database::create_at(server.port, "purged").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let (source, _) = database.source(&["t"]).await;
    let before = source.start().await.expect("start");
    database.run("INSERT INTO t VALUES (1)").await;
    let (first, _) = end_of_binlog(&source).await;
    let second = purge_binlogs(&mut database.conn).await;

    let purged = source.stream(&before).await.err().expect("purged");
    assert!(
        matches!(purged, SourceError::PositionLost { .. }) && purged.to_string().contains("purged"),
        "{purged}"
    );
    assert_eq!(purged.disposition(), Disposition::Halt(Exit::Position));
    assert!(matches!(source.position_at(&first, 4).await, Err(SourceError::PositionLost { .. })));

    let earliest = source.earliest().await.expect("earliest");
    assert_eq!(earliest.file, second);
    source.stream(&earliest).await.expect("what is left can be streamed");

    // A server that does not have what we read.
    let options = MysqlOptions {
        catch_up_timeout: Duration::from_millis(300),
        ..MysqlOptions::new("127.0.0.1", server.port, "root")
    };
    let impatient = MysqlSource::connect(options).await.expect("connect");
    let mut ahead: Position = earliest.clone();
    ahead.reached.union_with(&format!("{}:1-999999", earliest.server_uuid).parse().expect("a set"));
    let lost = impatient.stream(&ahead).await.err().expect("ahead");
    assert!(
        matches!(lost, SourceError::PositionLost { .. }) && lost.to_string().contains("lost transactions"),
        "{lost}"
    );
}

#[tokio::test]
async fn what_semi_sync_holds_back_is_streamed_but_not_executed() {
    let server = PrivateServer::start(&[]).await;
    let mut database = Database::create_at(server.port, "semisync").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    database.run("INSERT INTO t VALUES (1)").await;
    let (source, _) = database.source(&["t"]).await;
    let start = source.start().await.expect("start");
    database.run("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'").await;
    database
        .run("SET GLOBAL rpl_semi_sync_source_enabled = 1, GLOBAL rpl_semi_sync_source_timeout = 2500")
        .await;
    let mut stream = source.stream(&start).await.expect("stream");
    let port = server.port;
    let name = database.name.clone();
    let deleting = tokio::spawn(async move {
        let mut conn = crate::support::mysql::connection(port).await;
        conn.query_drop(format!("DELETE FROM `{name}`.t")).await.expect("delete");
    });
    let gtid = loop {
        if let tailfill::source::StreamEvent::End { transaction: gtid, .. } =
            stream.next().await.expect("event")
        {
            break gtid;
        }
    };
    // We hold the delete; a SELECT still sees the row, and the head is past it.
    assert!(!source.executed().await.expect("executed").contains(&gtid));
    let rows: Vec<i64> = database.conn.query("SELECT id FROM t").await.expect("select");
    assert_eq!(rows, [1]);
    assert!(source.binlog_head().await.expect("head").reached.contains(&gtid));
    assert!(!source.start().await.expect("start").reached.contains(&gtid));
    // To go on from what was read waits until it is committed, and does not fail.
    let mut read = start.clone();
    read.reached.insert(&gtid);
    source.stream(&read).await.expect("the same position after the wait");
    assert!(source.executed().await.expect("executed").contains(&gtid));
    deleting.await.expect("deleted");
}
