//! Statements that cannot be followed, made under a run that is up: the mapping is parked, and what status says brings it
//! back.

use super::Copied;
use crate::support::own::Own;

const INSERT: &str = "INSERT INTO follows (follower_id, followee_id, created_at, note) VALUES (1, 4, NOW(3), 'since'), (2, 4, NOW(3), NULL)";

/// What status has to say about each, beside the command.
const PLACE: [&str; 3] = ["follows", "transaction", "tailfill recopy"];

impl Copied {
    /// Each of the cases parks the mapping, and status says so with the statement's kind; doing what it says beside the run
    /// ends equal, and the run goes on.
    async fn come_back_from(&mut self, cases: &[(&str, &[&str])]) {
        let run = self.start().await;
        for (said, statements) in cases {
            for statement in *statements {
                self.sql(statement).await;
            }
            let life = self.until_life("parked").await;
            println!("{said}: {life}");
            let missing: Vec<&&str> =
                PLACE.iter().chain([said]).filter(|word| !life.contains(**word)).collect();
            assert!(missing.is_empty(), "{missing:?} is not in: {life}");
            self.comes_back_by(&life).await;
        }
        run.interrupted().await;
        self.ends_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_emptied_or_made_again_comes_back() {
    let mut copied = Copied::new("emptied").await;
    let create = copied.create_statement().await;
    let cases: [(&str, &[&str]); 2] = [
        ("TRUNCATE", &["TRUNCATE TABLE follows", INSERT]),
        ("DROP TABLE", &["DROP TABLE follows", &create, INSERT]),
    ];
    copied.come_back_from(&cases).await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_renamed_away_and_back_or_swapped_comes_back() {
    let mut copied = Copied::new("renamed").await;
    let away: &[&str] = &[
        "RENAME TABLE follows TO away",
        "DELETE FROM away WHERE follower_id = 3",
        "UPDATE away SET note = 'away' WHERE followee_id = 2",
        "ALTER TABLE away RENAME TO follows",
        "UPDATE follows SET note = 'back' WHERE followee_id = 1",
    ];
    // as gh-ost does it: its copy follows the binlog; the cut-over is one RENAME
    let ghost: &[&str] = &[
        "CREATE TABLE _follows_gho LIKE follows",
        "ALTER TABLE _follows_gho ADD COLUMN legacy INT",
        "INSERT INTO _follows_gho (follower_id, followee_id, created_at, note) \
         SELECT follower_id, followee_id, created_at, 'copied' FROM follows",
        "RENAME TABLE follows TO _follows_del, _follows_gho TO follows",
        "DELETE FROM follows WHERE follower_id = 1",
        "DROP TABLE _follows_del",
    ];
    // as pt-online-schema-change does it, by triggers
    let triggers: &[&str] = &[
        "CREATE TABLE _follows_new LIKE follows",
        "CREATE TRIGGER pt_ins AFTER INSERT ON follows FOR EACH ROW REPLACE INTO _follows_new VALUES \
         (NEW.follower_id, NEW.followee_id, NEW.created_at, NEW.note, NEW.legacy)",
        "CREATE TRIGGER pt_del AFTER DELETE ON follows FOR EACH ROW DELETE IGNORE FROM _follows_new WHERE \
         follower_id = OLD.follower_id AND followee_id = OLD.followee_id",
        "INSERT IGNORE INTO _follows_new SELECT * FROM follows",
        "DELETE FROM follows WHERE follower_id = 4",
        "INSERT INTO follows (follower_id, followee_id, created_at) VALUES (90, 1, NOW(3))",
        "RENAME TABLE follows TO _follows_old, _follows_new TO follows",
        "DROP TRIGGER pt_ins",
        "DROP TRIGGER pt_del",
        "DROP TABLE IF EXISTS _follows_old",
        "UPDATE follows SET note = 'after' WHERE followee_id = 3",
    ];
    copied.come_back_from(&[("RENAME", away), ("RENAME", ghost), ("RENAME", triggers)]).await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_partitions_are_emptied_dropped_or_exchanged_comes_back() {
    let mut copied = Copied::new("partitions").await;
    copied
        .sql(
            "ALTER TABLE follows PARTITION BY RANGE (followee_id) (PARTITION a VALUES LESS THAN (2), \
             PARTITION b VALUES LESS THAN (4), PARTITION c VALUES LESS THAN (6), PARTITION z VALUES LESS THAN MAXVALUE)",
        )
        .await;
    copied.sql("CREATE TABLE archive LIKE follows").await;
    copied.sql("ALTER TABLE archive REMOVE PARTITIONING").await;
    copied.sql("INSERT INTO archive VALUES (5, 3, NOW(3), 'archived'), (6, 2, NOW(3), NULL)").await;
    copied.is_equal().await;
    let cases: [(&str, &[&str]); 3] = [
        ("PARTITION", &["ALTER TABLE follows TRUNCATE PARTITION a", "UPDATE follows SET note = 'y'"]),
        ("PARTITION", &["ALTER TABLE follows DROP PARTITION a", "UPDATE follows SET note = NULL"]),
        (
            "PARTITION",
            &["ALTER TABLE follows EXCHANGE PARTITION b WITH TABLE archive", "UPDATE follows SET note = 'x'"],
        ),
    ];
    copied.come_back_from(&cases).await;
    // two ALTERs within the lag would park it for the first one
    copied.sql("ALTER TABLE follows REMOVE PARTITIONING").await;
    copied.is_equal().await;
    let exchanged: &[&str] = &[
        "CREATE TABLE parted LIKE follows",
        "ALTER TABLE parted PARTITION BY RANGE (followee_id) (PARTITION p VALUES LESS THAN MAXVALUE)",
        "INSERT INTO parted SELECT * FROM follows WHERE follower_id < 4",
        "ALTER TABLE parted EXCHANGE PARTITION p WITH TABLE follows",
        "UPDATE follows SET note = 'exchanged' WHERE followee_id = 3",
    ];
    copied.come_back_from(&[("PARTITION", exchanged)]).await;
    copied.close().await;
}

const BY_STATEMENT: &str = "SET SESSION binlog_format = 'STATEMENT'";
const BY_ROW: &str = "SET SESSION binlog_format = 'ROW'";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_statement_format_is_made_good_however_it_came_to_the_table() {
    let mysql = Own::mysql(&["--log-bin-trust-function-creators=ON"]).await;
    let mut copied = Copied::on(mysql.port, "byprogram").await;
    for statement in [
        "CREATE VIEW v AS SELECT * FROM follows",
        "CREATE TABLE other (a INT PRIMARY KEY)",
        "CREATE TRIGGER t AFTER INSERT ON other FOR EACH ROW DELETE FROM follows WHERE follower_id = NEW.a",
        "CREATE FUNCTION f(a INT) RETURNS INT BEGIN DELETE FROM follows WHERE follower_id = a; RETURN 1; END",
    ] {
        copied.sql(statement).await;
    }
    copied.is_equal().await;
    let cases: [(&str, &[&str]); 5] = [
        // in the binlog its rows stand before anybody has committed them
        (
            "XA",
            &[
                "XA START 'x'",
                "UPDATE follows SET note = 'xa' WHERE followee_id = 3",
                "XA END 'x'",
                "XA PREPARE 'x'",
                "XA COMMIT 'x'",
            ],
        ),
        ("UPDATE", &[BY_STATEMENT, "UPDATE follows SET note = 's' WHERE followee_id = 1", BY_ROW]),
        ("DELETE", &[BY_STATEMENT, "DELETE FROM v WHERE follower_id = 1", BY_ROW]),
        ("INSERT", &[BY_STATEMENT, "INSERT INTO other VALUES (3)", BY_ROW]),
        ("f", &[BY_STATEMENT, "DO f(4)", BY_ROW, "UPDATE follows SET note = 'row' WHERE followee_id = 2"]),
    ];
    copied.come_back_from(&cases).await;
    copied.close().await;
}
