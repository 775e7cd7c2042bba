//! Every layout and option through the whole cycle: copied under writes, killed while copying, killed while tailing, run
//! to the end; then both sides are equal, by a comparison that reads HBase by docs/formats.md.

use crate::support::lists::{Cells, Form, Lists};
use crate::support::memcached::Held;
use crate::support::scenario::{Scenario, copied};
use crate::support::shape::{ENTRIES, ENTRIES_BY_ID, FOLLOWEES, FOLLOWS, LABELS, STOCK, Shape};
use crate::support::wait::until_so;
use serde_json::Value as Json;
use std::time::Duration;

const HOUR: u64 = 3_600 * 1_000_000;
const DAY: u64 = 24 * HOUR;

/// Deletes that must have come before the first kill while copying, and before that while tailing.
const DELETES: u64 = 20;

const LISTS: u64 = 200;
/// The number of the largest list.
const LARGEST: u64 = LISTS / 2;

/// A copy under writes takes its time on a machine that is busy otherwise.
const COPY_LIMIT: Duration = Duration::from_secs(600);

async fn full_cycle(test: &str, shape: &'static Shape, lists: Vec<Lists>, rows: u64) {
    let mut scenario = Scenario::new(test, shape).await.moving(lists).await.fill(LISTS, rows).await;
    scenario.settings.chunk_rows = 100;
    scenario.settings.batch_rows = 50;
    scenario.init().await;
    let application = scenario.application(2).await;

    // killed in the first target, which cannot be complete while another program holds its largest list
    let held = Held::take(&scenario.lease_server(), &scenario.lease_key(0, LARGEST).await).await;
    let run = scenario.start(&["run"]);
    let status = scenario.until_status("deletes while copying", |status| deleted(status) >= DELETES).await;
    assert!(!copied(&status), "{status}");
    run.kill();
    held.release().await;

    // and in one of the others
    let middle = scenario.targets() / 2;
    let run = scenario.start(&["run"]);
    let under_way = |status: &Json| rows_copied(status)[middle] > 0;
    let status = scenario.until_status_within(COPY_LIMIT, "the copy to be under way", under_way).await;
    run.kill();
    assert!(!copied(&status), "killed too late: {status}");

    // and while tailing
    let run = scenario.start(&["run"]);
    let status = scenario.until_status_within(COPY_LIMIT, "everything to be copied", copied).await;
    let more = |now: &Json| deleted(now) >= deleted(&status) + DELETES;
    scenario.until_status("changes to be tailed", more).await;
    run.kill();

    scenario.catch_up().await;
    println!("{} transactions", application.stop().await);
    scenario.catch_up().await;
    assert!(scenario.compare().await as u64 > rows / 2);
}

/// Changes that deleted something, since the run's start.
fn deleted(status: &Json) -> u64 {
    status["tail"]["deletes"].as_u64().expect("status counts deletes")
}

fn rows_copied(status: &Json) -> Vec<u64> {
    let targets = status["targets"].as_array().expect("status has targets");
    targets.iter().map(|target| target["rows_copied"].as_u64().expect("rows of a target")).collect()
}

/// Two mappings on one table, in both directions of time.
#[tokio::test(flavor = "multi_thread")]
async fn lists_in_order_of_time_end_equal_in_every_layout() {
    let followers = Lists {
        name: "followers",
        shape: &FOLLOWS,
        targets: vec![
            Form::tall("utf8").salted(16),
            Form::wide("days", Cells::Msgpack).segmented("\"1d\"", DAY).salted(16),
            Form::tall("bytes").bytes().salted(1),
            Form::wide("note", Cells::Column("note")).segmented("\"36h\"", 36 * HOUR).salted(256),
        ],
    };
    let followees = Lists {
        name: "followees",
        shape: &FOLLOWEES,
        targets: vec![
            Form::wide("hours", Cells::Json).segmented("\"12h\"", 12 * HOUR),
            Form::tall("alone").packed(Cells::Column("note")),
            Form::tall("has").packed(Cells::Msgpack).columns(&["weight"]).without_order(),
        ],
    };
    full_cycle("time", &FOLLOWS, vec![followers, followees], 1_500).await;
}

/// Two tables, one of them with two mappings, dates before 1970, an unsigned order.
#[tokio::test(flavor = "multi_thread")]
async fn lists_in_order_of_numbers_and_dates_end_equal_in_every_layout() {
    let labels = Lists {
        name: "labels",
        shape: &LABELS,
        targets: vec![
            Form::wide("scores", Cells::Json).segmented("5000", 5_000),
            Form::tall("json").packed(Cells::Json),
            Form::wide("years", Cells::Column("checked")).bytes().without_order().salted(1),
        ],
    };
    let entries = Lists {
        name: "entries",
        shape: &ENTRIES,
        targets: vec![
            Form::wide("months", Cells::Msgpack).segmented("\"30d\"", 30 * DAY),
            Form::tall("data").packed(Cells::Column("data")).bytes(),
        ],
    };
    let by_id = Lists {
        name: "by_id",
        shape: &ENTRIES_BY_ID,
        targets: vec![
            Form::wide("ids", Cells::Json).segmented("300", 300).columns(&["data", "body"]),
            Form::tall("plain").columns(&[]).without_order(),
        ],
    };
    full_cycle("numbers", &LABELS, vec![labels, entries, by_id], 1_500).await;
}

/// Two columns name a list, two an item; every kind of value.
#[tokio::test(flavor = "multi_thread")]
async fn lists_and_items_of_several_columns_end_equal_in_every_layout() {
    let stock = Lists {
        name: "stock",
        shape: &STOCK,
        targets: vec![
            Form::wide("whole", Cells::Msgpack),
            Form::tall("msgpack").packed(Cells::Msgpack).salted(256),
            Form::wide("steps", Cells::Json).segmented("250000", 250_000).salted(16),
            Form::tall("cells").bytes().columns(&["pieces", "price", "sold", "score", "photo", "seq"]),
            Form::wide("sold", Cells::Column("sold")).bytes().salted(1),
            Form::wide("items", Cells::Json).without_order().columns(&["photo", "title", "pieces"]),
        ],
    };
    full_cycle("several", &STOCK, vec![stock], 1_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_joins_is_copied_under_writes_and_the_others_are_not_copied_again() {
    let followers = Lists { name: "lists", shape: &FOLLOWS, targets: vec![Form::tall("first")] };
    let scenario = Scenario::new("joins", &FOLLOWS).await.moving(vec![followers]).await;
    let mut scenario = scenario.fill(LISTS, 3_000).await;
    scenario.settings.chunk_rows = 100;
    scenario.settings.batch_rows = 50;
    scenario.init().await;
    let application = scenario.application(3).await;
    let run = scenario.start(&["run"]);
    scenario.until_status_within(COPY_LIMIT, "everything to be copied", copied).await;
    let before = application.transactions();
    until_so("changes after the copy", async || application.transactions() > before + 50).await;
    run.kill();
    let first = scenario.status().await.expect("init made the state");

    scenario.lists[0].targets.push(Form::wide("second", Cells::Msgpack).segmented("\"1d\"", DAY));
    scenario.init().await;
    let path = scenario.dir().join("summary.json");
    let summary = path.to_str().expect("the test's folder has a plain name");
    // so that the copy cannot be complete before enough was deleted
    let held = Held::take(&scenario.lease_server(), &scenario.lease_key(0, LARGEST).await).await;
    let run = scenario.start(&["run", "--until", "caught-up", "--summary", summary]);
    scenario.until_status("deletes while copying", |status| deleted(status) >= DELETES).await;
    held.release().await;
    let ended = run.ended().await.expect_code(0);
    assert!(!ended.err.contains("replaying"), "the first target was disturbed:\n{}", ended.err);
    let summary = std::fs::read_to_string(&path).expect("the run wrote its summary");
    let summary: Json = serde_json::from_str(&summary).expect("a summary is JSON");
    let second = scenario.status().await.expect("the run made a state");
    assert_eq!(rows_copied(&second)[0], rows_copied(&first)[0], "the first target was copied again");
    assert_eq!(summary["rows_copied"], rows_copied(&second)[1], "{summary}");
    assert!(
        summary["deletes_while_copying"].as_u64() >= Some(DELETES),
        "nothing was put to the test: {summary}"
    );
    application.stop().await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 1_000);
}
