//! A row that has no place in HBase: met by the copy or by the tail, it parks its target, also the last one. The tail goes
//! on, the SELECT in the message finds the row, and once that is gone the command in the message brings the target back.

use super::Copied;
use crate::support::wait::until_so;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

struct Case {
    name: &'static str,
    /// What the table has beside.
    column: &'static str,
    order: &'static str,
    /// The row of follower 999 and followee 998, with values for note, created_at and that column.
    values: &'static str,
    said: &'static str,
}

const DATE: &str = "order = { by = \"created_at\", descending = true }";

const LONG_KEY: Case = Case {
    name: "key",
    column: "title VARCHAR(20000) CHARACTER SET latin1 NOT NULL DEFAULT 'a'",
    order: "order = { by = \"title\" }",
    values: "NULL, NOW(3), REPEAT('ä', 20000)",
    said: "its row key has 40",
};

const LARGE_CELL: Case = Case {
    name: "cell",
    column: "body LONGTEXT NULL",
    order: DATE,
    values: "NULL, NOW(3), REPEAT('x', 12 << 20)",
    said: "a cell of it has 12582912 bytes, HBase takes 10485760",
};

const ZERO_DATE: Case = Case {
    name: "date",
    column: "body INT NULL",
    order: DATE,
    values: "NULL, '0000-00-00', 1",
    said: "holds a zero, partial or impossible date",
};

const IMPOSSIBLE_DATE: Case = Case { name: "day", values: "NULL, '2026-02-31', 1", ..ZERO_DATE };

const NO_TEXT: Case = Case {
    name: "text",
    column: "body VARCHAR(20) CHARACTER SET sjis NULL",
    order: DATE,
    values: "NULL, NOW(3), _sjis X'FCFC'",
    said: "MySQL has no character for some of the 2 bytes of a sjis text",
};

#[derive(Clone, Copy, PartialEq)]
enum Met {
    ByTheCopy,
    ByTheTail,
}

async fn parks_and_comes_back(case: &Case, met: Met) {
    let name = format!("{}{}", case.name, if met == Met::ByTheCopy { "c" } else { "t" });
    let mut copied = Copied::with(&name, |setup| {
        setup.with(DATE, case.order);
    })
    .await;
    let mapping = copied.setup.table.clone();
    copied.sql("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'").await;
    copied.sql(&format!("ALTER TABLE follows ADD COLUMN {}", case.column)).await;
    copied.fill().await;
    let column = case.column.split(' ').next().expect("a name");
    let insert = format!(
        "INSERT INTO follows (follower_id, followee_id, note, created_at, {column}) VALUES (999, 998, {})",
        case.values
    );
    if met == Met::ByTheCopy {
        copied.sql(&insert).await;
    }
    copied.tailfill(&["init"]).await.code(0);
    if met == Met::ByTheCopy && case.said == ZERO_DATE.said {
        copied
            .tailfill(&["check"])
            .await
            .code(3)
            .says(&["zero, partial or impossible", "all such rows: SELECT"]);
    }
    if met == Met::ByTheTail {
        copied.tailfill(&["run", "--until", "caught-up"]).await.code(0);
    }
    let run = copied.start().await;
    if met == Met::ByTheTail {
        copied.sql(&insert).await;
    }
    let mut reason = String::new();
    until_so("the target to be parked", async || {
        let status = copied.status().await;
        reason = status.map_or(String::new(), |s| s["targets"][0]["life_cycle"].to_string());
        reason.contains("parked")
    })
    .await;
    let table = format!("{mapping}.follows");
    for said in [case.said, &table, "998", "999", &format!("tailfill recopy {mapping} --yes")] {
        assert!(reason.contains(said), "{said:?} is not in {reason}");
    }
    if met == Met::ByTheTail {
        let server = copied.ask("SELECT @@server_uuid").await;
        assert!(reason.contains(&server), "it says where in the binlog: {reason}");
    }
    let select = reason.split("all such rows: ").nth(1).expect("a SELECT");
    let select = select.split("; correct").next().expect("up to what to do");
    let found: Vec<Row> = copied.setup.database.conn.query(select).await.expect("it can be asked");
    let mut found: Vec<Value> = found.into_iter().flat_map(Row::unwrap).collect();
    // in whatever order its columns stand
    found.sort_by_key(|value| format!("{value:?}"));
    assert_eq!(found, ["998", "999"].map(|text| Value::Bytes(text.into())), "{select}");

    copied.sql("INSERT INTO follows (follower_id, followee_id, created_at) VALUES (4000, 1, NOW(3))").await;
    copied.until_written().await;
    copied.sql("DELETE FROM follows WHERE follower_id = 999").await;
    copied.performs(&reason).await;
    run.interrupted().await;
    copied.ends_equal().await;
    copied.close().await;
}

macro_rules! rows {
    ($($name:ident: $case:ident, $met:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                parks_and_comes_back(&$case, Met::$met).await;
            }
        )*
    };
}

rows! {
    a_row_key_that_is_too_long_in_the_table: LONG_KEY, ByTheCopy;
    a_row_key_that_is_too_long_in_the_binlog: LONG_KEY, ByTheTail;
    a_cell_that_is_too_large_in_the_table: LARGE_CELL, ByTheCopy;
    a_cell_that_is_too_large_in_the_binlog: LARGE_CELL, ByTheTail;
    a_zero_date_in_the_table: ZERO_DATE, ByTheCopy;
    a_zero_date_in_the_binlog: ZERO_DATE, ByTheTail;
    an_impossible_date_in_the_table: IMPOSSIBLE_DATE, ByTheCopy;
    a_text_that_does_not_decode_in_the_table: NO_TEXT, ByTheCopy;
    a_text_that_does_not_decode_in_the_binlog: NO_TEXT, ByTheTail;
}

/// The correction names the bytes that the copy could not read, and comes to the tail while the re-copy begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_corrected_while_no_run_was_up_comes_back_by_one_recopy() {
    let mut copied = Copied::with("corrected", |_| ()).await;
    copied.sql(&format!("ALTER TABLE follows ADD COLUMN {}", NO_TEXT.column)).await;
    copied.fill().await;
    let insert = "INSERT INTO follows (follower_id, followee_id, note, created_at, body) VALUES (999, 998, ";
    copied.sql(&format!("{insert}{})", NO_TEXT.values)).await;
    copied.tailfill(&["init"]).await.code(0);
    let parked = copied.tailfill(&["run", "--until", "caught-up"]).await.code(1);
    copied.sql("UPDATE follows SET body = 'right' WHERE follower_id = 999").await;
    copied.performs(&parked.err[parked.err.find("help:").expect("it says what to do")..]).await;
    copied.ends_equal().await;
    copied.close().await;
}

/// The row is deleted while nothing runs: the delete itself names a row that has no place in HBase.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_place_may_be_deleted_before_the_tail_has_seen_it_go() {
    let mut copied = Copied::new("gone").await;
    let mapping = copied.setup.table.clone();
    copied.sql("SET SESSION sql_mode = ''").await;
    copied.sql("INSERT INTO follows VALUES (999, 998, '0000-00-00', NULL)").await;
    let parked = copied.tailfill(&["run", "--until", "caught-up"]).await.code(1);
    assert!(parked.err.contains("zero, partial or impossible date"), "{}", parked.err);
    copied.sql("DELETE FROM follows WHERE follower_id = 999").await;
    copied.tailfill(&["recopy", &mapping, "--yes"]).await.code(0);
    copied.ends_equal().await;
    copied.close().await;
}
