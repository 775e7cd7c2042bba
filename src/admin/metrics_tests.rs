use super::*;
use crate::status::{
    Answers, Awaited, ContinuousStatus, FindingShown, Lag, LagWindow, LastWalk, LeaseTotals, Mark,
    PositionStatus, Positions, Retries, TailTotals, TargetStatus, ThrottleStatus, VerifyStatus, Wait,
    WalkShown, Who,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");

#[test]
fn a_status_becomes_open_metrics_text() {
    let target = TargetStatus {
        mapping: "m".to_owned(),
        table: "t".to_owned(),
        family: "f".to_owned(),
        life_cycle: "parked (the table was altered)".to_owned(),
        chunks_done: 3,
        rows_copied: 42,
        ..TargetStatus::default()
    };
    let status = Status {
        lag: Lag { seconds: Some(1.5), ..Lag::default() },
        at_ms: 9_500,
        waiting: vec![
            Wait::new(Who::Tail, Awaited::many(Kind::ListsElsewhere, 3), 2_000),
            Wait::new(Who::Backfill, Awaited::many(Kind::ListsElsewhere, 1), 9_000),
        ],
        tail: TailTotals { deletes: 7, ..TailTotals::default() },
        targets: vec![target],
        ..Status::default()
    };
    let text = render(&status, Format::OpenMetrics);
    for line in [
        "tailfill_lag_seconds 1.5",
        "tailfill_waits{kind=\"lists_elsewhere\"} 4.0",
        "tailfill_wait_seconds{kind=\"lists_elsewhere\"} 7.5",
        "tailfill_waits{kind=\"lists_unwritten\"} 0.0",
        "tailfill_warnings{kind=\"hbase_clock\"} 0.0",
        "tailfill_changes_total{kind=\"delete\"} 7",
        "tailfill_run_phase{phase=\"starting\"} 1.0",
        "tailfill_run_phase{phase=\"tailing\"} 0.0",
        "tailfill_target_rows_copied_total{mapping=\"m\",table=\"t\",family=\"f\"} 42",
        "tailfill_target_chunks{mapping=\"m\",table=\"t\",family=\"f\",chunks=\"done\"} 3.0",
        "tailfill_target_life_cycle{mapping=\"m\",table=\"t\",family=\"f\",state=\"parked\"} 1.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("\ntailfill_lag_bytes"), "a lag that is not known is absent\n{text}");
    assert!(text.ends_with("# EOF\n"));
}

/// A status in which nothing is absent.
pub fn full() -> Status {
    let window = LagWindow { transactions: 7, p50_ms: 1.0, p99_ms: 2.0 };
    let answers = Some(Answers { answers: true, since_ms: 1 });
    let place = PositionStatus { offset: 7, ..PositionStatus::default() };
    let positions = Positions {
        received: place.clone(),
        sealed: place.clone(),
        written: place.clone(),
        checkpointed: place,
    };
    let target = TargetStatus { life_cycle: "new".to_owned(), ..TargetStatus::default() };
    let continuous = ContinuousStatus {
        newest: vec![FindingShown::default()],
        walk: Some(WalkShown::default()),
        last_walk: Some(LastWalk::default()),
        ..ContinuousStatus::default()
    };
    Status {
        purge_in_seconds: Some(7),
        state_file_bytes: Some(1 << 20),
        throttle: ThrottleStatus { rows_per_second: Some(7.0), ..ThrottleStatus::default() },
        lag: Lag {
            seconds: Some(1.0),
            bytes: Some(1),
            last_minute: window,
            last_ten_minutes: window,
            ..Lag::default()
        },
        source: answers,
        hbase: answers,
        mark: Some(Mark::default()),
        positions,
        leases: LeaseTotals::default(),
        retries: Retries::default(),
        targets: vec![target],
        verify: VerifyStatus { continuous: Some(continuous) },
        ..Status::default()
    }
}

/// The page that the names make.
fn page() -> String {
    let text = render(&full(), Format::Text);
    let (mut help, mut kinds, mut labels) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, words] => _ = help.insert(name, words.trim_end_matches('.')),
            ["#", "TYPE", name, kind] => _ = kinds.insert(name, kind),
            _ => {
                let name = line.split(['{', ' ']).next().expect("a name");
                let inside = line
                    .split_once('{')
                    .and_then(|(_, rest)| rest.split_once('}'))
                    .map_or("", |(inside, _)| inside);
                let of = inside.split("\",").filter_map(|label| label.split_once('='));
                labels.entry(name).or_default().extend(of.map(|(label, _)| label));
            }
        }
    }
    assert_eq!(help.keys().collect::<Vec<_>>(), kinds.keys().collect::<Vec<_>>());
    let mut page = String::from(
        "# Metrics\n\n`GET /metrics` of a run answers in Prometheus' text format, and in OpenMetrics for those who accept it. \
         A value that is\nnot known is absent. Counters count since the start of the process. A test makes this page from the \
         names in the program.\n\n`config/grafana.json` is a dashboard of them, and `config/alerts.yaml` has rules.\n\n\
         | metric | type | labels | what it says |\n|---|---|---|---|\n",
    );
    for (name, help) in help {
        let labels: Vec<String> = labels[name].iter().map(|label| format!("`{label}`")).collect();
        _ = writeln!(page, "| `{name}` | {} | {} | {help} |", kinds[name], labels.join(", "));
    }
    page
}

/// With `TAILFILL_WRITE_PAGES` set, writes it.
#[test]
fn the_page_of_metrics_is_what_the_names_make() {
    if std::env::var_os("TAILFILL_WRITE_PAGES").is_some() {
        std::fs::write(PAGE, page()).expect("it can be written");
    }
    let there = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        there == page(),
        "docs/metrics.md is not what src/admin/metrics.rs makes: run this with TAILFILL_WRITE_PAGES=1"
    );
}

#[test]
fn text_names_a_counter_with_its_total() {
    let text = render(&full(), Format::Text);
    for line in [
        "# TYPE tailfill_changes_total counter",
        "# HELP tailfill_changes_total Row changes tailed.",
        "# TYPE tailfill_lag_seconds gauge",
        "# TYPE tailfill_commit_to_written_seconds summary",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("# EOF"));
}
