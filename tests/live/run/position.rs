//! Where a run begins: from positions that a person names, and from positions that are gone.

use crate::support::mysql::purge_binlogs;
use crate::support::own::Own;
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use mysql_async::prelude::Queryable;

/// `FILE:OFFSET` and the GTID set of now.
pub async fn now(scenario: &mut Scenario) -> (String, String) {
    let row: Option<mysql_async::Row> =
        scenario.conn.query_first("SHOW BINARY LOG STATUS").await.expect("a binlog");
    let row = row.expect("a binlog");
    let (file, offset): (String, u64) = (row.get(0).expect("a file"), row.get(1).expect("an offset"));
    (format!("{file}:{offset}"), scenario.ask("SELECT @@gtid_executed").await.replace('\n', ""))
}

/// Lets an application change the table for some transactions.
async fn change(scenario: &Scenario, transactions: u64) {
    let application = scenario.application(3).await;
    until_so("the application to work", async || application.transactions() >= transactions).await;
    application.stop().await;
}

async fn resumes(scenario: &Scenario, from: &str) {
    scenario.run(&["run", "--until", "caught-up", "--from", from]).await.expect_code(0);
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_repeated_from_an_older_position_and_not_begun_at_a_newer_one() {
    let mysql = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(mysql.port, "resume", &FOLLOWS).await.fill(20, 400).await;
    scenario.init().await;
    scenario.catch_up().await;
    let (place, gtids) = now(&mut scenario).await;
    change(&scenario, 150).await;
    scenario.catch_up().await;
    scenario.compare().await;

    resumes(&scenario, &place).await;
    change(&scenario, 20).await;
    resumes(&scenario, &gtids).await;
    resumes(&scenario, "earliest").await;

    change(&scenario, 20).await;
    let (newer_place, newer_gtids) = now(&mut scenario).await;
    for newer in [&newer_place, &newer_gtids, "now"] {
        let refused = scenario.run(&["run", "--until", "caught-up", "--from", newer]).await;
        refused.expect_code(3).says(&["--from would skip", "help: run without --from"]);
    }
    let (file, offset) = place.rsplit_once(':').expect("FILE:OFFSET");
    let between = format!("{file}:{}", offset.parse::<u64>().expect("an offset") + 1);
    scenario.run(&["run", "--from", &between]).await.expect_code(5).says(&[
        "not between two transactions",
        "help: use",
        &place,
    ]);
    scenario.run(&["run", "--from", "binlog.999999:4"]).await.expect_code(5).says(&["help:"]);
    scenario.run(&["run", "--from", "yesterday"]).await.expect_code(2).says(&["file:offset"]);
    scenario.catch_up().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_state_can_begin_now_or_at_the_earliest_position() {
    let mysql = Own::mysql(&[]).await;
    // everything is in the binlog: the tail alone brings it
    let whole = Scenario::on(mysql.port, "earliest", &FOLLOWS).await.fill(20, 300).await;
    change(&whole, 50).await;
    whole.init().await;
    let earliest = ["run", "--tail-only", "--from", "earliest", "--until", "caught-up"];
    whole.run(&earliest).await.expect_code(0);
    assert!(whole.compare().await > 0);
    // from now on: the backfill brings the rest
    let fresh = Scenario::on(mysql.port, "now", &FOLLOWS).await.fill(20, 300).await;
    fresh.init().await;
    let application = fresh.application(2).await;
    fresh.run(&["run", "--from", "now", "--until", "caught-up"]).await.expect_code(0);
    application.stop().await;
    fresh.catch_up().await;
    assert!(fresh.compare().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_position_is_refused_with_its_own_exit_code() {
    let mysql = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(mysql.port, "purged", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    scenario.catch_up().await;
    let (place, _) = now(&mut scenario).await;
    scenario.sql("UPDATE follows SET note = 'lost'").await;
    purge_binlogs(&mut scenario.conn).await;
    let said = ["cannot continue from this position", "purged", "help:", "--accept-gap"];
    let check = scenario.run(&["check"]).await.expect_code(5);
    assert!([said[0], said[1], said[3]].iter().all(|word| check.out.contains(word)), "{}", check.out);
    scenario.run(&["run"]).await.expect_code(5).says(&said);
    scenario.run(&["run", "--until", "caught-up"]).await.expect_code(5).says(&said);
    // the file is gone, too
    scenario.run(&["run", "--from", &place]).await.expect_code(5).says(&["help:"]);
}

/// Everything was copied and tailed; then the numbering begins again, and passes the numbers of before.
async fn begun_again(scenario: &mut Scenario, transactions: u64) {
    scenario.sql("RESET BINARY LOGS AND GTIDS").await;
    for number in 0..transactions {
        scenario.sql(&format!("UPDATE follows SET note = 'again {number}' LIMIT 5")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_began_its_numbering_again_is_refused_at_every_start_until_a_person_decides() {
    let mysql = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(mysql.port, "again", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    scenario.catch_up().await;
    scenario.sql("UPDATE follows SET note = 'tailed'").await;
    scenario.catch_up().await;
    begun_again(&mut scenario, 120).await;
    let said = ["cannot continue from this position", "began its numbering again", "--accept-gap"];
    for _ in 0..2 {
        let check = scenario.run(&["check"]).await.expect_code(5);
        assert!(said.iter().all(|word| check.out.contains(word)), "{}", check.out);
        scenario.run(&["run", "--until", "caught-up"]).await.expect_code(5).says(&said);
    }
    // the proof is purged by and by, and what was found out stays
    purge_binlogs(&mut scenario.conn).await;
    scenario.run(&["run", "--until", "caught-up"]).await.expect_code(5).says(&["--accept-gap"]);
    scenario.run(&["run", "--until", "caught-up", "--accept-gap"]).await.expect_code(0);
    assert!(scenario.compare().await > 0);
}

/// The source begins its numbering again under a run, and commits so many transactions.
async fn ends_under_a_run(name: &'static str, transactions: u64) {
    let mysql = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(mysql.port, name, &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.sql("UPDATE follows SET note = 'tailed'").await;
    scenario.until_written().await;
    begun_again(&mut scenario, transactions).await;
    let ended = run.ended().await.expect_code(5);
    assert!(!ended.err.contains("; tailfill waited"), "its own transactions do not come back: {}", ended.err);
    ended.says(&["cannot continue from this position", "--accept-gap"]);
    scenario.run(&["run", "--until", "caught-up"]).await.expect_code(5).says(&["--accept-gap"]);
    scenario.run(&["run", "--until", "caught-up", "--accept-gap"]).await.expect_code(0);
    assert!(scenario.compare().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_source_begins_again_under_it_ends_and_is_not_taken_up_again() {
    // MySQL leaves the connection up until the new binlog is as long as the old one
    tokio::join!(ends_under_a_run("under", 3), ends_under_a_run("beyond", 120));
}
