//! XA transactions that are decided by another session, after the connection or the run has changed.

use crate::support::mysql;
use crate::support::own::Own;
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use mysql_async::prelude::Queryable;

const MAPPED: &str = "UPDATE follows SET note = 'by XA' WHERE followee_id = 1";
const OTHER: &str = "INSERT INTO other (n) VALUES (1)";

/// A table that is copied and caught up, on a server whose XA transactions nobody else sees.
async fn copied(server: &Own, test: &'static str) -> Scenario {
    let mut scenario = Scenario::on(server.port, test, &FOLLOWS).await.fill(10, 100).await;
    scenario.settings.operation_timeout = "5s";
    scenario.sql("CREATE TABLE other (n INT)").await;
    scenario.init().await;
    scenario.catch_up().await;
    scenario
}

/// Prepares an XA transaction in a session that ends.
async fn prepares(server: &Own, scenario: &Scenario, xid: &str, statement: &str) {
    let mut session = mysql::connect(server.port, Some(&scenario.database)).await;
    let all =
        [&format!("XA START '{xid}'"), statement, &format!("XA END '{xid}'"), &format!("XA PREPARE '{xid}'")];
    for statement in all {
        session.query_drop(statement).await.expect("it can be prepared");
    }
    session.disconnect().await.expect("what is prepared stays");
}

/// Starts a run, has it read what there is, and kills it.
async fn reads_and_is_killed(scenario: &mut Scenario) {
    let run = scenario.start(&["run"]);
    scenario.until_written().await;
    run.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn xa_of_other_tables_is_harmless_whenever_it_is_decided() {
    let server = Own::mysql(&[]).await;
    let mut scenario = copied(&server, "xaother").await;
    let run = scenario.start(&["run"]);
    prepares(&server, &scenario, "dump", OTHER).await;
    scenario.until_written().await;
    let streams = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
    for id in scenario.ask(streams).await.lines().map(str::to_owned).collect::<Vec<_>>() {
        scenario.sql(&format!("KILL {id}")).await;
    }
    scenario.sql("XA COMMIT 'dump'").await;
    prepares(&server, &scenario, "run", OTHER).await;
    scenario.until_written().await;
    run.kill();
    scenario.sql("XA COMMIT 'run'").await;
    scenario.sql("DELETE FROM follows WHERE followee_id = 2").await;
    scenario.catch_up().await;
    prepares(&server, &scenario, "back", OTHER).await;
    scenario.catch_up().await;
    scenario.sql("XA ROLLBACK 'back'").await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn xa_of_a_mapped_table_parks_it_at_its_commit_and_a_rollback_does_not() {
    let server = Own::mysql(&[]).await;
    let mut scenario = copied(&server, "xaours").await;
    prepares(&server, &scenario, "back", MAPPED).await;
    reads_and_is_killed(&mut scenario).await;
    scenario.sql("XA ROLLBACK 'back'").await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);

    // a re-copy in between does not see its rows either
    prepares(&server, &scenario, "late", MAPPED).await;
    reads_and_is_killed(&mut scenario).await;
    scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(0);
    scenario.sql("XA COMMIT 'late'").await;
    for _ in 0..2 {
        let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1);
        ended.says(&["parked", "XA COMMIT", "tailfill recopy"]);
    }
    scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(0);
    scenario.sql("DELETE FROM follows WHERE followee_id = 2").await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_xa_commit_whose_prepare_is_purged_parks_what_it_may_have_changed() {
    let server = Own::mysql(&[]).await;
    let mut scenario = copied(&server, "xapurged").await;
    prepares(&server, &scenario, "purged", MAPPED).await;
    scenario.catch_up().await;
    mysql::purge_binlogs(&mut scenario.conn).await;
    scenario.sql("XA COMMIT 'purged'").await;
    let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1);
    ended.says(&["parked", "XA COMMIT", "tailfill recopy"]);
    scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(0);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}
