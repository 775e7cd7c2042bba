//! What is wrong in HBase is mended on real servers: by the command and by `verify --repair`, beside a run and alone,
//! under writes, after kills; then both sides are equal by `verify` and by a comparison of the tests' own.

use crate::support::corruption::corrupt;
use crate::support::lists::{Cells, Form, Lists};
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: u64 = 24 * 3_600 * 1_000_000;

/// What the late-write horizon and a busy machine may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Every layout: rows of columns, rows of one cell, wide rows by day and whole, both counted.
async fn every_layout(test: &'static str, lists: u64, rows: u64) -> Scenario {
    let followers = Lists {
        name: test,
        shape: &FOLLOWS,
        targets: vec![
            Form::tall("latest"),
            Form::tall("packed").packed(Cells::Json),
            Form::wide("days", Cells::Msgpack).segmented("\"1d\"", DAY).counted(),
            Form::wide("all", Cells::Column("note")).counted(),
        ],
    };
    let scenario = Scenario::new(test, &FOLLOWS).await.moving(vec![followers]).await;
    let mut scenario = scenario.fill(lists, rows).await;
    // so that tests need not wait for the usual one
    scenario.settings.operation_timeout = "3s";
    scenario.init().await;
    scenario.catch_up().await;
    scenario
}

fn number(json: &Json, name: &str) -> u64 {
    json[name].as_u64().unwrap_or_else(|| panic!("{name} is no number in {json}"))
}

/// The lines of the log, each an item that was touched, by what was done.
fn touched(scenario: &Scenario) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(scenario.dir().join("state/recopy.jsonl")).unwrap_or_default();
    let mut touched = BTreeMap::new();
    // the last one may be under way, or cut by a kill
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        let line: Json = serde_json::from_str(line).expect("each line is JSON");
        assert!(line["item"].as_str().is_some_and(|item| item.contains("followee_id=")), "{line}");
        assert!(!line.to_string().contains("another value"), "no values: {line}");
        *touched.entry(line["what"].as_str().expect("a word").to_owned()).or_default() += 1;
    }
    touched
}

#[tokio::test(flavor = "multi_thread")]
async fn corruption_of_every_kind_is_mended_beside_a_run_while_the_application_writes() {
    let mut scenario = every_layout("rchurn", 150, 6_000).await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let planted = corrupt(&scenario).await;
    let application = scenario.application(2).await;
    let found = scenario.verify(4).await;
    let dry = scenario.run(&["recopy", "rchurn", "--json"]).await.expect_code(0);
    let dry: Json = serde_json::from_str(&dry.out).expect("recopy --json is JSON");
    assert_eq!((&dry["dry_run"], touched(&scenario).len()), (&Json::Bool(true), 0));
    let wet = scenario.run(&["recopy", "rchurn", "--yes"]).await.expect_code(0);
    println!("planted {planted:?}; {}\n{}", found["targets"], wet.out);
    assert!(wet.out.contains("recopy.jsonl"), "{}", wet.out);
    let after = scenario.verify(0).await;
    assert_eq!(number(&after, "missing") + number(&after, "extra") + number(&after, "different"), 0);
    let transactions = application.stop().await;
    scenario.until_written().await;
    let log = touched(&scenario);
    println!("{transactions} transactions; {log:?}");
    assert!(transactions > 50, "the application hardly worked");
    assert!(log["written"] >= 20 && log["deleted"] >= 20 && log["recounted"] >= 1, "{log:?}");
    let mode =
        std::fs::metadata(scenario.dir().join("state/recopy.jsonl")).expect("it is there").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    run.interrupted().await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 4_000);
    scenario.verify(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_repairs_exactly_what_it_found_when_it_is_told_to() {
    let scenario = every_layout("rverify", 60, 2_000).await;
    corrupt(&scenario).await;
    let found = scenario.verify(4).await;
    let differences = ["missing", "extra", "different"].map(|name| number(&found, name)).iter().sum::<u64>();
    // without --yes it says what it would do, and does nothing
    let plan = scenario.run(&["verify", "--repair", "--json"]).await.expect_code(4);
    let plans: Vec<Json> =
        plan.out.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(plans.len(), 2, "{}", plan.out);
    let sum = |name: &str| {
        plans[1]["targets"].as_array().expect("targets").iter().map(|t| number(t, name)).sum::<u64>()
    };
    assert_eq!(sum("written") + sum("deleted"), differences, "{}", plan.out);
    assert_eq!(scenario.verify(4).await["targets"], found["targets"], "nothing was touched");
    let ended = scenario.run(&["verify", "--full", "--repair", "--yes"]).await.expect_code(0);
    println!("{}", ended.out);
    assert!(ended.out.contains("NOT equal: ") && ended.out.contains("\nequal: "), "{}", ended.out);
    let log = touched(&scenario);
    assert_eq!(log["written"] + log["deleted"], differences, "{log:?}");
    scenario.compare().await;
    let again = scenario.run(&["verify", "--repair", "--yes"]).await.expect_code(0);
    assert!(!again.out.contains("recopy"), "there is nothing to repair: {}", again.out);
    assert_eq!(touched(&scenario), log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recopy_that_is_killed_under_writes_is_done_by_the_next_one() {
    let scenario = every_layout("rkill", 120, 5_000).await;
    let application = scenario.application(2).await;
    let mut in_the_middle = 0;
    for kill in 0..4 {
        corrupt(&scenario).await;
        let before = touched(&scenario).values().sum::<u64>();
        let mut recopy = scenario.start(&["recopy", "rkill", "--yes"]);
        // each time a little further: once it has touched so much more
        let enough = before + 1 + kill * 12;
        while touched(&scenario).values().sum::<u64>() < enough && !recopy.has_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        in_the_middle += u32::from(recopy.kill().code.is_none());
        println!("kill {kill}: {:?}", touched(&scenario));
    }
    assert!(in_the_middle >= 2, "{in_the_middle} kills came in the middle");
    let ended = scenario.start(&["recopy", "rkill", "--yes"]).ended_within(LIMIT).await.expect_code(0);
    println!("{}", ended.out);
    assert!(application.stop().await > 50, "the application hardly worked");
    scenario.catch_up().await;
    assert!(scenario.compare().await > 3_000);
    scenario.verify(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_table_was_lost_is_parked_and_comes_back_by_a_recopy() {
    let mut scenario = every_layout("rparked", 60, 2_000).await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    let is_parked = |status: &Json| {
        let life = status["targets"][1]["life_cycle"].as_str().unwrap_or_default();
        life.starts_with("parked")
    };
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    scenario.hbase().await.drop_table(&scenario.table(1)).await.expect("the table can be dropped");
    scenario.until_status("one target to be parked", is_parked).await;
    run.interrupted().await;
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let one = scenario.run(&["recopy", "rparked", "3", "--yes"]).await.expect_code(0);
    assert!(!one.out.contains(&scenario.table(1)), "a parked target has not all lists: {}", one.out);
    let ended = scenario.start(&["recopy", "rparked", "--yes"]).ended_within(LIMIT).await.expect_code(0);
    println!("{}", ended.out);
    assert!(ended.out.contains("no longer parked"), "{}", ended.out);
    scenario.until_status("no target to be parked", |status| !is_parked(status)).await;
    scenario.verify(0).await;
    application.stop().await;
    assert!(scenario.comes_to_rest(run).await > 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_copied_again_is_refused() {
    let scenario = Scenario::new("rrefused", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    scenario.run(&["recopy", "nobody"]).await.expect_code(2).says(&["is not a mapping"]);
    scenario.run(&["recopy", "lists", "x"]).await.expect_code(2).says(&["takes a whole number"]);
    scenario.run(&["recopy", "lists"]).await.expect_code(3).says(&["no run has copied rows with this state"]);
    scenario.run(&["run", "--only", "1", "--until", "caught-up"]).await.expect_code(0);
    // a pilot's lists can be: they are all that takes part
    scenario.run(&["recopy", "lists"]).await.expect_code(0);
    scenario.run(&["recopy", "lists", "2"]).await.expect_code(3).says(&["not in the pilot"]);
}
