//! The history of verdicts, as an operator reads it: kept by a live run and by a stopped state, over restarts.

use super::page::{is_well_made, picture};
use crate::live::verify::copied_as;
use crate::support::browser::Browser;
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use serde_json::Value as Json;

const QUERY: &str = "[[mapping.query]]\nname = \"newest\"\nkind = \"latest\"\nlimit = 20\n";

async fn history(scenario: &Scenario, options: &[&str]) -> String {
    let all: Vec<&str> = ["verify", "history"].iter().chain(options).copied().collect();
    let ended = scenario.run(&all).await.expect_code(0);
    println!("{}", ended.out);
    ended.out
}

async fn verdicts(scenario: &Scenario) -> Vec<Json> {
    let lines = history(scenario, &["--json"]).await;
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn until_life(scenario: &Scenario, state: &str) {
    let is_so = |status: &Json| {
        let targets = status["targets"].as_array().expect("status has targets");
        !targets.is_empty() && targets.iter().all(|target| target["life_cycle"] == state)
    };
    scenario.until_status(&format!("all targets to be {state}"), is_so).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_beside_a_live_run_is_kept_by_it_and_read_again_over_restarts() {
    let mut scenario =
        copied_as("verdicts", &FOLLOWS, (40, 2_000), |settings| settings.mapping = QUERY).await;
    assert_eq!(history(&scenario, &[]).await, "", "nothing was compared yet");
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let application = scenario.application(2).await;
    scenario.verify(0).await;
    until_life(&scenario, "verified").await;
    scenario.run(&["verify", "--business", "--lists", "10"]).await.expect_code(0);
    let found = verdicts(&scenario).await;
    let [full, business] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&full["mode"], &full["scope"]), (&"full".into(), &"all".into()));
    assert_eq!(
        (&full["judged"], &full["equal"], &full["confirmed"]),
        (&true.into(), &true.into(), &0.into())
    );
    let share = &full["targets"][0]["share"];
    assert_eq!((&share["is_all"], share["bound"].as_f64()), (&true.into(), Some(0.0)), "{full}");
    assert!(full["position"]["file"].as_str() > Some("") && full["seconds"].as_f64() > Some(0.0), "{full}");
    assert_eq!((&business["mode"], &business["equal"]), (&"business".into(), &true.into()));
    let mapping = &business["mappings"][0];
    assert_eq!(mapping["random"]["missing_for_six_nines"], 2_995_721, "{business}");
    assert!(mapping["queries"][0]["hbase_p99_ms"].as_f64() > Some(0.0), "{business}");

    // a run that was killed has kept them, and the next one goes on with the history
    run.kill();
    assert_eq!(verdicts(&scenario).await, found);
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    application.stop().await;
    // what no binlog tells stays in HBase
    for statement in ["SET sql_log_bin = 0", "DELETE FROM follows LIMIT 1", "SET sql_log_bin = 1"] {
        scenario.sql(statement).await;
    }
    scenario.verify(4).await;
    until_life(&scenario, "caught_up").await;
    let [.., different] = &verdicts(&scenario).await[..] else { panic!("none") };
    assert_eq!((&different["equal"], &different["confirmed"]), (&false.into(), &2.into()), "{different}");
    let finding = &different["findings"][0];
    assert!(finding["key"].as_str().is_some_and(|key| key.contains("followee_id=")), "{finding}");
    assert!(finding["what"].as_str().is_some_and(|what| what.starts_with("extra")), "{finding}");
    scenario.run(&["verify", "--repair", "--yes"]).await.expect_code(0);
    run.interrupted().await;

    // and where no run has the state, the command keeps them
    scenario.verify(0).await;
    let all = verdicts(&scenario).await;
    let equal: Vec<bool> = all.iter().filter_map(|verdict| verdict["equal"].as_bool()).collect();
    assert_eq!(equal, [true, true, false, false, true, true]);
    let repaired: Vec<bool> = all.iter().filter_map(|verdict| verdict["repaired"].as_bool()).collect();
    assert_eq!(repaired, [false, false, false, false, true, false]);
    let text = history(&scenario, &["--limit", "2"]).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains("; after a repair") && lines[1].contains(" full      equal "), "{text}");
    assert_eq!(history(&scenario, &["--since", "2099-01-01T00:00:00Z"]).await, "");
    scenario.run(&["verify", "history", "--since", "yesterday"]).await.expect_code(2).says(&["--since"]);
    let events = std::fs::read_to_string(scenario.dir().join("state/events.jsonl")).expect("an event log");
    assert_eq!(events.lines().filter(|line| line.contains("\"event\":\"verdict\"")).count(), 6, "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_one_file_that_reads_well_on_every_screen_and_on_paper() {
    let mut scenario = copied_as("report", &FOLLOWS, (60, 3_000), |settings| settings.mapping = QUERY).await;
    let path = scenario.dir().join("report.html");
    let file = path.to_str().expect("a path");
    scenario
        .run(&["verify", "--report", "/nowhere/report.html"])
        .await
        .expect_code(1)
        .says(&["cannot be written"]);
    assert!(verdicts(&scenario).await.is_empty(), "it fails before the work");
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    for options in [&["--business"][..], &["--business", "--lists", "30"], &["--sample", "500"]] {
        scenario.run(&[&["verify"], options].concat()).await.expect_code(0);
    }
    for statement in ["SET sql_log_bin = 0", "DELETE FROM follows LIMIT 3", "SET sql_log_bin = 1"] {
        scenario.sql(statement).await;
    }
    let ended = scenario.run(&["verify", "--report", file]).await.expect_code(4);
    assert!(ended.err.contains("the report is in "), "{}", ended.err);
    let browser = Browser::at(format!("file://{file}")).await;
    for words in
        ["Verification", "NOT equal", "exact: 3 of ", "six nines", "followee_id=", "Share that differs"]
    {
        browser.shows(words).await;
    }
    for (width, scheme) in [(360, "light"), (1_200, "light"), (1_200, "dark"), (360, "dark")] {
        is_well_made(&browser, width, scheme).await;
    }
    picture(&browser, "report-light.png", (1_100, 1_000), "light").await;
    picture(&browser, "report-dark.png", (1_100, 1_000), "dark").await;
    assert_eq!(browser.asked().await, [format!("file://{file}")], "it asks for nothing else");
    scenario.run(&["verify", "--repair", "--yes", "--report", file]).await.expect_code(0);
    browser.load().await;
    browser.shows("after a repair").await;
    run.interrupted().await;
    // also of a stopped state, and of some verdicts alone
    scenario.run(&["verify", "history", "--limit", "1", "--report", file]).await.expect_code(0);
    browser.load().await;
    browser.shows("1 comparison, at ").await;
}
