//! Chunks over every kind of primary key cover every row exactly once.

use crate::support::mysql::{Database, mapping};
use std::collections::HashSet;
use tailfill::model::{Row, TableId, Value};
use tailfill::source::{KeyRange, Source, SourceError, Wanted};

/// Walks table `t` in chunks of `rows`, as the backfill does; the last chunk is unbounded.
async fn walk(database: &Database, key: &[&str], rows: u32) -> (Vec<Vec<Row>>, Vec<Row>) {
    let (source, schemas) = database.source(&["t"]).await;
    let mapping = mapping(&schemas[0], key, key);
    let mut snapshot = source.snapshot().await.expect("snapshot");
    let mut chunks = Vec::new();
    let mut after: Option<Vec<Value>> = None;
    loop {
        let end = snapshot.chunk_end(TableId(0), after.as_deref(), rows).await.expect("chunk end");
        let range = KeyRange { after: after.clone(), up_to: end.clone() };
        chunks.push(snapshot.rows(&mapping, &range).await.expect("rows"));
        assert!(chunks.len() < 1_000, "the walk does not end");
        match end {
            Some(end) => after = Some(end),
            None => break,
        }
    }
    let whole = snapshot.rows(&mapping, &KeyRange::default()).await.expect("rows");
    (chunks, whole)
}

async fn covers(test: &str, table: &str, inserts: &[&str], key: &[&str], rows: u32) {
    let mut database = Database::create(test).await;
    database.run("SET sql_mode = ''").await;
    database.run(table).await;
    for insert in inserts {
        database.run(insert).await;
    }
    let (chunks, whole) = walk(&database, key, rows).await;
    for chunk in &chunks[..chunks.len() - 1] {
        assert_eq!(chunk.len(), rows as usize);
    }
    let walked: Vec<&Row> = chunks.iter().flatten().collect();
    assert_eq!(walked, whole.iter().collect::<Vec<_>>());
    let distinct: HashSet<String> = walked.iter().map(|row| format!("{row:?}")).collect();
    assert_eq!(distinct.len(), whole.len());
    assert!(chunks.len() > 2, "{} chunks", chunks.len());
}

const DIGITS: &str = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 \
     UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";

#[tokio::test]
async fn a_composite_key_of_integers_is_covered() {
    let insert =
        format!("INSERT INTO t SELECT a.d - 5, b.d, c.d, 'x' FROM {DIGITS} a, {DIGITS} b, {DIGITS} c");
    covers(
        "composite",
        "CREATE TABLE t (a INT, b BIGINT UNSIGNED, c TINYINT, note TEXT, PRIMARY KEY (b, a, c))",
        &[&insert],
        &["a"],
        37,
    )
    .await;
}

#[tokio::test]
async fn text_keys_of_many_collations_are_covered() {
    for (test, collation, charset) in [
        ("text1", "utf8mb4_0900_ai_ci", "utf8mb4"),
        ("text2", "latin1_swedish_ci", "latin1"),
        ("text3", "utf8mb4_bin", "utf8mb4"),
        ("text4", "utf16_general_ci", "utf16"),
        ("text5", "gbk_chinese_ci", "gbk"),
    ] {
        let table = format!(
            "CREATE TABLE t (k VARCHAR(40) CHARACTER SET {charset} COLLATE {collation}, n INT, PRIMARY KEY (k, n))"
        );
        let insert = format!(
            "INSERT INTO t SELECT CONCAT(CHAR(97 + a.d), IF(b.d % 2, 'Zz', '-_ '), IF(c.d < 3, '', '''\"\\\\%')), \
             100 * a.d + 10 * b.d + c.d FROM {DIGITS} a, {DIGITS} b, {DIGITS} c"
        );
        covers(test, &table, &[&insert, "INSERT INTO t VALUES ('', 1), (' ', 2), ('ß', 3)"], &["k"], 61)
            .await;
    }
}

#[tokio::test]
async fn binary_date_decimal_and_enum_keys_are_covered() {
    covers(
        "binkey",
        "CREATE TABLE t (k VARBINARY(20), f BINARY(3), PRIMARY KEY (k, f))",
        &[&format!("INSERT INTO t SELECT UNHEX(CONCAT('FF', HEX(a.d * 28), '00')), UNHEX(HEX(b.d * 25)) FROM {DIGITS} a, {DIGITS} b")],
        &["k"],
        7,
    )
    .await;
    covers(
        "datekey",
        "CREATE TABLE t (d DATE, t TIME(3), ts TIMESTAMP(6), dt DATETIME(2), PRIMARY KEY (d, t, ts, dt))",
        &[
            &format!(
                "INSERT INTO t SELECT '2024-01-01' + INTERVAL a.d DAY, SEC_TO_TIME(b.d - 5.5), '2024-03-31 00:00:00.5' + INTERVAL b.d HOUR, \
                 '1999-12-31' + INTERVAL a.d SECOND FROM {DIGITS} a, {DIGITS} b"
            ),
            "INSERT INTO t VALUES ('0000-00-00', '-838:59:59', '2024-01-01', '0000-00-00'), ('2024-00-00', 0, '2024-01-01', '2024-00-01')",
        ],
        &["d"],
        9,
    )
    .await;
    covers(
        "deckey",
        "CREATE TABLE t (d DECIMAL(30,10), e ENUM('z','m','a'), s SET('q','b'), y YEAR, b BIT(9), PRIMARY KEY (d, e, s, y, b))",
        &[&format!(
            "INSERT INTO t SELECT (a.d - 5) * 12345678901234567.0000000001, 1 + b.d % 3, b.d % 4, 2000 + b.d, b.d * 50 FROM {DIGITS} a, {DIGITS} b"
        )],
        &["d"],
        9,
    )
    .await;
    covers(
        "fltkey",
        "CREATE TABLE t (f FLOAT, g DOUBLE, PRIMARY KEY (f, g))",
        &[&format!("INSERT INTO t SELECT a.d / 7 - 0.5, b.d / 3 FROM {DIGITS} a, {DIGITS} b")],
        &["f"],
        9,
    )
    .await;
}

#[tokio::test]
async fn lists_tell_spellings_apart_that_the_collation_does_not() {
    let mut database = Database::create("keys").await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY, k VARCHAR(9), n INT, KEY (k))").await;
    database.run("INSERT INTO t VALUES (1, 'bob', 1), (2, 'Bob', 2), (3, 'bob', 3), (4, 'eve', 4)").await;
    let (source, schemas) = database.source(&["t"]).await;
    let mapping = mapping(&schemas[0], &["k"], &["n"]);
    let mut snapshot = source.snapshot().await.expect("snapshot");
    let lists = snapshot.lists(&mapping, &KeyRange::default()).await.expect("lists");
    let mut sizes: Vec<String> = lists.iter().map(|(row, rows)| format!("{:?} {rows}", row[1])).collect();
    sizes.sort();
    assert_eq!(sizes, ["Text(\"Bob\") 1", "Text(\"bob\") 2", "Text(\"eve\") 1"]);
    assert!(lists.iter().all(|(row, _)| row[0].is_null()));
    let bob = [Value::Text("bob".into())];
    assert_eq!(snapshot.list(&mapping, &bob).await.expect("list").len(), 2);
    let found = snapshot.item(&mapping, &bob, &[Value::Int(3)]).await.expect("item").expect("there");
    assert_eq!(found[0], Value::Int(3));
    assert_eq!(snapshot.item(&mapping, &bob, &[Value::Int(2)]).await.expect("item"), None);
    database.run("ANALYZE TABLE t").await;
    assert!(snapshot.estimated_rows(TableId(0)).await.is_ok());
}

#[tokio::test]
async fn a_list_is_cut_into_ranges_that_cover_it_whatever_the_primary_key() {
    for (name, primary, index) in [("lead", "k, n", ""), ("behind", "id", ", KEY (k)")] {
        let mut database = Database::create(&format!("list_{name}")).await;
        let columns = "id INT NOT NULL, k VARCHAR(9) NOT NULL, n INT NOT NULL";
        database.run(&format!("CREATE TABLE t ({columns}, PRIMARY KEY ({primary}){index})")).await;
        database
            .run(&format!(
                "INSERT INTO t SELECT a.d * 100 + b.d * 10 + c.d, IF(c.d < 4, 'long', CONCAT('k', c.d)), a.d * 10 + b.d \
                 + c.d * 1000 FROM {DIGITS} a, {DIGITS} b, {DIGITS} c"
            ))
            .await;
        let (source, schemas) = database.source(&["t"]).await;
        let mapping = mapping(&schemas[0], &["k"], &["n"]);
        let mut snapshot = source.snapshot().await.expect("snapshot");
        let key = [Value::Text("long".into())];
        let (mut after, mut ranges, mut rows) = (None, 0, Vec::new());
        loop {
            let up_to = snapshot.list_end(&mapping, &key, after.as_deref(), 150).await.expect("a bound");
            let range = KeyRange { after, up_to: up_to.clone() };
            let wanted = Wanted::List { key: &key, range: &range };
            let before = rows.len();
            snapshot.each_row(&mapping, wanted, &mut |row| rows.push(row.to_vec())).await.expect("rows");
            ranges += 1;
            assert!(rows.len() - before <= 150, "{name}: no range is longer");
            after = up_to;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((ranges, rows.len()), (3, 400), "{name}");
        rows.sort_by_key(|row| format!("{row:?}"));
        rows.dedup();
        assert_eq!(rows.len(), 400, "{name}: none comes twice");
    }
}

#[tokio::test]
async fn long_rows_are_known_to_be_long() {
    let mut database = Database::create("long_rows").await;
    database.run("CREATE TABLE t (k INT, n INT, note MEDIUMTEXT, PRIMARY KEY (k, n))").await;
    database
        .run(&format!("INSERT INTO t SELECT a.d, b.d, REPEAT('x', 60000) FROM {DIGITS} a, {DIGITS} b"))
        .await;
    database.run("ANALYZE TABLE t").await;
    let (source, _) = database.source(&["t"]).await;
    let mut snapshot = source.snapshot().await.expect("snapshot");
    let bytes = snapshot.row_bytes(TableId(0)).await.expect("a statistic");
    assert!((30_000..500_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_chunk_reads_a_range_of_the_primary_key() {
    use mysql_async::prelude::Queryable;
    let mut database = Database::create("explain").await;
    database
        .run("CREATE TABLE t (a INT, k VARCHAR(40) CHARACTER SET latin1, n INT, PRIMARY KEY (a, k))")
        .await;
    database
        .run(&format!(
            "INSERT INTO t SELECT a.d, CONCAT('k', b.d, c.d), 1 FROM {DIGITS} a, {DIGITS} b, {DIGITS} c"
        ))
        .await;
    database.run("ANALYZE TABLE t").await;
    let (source, schemas) = database.source(&["t"]).await;
    let mapping = mapping(&schemas[0], &["a"], &["k"]);
    let bound = |a, k: &str| Some(vec![Value::Int(a), Value::Text(k.to_owned().into())]);
    let range = KeyRange { after: bound(3, "k50"), up_to: bound(3, "k59") };
    let mut examined: Option<u64> = None;
    // the performance schema keeps a bounded number of statements: another test's may have taken the place
    for _ in 0..10 {
        let mut snapshot = source.snapshot().await.expect("snapshot");
        assert_eq!(snapshot.rows(&mapping, &range).await.expect("rows").len(), 9);
        let found: Option<Option<u64>> = database
            .conn
            .query_first(format!(
                "SELECT MAX(SUM_ROWS_EXAMINED) FROM performance_schema.prepared_statements_instances \
                 WHERE SQL_TEXT LIKE 'SELECT%`{}`%FORCE INDEX%'",
                database.name
            ))
            .await
            .expect("the prepared statement");
        examined = found.flatten();
        if examined.is_some() {
            break;
        }
    }
    assert!(examined.is_some_and(|rows| (9..=20).contains(&rows)), "{examined:?} rows were examined of 1000");
}

/// As during a copy of days: labels that are appended are followed by the tail, and known to the next connection.
#[tokio::test]
async fn labels_that_were_appended_since_the_start_are_read() {
    let mut database = Database::create("labels").await;
    database.run("CREATE TABLE t (k INT PRIMARY KEY, e ENUM('a', 'b'), s SET('x'))").await;
    let (source, schemas) = database.source(&["t"]).await;
    let mapping = mapping(&schemas[0], &["k"], &["k"]);
    let mut before = source.snapshot().await.expect("snapshot");
    database.run("ALTER TABLE t MODIFY e ENUM('a', 'b', 'new'), MODIFY s SET('x', 'y')").await;
    database.run("INSERT INTO t VALUES (1, 'new', 'x,y')").await;
    let all = KeyRange::default();
    let error = before.rows(&mapping, &all).await.expect_err("this connection does not know them");
    assert!(matches!(error, SourceError::Unreadable { .. }), "{error:?}");
    let rows = source.snapshot().await.expect("snapshot").rows(&mapping, &all).await.expect("rows");
    assert_eq!(rows[0][1..], [Value::Text("new".into()), Value::Text("x,y".into())]);
}
