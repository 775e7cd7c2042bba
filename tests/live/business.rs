//! `verify --business` on real servers: what the application would get from both sides.

use super::verify::{copied_as, plant, rows};
use crate::support::scenario::Scenario;
use crate::support::shape::{FOLLOWS, LABELS, Shape};
use serde_json::Value as Json;
use tailfill::model::TargetId;

const ORDERED: TargetId = TargetId(0);
const MEMBERS: TargetId = TargetId(1);

/// What the application asks.
const QUERIES: &str = r#"
[[mapping.query]]
name = "newest"
kind = "latest"
limit = 50
[[mapping.query]]
name = "oldest"
kind = "first"
limit = 7
[[mapping.query]]
name = "pages"
kind = "page"
limit = 20
[[mapping.query]]
name = "follows"
kind = "has"
[[mapping.query]]
name = "size"
kind = "count"
"#;

async fn copied(test: &str, shape: &'static Shape, lists: u64, rows: u64) -> Scenario {
    copied_as(test, shape, (lists, rows), |settings| settings.mapping = QUERIES).await
}

pub async fn business(scenario: &Scenario, code: i32, options: &[&str]) -> Json {
    let all: Vec<&str> = ["verify", "--business", "--json"].iter().chain(options).copied().collect();
    let ended = scenario.run(&all).await.expect_code(code);
    println!("{}", ended.out);
    let first = ended.out.lines().next().expect("a report");
    serde_json::from_str(first).expect("--json is JSON")
}

pub fn different(report: &Json) -> Vec<&str> {
    let queries = report["mappings"][0]["queries"].as_array().expect("queries");
    let wrong = queries.iter().filter(|query| query["different"].as_u64() > Some(0));
    wrong.map(|query| query["query"].as_str().expect("a name")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_copied_answers_alike_whatever_the_keys() {
    for (test, shape) in [("bfollows", &FOLLOWS), ("blabels", &LABELS)] {
        let scenario = copied(test, shape, 40, 2_000).await;
        let report = business(&scenario, 0, &[]).await;
        let random = &report["mappings"][0]["random"];
        assert_eq!((&report["equal"], &random["is_all"]), (&Json::Bool(true), &Json::Bool(true)), "{report}");
        // fewer lists than there are: a bound, and the way to six nines
        let report = business(&scenario, 0, &["--lists", "10"]).await;
        let random = &report["mappings"][0]["random"];
        assert_eq!((random["compared"].as_u64(), random["confirmed"].as_u64()), (Some(10), Some(0)));
        assert_eq!(random["missing_for_six_nines"], 2_995_721, "{report}");
        let text = scenario.run(&["verify", "--business"]).await.expect_code(0).out;
        assert!(text.contains("\nequal: "), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_too_many_changes_the_answers_that_show_it_and_a_repair_mends_them() {
    let mut scenario = copied("bextra", &FOLLOWS, 20, 400).await;
    // what no binlog tells stays in HBase
    for statement in
        ["SET sql_log_bin = 0", "DELETE FROM follows ORDER BY created_at DESC LIMIT 1", "SET sql_log_bin = 1"]
    {
        scenario.sql(statement).await;
    }
    let report = business(&scenario, 4, &[]).await;
    let found = different(&report);
    assert!(found.contains(&"newest") && found.contains(&"size"), "{found:?}");
    let random = &report["mappings"][0]["random"];
    assert_eq!((random["confirmed"].as_u64(), random["is_all"].as_bool()), (Some(1), Some(true)), "{report}");
    let finding = &report["mappings"][0]["findings"][0];
    assert!(finding["what"].as_str().is_some_and(|what| what.contains("HBase has")), "{finding}");
    business(&scenario, 4, &["--repair"]).await;
    business(&scenario, 0, &["--repair", "--yes"]).await;
    business(&scenario, 0, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_that_answers_a_query_is_the_one_that_is_asked() {
    let scenario = copied("bmembers", &FOLLOWS, 20, 400).await;
    for row in rows(&scenario, MEMBERS).await {
        plant(&scenario, MEMBERS, &row.row, &[]).await;
    }
    assert_eq!(different(&business(&scenario, 4, &[]).await), ["follows"]);
}

/// Beside whoever writes nothing is found, in more than so many answers each time.
pub async fn agrees_again_and_again(scenario: &Scenario, more_than: u64) {
    for _ in 0..3 {
        let report = business(scenario, 0, &[]).await;
        assert_eq!((&report["judged"], report["different"].as_u64()), (&Json::Bool(true), Some(0)));
        assert!(report["answers"].as_u64() > Some(more_than), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compared_while_the_application_writes() {
    let scenario = copied("blive", &FOLLOWS, 100, 5_000).await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let application = scenario.application(4).await;
    agrees_again_and_again(&scenario, 400).await;
    let victim = rows(&scenario, ORDERED).await.swap_remove(0).row;
    plant(&scenario, ORDERED, &victim, &[("note", "x")]).await;
    let report = business(&scenario, 4, &[]).await;
    assert_eq!(report["mappings"][0]["random"]["confirmed"], 1, "{report}");
    assert!(application.stop().await > 50, "the application hardly worked");
    run.interrupted().await;
}
