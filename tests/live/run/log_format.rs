//! The log of a run as JSON: every line of standard error is one object, also the failure at the end.

use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::Tailfill;
use serde_json::Value as Json;

fn events(err: &str) -> Vec<Json> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    err.lines().map(parse).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_run_that_logs_json_is_an_event() {
    let scenario = Scenario::new("logjson", &FOLLOWS).await.fill(20, 200).await;
    scenario.init().await;
    let arguments = ["run", "--until", "caught-up", "--log-format", "json"];
    let events = events(&scenario.run(&arguments).await.expect_code(0).err);
    assert!(!events.is_empty());
    for event in events {
        let texts = ["timestamp", "level", "target", "message"];
        assert!(texts.iter().all(|name| event[name].is_string()), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_an_event_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing.toml");
    let start = |name, arguments: &[&str]| Tailfill::start(folder.path(), name, &missing, arguments, &[]);
    let ended = start("json", &["run", "--log-format", "json"]).ended().await.expect_code(2);
    let [event] = &events(&ended.err)[..] else { panic!("one event: {}", ended.err) };
    assert_eq!((&event["level"], &event["exit_code"]), (&Json::from("ERROR"), &Json::from(2)), "{event}");
    assert!(event["message"].as_str().is_some_and(|text| text.contains("missing.toml")), "{event}");
    assert!(event["help"].as_str().is_some_and(|text| text.contains("-c FILE")), "{event}");
    let ended = start("text", &["run"]).ended().await.expect_code(2);
    assert!(ended.err.starts_with("error: ") && ended.err.contains("\nhelp: "), "{}", ended.err);
}
