//! The stream: transactions of every kind, and what must stop it.

use crate::support::mysql::{Database, read_until_parked, read_up_to_now};
use crate::support::own::Own;
use tailfill::model::{Position, TableId, Value};
use tailfill::source::{Definitions, MysqlSource, Proof, Source, SourceError, StreamEvent};

async fn database_with_table(test: &str) -> (Database, MysqlSource, Position) {
    with_table(Database::create(test).await).await
}

async fn with_table(mut database: Database) -> (Database, MysqlSource, Position) {
    database
        .run("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT, note VARCHAR(100), KEY (n))")
        .await;
    database.run("CREATE TABLE other (id INT PRIMARY KEY AUTO_INCREMENT, n INT)").await;
    let (source, _) = database.source(&["t"]).await;
    let start = source.start().await.expect("start");
    (database, source, start)
}

#[tokio::test]
async fn inserts_updates_and_deletes_arrive_in_order_with_both_images() {
    let (mut database, source, start) = database_with_table("changes").await;
    database.run("INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b')").await;
    database.run("UPDATE t SET n = n + 10").await;
    database.run("DELETE FROM t WHERE id = 1").await;
    database.run("INSERT INTO other (n) VALUES (1)").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let read = read_up_to_now(&source, stream.as_mut(), &start.reached).await;
    assert_eq!(read.changes.len(), 5);
    let update = &read.changes[2];
    assert_eq!(update.before.as_ref().expect("before")[1], Value::Int(1));
    assert_eq!(update.after.as_ref().expect("after")[1], Value::Int(11));
    assert!(read.changes[4].after.is_none());
}

#[tokio::test]
async fn columns_that_are_not_in_use_come_as_null() {
    let (mut database, source, start) = database_with_table("unused").await;
    let schema = source.schema(&database.table("t")).await.expect("schema");
    source.register(vec![(schema.into(), vec![2])]).expect("register");
    database.run("INSERT INTO t VALUES (1, 7, 'a')").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let rows = read_up_to_now(&source, stream.as_mut(), &start.reached).await.inserted();
    assert_eq!(rows, [vec![Value::Int(1), Value::Null, Value::Text("a".into())]]);
}

#[tokio::test]
async fn a_huge_transaction_streams_in_bounded_pieces() {
    let (mut database, source, start) = database_with_table("huge").await;
    database.run("SET cte_max_recursion_depth = 300000").await;
    database
        .run("INSERT INTO t (n, note) WITH RECURSIVE c AS (SELECT 1 i UNION ALL SELECT i + 1 FROM c WHERE i < 200000) \
              SELECT i, REPEAT('x', 50) FROM c")
        .await;
    let mut stream = source.stream(&start).await.expect("stream");
    let read = read_up_to_now(&source, stream.as_mut(), &start.reached).await;
    assert_eq!(read.changes.len(), 200_000);
    assert!(read.largest <= 256, "{}", read.largest);
}

#[tokio::test]
async fn compressed_transactions_are_inflated() {
    let (mut database, source, start) = database_with_table("zstd").await;
    database.run("SET SESSION binlog_transaction_compression = ON").await;
    database
        .run("INSERT INTO t (n, note) SELECT 1, REPEAT('a', 100) FROM information_schema.COLUMNS LIMIT 500")
        .await;
    database.run("START TRANSACTION").await;
    database.run("UPDATE t SET n = 2").await;
    database.run("INSERT INTO other (n) VALUES (3)").await;
    database.run("DELETE FROM t LIMIT 10").await;
    database.run("COMMIT").await;
    database.run("SET SESSION binlog_transaction_compression = OFF").await;
    database.run("INSERT INTO t (n, note) VALUES (9, 'plain')").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let read = read_up_to_now(&source, stream.as_mut(), &start.reached).await;
    assert_eq!(read.changes.len(), 500 + 500 + 10 + 1);
}

#[tokio::test]
async fn tagged_gtids_are_read_and_can_be_continued_from() {
    let (mut database, source, start) = database_with_table("tagged").await;
    database.run("SET gtid_next = 'AUTOMATIC:tailfill_test'").await;
    database.run("INSERT INTO t VALUES (1, 1, 'a')").await;
    database.run("SET gtid_next = 'AUTOMATIC'").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let mut read = start.clone();
    let tagged = loop {
        if let StreamEvent::End { transaction: gtid, .. } = stream.next().await.expect("event") {
            read.reached.insert(&gtid);
            if gtid.gtid().origin.tag == "tailfill_test" {
                break gtid;
            }
        }
    };
    assert!(source.executed().await.expect("executed").contains(&tagged));
    database.run("INSERT INTO t VALUES (2, 2, 'b')").await;
    let mut again = source.stream(&read).await.expect("stream");
    let rows = read_up_to_now(&source, again.as_mut(), &read.reached).await.inserted();
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn an_idle_stream_reports_heartbeats_with_a_place() {
    let (_database, source, start) = database_with_table("idle").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let place = loop {
        let next =
            tokio::time::timeout(std::time::Duration::from_secs(20), stream.next()).await.expect("in time");
        if let StreamEvent::Heartbeat { place } = next.expect("event") {
            break place;
        }
    };
    let (file, _) = source.binlog_end().await.expect("end");
    assert!(place.file.as_ref() <= file.as_str() && place.file.starts_with("binlog."), "{place:?}");
    assert!(place.offset > 4);
}

#[tokio::test]
async fn ddl_that_does_not_touch_mapped_columns_is_passed_over() {
    let (mut database, source, start) = database_with_table("ddl").await;
    let schema = source.schema(&database.table("t")).await.expect("schema");
    source.register(vec![(schema.into(), vec![0, 2])]).expect("register");
    database.run("INSERT INTO t VALUES (1, 1, 'a')").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let first = read_up_to_now(&source, stream.as_mut(), &start.reached).await;
    assert_eq!(first.changes.len(), 1);
    let mut seen = start.clone();
    for (statement, row) in [
        ("CREATE INDEX i ON t (note)", "INSERT INTO t VALUES (2, 1, 'b')"),
        (
            "ALTER TABLE t ADD COLUMN x INT AFTER id, ALGORITHM = INSTANT",
            "INSERT INTO t VALUES (3, 9, 1, 'c')",
        ),
        ("ALTER TABLE t MODIFY note VARCHAR(200)", "INSERT INTO t VALUES (4, 9, 1, 'd')"),
        ("ALTER TABLE t DROP COLUMN n", "INSERT INTO t VALUES (5, 9, 'e')"),
        ("ANALYZE TABLE t", "UPDATE t SET note = 'f' WHERE id = 5"),
    ] {
        seen.reached = source.executed().await.expect("executed");
        database.run(statement).await;
        database.run(row).await;
        let read = read_up_to_now(&source, stream.as_mut(), &seen.reached).await;
        let after =
            read.changes.last().and_then(|c| c.after.clone()).unwrap_or_else(|| panic!("{statement}"));
        assert!(matches!(&after[2], Value::Text(text) if text.len() == 1), "{statement}: {after:?}");
        assert_eq!(after.len(), 3);
        assert!(after[1].is_null());
    }
}

#[tokio::test]
async fn what_changes_rows_without_row_events_parks_the_table() {
    for (i, statement) in [
        "TRUNCATE TABLE t",
        "DROP TABLE t",
        "RENAME TABLE t TO t2",
        "ALTER TABLE t RENAME TO t3",
        "ALTER TABLE t MODIFY note INT",
        "ALTER TABLE t DROP COLUMN note",
        "ALTER TABLE t MODIFY n INT NOT NULL DEFAULT 0",
        "ALTER TABLE t RENAME COLUMN n TO m",
    ]
    .into_iter()
    .enumerate()
    {
        let (mut database, source, start) = database_with_table(&format!("stop{i}")).await;
        database.run("INSERT INTO other (n) VALUES (1)").await;
        database.run(statement).await;
        let mut stream = source.stream(&start).await.expect("stream");
        let parking = read_until_parked(stream.as_mut()).await;
        assert!(parking.place.starts_with("binlog.") && parking.transaction.is_some(), "{parking}");
        assert!(!parking.what.is_empty(), "{statement}: {parking}");
    }
}

#[tokio::test]
async fn ddl_on_other_tables_and_databases_passes() {
    let (mut database, source, start) = database_with_table("others").await;
    for statement in [
        "TRUNCATE TABLE other",
        "ALTER TABLE other ADD COLUMN t INT",
        "CREATE TABLE `t x` LIKE t",
        "DROP TABLE `t x`",
        "CREATE TABLE made SELECT * FROM t",
        "CREATE VIEW v AS SELECT * FROM t",
        "INSERT INTO t VALUES (1, 1, 'a')",
        "DROP TABLE made, other",
        "CREATE TEMPORARY TABLE temp SELECT 1",
        "DROP TEMPORARY TABLE temp",
    ] {
        database.run(statement).await;
    }
    let mut stream = source.stream(&start).await.expect("stream");
    let read = read_up_to_now(&source, stream.as_mut(), &start.reached).await;
    assert_eq!(read.changes.len(), 1);
}

#[tokio::test]
async fn savepoints_roll_back_without_leaving_rows() {
    let (mut database, source, start) = database_with_table("savepoint").await;
    for statement in [
        "START TRANSACTION",
        "INSERT INTO t VALUES (1, 1, 'a')",
        "SAVEPOINT s",
        "INSERT INTO t VALUES (2, 2, 'b')",
        "ROLLBACK TO s",
        "INSERT INTO t VALUES (3, 3, 'c')",
        "COMMIT",
    ] {
        database.run(statement).await;
    }
    let mut stream = source.stream(&start).await.expect("stream");
    assert_eq!(read_up_to_now(&source, stream.as_mut(), &start.reached).await.inserted().len(), 2);
}

#[tokio::test]
async fn xa_on_other_tables_passes_and_on_mapped_tables_parks_them() {
    let (mut database, source, start) = database_with_table("xa").await;
    let xid = format!("'x{}'", rand::random::<u32>());
    for statement in [
        &format!("XA START {xid}"),
        "INSERT INTO other (n) VALUES (1)",
        &format!("XA END {xid}"),
        &format!("XA PREPARE {xid}"),
    ] {
        database.run(statement).await;
    }
    assert!(!source.prepared_xa().await.expect("prepared").is_empty());
    database.run(&format!("XA COMMIT {xid}")).await;
    let mut stream = source.stream(&start).await.expect("stream");
    read_up_to_now(&source, stream.as_mut(), &start.reached).await;
    let middle = source.executed().await.expect("executed");
    for statement in [
        &format!("XA START {xid}"),
        "INSERT INTO t VALUES (1, 1, 'a')",
        &format!("XA END {xid}"),
        &format!("XA COMMIT {xid} ONE PHASE"),
    ] {
        database.run(statement).await;
    }
    drop(middle);
    let parking = read_until_parked(stream.as_mut()).await;
    assert!(parking.reason.contains("XA"), "{parking}");
}

#[tokio::test]
async fn statement_format_and_partial_images_on_a_mapped_table_park_it() {
    // others would have to prove that a change in statement format leaves their tables alone
    let mysql = Own::mysql(&[]).await;
    for (i, (setting, statement)) in [
        ("SET SESSION binlog_format = 'STATEMENT'", "INSERT INTO t VALUES (9, 1, 'a')"),
        ("SET SESSION binlog_row_image = 'MINIMAL'", "UPDATE t SET n = 5 WHERE id = 1"),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut database, source, start) =
            with_table(Database::create_at(mysql.port, &format!("format{i}")).await).await;
        database.run("INSERT INTO t VALUES (1, 1, 'a')").await;
        database.run(setting).await;
        database.run(statement).await;
        let mut stream = source.stream(&start).await.expect("stream");
        let parking = read_until_parked(stream.as_mut()).await;
        assert!(parking.reason.contains("ROW") || parking.reason.contains("FULL"), "{setting}: {parking}");
    }
}

#[tokio::test]
async fn json_differences_give_the_same_document_as_a_select() {
    let mut database = Database::create("partial").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY, pad JSON, j JSON, k JSON)").await;
    database
        .run(r#"INSERT INTO t VALUES (1, '[]', '{"a": [1, 2, 3], "b c": {"x": 1.5}, "long": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}', '[1, 2]')"#)
        .await;
    let (source, schemas) = database.source(&["t"]).await;
    let mapping = crate::support::mysql::mapping(&schemas[0], &["id"], &["id"]);
    database.run("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'").await;
    let mut snapshot = source.snapshot().await.expect("snapshot");
    for change in [
        "j = JSON_SET(j, '$.a[1]', 42)",
        "j = JSON_SET(j, '$.\"b c\".y', JSON_ARRAY(1, 'z'), '$.new', TRUE)",
        "j = JSON_REMOVE(j, '$.a[0]'), k = JSON_REPLACE(k, '$[1]', 'two')",
        "j = JSON_REPLACE(j, '$.\"b c\".x', CAST('2.50' AS DECIMAL(10,2)))",
        "pad = '{}', j = JSON_SET(j, '$.k', JSON_OBJECT('deep', JSON_ARRAY()))",
        "k = NULL",
    ] {
        let start = source.start().await.expect("start");
        database.run(&format!("UPDATE t SET {change}")).await;
        let mut stream = source.stream(&start).await.expect("stream");
        let read = read_up_to_now(&source, stream.as_mut(), &start.reached).await;
        let rows = snapshot.rows(&mapping, &tailfill::source::KeyRange::default()).await.expect("rows");
        assert_eq!(read.changes[0].after.as_ref().expect("after"), &rows[0], "{change}");
    }
}

#[tokio::test]
async fn rows_larger_than_a_packet_of_sixteen_mebibytes_are_read() {
    let mut database = Database::create("large").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY, body LONGTEXT)").await;
    let (source, _) = database.source(&["t"]).await;
    let start = source.start().await.expect("start");
    database.run("INSERT INTO t VALUES (1, REPEAT('0123456789', 3500000)), (2, 'small')").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let rows = read_up_to_now(&source, stream.as_mut(), &start.reached).await.inserted();
    assert!(matches!(&rows[0][1], Value::Text(text) if text.len() == 35_000_000));
    assert_eq!(rows[1][1], Value::Text("small".into()));
}

/// Two columns change places before the tail gets there: only names tell which row has which.
async fn swapped_behind_the_tail(test: &str, metadata: &str) -> Result<Vec<Value>, SourceError> {
    let mut database = Database::create(test).await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)").await;
    let (early, _) = database.source(&[]).await;
    let start = early.start().await.expect("start");
    let global: String = mysql_async::prelude::Queryable::query_first(
        &mut database.conn,
        "SELECT @@GLOBAL.binlog_row_metadata",
    )
    .await
    .expect("query")
    .expect("a value");
    database.run(&format!("SET GLOBAL binlog_row_metadata = {metadata}")).await;
    database.run("FLUSH TABLES t").await;
    database.run("INSERT INTO t VALUES (1, 10, 20)").await;
    database.run(&format!("SET GLOBAL binlog_row_metadata = {global}")).await;
    database.run("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a").await;
    let (late, schemas) = database.source(&["t"]).await;
    // A mapping of the id only: the renamed columns are not in use.
    late.register(vec![(schemas[0].clone(), vec![0])]).expect("register");
    let proof = late.prove(TableId(0), &start.reached).await.expect("it answers");
    assert!(
        matches!(proof, Proof::Changed { .. }),
        "the ALTER lies between the start and the present: {proof:?}"
    );
    let mut stream = late.stream(&start).await.expect("stream");
    let wanted = late.executed().await.expect("executed");
    let mut seen = start.reached;
    let mut values = Vec::new();
    while !seen.contains_set(&wanted) {
        match stream.next().await? {
            StreamEvent::Changes(changes) => {
                values.extend(changes.to_vec()?.into_iter().filter_map(|c| c.after?.into_iter().next()))
            }
            StreamEvent::End { transaction: gtid, .. } => seen.insert(&gtid),
            _ => {}
        }
    }
    Ok(values)
}

#[tokio::test]
async fn columns_that_were_rearranged_before_the_tail_got_there_are_not_guessed() {
    _ = swapped_behind_the_tail("swapmin", "MINIMAL").await;
    assert_eq!(swapped_behind_the_tail("swapfull", "FULL").await.expect("names tell"), [Value::Int(1)]);
}
