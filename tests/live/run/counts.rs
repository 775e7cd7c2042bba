//! Counted targets: exact after a copy under writes, kills in the middle of the count pass, and a restart.

use crate::support::lists::{Cells, Form, Lists};
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use serde_json::Value as Json;
use std::time::Duration;

const HOUR: u64 = 3_600 * 1_000_000;
const COUNT_LIMIT: Duration = Duration::from_secs(140);

/// Whether a target has reached this state of its counts.
fn counts_are(state: &'static str) -> impl Fn(&Json) -> bool {
    move |status| {
        let targets = status["targets"].as_array().expect("status has targets");
        targets.iter().any(|target| target["counts"] == state)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_those_of_mysql_after_kills_in_the_middle_of_the_count_pass() {
    let hours = Form::wide("hours", Cells::Msgpack).segmented("\"1h\"", HOUR).counted();
    let targets = vec![hours, Form::wide("whole", Cells::Json).counted()];
    let lists = Lists { name: "lists", shape: &FOLLOWS, targets };
    let mut scenario =
        Scenario::new("counts", &FOLLOWS).await.moving(vec![lists]).await.fill(200, 6_000).await;
    scenario.settings.batch_rows = 50;
    scenario.init().await;
    let application = scenario.application(2).await;
    for kill in 1..=2 {
        let run = scenario.start(&["run"]);
        let status =
            scenario.until_status_within(COUNT_LIMIT, "rows to be counted", counts_are("counting")).await;
        run.kill();
        println!("kill {kill}: {}", status["targets"]);
    }
    scenario.catch_up().await;
    let status = scenario.status().await.expect("the run made a state");
    assert!(!counts_are("counting")(&status) && !counts_are("uncounted")(&status), "{status}");
    // changes of counted rows: items move between segments, come and go
    let run = scenario.start(&["run"]);
    let deleted = |status: &Json| status["tail"]["deletes"].as_u64() >= Some(20);
    scenario.until_status("changes to be tailed", deleted).await;
    run.kill();
    println!("{} transactions", application.stop().await);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 3_000, "items and counts are equal");
}
