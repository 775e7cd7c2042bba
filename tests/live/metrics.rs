//! What Prometheus and Grafana make of a run: promtool reads its metrics, the alert rules and the dashboard, and each metric that
//! these name is one that a run has.

use crate::support::browser::onlooker;
use crate::support::mysql::mysql_port;
use crate::support::scenario::{Scenario, copied};
use crate::support::shape::FOLLOWS;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ALERTS: &str = include_str!("../../config/alerts.yaml");
const DASHBOARD: &str = include_str!("../../config/grafana.json");
const METRICS: &str = include_str!("../../docs/metrics.md");
const WHAT_IF: &str = include_str!("../../docs/what-if.md");

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// promtool with these words and this text; it has to find nothing wrong.
fn promtool(words: &[&str], text: &str) {
    let tool = onlooker("TAILFILL_PROMTOOL");
    let mut tool = tool.split(' ');
    let mut child = Command::new(tool.next().expect("a program"))
        .args(tool)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool can be started");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("promtool reads");
    let ended = child.wait_with_output().expect("it ends");
    let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(ended.status.success() && !said.contains("error"), "promtool {words:?}: {said}");
}

/// The metrics that docs/metrics.md lists; a test there holds the page to the program.
fn known() -> BTreeSet<String> {
    let rows = METRICS.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

/// The metrics of ours that an expression names.
fn named(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tailfill_")).map(str::to_owned).collect()
}

/// The values of a key in the rules.
fn values(key: &str) -> Vec<&'static str> {
    let key = format!("{key}: ");
    ALERTS
        .lines()
        .filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix(key.as_str()))
        .collect()
}

/// The expressions of the dashboard, with what Grafana puts in the place of its variables.
fn panels() -> Vec<String> {
    let dashboard: Json = serde_json::from_str(DASHBOARD).expect("config/grafana.json is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels").clone();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("a panel has targets"));
    let text = |target: &Json| target["expr"].as_str().expect("an expression").to_owned();
    targets.map(|target| text(target).replace("$__rate_interval", "1m").replace("$instance", ".*")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong_with_the_metrics_of_a_run() {
    let scenario = Scenario::on(mysql_port(), "metrics", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the copy to end", copied).await;
    let address = std::fs::read_to_string(scenario.dir().join("state/admin.addr")).expect("a run is up");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = http.get(format!("http://{}/metrics", address.trim())).send().await.expect("an answer");
    let text = answer.text().await.expect("a text");
    assert!(text.contains("tailfill_target_rows_copied_total{"), "{text}");
    promtool(&["check", "metrics"], &text);
    let declared = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unknown: Vec<&str> = declared.filter(|name| !known().contains(*name)).collect();
    assert!(unknown.is_empty(), "docs/metrics.md lacks {unknown:?}");
    run.interrupted().await;
}

#[test]
fn promtool_takes_the_alert_rules_and_their_tests() {
    let rules = root().join("config/alerts.yaml");
    promtool(&["check", "rules", &rules.display().to_string()], "");
    let tests = root().join("tests/cases/alerts/test.yaml");
    promtool(&["test", "rules", &tests.display().to_string()], "");
    let tested = std::fs::read_to_string(tests).expect("readable");
    for alert in values("alert") {
        assert_eq!(tested.matches(&format!("alertname: {alert}")).count().min(2), 2, "{alert} has no test");
    }
}

#[test]
fn each_alert_names_the_section_that_answers_it() {
    let headings = WHAT_IF.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: BTreeSet<String> =
        headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let (alerts, answers) = (values("alert"), values("answer"));
    assert_eq!(alerts.len(), answers.len(), "one each");
    for (alert, answer) in alerts.iter().zip(answers) {
        let anchor = answer.strip_prefix("docs/what-if.md#").expect("a section of what-if.md");
        assert!(anchors.contains(anchor), "{alert}: docs/what-if.md has no section #{anchor}");
    }
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_a_run_has() {
    let known = known();
    let expressions = values("expr").into_iter().map(str::to_owned).chain(panels());
    for expression in expressions {
        let unknown: Vec<String> =
            named(&expression).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{expression}: no run has {unknown:?}");
    }
}

#[test]
fn promtool_takes_each_expression_of_the_dashboard() {
    let rules: Vec<Json> = panels()
        .into_iter()
        .enumerate()
        .map(|(number, expr)| serde_json::json!({ "record": format!("panel:{number}"), "expr": expr }))
        .collect();
    assert!(rules.len() > 10);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path: &Path = &dir.path().join("rules.yaml");
    // JSON is YAML
    let rules = serde_json::json!({ "groups": [{ "name": "panels", "rules": rules }] });
    std::fs::write(path, rules.to_string()).expect("it can be written");
    promtool(&["check", "rules", &path.display().to_string()], "");
}
