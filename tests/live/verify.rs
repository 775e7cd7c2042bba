//! `verify` and `get` on real servers, as a user sees them.

use crate::support::mysql;
use crate::support::scenario::{Scenario, Settings};
use crate::support::shape::{ENTRIES, FOLLOWS, LABELS, Shape};
use crate::support::tailfill::Ended;
use bytes::Bytes;
use serde_json::Value as Json;
use std::time::{Duration, Instant};
use tailfill::model::{Row, TargetId, Tick, Value};
use tailfill::sink::{PackedRows, ReadRows, RowWrite, ScanRange, StoredRow, WriteRows};
use tailfill::source::{KeyRange, Snapshot, Source, Wanted};

const ORDERED: TargetId = TargetId(0);
const MEMBERS: TargetId = TargetId(1);

/// Filled, copied, and at rest.
async fn copied(test: &str, shape: &'static Shape, lists: u64, rows: u64) -> Scenario {
    copied_as(test, shape, (lists, rows), |_| ()).await
}

/// The same with other settings.
pub async fn copied_as(
    test: &str,
    shape: &'static Shape,
    (lists, rows): (u64, u64),
    set: impl FnOnce(&mut Settings),
) -> Scenario {
    let mut scenario = Scenario::new(test, shape).await.fill(lists, rows).await;
    set(&mut scenario.settings);
    scenario.init().await;
    scenario.catch_up().await;
    scenario
}

fn counts(report: &Json) -> [u64; 3] {
    ["missing", "extra", "different"].map(|name| report[name].as_u64().expect("a number"))
}

pub async fn rows(scenario: &Scenario, target: TargetId) -> Vec<StoredRow> {
    let everything = ScanRange { limit: usize::MAX, ..ScanRange::default() };
    scenario.hbase().await.scan(target, &everything).await.expect("it can be scanned")
}

/// Writes to HBase behind tailfill's back, above every tick.
pub async fn plant(
    scenario: &Scenario,
    target: TargetId,
    row: &Bytes,
    cells: &[(&'static str, &'static str)],
) {
    let tick = Tick(u64::from(u32::MAX) * 1_000);
    let puts = cells.iter().map(|(name, value)| (Bytes::from(*name), Bytes::from(*value))).collect();
    let delete_family = cells.is_empty();
    let write = RowWrite { row: row.clone(), tick, delete_family, puts, delete_columns: vec![] };
    scenario
        .hbase()
        .await
        .write(target, &PackedRows::of(&[write]).writes())
        .await
        .expect("it can be written");
}

fn life_cycles(status: &Json) -> Vec<&str> {
    let targets = status["targets"].as_array().expect("status has targets");
    targets.iter().map(|target| target["life_cycle"].as_str().expect("a text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_copied_is_equal_whatever_the_keys() {
    for (test, shape, lists, rows) in [
        ("vfollows", &FOLLOWS, 100, 5_000),
        ("vlabels", &LABELS, 60, 2_000),
        ("ventries", &ENTRIES, 60, 2_000),
    ] {
        let scenario = copied(test, shape, lists, rows).await;
        let items = scenario.compare().await as u64;
        let report = scenario.verify(0).await;
        assert_eq!((counts(&report), report["items_compared"].as_u64()), ([0; 3], Some(2 * items)));
        assert_eq!(
            life_cycles(&scenario.status().await.expect("there is a state")),
            ["verified", "verified"]
        );
        let text = scenario.run(&["verify"]).await.expect_code(0).out;
        assert!(text.contains("\nequal: "), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_differences_are_found_exactly_and_undo_the_verified_state() {
    for (test, shape) in [("pfollows", &FOLLOWS), ("plabels", &LABELS), ("pentries", &ENTRIES)] {
        let scenario = copied(test, shape, 40, 1_000).await;
        let ordered = rows(&scenario, ORDERED).await;
        let members = rows(&scenario, MEMBERS).await;
        plant(&scenario, ORDERED, &ordered[3].row, &[]).await;
        plant(&scenario, MEMBERS, &members[5].row, &[]).await;
        plant(&scenario, ORDERED, &ordered[100].row, &[("stranger", "x")]).await;
        plant(&scenario, MEMBERS, &members[200].row, &[(shape.values[0].name, "other")]).await;
        let next_to =
            |row: &Bytes| Bytes::from([&row[..row.len() - 1], &[row[row.len() - 1] ^ 1, 7]].concat());
        plant(&scenario, MEMBERS, &next_to(&members[300].row), &[("x", "y")]).await;
        let report = scenario.verify(4).await;
        assert_eq!(counts(&report), [2, 1, 2], "{report}");
        let examples = report["targets"][0]["examples"].as_array().expect("examples");
        let mut kinds: Vec<&str> = examples.iter().filter_map(|example| example["kind"].as_str()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["different", "missing"]);
        let status = scenario.status().await.expect("there is a state");
        assert_eq!(life_cycles(&status), ["caught_up", "caught_up"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_of_one_address_are_a_difference_that_names_their_key() {
    let mut scenario = copied("vtwice", &ENTRIES, 20, 500).await;
    let report = scenario.verify(0).await;
    let number = |report: &Json, name: &str| report[name].as_u64();
    assert_eq!(number(&report, "mysql_rows_counted"), number(&report, "hbase_items_scanned"), "{report}");
    scenario.sql("ALTER TABLE entries DROP INDEX one").await;
    scenario
        .sql("INSERT INTO entries (wall, token, day, body, data) SELECT wall, token, day, body, data FROM entries LIMIT 1")
        .await;
    // the state of the run would have the two changes tailed first
    std::fs::remove_dir_all(scenario.dir().join("state")).expect("the state can be removed");
    let report = scenario.verify(4).await;
    assert_eq!((counts(&report), number(&report, "repeated")), ([0; 3], Some(2)), "{report}");
    assert_eq!(number(&report, "mysql_rows_counted"), number(&report, "hbase_items_scanned").map(|n| n + 2));
    let example = &report["targets"][0]["examples"][0];
    assert_eq!(example["kind"], "repeated");
    let item = example["item"].as_str().expect("an item");
    assert!(item.contains("wall=") && item.contains("token="), "{item}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_compared_while_the_application_writes_and_gives_a_bound() {
    let mut scenario = copied("vsample", &FOLLOWS, 200, 10_000).await;
    let sampled = async |scenario: &Scenario, items: &str, code| {
        let ended = scenario.run(&["verify", "--sample", items, "--json"]).await.expect_code(code);
        println!("{}", ended.out);
        serde_json::from_str::<Json>(&ended.out).expect("--json is JSON")
    };
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let application = scenario.application(4).await;
    for _ in 0..3 {
        let report = sampled(&scenario, "1000", 0).await;
        for target in report["targets"].as_array().expect("targets") {
            let share = &target["share"];
            assert!((1_000..1_500).contains(&share["compared"].as_u64().expect("a number")), "{target}");
            assert_eq!((&share["confirmed"], &share["is_all"]), (&0.into(), &false.into()), "{target}");
            assert!(share["bound"].as_f64() < Some(0.003), "{target}");
            assert!(target["mysql_rows_counted"].as_u64() > Some(5_000), "{target}");
        }
    }
    assert!(application.stop().await > 50, "the application hardly worked");
    // a tenth of all items stays in HBase alone
    for statement in ["SET sql_log_bin = 0", "DELETE FROM follows LIMIT 1000", "SET sql_log_bin = 1"] {
        scenario.sql(statement).await;
    }
    let report = sampled(&scenario, "2000", 4).await;
    for target in report["targets"].as_array().expect("targets") {
        let (share, bound) = (target["share"]["estimate"].as_f64(), target["share"]["bound"].as_f64());
        assert!(share > Some(0.06) && share < Some(0.15) && bound > share && bound < Some(0.17), "{target}");
    }
    assert_eq!(sampled(&scenario, "100000", 4).await["extra"], 2_000, "more than there are: all of them");
    run.interrupted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_tail_is_compared_while_the_application_writes() {
    let scenario = copied("vlive", &FOLLOWS, 200, 10_000).await;
    let victim = rows(&scenario, MEMBERS).await.swap_remove(500).row;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let application = scenario.application(4).await;
    let mut last = Json::Null;
    for _ in 0..3 {
        last = scenario.verify(0).await;
        assert_eq!((counts(&last), &last["judged"]), ([0; 3], &Json::Bool(true)));
    }
    assert!(last["items_compared"].as_u64() > Some(10_000), "{last}");
    plant(&scenario, MEMBERS, &victim, &[("stranger", "x")]).await;
    let report = scenario.verify(4).await;
    assert_eq!(counts(&report).iter().sum::<u64>(), 1, "{report}");
    assert!(application.stop().await > 50, "the application hardly worked");
    run.interrupted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_went_on_without_a_tail_is_not_judged() {
    let mut scenario = copied("vahead", &FOLLOWS, 20, 300).await;
    scenario.sql("INSERT INTO follows VALUES (1000000, 1, '2024-01-01', 'late', NULL)").await;
    let report = scenario.verify(3).await;
    assert_eq!((&report["judged"], &report["equal"]), (&Json::Bool(false), &Json::Bool(false)));
    let reason = report["cannot_judge"].as_str().expect("a reason");
    assert!(reason.contains("mapped tables were changed by 1 transaction ("), "{reason}");
    scenario.catch_up().await;
    scenario.verify(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_from_both_sides() {
    let scenario = copied("get", &FOLLOWS, 20, 2_000).await;
    let size = scenario.sizes[0];
    let get = async |arguments: &[&str]| -> Ended {
        let all: Vec<&str> = ["get", "lists", "0"].iter().chain(arguments).copied().collect();
        let ended = scenario.run(&all).await;
        println!("{}{}", ended.out, ended.err);
        ended
    };
    let both = format!("MySQL  {size}\nHBase  {size}\n");
    assert_eq!(get(&["--count"]).await.expect_code(0).out, both);
    assert!(get(&["--latest", "7"]).await.expect_code(0).out.ends_with("7 items\nboth sides are equal\n"));
    assert!(get(&["--first", "1000"]).await.expect_code(0).out.contains("both sides are equal"));
    assert!(get(&["--has", "1"]).await.expect_code(0).out.contains("1 item\n"));
    assert!(get(&["--has", "123456789"]).await.expect_code(0).out.contains("0 items\n"));
    let mysql = get(&["--latest", "9", "--from", "mysql"]).await.expect_code(0).out;
    assert_eq!(get(&["--latest", "9", "--from", "hbase"]).await.expect_code(0).out, mysql);
    let json = get(&["--latest", "2", "--json"]).await.expect_code(0).out;
    let json: Json = serde_json::from_str(&json).expect("get --json is JSON");
    assert_eq!((&json["mysql"], json["mysql"].as_array().map(Vec::len)), (&json["hbase"], Some(2)));

    let lost = json["hbase"][1]["row"].as_str().and_then(|row| hex::decode(row).ok()).expect("a row key");
    plant(&scenario, ORDERED, &lost.into(), &[]).await;
    let text = get(&["--latest", "2"]).await.expect_code(4).out;
    assert!(text.contains("  <\n") && text.contains("1 DIFFER"), "{text}");
    get(&["--count"]).await.expect_code(4);
}

#[tokio::test]
async fn items_are_looked_up_in_bulk_by_an_index() {
    let mut database = mysql::Database::create("items").await;
    database
        .run(
            "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, k VARCHAR(20) CHARACTER SET latin1, n INT, \
             UNIQUE KEY (k, n))",
        )
        .await;
    let values: Vec<String> = (0..20_000).map(|n| format!("('k{}', {})", n / 100, n % 100)).collect();
    database.run(&format!("INSERT INTO t (k, n) VALUES {}", values.join(","))).await;
    database.run("ANALYZE TABLE t").await;
    let (source, schemas) = database.source(&["t"]).await;
    let mapping = mysql::mapping(&schemas[0], &["k"], &["n"]);
    let mut snapshot = source.snapshot().await.expect("snapshot");
    let pair = |k: String, n: i64| (vec![Value::Text(k.into())], vec![Value::Int(n)]);
    let mut wanted: Vec<_> = (0..3_000).map(|n| pair(format!("k{}", n / 20), n % 20)).collect();
    wanted.extend([pair("nobody".into(), 1), pair("é友".into(), 1)]);
    let begin = Instant::now();
    let found = snapshot.items(&mapping, &wanted).await.expect("items");
    println!("{} items in {:?}", found.len(), begin.elapsed());
    let keys = |row: &Row| (vec![row[1].clone()], vec![row[2].clone()]);
    assert_eq!(found.len(), 3_000);
    assert!(found.iter().map(keys).all(|key| wanted.contains(&key)));
    assert!(snapshot.items(&mapping, &[]).await.expect("items").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_view_shows_nothing_that_is_committed_later() {
    let mut database = mysql::Database::create("view").await;
    database.run("CREATE TABLE t (k INT, n INT, PRIMARY KEY (k, n))").await;
    database.run("INSERT INTO t VALUES (1, 1), (1, 2), (2, 1)").await;
    let (source, schemas) = database.source(&["t"]).await;
    let mapping = mysql::mapping(&schemas[0], &["k"], &["n"]);
    let mut held = source.snapshot().await.expect("snapshot");
    held.hold_view().await.expect("a view");
    database.run("DELETE FROM t WHERE n = 2").await;
    database.run("INSERT INTO t VALUES (1, 3), (1, 4), (1, 5)").await;
    let seen = async |snapshot: &mut dyn Snapshot| {
        let (everything, list) = (KeyRange::default(), [Value::Int(1)]);
        let mut numbers = Vec::new();
        let mut take = |row: &[Value]| numbers.push(row[1].clone());
        let wanted = Wanted::OfLists { range: &everything, lists: &[&list] };
        snapshot.each_row(&mapping, wanted, &mut take).await.expect("rows");
        numbers
    };
    assert_eq!(seen(&mut *held).await, [1, 2].map(Value::Int), "at first");
    database.run("INSERT INTO t VALUES (1, 6)").await;
    assert_eq!(seen(&mut *held).await, [1, 2].map(Value::Int), "and once more");
    let mut fresh = source.snapshot().await.expect("snapshot");
    assert_eq!(seen(&mut *fresh).await, [1, 3, 4, 5, 6].map(Value::Int));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: 200,000 rows"]
async fn long_two_hundred_thousand_rows_take_a_few_seconds() {
    let mut scenario = Scenario::new("vlarge", &FOLLOWS).await;
    scenario.settings.chunk_rows = 2_000;
    let scenario = scenario.fill(20_000, 200_000).await;
    scenario.init().await;
    scenario.catch_up().await;
    let begin = Instant::now();
    let run = scenario.start(&["verify", "--json"]);
    let mut memory_bytes = 0;
    // An ended process has no memory, and is still there for `ended`.
    while let Some(bytes) = run.memory_high() {
        memory_bytes = bytes;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended = run.ended().await.expect_code(0);
    println!("{memory_bytes} bytes of memory, {:?}\n{}{}", begin.elapsed(), ended.out, ended.err);
    assert!((1..256 << 20).contains(&memory_bytes));
    let report: Json = serde_json::from_str(&ended.out).expect("verify --json is JSON");
    assert!(report["items_compared"].as_u64() > Some(390_000), "{report}");
}
