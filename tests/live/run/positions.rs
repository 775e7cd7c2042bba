//! Moving a tail, as an operator does it: back, over a gap, past a transaction, to a moment, while an application writes.

use super::position::now;
use crate::support::lists::{Form, Lists};
use crate::support::mysql::{mysql_port, purge_binlogs};
use crate::support::own::Own;
use crate::support::scenario::{Scenario, copied};
use crate::support::shape::{FOLLOWS, LABELS};
use crate::support::tailfill::Tailfill;
use crate::support::wait::until_so;
use serde_json::Value as Json;

async fn rests(scenario: &Scenario) {
    scenario.run(&["pause", "tail"]).await.expect_code(0);
    let waits = |status: &Json| {
        let gtids = |which: &str| status["positions"][which]["gtids"].clone();
        gtids("received") == gtids("checkpointed")
            && status["waiting"]
                .as_array()
                .is_some_and(|waits| waits.iter().any(|wait| wait["kind"] == "resume"))
    };
    scenario.until_status("the tail to rest", waits).await;
}

async fn live(scenario: &mut Scenario) -> Tailfill {
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to have copied", copied).await;
    run
}

fn events(scenario: &Scenario) -> Vec<Json> {
    let log = std::fs::read_to_string(scenario.dir().join("state/events.jsonl")).expect("an event log");
    log.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_tail_reads_again_from_an_older_position_while_an_application_writes() {
    let mut scenario = Scenario::on(mysql_port(), "moveback", &FOLLOWS).await.fill(100, 2_000).await;
    let run = live(&mut scenario).await;
    let (place, gtids) = now(&mut scenario).await;
    let application = scenario.application(3).await;
    for (from, more) in [(place, 150), (gtids, 300)] {
        until_so("the application to work", async || application.transactions() >= more).await;
        let running = scenario.run(&["position", "set", &from]).await.expect_code(3);
        running.says(&["the tail is running", "`tailfill pause tail`"]);
        scenario.until_written().await;
        rests(&scenario).await;
        let said = scenario.run(&["resume", "--from", &from, "--reason", "again"]).await.expect_code(0);
        println!("{}", said.out);
        assert!(said.out.contains("transactions again, with new ticks"), "{}", said.out);
        assert!(said.out.contains("the tail is running from now on"), "{}", said.out);
    }
    application.stop().await;
    let shown = scenario.run(&["position", "show"]).await.expect_code(0).out;
    println!("{shown}");
    assert!(shown.contains("tail          running by ") && shown.contains("\nsealed        "), "{shown}");
    assert!(scenario.comes_to_rest(run).await > 300);
    let shown = scenario.run(&["position", "show", "--json"]).await.expect_code(0).out;
    let shown: Json = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((&shown["live"], &shown["phase"]), (&false.into(), &"stopped".into()), "{shown}");
    assert!(shown["positions"]["checkpointed"]["gtids"].as_str() > Some(""), "{shown}");
    let history =
        scenario.run(&["position", "history", "--limit", "1000", "--json"]).await.expect_code(0).out;
    let records: Vec<Json> = history.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |cause: &str| records.iter().filter(|record| record["cause"] == cause).collect::<Vec<_>>();
    assert_eq!((of("set").len(), of("pause").len()), (2, 2), "{history}");
    assert!(of("start").len() >= 2 && of("stop").len() >= 2, "{history}");
    assert_eq!(of("set")[0]["reason"], "again");
    let set: Vec<Json> =
        events(&scenario).into_iter().filter(|event| event["event"] == "position_set").collect();
    assert!(set.len() == 2 && set[0]["reason"] == "again" && set[0]["by"].as_str() > Some(""), "{set:?}");
    let text =
        scenario.run(&["position", "history", "--since", "2020-01-01T00:00:00Z"]).await.expect_code(0).out;
    println!("{text}");
    assert!(text.contains("  set ") && text.contains(": again"), "{text}");
    let later =
        scenario.run(&["position", "history", "--since", "2099-01-01T00:00:00Z"]).await.expect_code(0).out;
    assert_eq!(later, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_position_is_a_gap_that_a_person_accepts() {
    let mut scenario = Scenario::on(mysql_port(), "movegap", &FOLLOWS).await.fill(60, 1_000).await;
    scenario.settings.operation_timeout = "3s";
    let run = live(&mut scenario).await;
    scenario.run(&["position", "set", "now"]).await.expect_code(3).says(&["`tailfill pause tail`"]);
    rests(&scenario).await;
    for statement in
        ["DELETE FROM follows WHERE followee_id = 3", "UPDATE follows SET note = 'missed' LIMIT 50"]
    {
        scenario.sql(statement).await;
    }
    for command in [&["position", "set", "now"][..], &["resume", "--from", "now"]] {
        let refused = scenario.run(command).await.expect_code(5);
        refused.says(&["transactions ahead of the tail", "`tailfill resume`", "--accept-gap"]);
    }
    let status = scenario.status().await.expect("it is up");
    assert_eq!(status["control"]["tail"]["wanted"], "paused");
    let application = scenario.application(2).await;
    until_so("the application to work", async || application.transactions() >= 40).await;
    let said = scenario.run(&["resume", "--from", "now", "--accept-gap"]).await.expect_code(0);
    println!("{}", said.out);
    assert!(said.out.contains("the run copies again: lists"), "{}", said.out);
    let open = |status: &Json| status["gaps"].as_array().map(Vec::len) == Some(1);
    scenario.until_status("the gap to be shown", open).await;
    until_so("the application to work", async || application.transactions() >= 200).await;
    application.stop().await;
    let closed = |status: &Json| status["gaps"].as_array().is_some_and(Vec::is_empty);
    scenario.until_status("everything to be copied again", closed).await;
    assert!(scenario.comes_to_rest(run).await > 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_cannot_be_applied_is_left_out_and_its_table_copied_again() {
    let mut scenario = Scenario::on(mysql_port(), "moveskip", &FOLLOWS).await.fill(40, 600).await;
    scenario.settings.operation_timeout = "3s";
    scenario.init().await;
    scenario.catch_up().await;
    scenario.sql("UPDATE follows SET note = 'before' LIMIT 20").await;
    let origin = scenario.ask("SELECT UUID()").await;
    scenario.sql(&format!("SET SESSION gtid_next = '{origin}:1'")).await;
    scenario.sql("DELETE FROM follows WHERE followee_id = 2").await;
    scenario.sql("SET SESSION gtid_next = 'AUTOMATIC'").await;
    scenario.sql("UPDATE follows SET note = 'behind' ORDER BY created_at LIMIT 20").await;
    scenario.run(&["position", "skip", &format!("{origin}:9")]).await.expect_code(5).says(&["gtid_executed"]);
    scenario.run(&["position", "skip", "9"]).await.expect_code(2).says(&["one transaction"]);
    let gtid = format!("{origin}:1");
    let said = scenario.run(&["position", "skip", &gtid, "--reason", "bad"]).await.expect_code(0);
    println!("{}", said.out);
    assert!(said.out.contains("the run copies again: lists"), "{}", said.out);
    let again = scenario.run(&["position", "skip", &gtid]).await.expect_code(0);
    assert!(again.out.contains("nothing to skip"), "{}", again.out);
    let skipped = events(&scenario).into_iter().find(|event| event["event"] == "skipped").expect("an event");
    assert_eq!((&skipped["transaction"], &skipped["reason"]), (&gtid.as_str().into(), &"bad".into()));
    scenario.catch_up().await;
    assert!(scenario.compare().await > 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_found_in_the_binlog_and_others_are_refused() {
    let mysql = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(mysql.port, "moment", &FOLLOWS).await.fill(20, 200).await;
    scenario.init().await;
    scenario.catch_up().await;
    let clock = "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '@%Y-%m-%dT%H:%i:%s.%fZ')";
    let (mut moments, mut sets) = (Vec::new(), Vec::new());
    for number in 0..4 {
        let (_, gtids) = now(&mut scenario).await;
        moments.push(scenario.ask(clock).await);
        sets.push(gtids);
        scenario.sql(&format!("UPDATE follows SET note = 'moment {number}' LIMIT 30")).await;
        if number % 2 == 0 {
            scenario.sql("FLUSH BINARY LOGS").await;
        }
    }
    scenario.catch_up().await;
    for (moment, wanted) in moments.iter().zip(&sets) {
        let said = scenario.run(&["position", "set", moment, "--json"]).await.expect_code(0);
        let moved: Json = serde_json::from_str(&said.out).expect("JSON");
        assert_eq!(moved["to"]["reached"]["mysql-gtid"], wanted.as_str(), "{moment}");
        scenario.catch_up().await;
        scenario.compare().await;
    }
    let begin = scenario.run(&["position", "set", "@2001-01-01T00:00:00Z", "--json"]).await.expect_code(0);
    let moved: Json = serde_json::from_str(&begin.out).expect("JSON");
    assert_eq!(moved["to"]["reached"]["mysql-gtid"], "", "nothing was purged: it is the beginning");
    scenario.catch_up().await;
    let ahead = scenario.run(&["position", "set", "@2099-01-01T00:00:00Z"]).await.expect_code(5);
    ahead.says(&["in the future", "a moment of the past"]);
    scenario.run(&["run", "--from", "@2099-01-01T00:00:00Z"]).await.expect_code(5);
    scenario.run(&["run", "--from", "@yesterday"]).await.expect_code(2).says(&["@time"]);
    purge_binlogs(&mut scenario.conn).await;
    let purged = scenario.run(&["position", "set", "@2001-01-01T00:00:00Z"]).await.expect_code(5);
    purged.says(&["mysql keeps its binlog since", "a later moment"]);
    scenario.run(&["position", "set", "earliest"]).await.expect_code(0);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_without_a_position_says_how_it_gets_one() {
    let scenario = Scenario::on(mysql_port(), "movenone", &FOLLOWS).await.fill(5, 30).await;
    scenario.run(&["position", "set", "now"]).await.expect_code(1).says(&["tailfill init"]);
    scenario.init().await;
    let refused = scenario.run(&["position", "set", "earliest"]).await.expect_code(3);
    refused.says(&["nothing was tailed with this state yet", "--from position"]);
    scenario.run(&["run", "--from", "now", "--until", "caught-up"]).await.expect_code(0);
    // not "now": other tests commit transactions meanwhile
    let status = scenario.status().await.expect("there is a state");
    let reached = status["positions"]["checkpointed"]["gtids"].as_str().expect("GTIDs");
    scenario.run(&["position", "set", reached]).await.expect_code(0);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}

/// Transactions of an origin of their own, from 1 on.
async fn each_by_itself(scenario: &mut Scenario, statements: &[&str]) -> String {
    let origin = scenario.ask("SELECT UUID()").await;
    for (number, statement) in (1..).zip(statements) {
        scenario.sql(&format!("SET SESSION gtid_next = '{origin}:{number}'")).await;
        scenario.sql(statement).await;
    }
    scenario.sql("SET SESSION gtid_next = 'AUTOMATIC'").await;
    origin
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_with_a_hole_is_refused_and_one_of_the_history_works() {
    let mut scenario = Scenario::on(mysql_port(), "movehole", &FOLLOWS).await.fill(10, 100).await;
    scenario.init().await;
    scenario.catch_up().await;
    let (_, before) = now(&mut scenario).await;
    let statements = [
        "UPDATE follows SET note = 'again' WHERE followee_id = 2",
        "DELETE FROM follows WHERE followee_id = 2",
    ];
    let origin = each_by_itself(&mut scenario, &statements).await;
    for flushed in [false, true] {
        if flushed {
            // the hole and what lies behind it are in another file than the end
            scenario.sql("FLUSH BINARY LOGS").await;
            scenario.sql("UPDATE follows SET note = 'behind' LIMIT 5").await;
        }
        scenario.catch_up().await;
        let hole = format!("{before},{origin}:2");
        for command in [&["position", "set", &hole][..], &["run", "--from", &hole]] {
            let refused = scenario.run(command).await.expect_code(3);
            // which one depends on what other tests commit meanwhile
            refused.says(&["leaves out transaction", "`tailfill position history`"]);
        }
    }
    let history = scenario.run(&["position", "history", "--json"]).await.expect_code(0).out;
    println!("{history}");
    let first: Json =
        serde_json::from_str(history.lines().next().expect("a record")).expect("an object a line");
    let reached = first["position"]["reached"]["mysql-gtid"].as_str().expect("a GTID set");
    scenario.run(&["position", "set", reached]).await.expect_code(0);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_mapped_right_after_a_skip_waits_for_the_tail() {
    let labels = vec![Form::tall("labels").columns(&["score"])];
    let labels = Lists { name: "labels", shape: &LABELS, targets: labels };
    let both = vec![Lists::of(&FOLLOWS), labels];
    let mut scenario =
        Scenario::on(mysql_port(), "skipjoin", &FOLLOWS).await.moving(both).await.fill(10, 100).await;
    let later = scenario.lists.pop().expect("two");
    scenario.init().await;
    scenario.catch_up().await;
    let comes = format!("{}{}", LABELS.insert(), LABELS.row(3, 700, 5));
    let origin = each_by_itself(&mut scenario, &[&comes, "DELETE FROM labels"]).await;
    scenario.run(&["position", "skip", &format!("{origin}:2")]).await.expect_code(0);

    scenario.lists.push(later.clone());
    scenario.init().await;
    let refused = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(3);
    refused.says(&["cannot be mapped yet", "has not read", "`tailfill position show`"]);
    scenario.lists.pop();
    scenario.catch_up().await;
    let shown = scenario.run(&["position", "show", "--json"]).await.expect_code(0).out;
    assert!(shown.contains(&format!("{origin}:1-2")), "{shown}");
    scenario.lists.push(later);
    scenario.sql(&format!("{}{}", LABELS.insert(), LABELS.row(4, 701, 6))).await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}
