//! Counted rows: copied under writes, killed while they are counted, run to the end. Then every row says what MySQL counts.

use crate::support::lists::{Cells, Form, Lists};
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use serde_json::Value as Json;
use std::time::Duration;

const DAY: u64 = 24 * 3_600 * 1_000_000;

/// What a copy under writes may take on a busy machine, and the wait for an earlier process's leases.
const LIMIT: Duration = Duration::from_secs(600);

/// The state of the counts of each target, and rows that were walked over, in the order of the configuration.
fn counts(status: &Json) -> Vec<(String, u64)> {
    let of = |target: &Json| {
        let counts = &target["counts"];
        (counts["state"].as_str().unwrap_or_default().to_owned(), counts["rows_walked"].as_u64().unwrap_or(0))
    };
    status["targets"].as_array().expect("status has targets").iter().map(of).collect()
}

fn is(status: &Json, target: usize, state: &str) -> bool {
    counts(status)[target].0 == state
}

async fn three_ways(test: &str, lists: u64, rows: u64) -> Scenario {
    let followers = Lists {
        name: "followers",
        shape: &FOLLOWS,
        targets: vec![
            Form::wide("days", Cells::Msgpack).segmented("\"1d\"", DAY).salted(16).counted(),
            Form::wide("all", Cells::Column("note")).salted(4).counted(),
            Form::tall("plain"),
        ],
    };
    let scenario = Scenario::new(test, &FOLLOWS).await.moving(vec![followers]).await;
    scenario.fill(lists, rows).await
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_exact_after_kills_in_the_middle_of_counting() {
    let mut scenario = three_ways("counts", 1_500, 8_000).await;
    scenario.settings.batch_rows = 50;
    scenario.init().await;
    let application = scenario.application(2).await;
    let mut interrupted = 0;
    for kill in 0..3 {
        let run = scenario.start(&["run"]);
        // each time a little further: in the middle of the first walk, of a later one, of the second target's
        let target = usize::from(kill == 2);
        let under_way = |status: &Json| {
            let (state, walked) = &counts(status)[target];
            (state == "counting" && *walked > 0) || state == "counted"
        };
        let status = scenario.until_status_within(LIMIT, "rows to be counted", under_way).await;
        run.kill();
        interrupted += u32::from(is(&status, target, "counting"));
        println!("kill {kill}: {:?}", counts(&status));
    }
    assert!(interrupted > 0, "no kill came while rows were counted");
    let caught_up = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(0);
    let status = scenario.status().await.expect("there is a state");
    assert!(is(&status, 0, "counted") && is(&status, 1, "counted") && is(&status, 2, ""), "{status}");
    scenario.catch_up().await;
    let transactions = application.stop().await;
    println!("{transactions} transactions; {}", caught_up.out.trim());
    assert!(transactions > 50, "the application hardly worked");
    scenario.catch_up().await;
    assert!(scenario.compare().await > 4_000);
    // by another way: the program's own answer
    for list in [0, 1, 40] {
        let answer =
            scenario.run(&["get", "followers", &list.to_string(), "--count", "--from", "both"]).await;
        answer.expect_code(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_stay_exact_while_changes_are_replayed_after_kills() {
    let mut scenario = three_ways("counts_tail", 60, 1_500).await;
    scenario.settings.batch_rows = 20;
    scenario.init().await;
    let copied = scenario.catch_up().await;
    assert!(copied.out.contains("rows counted"), "{}", copied.out);
    let before = scenario.ask("SELECT @@gtid_executed").await.replace('\n', "");
    let application = scenario.application(3).await;
    for _ in 0..5 {
        let run = scenario.start(&["run"]);
        let tailed = |status: &Json| status["tail"]["deletes"].as_u64() > Some(15);
        scenario.until_status_within(LIMIT, "changes to be tailed", tailed).await;
        run.kill();
    }
    application.stop().await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 500);
    // everything again, with new ticks
    let again = ["run", "--from", &before, "--until", "caught-up"];
    scenario.run(&again).await.expect_code(0);
    assert!(scenario.compare().await > 500);
}
