//! An ALTER of a mapped column under a run that is up: the mapping is parked, and what status says to do brings it back.

use super::Copied;

impl Copied {
    /// Makes the change, and does as a person does who reads the status: edits the configuration where the column has
    /// another name now or is gone, stops the run, and types the command.
    async fn comes_back_from(&mut self, alter: &str, edits: &[(&str, &str)], said: &[&str]) {
        let run = self.start().await;
        self.sql("UPDATE follows SET note = 'before' WHERE followee_id = 1").await;
        self.sql(alter).await;
        self.sql("DELETE FROM follows WHERE followee_id = 3 LIMIT 2").await;
        let life = self.until_life("parked").await;
        println!("{alter}: {life}");
        let all = ["ALTER TABLE", "follows", "transaction", "stop the run"];
        let missing: Vec<&&str> = all.iter().chain(said).filter(|word| !life.contains(**word)).collect();
        assert!(missing.is_empty(), "{missing:?} is not in: {life}");
        // who does not read all of it is told again
        let name = self.setup.table.clone();
        let hasty = self.tailfill(&["recopy", &name, "--yes"]).await.code(3).says(&["help: stop"]);
        assert_eq!(super::commands(&hasty.err), super::commands(&life), "{}", hasty.err);
        run.interrupted().await;
        for (part, by) in edits {
            self.setup.with(part, by);
        }
        self.performs(&life).await;
        self.ends_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_another_type_is_copied_again() {
    let mut copied = Copied::new("retyped").await;
    for (alter, said) in [
        ("ALTER TABLE follows MODIFY note VARCHAR(100) CHARACTER SET latin1", "the mapped column note"),
        ("ALTER TABLE follows MODIFY note VARBINARY(100)", "the mapped column note is varbinary(100) now"),
        (
            "ALTER TABLE follows MODIFY note TEXT, ADD COLUMN muted INT FIRST",
            "the mapped column note is text now",
        ),
    ] {
        copied.comes_back_from(alter, &[], &[said]).await;
    }
    copied.close().await;
}

/// With an ENUM and a column that the server computes.
async fn with_labels(test: &str) -> Copied {
    let mut copied = Copied::with(test, |_| ()).await;
    let columns = "ADD COLUMN state ENUM('a', 'b') NOT NULL DEFAULT 'b', ADD COLUMN twice BIGINT AS (follower_id * 2) STORED";
    copied.sql(&format!("ALTER TABLE follows {columns}")).await;
    copied.fill().await;
    copied.tailfill(&["init"]).await.code(0);
    copied.tailfill(&["run", "--until", "caught-up"]).await.code(0);
    copied
}

#[tokio::test(flavor = "multi_thread")]
async fn appended_labels_are_followed_and_others_are_copied_again() {
    let mut copied = with_labels("labels").await;
    let run = copied.start().await;
    copied.sql("ALTER TABLE follows MODIFY state ENUM('a', 'b', 'new') NOT NULL DEFAULT 'b'").await;
    copied.sql("UPDATE follows SET state = 'new' WHERE followee_id = 1").await;
    copied.goes_on().await;
    run.interrupted().await;
    let alter = "ALTER TABLE follows MODIFY state ENUM('new', 'a', 'b') NOT NULL DEFAULT 'b'";
    copied.comes_back_from(alter, &[], &["the mapped column state"]).await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_computed_in_another_way_is_copied_again() {
    let mut copied = with_labels("computed").await;
    let run = copied.start().await;
    for (alter, said) in [
        (
            "ALTER TABLE follows MODIFY twice BIGINT AS (follower_id * 3) STORED",
            "is generated in another way now",
        ),
        (
            "ALTER TABLE follows MODIFY follower_id BIGINT UNSIGNED NOT NULL COMMENT 'a'",
            "is generated from one that was altered",
        ),
    ] {
        copied.sql(alter).await;
        copied.sql("UPDATE follows SET note = 'after' WHERE followee_id = 2").await;
        let life = copied.until_life("parked").await;
        assert!(life.contains(said), "{said} is not in: {life}");
        copied.comes_back_by(&life).await;
    }
    run.interrupted().await;
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_dropped_leaves_hbase_too() {
    let mut copied = Copied::new("dropped").await;
    copied.comes_back_from("ALTER TABLE follows DROP COLUMN note, ADD COLUMN note INT", &[], &["note"]).await;
    copied.close().await;

    let mut copied = Copied::new("droppednamed").await;
    copied.sets(r#"columns = ["created_at", "note"]"#);
    let edit = [(r#"columns = ["created_at", "note"]"#, r#"columns = ["created_at"]"#)];
    copied.comes_back_from("ALTER TABLE follows RENAME COLUMN note TO gone", &edit, &["note"]).await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_renamed_comes_back_under_its_new_name() {
    let mut copied = Copied::new("renamedcell").await;
    copied.sets(r#"columns = ["created_at", "note"]"#);
    let edit = [(r#""note"]"#, r#""remark"]"#)];
    copied.comes_back_from("ALTER TABLE follows RENAME COLUMN note TO remark", &edit, &["note"]).await;
    copied.close().await;

    let mut copied = Copied::new("renamedkey").await;
    let edits =
        [(r#"item = ["follower_id"]"#, r#"item = ["fan_id"]"#), ("by = \"created_at\"", "by = \"since\"")];
    let alter = "ALTER TABLE follows RENAME COLUMN follower_id TO fan_id, RENAME COLUMN created_at TO since";
    copied.renamed = vec![("follower_id", "fan_id"), ("created_at", "since")];
    copied.comes_back_from(alter, &edits, &["follower_id"]).await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_lost_its_unique_index_comes_back_once_it_has_one() {
    let mut copied = Copied::new("lostunique").await;
    let run = copied.start().await;
    copied
        .sql("ALTER TABLE follows DROP PRIMARY KEY, ADD PRIMARY KEY (followee_id, follower_id, created_at)")
        .await;
    let life = copied.until_life("parked").await;
    assert!(life.contains("two rows may have one address"), "{life}");
    let name = copied.setup.table.clone();
    let refused =
        copied.tailfill(&["recopy", &name, "--yes"]).await.code(3).says(&["help: fix the table in MySQL"]);
    copied.sql("ALTER TABLE follows ADD UNIQUE KEY (followee_id, follower_id)").await;
    copied.comes_back_by(&refused.err).await;
    run.interrupted().await;
    copied.ends_equal().await;
    copied.close().await;
}
