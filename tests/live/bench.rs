//! `scripts/bench` in its short form: every case works. Nothing here looks at how fast anything is.

use crate::support::mysql;
use mysql_async::prelude::Queryable;
use serde_json::Value as Json;
use std::process::{Command, Stdio};

const CASES: [&str; 16] = [
    "decode",
    "decode-encoded",
    "snapshot",
    "snapshot-encoded",
    "gateway-ordered",
    "gateway",
    "tail",
    "backfill",
    "lease",
    "journal",
    "idle",
    "lag",
    "both",
    "both-all-workers",
    "restart",
    "huge",
];
/// Cases that are numbers of rows, and those of them that write to a new HBase table.
const RATES: [&str; 11] = [
    "decode",
    "decode-encoded",
    "snapshot",
    "snapshot-encoded",
    "gateway",
    "gateway-ordered",
    "tail",
    "backfill",
    "both",
    "both-all-workers",
    "huge",
];
const INTO_NEW_TABLES: [&str; 7] =
    ["gateway", "gateway-ordered", "tail", "backfill", "both", "both-all-workers", "huge"];

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_the_bench_brings_its_figures_and_cleans_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (json, prefix) = (dir.path().join("bench.json"), format!("bench_{:08x}", rand::random::<u32>()));
    let mut bench = Command::new(env!("CARGO_BIN_EXE_tailfill-bench"));
    bench
        .args(["--short", "--prefix", &prefix, "--json"])
        .arg(&json)
        .arg("--work")
        .arg(dir.path().join("work"));
    bench.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || bench.output()).await.expect("it does not panic");
    let output = output.expect("the bench can be started");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    println!("{out}");

    let text = std::fs::read_to_string(&json).expect("it has written its results");
    let document: Json = serde_json::from_str(&text).expect("the results are JSON");
    assert!(document["header"]["hbase"].as_str().is_some_and(|hbase| hbase.contains("heap")), "{document}");
    let mut names: Vec<&str> =
        document["cases"].as_array().expect("cases").iter().map(|case| text_of(case, "case")).collect();
    for case in CASES {
        check(find(&document, case), case);
    }
    names.sort_unstable();
    let mut wanted = CASES;
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    assert!(document["marks"].as_array().is_some_and(|marks| marks.len() > 10), "{}", document["marks"]);

    let mut conn = mysql::connect(mysql::mysql_port(), None).await;
    let left: Option<String> =
        conn.query_first(format!("SHOW DATABASES LIKE '{prefix}'")).await.expect("MySQL is up");
    assert_eq!(left, None);
}

#[test]
fn a_case_that_does_not_exist_is_refused_with_the_list() {
    let output = Command::new(env!("CARGO_BIN_EXE_tailfill-bench")).arg("nosuch").output();
    let output = output.expect("the bench can be started");
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("gateway-ordered") && err.contains("restart"), "{err}");
}

fn check(report: &Json, case: &str) {
    let number = |pointer: &str| {
        let found = report.pointer(pointer).and_then(Json::as_f64);
        found.unwrap_or_else(|| panic!("{case} has no {pointer}: {report}"))
    };
    assert!(number("/rounds") >= 1.0, "{report}");
    assert!(number("/cores_of_others") >= 0.0, "{report}");
    if RATES.contains(&case) {
        let (median, min, max) = (
            number("/rows_per_second/median"),
            number("/rows_per_second/min"),
            number("/rows_per_second/max"),
        );
        assert!(0.0 < min && min <= median && median <= max, "{report}");
        assert!(number("/rows") > 0.0 && number("/cpu_seconds_per_million_rows/total") >= 0.0, "{report}");
    }
    if INTO_NEW_TABLES.contains(&case) {
        assert!(
            number("/fresh/rows_per_second") > 0.0 && number("/steady/rows_per_second") > 0.0,
            "{report}"
        );
    }
    if report["base"].is_string() {
        assert!(number("/ratio") > 0.0, "{report}");
    }
    match case {
        "tail" | "backfill" => {
            assert_eq!(text_of(report, "base"), "gateway-ordered");
            assert!(number("/ratio_to_gateway") > 0.0, "{report}");
            assert!(number("/peak_memory_mb") > 1.0, "{report}");
        }
        "lag" | "both" | "both-all-workers" => {
            assert!(0.0 < number("/p50_ms") && number("/p50_ms") <= number("/p99_ms"), "{report}");
            assert!(
                number("/more/probes") > 10.0 && number("/more/transactions_per_second") > 1.0,
                "{report}"
            );
        }
        "lease" => {
            assert!(number("/more/pairs_per_second_batch_1000/median") > 1.0, "{report}");
            assert!(
                number("/more/share_of_tail") > 0.0 && number("/more/share_of_backfill") > 0.0,
                "{report}"
            );
        }
        "journal" => {
            assert!(number("/more/commit_ms/median") > 0.0, "{report}");
            assert!(
                number("/more/share_of_tail") > 0.0 && number("/more/share_of_backfill") > 0.0,
                "{report}"
            );
        }
        "restart" => assert!(number("/more/worst_seconds") > 0.0, "{report}"),
        "idle" => assert!(number("/more/cpu_seconds_per_second/median") >= 0.0, "{report}"),
        _ => {}
    }
}

fn find<'a>(document: &'a Json, case: &str) -> &'a Json {
    let cases = document["cases"].as_array().expect("cases");
    cases.iter().find(|report| report["case"] == case).unwrap_or_else(|| panic!("no case {case}"))
}

fn text_of<'a>(report: &'a Json, field: &str) -> &'a str {
    report[field].as_str().unwrap_or_else(|| panic!("no {field}: {report}"))
}
