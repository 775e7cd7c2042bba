//! What other tools lost, as our tests, on real servers.

use crate::support::scenario::Scenario;
use crate::support::shape::{Column, FOLLOWS, Kind, LABELS, Shape};
use crate::support::tailfill::Tailfill;

/// Documents with a JSON value.
static DOCUMENTS: Shape = Shape {
    table: "documents",
    definition: "folder INT UNSIGNED NOT NULL, id INT UNSIGNED NOT NULL, seq INT UNSIGNED NOT NULL, body JSON NULL, \
                 title VARCHAR(20) NULL, PRIMARY KEY (folder, id)",
    key: &[Column { name: "folder", kind: Kind::Unsigned, literal: |n| n.to_string() }],
    item: &[Column { name: "id", kind: Kind::Unsigned, literal: |n| n.to_string() }],
    order: Column { name: "seq", kind: Kind::Unsigned, literal: |n| (n % 4_000_000_000).to_string() },
    descending: true,
    values: &[
        Column {
            name: "body",
            kind: Kind::Text,
            literal: |n| format!("'{{\"n\": {}, \"b\": [{}, 1.50, null], \"a\": \"x\"}}'", n % 97, n % 7),
        },
        Column { name: "title", kind: Kind::Text, literal: |n| format!("'title {n}'") },
    ],
    automatic: &[],
};

/// Copied, with its tail running.
async fn tailed(test: &str, shape: &'static Shape) -> (Scenario, Tailfill) {
    let scenario = Scenario::new(test, shape).await.fill(20, 400).await;
    scenario.init().await;
    scenario.catch_up().await;
    let tail = scenario.start(&["run"]);
    scenario.until_status("the tail to run", |status| status["phase"] == "tailing").await;
    (scenario, tail)
}

async fn ends_equal(mut scenario: Scenario, tail: Tailfill) {
    scenario.until_written().await;
    scenario.compare().await;
    tail.signal("TERM");
    tail.ended().await.expect_code(130);
}

async fn verify(scenario: &Scenario, code: i32) -> [u64; 3] {
    let report = scenario.verify(code).await;
    ["missing", "extra", "different"].map(|name| report[name].as_u64().expect("a number"))
}

/// alibaba/canal#1907: of the rows that one DELETE took, some stayed.
#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_a_delete_that_takes_many_is_deleted() {
    let (mut scenario, tail) = tailed("obatch", &FOLLOWS).await;
    scenario.sql("DELETE FROM follows WHERE follower_id % 3 = 1").await;
    scenario.sql("DELETE FROM follows ORDER BY created_at LIMIT 50").await;
    ends_equal(scenario, tail).await;
}

/// alibaba/canal#1910: a column that was set to NULL kept its value.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_becomes_null_loses_its_value() {
    let (mut scenario, tail) = tailed("onull", &FOLLOWS).await;
    scenario.sql("UPDATE follows SET note = NULL, weight = NULL WHERE follower_id % 2 = 0").await;
    ends_equal(scenario, tail).await;
}

/// Flink CDC's sink for HBase: deleting only the newest version of a cell brings the one before back, and NULL was the
/// text `null`.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_changed_and_then_deleted_stays_away_and_null_is_no_text() {
    let (mut scenario, tail) = tailed("oflink", &FOLLOWS).await;
    for note in ["'one'", "'two'", "NULL", "'three'"] {
        scenario.sql(&format!("UPDATE follows SET note = {note}")).await;
        scenario.until_written().await;
    }
    scenario.sql("DELETE FROM follows WHERE follower_id % 2 = 0").await;
    scenario.sql("UPDATE follows SET note = NULL").await;
    ends_equal(scenario, tail).await;
}

/// Shopify/ghostferry#147: JSON that was compared wrongly hid deletes that were lost.
#[tokio::test(flavor = "multi_thread")]
async fn documents_in_json_are_compared_and_a_lost_delete_among_them_is_found() {
    let (mut scenario, tail) = tailed("ojson", &DOCUMENTS).await;
    scenario
        .sql("UPDATE documents SET body = JSON_SET(body, '$.a', 'changed', '$.c', 1.0) WHERE id % 2 = 0")
        .await;
    scenario.sql("UPDATE documents SET body = '{\"a\":1,   \"b\" : [ ] }' WHERE id % 5 = 0").await;
    scenario.until_written().await;
    assert_eq!(verify(&scenario, 0).await, [0; 3]);
    // changes that no tail sees
    scenario.sql("SET sql_log_bin = 0").await;
    scenario.sql("DELETE FROM documents ORDER BY folder, id LIMIT 1").await;
    scenario
        .sql("UPDATE documents SET body = JSON_SET(body, '$.b', '[]') ORDER BY folder DESC, id DESC LIMIT 1")
        .await;
    assert_eq!(verify(&scenario, 4).await, [0, 2, 2], "in each of two targets");
    tail.signal("TERM");
    tail.ended().await.expect_code(130);
}

/// MaterializeInc/materialize#36649: the YEAR 0000 could not be read.
#[tokio::test(flavor = "multi_thread")]
async fn the_year_zero_is_a_year() {
    let mut scenario = Scenario::new("oyear", &LABELS).await.fill(20, 400).await;
    scenario.sql("UPDATE labels SET checked = 0 WHERE document % 2 = 0").await;
    assert_ne!(scenario.ask("SELECT COUNT(*) FROM labels WHERE checked = 0").await, "0");
    scenario.init().await;
    scenario.catch_up().await;
    let tail = scenario.start(&["run"]);
    scenario.until_status("the tail to run", |status| status["phase"] == "tailing").await;
    scenario.sql("UPDATE labels SET checked = 0 WHERE document % 3 = 0").await;
    ends_equal(scenario, tail).await;
}
