//! Text as the server means it, and keys that lead back to their rows, in every character set.

use crate::support::mysql::{Database, mapping, mysql_port, read_up_to_now};
use crate::support::own::Own;
use crate::support::setup::Setup;
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;
use tailfill::model::{ColumnType, Row, Value};
use tailfill::source::snapshot::chunk;
use tailfill::source::text::{Charsets, CodeTable};
use tailfill::source::{KeyRange, Source};

/// Five tags whose text no two converters agree on, each with so many posts.
const TAGS: [&str; 5] = ["abc", "10〜20代", "東京", "−5", "普通"];
const POSTS: usize = 20;

/// A table of tags in `charset` in the place of the follows, the first `key` column its list key.
async fn tags(port: u16, test: &str, charset: &str, key: [&str; 2]) -> Setup {
    let mut setup = Setup::create_at(port, test).await;
    let [first, second] = key;
    setup
        .with_table(&format!(
            "CREATE TABLE tags (tag VARCHAR(40) CHARACTER SET {charset} NOT NULL, post INT NOT NULL, note VARCHAR(40), \
             PRIMARY KEY ({first}, {second}))"
        ))
        .await;
    setup
        .with(".follows\"", ".tags\"")
        .with("key = [\"followee_id\"]", &format!("key = [\"{first}\"]"))
        .with("item = [\"follower_id\"]", &format!("item = [\"{second}\"]"))
        .with("order = { by = \"created_at\", descending = true }\n", "");
    setup
}

async fn fill(setup: &mut Setup) {
    for tag in TAGS {
        for post in 0..POSTS {
            setup.database.run(&format!("INSERT INTO tags VALUES ('{tag}', {post}, '{tag}')")).await;
        }
    }
}

/// How many items each list has on one side.
async fn counts(setup: &Setup, lists: &[String], side: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for list in lists {
        let run = setup.tailfill(&["get", "followers", list, "--count", "--from", side]).await.code(0);
        found.insert(
            list.clone(),
            run.out.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect(),
        );
    }
    found
}

async fn same_on_both_sides(setup: &Setup, lists: &[String]) {
    let (mysql, hbase) = (counts(setup, lists, "mysql").await, counts(setup, lists, "hbase").await);
    assert_eq!(mysql, hbase);
    setup.tailfill(&["verify", "--full"]).await.code(0).says(&["equal"]);
}

/// Copies, changes what was copied while nothing runs, tails that, and compares after each.
async fn copied_and_tailed(setup: &mut Setup, lists: &[String]) {
    setup.tailfill(&["init"]).await.code(0);
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0).says(&["100 rows copied"]);
    same_on_both_sides(setup, lists).await;
    let all = setup.tailfill(&["verify", "--full"]).await.code(0);
    all.says(&["100 items compared"]);
    for change in [
        "DELETE FROM tags WHERE post % 5 = 0",
        "UPDATE tags SET note = CONCAT(tag, '〜−') WHERE post % 5 = 1",
        "UPDATE tags SET tag = '〜' WHERE tag = '−5' AND post % 5 = 2",
        "INSERT INTO tags VALUES ('〜', 1000, '−'), ('東京', 1000, '〜')",
    ] {
        setup.database.run(change).await;
    }
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0).says(&["0 rows copied"]);
    let lists: Vec<String> = lists.iter().cloned().chain(["〜".to_owned(), "1000".to_owned()]).collect();
    let known = if setup.config.contains("key = [\"tag\"]") { 0..6 } else { 0..20 };
    same_on_both_sides(setup, &lists[known]).await;
    let recopied = setup.tailfill(&["recopy", "followers", "--yes"]).await.code(0);
    assert!(recopied.out.contains(" 0 ") || recopied.out.contains("nothing"), "{}", recopied.out);
    setup.tailfill(&["verify", "--full"]).await.code(0).says(&["82 items compared"]);
}

fn tag_lists() -> Vec<String> {
    TAGS.iter().map(|tag| (*tag).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sjis_text_as_list_key_is_copied_tailed_and_compared() {
    let mut setup = tags(mysql_port(), "sjislist", "sjis", ["tag", "post"]).await;
    fill(&mut setup).await;
    copied_and_tailed(&mut setup, &tag_lists()).await;
    setup.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sjis_text_as_item_key_is_copied_tailed_compared_and_not_deleted_by_a_recopy() {
    let mut setup = tags(mysql_port(), "sjisitem", "sjis", ["post", "tag"]).await;
    fill(&mut setup).await;
    let posts: Vec<String> = (0..POSTS).map(|post| post.to_string()).collect();
    copied_and_tailed(&mut setup, &posts).await;
    setup.close(&[]).await;
}

/// An account for which the server runs `init_connect`, which says that all text is latin1 and that two rows are enough.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_session_begins_with_keys_and_names_are_found() {
    let own =
        Own::mysql(&["--init-connect=SET NAMES latin1; SET sql_select_limit = 2; SET max_sort_length = 4"])
            .await;
    let mut setup = tags(own.port, "initconnect", "utf8mb4", ["tag", "post"]).await;
    setup.database.run("RENAME TABLE tags TO straße").await;
    setup.database.run("CREATE VIEW tags AS SELECT * FROM straße").await;
    setup.with(".tags\"", ".straße\"");
    let user = setup
        .with_user(&["SELECT ON `%db`.*", "REPLICATION SLAVE, REPLICATION CLIENT, XA_RECOVER_ADMIN ON *.*"])
        .await;
    for tag in ["straße", "日本", "abc", "Ä", "−5"] {
        for post in 0..POSTS {
            setup.database.run(&format!("INSERT INTO straße VALUES ('{tag}', {post}, '{tag}')")).await;
        }
    }
    let lists: Vec<String> = ["straße", "日本", "abc", "Ä", "−5"].map(str::to_owned).to_vec();
    setup.tailfill(&["init"]).await.code(0);
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0).says(&["100 rows copied"]);
    same_on_both_sides(&setup, &lists).await;
    setup.close(&[user]).await;
}

/// A code that the server itself would not write is no key: HBase would know two rows by one.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_code_in_a_key_parks_in_the_copy_and_in_the_tail_with_the_row() {
    let mut setup = tags(mysql_port(), "second", "cp932", ["tag", "post"]).await;
    setup.with("[hbase]", "expiry = \"3s\"\n[hbase]\noperation_timeout = \"2s\"");
    setup.tailfill(&["init"]).await.code(0);
    setup.database.run("INSERT INTO tags VALUES ('∪', 1, NULL), ('abc', 1, NULL)").await;
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0).says(&["2 rows copied"]);
    setup.database.run("INSERT INTO tags VALUES (_cp932 X'879B', 7, _cp932 X'879B')").await;
    let named = ["mapping followers", "`tag` = _cp932 X'879b'"];
    let tailed = setup.tailfill(&["run", "--until", "caught-up"]).await.code(1);
    tailed.says(&named).says(&["`post` = 7", "parked", "tailfill recopy"]);
    same_counts(&setup, "∪", "1").await;
    // the advice
    setup.database.run("UPDATE tags SET tag = '∪' WHERE tag = _cp932 X'879b' AND post = 7").await;
    setup.tailfill(&["recopy", "followers", "--yes"]).await.code(0);
    same_on_both_sides(&setup, &["∪".to_owned(), "abc".to_owned()]).await;

    let mut fresh = tags(mysql_port(), "second", "cp932", ["tag", "post"]).await;
    fresh.with("[hbase]", "expiry = \"3s\"\n[hbase]\noperation_timeout = \"2s\"");
    fresh.tailfill(&["init"]).await.code(0);
    fresh.database.run("INSERT INTO tags VALUES (_cp932 X'879B', 7, NULL), ('abc', 1, NULL)").await;
    let copied = fresh.tailfill(&["run", "--until", "caught-up"]).await.code(1);
    copied.says(&named).says(&["parked", "tailfill recopy followers --yes"]);
    // the advice
    fresh.database.run("UPDATE tags SET tag = '∪' WHERE tag = _cp932 X'879b' AND post = 7").await;
    // that change has the code in its row of before
    let parked = fresh.tailfill(&["run", "--until", "caught-up"]).await.code(1);
    parked.says(&["`tailfill recopy followers --yes`"]);
    fresh.tailfill(&["recopy", "followers", "--yes"]).await.code(0);
    same_on_both_sides(&fresh, &["∪".to_owned(), "abc".to_owned()]).await;
    setup.close(&[]).await;
    fresh.close(&[]).await;
}

async fn same_counts(setup: &Setup, list: &str, count: &str) {
    let found = counts(setup, &[list.to_owned()], "hbase").await;
    assert_eq!(found[list], count);
}

/// What the server converts, in sets of up to four bytes a character, read by both ways and converted by the server.
#[tokio::test(flavor = "multi_thread")]
async fn every_code_of_every_character_set_is_what_the_server_says() {
    let mut database = Database::create("codes").await;
    database.run("SET sql_mode = '', group_concat_max_len = 1 << 30, sql_log_bin = 0").await;
    let digits = (0..16).map(|n| format!("SELECT {n} AS d")).collect::<Vec<_>>().join(" UNION ALL ");
    database.run(&format!("CREATE TABLE d AS {digits}")).await;
    database.run("CREATE TABLE n (n INT PRIMARY KEY)").await;
    database
        .run(
            "INSERT INTO n SELECT n FROM (SELECT ((((a.d * 16 + b.d) * 16 + c.d) * 16 + e.d) * 16 + f.d) + 1048576 * g.d \
             AS n FROM d a, d b, d c, d e, d f, (SELECT 0 AS d UNION ALL SELECT 1) g) x WHERE n < 1587600",
        )
        .await;
    database.run("SET sql_log_bin = 1").await;
    let sets: Vec<(String, u64)> = database
        .conn
        .query("SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary'")
        .await
        .expect("sets");
    let columns: Vec<String> =
        sets.iter().map(|(set, _)| format!("{set} LONGTEXT CHARACTER SET {set}")).collect();
    database
        .run(&format!("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, {})", columns.join(", ")))
        .await;
    let (source, schemas) = database.source(&["t"]).await;
    let start = source.start().await.expect("start");
    let mut codes = BTreeMap::new();
    for (set, bytes_max) in &sets {
        for code in codes_of(set, *bytes_max) {
            // each code for itself, then some hundreds as one text; what has no character is left out
            database
                .run(&format!(
                    "INSERT INTO t ({set}) SELECT CONVERT(GROUP_CONCAT(code ORDER BY n SEPARATOR '') USING {set}) \
                     FROM (SELECT n, code, HEX(CONVERT(CONVERT(code USING {set}) USING utf32)) AS utf32 \
                     FROM (SELECT n, {code}) AS codes) AS converted \
                     WHERE LENGTH(utf32) = 8 AND (utf32 <> '0000003F' OR code IN (X'3F', X'003F', X'3F00', X'0000003F')) \
                     AND LENGTH(CONVERT(code USING {set})) = LENGTH(code) \
                     GROUP BY n DIV 1260"
                ))
                .await;
        }
        let count: Option<Option<u64>> =
            database.conn.query_first(format!("SELECT SUM(CHAR_LENGTH({set})) FROM t")).await.expect("a sum");
        codes.insert(set.clone(), count.flatten().unwrap_or(0));
    }
    println!("{codes:?}");
    for (set, least) in
        [("latin1", 256), ("sjis", 6_800), ("gb18030", 1_110_000), ("utf8mb4", 1_100_000), ("ucs2", 63_000)]
    {
        assert!(codes[set] >= least, "{set}: {}", codes[set]);
    }
    let mut stream = source.stream(&start).await.expect("stream");
    let tailed = read_up_to_now(&source, stream.as_mut(), &start.reached).await.inserted();
    let mapping = mapping(&schemas[0], &["id"], &["id"]);
    let mut snapshot = source.snapshot().await.expect("snapshot");
    let copied = snapshot.rows(&mapping, &KeyRange::default()).await.expect("rows");
    assert_eq!(tailed.len(), copied.len());
    for (at, (set, _)) in sets.iter().enumerate() {
        let said: Vec<(i64, Vec<u8>)> = database
            .conn
            .query(format!(
                "SELECT id, CAST(CONVERT({set} USING utf8mb4) AS BINARY) FROM t WHERE {set} IS NOT NULL"
            ))
            .await
            .expect("the server's conversion");
        let text = |rows: &[Row], id: i64| match rows
            .iter()
            .find(|row| row[0] == Value::Int(id))
            .map(|row| &row[at + 1])
        {
            Some(Value::Text(text)) => text.as_bytes().to_vec(),
            other => panic!("{set} {id}: {}", other.is_some()),
        };
        for (id, said) in said {
            assert!(text(&tailed, id) == said, "{set}: row {id} by the tail");
            assert!(text(&copied, id) == said, "{set}: row {id} by the snapshot");
        }
    }
}

/// Expressions of `n` for all bytes that could be a code of a set.
fn codes_of(set: &str, bytes_max: u64) -> Vec<String> {
    let unicode = "CONVERT(CONVERT(UNHEX(LPAD(HEX(n), 8, '0')) USING utf32) USING";
    match (set, bytes_max) {
        ("utf8mb4" | "utf8mb3" | "utf16" | "utf16le" | "utf32" | "ucs2", _) => {
            vec![format!("CAST({unicode} {set}) AS BINARY) AS code FROM n WHERE n < 1114112")]
        }
        (_, 1) => vec!["CHAR(n) AS code FROM n WHERE n < 256".into()],
        _ => {
            let mut codes = vec![
                "CHAR(n) AS code FROM n WHERE n < 256".to_owned(),
                "CHAR(n DIV 256, n MOD 256) AS code FROM n WHERE n BETWEEN 32768 AND 65535".to_owned(),
            ];
            if bytes_max == 3 {
                codes.push(
                    "CHAR(143, n DIV 256, n MOD 256) AS code FROM n WHERE n BETWEEN 32768 AND 65535".into(),
                );
            }
            if bytes_max == 4 {
                codes.push(
                    "CHAR(129 + n DIV 12600, 48 + n DIV 1260 MOD 10, 129 + n DIV 10 MOD 126, 48 + n MOD 10) AS code FROM n"
                        .into(),
                );
            }
            codes
        }
    }
}

/// Conditions over text keys are ranges of their index, whatever the character set and collation.
#[tokio::test]
async fn conditions_over_text_keys_are_read_as_ranges_of_the_index() {
    let mut database = Database::create("ranges").await;
    let mut charsets = Charsets::default();
    let ascii = || (0..128).map(|byte: u8| (u32::from(byte), char::from(byte)));
    charsets.add(CodeTable::new("sjis", ascii()));
    charsets.add(CodeTable::new("latin1", ascii()));
    let declared = [
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "CHARACTER SET utf8mb3",
        "CHARACTER SET sjis",
        "CHARACTER SET latin1 COLLATE latin1_german2_ci",
        "CHARACTER SET utf16 COLLATE utf16_unicode_ci",
        "CHARACTER SET ascii COLLATE ascii_bin",
    ];
    for (number, declared) in declared.iter().enumerate() {
        let table = format!("t{number}");
        database
            .run(&format!(
                "CREATE TABLE {table} (k VARCHAR(20) {declared} NOT NULL, i INT NOT NULL, PRIMARY KEY (k, i))"
            ))
            .await;
        let values: Vec<String> = (0..2_000).map(|n| format!("('k{n:05}', {n})")).collect();
        database.run(&format!("INSERT INTO {table} VALUES {}", values.join(", "))).await;
        database.conn.query_drop(format!("ANALYZE TABLE {table}")).await.expect("analyze");
        let (_, schemas) = database.source(&[&table]).await;
        let schema = &schemas[0];
        assert!(matches!(schema.columns[0].column_type, ColumnType::Text { .. }));
        let key = |n: i64| vec![Value::Text(format!("k{n:05}").into()), Value::Int(n)];
        let (one, other) = (key(10), key(30));
        let lists: Vec<&[Value]> = vec![&one[..1], &other[..1]];
        let range = KeyRange { after: Some(key(10)), up_to: Some(key(30)) };
        let conditions = [
            (chunk::equal(schema, &charsets, &[0], &one[..1]).expect("it fits"), 1),
            (chunk::any_list(schema, &charsets, &[0], &lists).expect("it fits"), 2),
            (
                chunk::any_equal(
                    schema,
                    &charsets,
                    &[0, 1],
                    [&one, &other].map(|key| key.iter().collect()).into_iter(),
                )
                .expect("it fits"),
                2,
            ),
            (chunk::range(schema, &charsets, &range).expect("it fits"), 20),
        ];
        for (condition, rows) in conditions {
            let select = format!("FROM {table} WHERE {}", condition.sql);
            let found: Option<u64> = database
                .conn
                .exec_first(format!("SELECT COUNT(*) {select}"), condition.params.clone())
                .await
                .expect("it can be asked");
            assert_eq!(found, Some(rows), "{declared}: {}", condition.sql);
            let plan: Vec<mysql_async::Row> = database
                .conn
                .exec(format!("EXPLAIN FORMAT=TRADITIONAL SELECT * {select}"), condition.params)
                .await
                .expect("it can be explained");
            let (access, examined): (String, u64) =
                (plan[0].get(4).expect("type"), plan[0].get(9).expect("rows"));
            assert!(access == "range" || access == "ref", "{declared}: {access} for {}", condition.sql);
            assert!(examined <= 3 * rows, "{declared}: {examined} rows for {}", condition.sql);
        }
    }
}
