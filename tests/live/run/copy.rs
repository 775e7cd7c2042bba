//! A copy while an application keeps writing ends equal.

use crate::support::scenario::Scenario;
use crate::support::shape::{ENTRIES, FOLLOWS, LABELS, Shape};

/// Copies under writes, ends once; the application stops, a second run brings the rest.
async fn copies_under_writes(test: &str, shape: &'static Shape, lists: u64, rows: u64) {
    let scenario = Scenario::new(test, shape).await.fill(lists, rows).await;
    scenario.init().await;
    let application = scenario.application(4).await;
    let summary = scenario.dir().join("summary.json");
    let summary_path = summary.to_str().expect("the test's folder has a plain name");
    let first =
        scenario.run(&["run", "--until", "caught-up", "--summary", summary_path]).await.expect_code(0);
    let summary = std::fs::read_to_string(&summary).expect("the run wrote its summary");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("a summary is JSON");
    let transactions = application.stop().await;
    let second = scenario.catch_up().await;
    println!("{transactions} transactions\n{}{}", first.out, second.out);
    assert!(transactions > 50, "the application hardly worked");
    assert!(summary["rows_copied"].as_u64() > Some(rows), "both targets are copied: {summary}");
    assert!(summary["deletes_while_copying"].as_u64() > Some(0), "nothing was put to the test: {summary}");
    assert!(scenario.compare().await as u64 > rows / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_writes_ends_equal_with_integer_keys() {
    copies_under_writes("follows", &FOLLOWS, 400, 15_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_writes_ends_equal_with_text_keys_behind_another_primary_key() {
    copies_under_writes("labels", &LABELS, 200, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_writes_ends_equal_with_an_automatic_primary_key() {
    copies_under_writes("entries", &ENTRIES, 200, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_whose_columns_are_all_null_is_there() {
    let mut scenario = Scenario::new("nulls", &FOLLOWS).await;
    let row = |follower: u32| format!("(7, {follower}, '2024-01-01', NULL, NULL)");
    scenario.sql(&format!("INSERT INTO follows VALUES {}, {}", row(1), row(2))).await;
    scenario.init().await;
    scenario.catch_up().await;
    assert_eq!(scenario.compare().await, 2);
    scenario.sql(&format!("INSERT INTO follows VALUES {}", row(3))).await;
    scenario.sql("UPDATE follows SET note = 'here' WHERE follower_id = 1").await;
    scenario.sql("INSERT INTO follows VALUES (7, 4, '2024-01-01', 'full', 1.5)").await;
    scenario.catch_up().await;
    assert_eq!(scenario.compare().await, 4);
    scenario.sql("UPDATE follows SET note = NULL, weight = NULL WHERE follower_id IN (1, 4)").await;
    scenario.catch_up().await;
    assert_eq!(scenario.compare().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_name_holds_a_dot_a_backquote_and_a_blank_is_moved() {
    let mut scenario = Scenario::new("quoted", &FOLLOWS).await.fill(3, 60).await;
    let rows = scenario.ask("SELECT COUNT(*) FROM follows").await;
    scenario.sql("RENAME TABLE follows TO `fol.lo``w s`").await;
    scenario.settings.table = Some(format!("{}.`fol.lo``w s`", scenario.database));
    scenario.init().await;
    scenario.catch_up().await;
    assert_eq!(scenario.shown(0).await.len().to_string(), rows);
    scenario.sql("DELETE FROM `fol.lo``w s`").await;
    scenario.catch_up().await;
    assert!(scenario.shown(0).await.is_empty());
}
