//! Columns that come, go and change.

use super::Copied;

const ADD: &str = "ALTER TABLE follows ADD COLUMN muted TINYINT NOT NULL DEFAULT 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_comes_is_offered_and_what_is_offered_works() {
    let mut copied = Copied::new("addcolumn").await;
    let run = copied.start().await;
    copied.sql(ADD).await;
    copied.sql("UPDATE follows SET note = 'changed', muted = 0 WHERE followee_id = 1").await;
    copied.until_written().await;
    let live = copied.tailfill(&["verify", "--full"]).await.code(0);
    assert!(live.out.contains("equal"), "{}", live.out);
    copied.tailfill(&["check"]).await.code(0).says(&["new columns", "not copied: muted"]);
    run.interrupted().await;
    let check = copied.tailfill(&["check"]).await.code(0).says(&["new columns", "not copied: muted"]);
    copied.sql("UPDATE follows SET note = NULL, muted = 2 WHERE followee_id = 2").await;
    copied.is_equal().await;
    copied.edits(&check.out);
    copied.tailfill(&["check"]).await.code(0).says(&["its columns changed: column muted is new"]);
    copied.performs(&check.out).await;
    copied.ends_equal().await;
    let shown = copied.tailfill(&["get", &copied.setup.table, "1"]).await.code(0);
    assert!(shown.out.contains("muted"), "{}", shown.out);
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_columns_were_edited_parks_the_target_and_says_what_brings_it_back() {
    let mut copied = Copied::new("editcolumns").await;
    copied.sets(r#"columns = ["note"]"#);
    let check = copied.tailfill(&["check"]).await.code(0);
    let parked = copied.tailfill(&["run", "--until", "caught-up"]).await;
    assert!([1, 3].contains(&parked.code), "{}", parked.err);
    let status = copied.status().await.expect("it has a state");
    let life = status["targets"][0]["life_cycle"].as_str().expect("a text");
    assert!(life.contains("its columns changed: column created_at is gone"), "{life}");
    assert!(check.out.contains("column created_at is gone"), "{}", check.out);
    copied.performs(life).await;
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_moves_changes_nothing() {
    let mut copied = Copied::new("movecolumn").await;
    copied.sql("ALTER TABLE follows MODIFY note VARCHAR(20) FIRST").await;
    copied.tailfill(&["check"]).await.code(0).says(&["unchanged since the copy began"]);
    copied.is_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_items_is_refused_by_check_init_and_run_alike() {
    let mut copied = Copied::new("moveitems").await;
    let before = copied.setup.config.clone();
    for (part, by, said) in [
        ("salt_buckets = 4", "salt_buckets = 8", "salt_buckets was 4, is 8"),
        ("descending = true", "descending = false", "descending was true, is false"),
    ] {
        copied.setup.with(part, by);
        for command in [&["check"][..], &["init"], &["run", "--until", "caught-up"]] {
            copied.tailfill(command).await.code(3).says(&[said, "name another HBase table"]);
        }
        copied.setup.config = before.clone();
    }
    copied.is_equal().await;
    copied.close().await;
}
