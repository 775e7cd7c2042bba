//! Rows are read by the definition of their position, whatever happens to the table and the connection.

use crate::support::own::Own;
use crate::support::proxy::Proxy;
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use std::time::Duration;
use tailfill::failpoints::KillPoint;

/// What the late-write horizon and a busy machine may take.
const LIMIT: Duration = Duration::from_secs(140);

/// A table that is copied and caught up, with a column `legacy` before `note` that is not mapped.
async fn copied(test: &str) -> Scenario {
    copied_on(Scenario::new(test, &FOLLOWS).await).await
}

async fn copied_on(empty: Scenario) -> Scenario {
    let mut scenario = empty.fill(10, 100).await;
    scenario.settings.operation_timeout = "3s";
    scenario.init().await;
    scenario.catch_up().await;
    scenario.sql("ALTER TABLE follows ADD COLUMN legacy VARCHAR(100) NULL AFTER created_at").await;
    scenario.sql("UPDATE follows SET legacy = 'legacy'").await;
    scenario.catch_up().await;
    scenario
}

const SWAP: &str =
    "ALTER TABLE follows DROP COLUMN legacy, ADD COLUMN extra VARCHAR(100) NULL DEFAULT 'extra'";
const INSERT: &str = "INSERT INTO follows (followee_id, follower_id, created_at, note, weight) VALUES (3, 5000, NOW(3), 'noted', 1)";

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_after_an_alter_exchanges_no_columns_and_loses_no_delete() {
    let mut scenario = copied("defcut").await;
    let proxy = Proxy::start(scenario.settings.mysql_port, None).await;
    scenario.settings.mysql_through = Some(proxy.port);
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    for alter in [SWAP, "ALTER TABLE follows MODIFY follower_id BIGINT UNSIGNED NOT NULL FIRST"] {
        scenario.sql(alter).await;
        proxy.reset();
        scenario.sql(INSERT).await;
        scenario.sql("DELETE FROM follows WHERE followee_id = 4 LIMIT 3").await;
        scenario.until_written().await;
        scenario.compare().await;
        scenario.sql("DELETE FROM follows WHERE follower_id = 5000").await;
    }
    scenario.comes_to_rest(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_before_and_after_an_alter_that_came_while_away_are_read_by_theirs() {
    let mut scenario = copied("defaway").await;
    scenario.sql("UPDATE follows SET note = 'before' WHERE followee_id = 1").await;
    scenario.sql(SWAP).await;
    scenario.sql(INSERT).await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 90);
}

/// Whether a change in statement format is harmless is asked once, before rows behind it are sealed: a restart may be
/// told otherwise, and could not cut the journaled batches again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_judged_before_a_kill_is_not_judged_again() {
    let mysql = Own::mysql(&["--log-bin-trust-function-creators=ON"]).await;
    let mut scenario = Scenario::on(mysql.port, "defjudged", &FOLLOWS).await.fill(10, 100).await;
    scenario.settings.operation_timeout = "3s";
    scenario.sql("CREATE TABLE other (a INT PRIMARY KEY)").await;
    scenario.init().await;
    scenario.catch_up().await;
    for statement in [
        "SET SESSION binlog_format = 'STATEMENT'",
        "INSERT INTO other VALUES (1)",
        "SET SESSION binlog_format = 'ROW'",
        "UPDATE follows SET note = 'behind it' WHERE followee_id = 2",
        "DELETE FROM follows WHERE followee_id = 4 LIMIT 3",
    ] {
        scenario.sql(statement).await;
    }
    let at = format!("{}:1", KillPoint::CheckpointUncommitted.name());
    let doomed = scenario.start_with(&["run"], &[("TAILFILL_KILL_AT", &at)]);
    doomed.ended_within(LIMIT).await.expect_kill();
    let harmful =
        "CREATE TRIGGER t AFTER INSERT ON other FOR EACH ROW DELETE FROM follows WHERE follower_id = NEW.a";
    scenario.sql(harmful).await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 50);
}

/// Changes of columns that are not mapped, one after the other.
const IN_QUICK_SUCCESSION: [&str; 3] = [
    "ALTER TABLE follows ADD COLUMN color VARCHAR(10) NULL DEFAULT 'red' FIRST",
    SWAP,
    "ALTER TABLE follows DROP COLUMN color",
];

#[tokio::test(flavor = "multi_thread")]
async fn alters_in_quick_succession_are_followed_where_the_binlog_names_columns() {
    let mysql = Own::mysql(&["--binlog-row-metadata=FULL"]).await;
    let mut scenario = copied_on(Scenario::on(mysql.port, "defnamed", &FOLLOWS).await).await;
    for (round, alter) in IN_QUICK_SUCCESSION.iter().enumerate() {
        scenario.sql(alter).await;
        scenario.sql(&format!("UPDATE follows SET note = 'round {round}' WHERE followee_id = 2")).await;
        scenario.sql(&format!("DELETE FROM follows WHERE followee_id = {} LIMIT 3", 4 + round)).await;
    }
    scenario.catch_up().await;
    assert!(scenario.compare().await > 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn alters_in_quick_succession_park_nothing_where_no_row_lies_between() {
    let mut scenario = copied("defquick").await;
    for alter in IN_QUICK_SUCCESSION {
        scenario.sql(alter).await;
    }
    scenario.sql(INSERT).await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_between_alters_in_quick_succession_park_where_the_binlog_names_no_columns() {
    let statements = [IN_QUICK_SUCCESSION[0], INSERT, IN_QUICK_SUCCESSION[1], "DELETE FROM follows LIMIT 2"];
    is_parked_and_comes_back("defunnamed", &statements, "binlog_row_metadata = FULL").await;
}

/// The statements come while nothing runs. They park the mapping, no restart forgets it, and a re-copy ends equal.
async fn is_parked_and_comes_back(test: &str, statements: &[&str], said: &str) {
    let mut scenario = copied(test).await;
    for statement in statements {
        scenario.sql(statement).await;
    }
    for _ in 0..2 {
        let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1);
        ended.says(&["parked, so HBase misses changes", said]);
    }
    scenario.start(&["recopy", "lists", "--yes"]).ended_within(LIMIT).await.expect_code(0);
    scenario.sql("UPDATE follows SET note = 'again' WHERE followee_id = 2").await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modified_column_stays_parked_over_restarts_until_a_recopy() {
    let statements = ["ALTER TABLE follows MODIFY weight DECIMAL(9,1) NULL", "UPDATE follows SET note = 'x'"];
    is_parked_and_comes_back("defmodify", &statements, "weight").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_went_through_another_type_and_back_while_away_is_parked() {
    let statements = [
        "UPDATE follows SET note = 'before' WHERE followee_id = 1",
        "ALTER TABLE follows MODIFY created_at DATETIME NOT NULL",
        "UPDATE follows SET note = 'between' WHERE followee_id = 1",
        "ALTER TABLE follows MODIFY created_at DATETIME(3) NOT NULL",
    ];
    is_parked_and_comes_back("defback", &statements, "changed again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_index_of_key_and_item_that_is_dropped_parks() {
    let mut scenario = copied("defunique").await;
    scenario
        .sql("ALTER TABLE follows DROP PRIMARY KEY, ADD PRIMARY KEY (followee_id, follower_id, created_at)")
        .await;
    let ended = scenario.run(&["run", "--until", "caught-up"]).await;
    assert!(ended.code == Some(1) || ended.code == Some(3), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_before_a_statement_that_cannot_be_followed_is_refused_and_bricks_nothing() {
    let mut scenario = Scenario::new("deffrom", &FOLLOWS).await.fill(10, 100).await;
    scenario.settings.operation_timeout = "3s";
    let before = scenario.ask("SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')").await;
    scenario.sql("TRUNCATE follows").await;
    scenario.sql(INSERT).await;
    scenario.init().await;
    scenario.catch_up().await;
    for _ in 0..2 {
        let ended = scenario.run(&["run", "--until", "caught-up", "--from", &before]).await.expect_code(3);
        ended.says(&["TRUNCATE", "run without --from"]);
        scenario.sql("UPDATE follows SET note = 'later'").await;
        scenario.catch_up().await;
        assert!(scenario.compare().await > 0);
    }
}
