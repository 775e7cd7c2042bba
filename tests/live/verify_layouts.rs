//! `verify` of wide, packed and counted targets on real servers, as a user sees it.

use crate::support::lists::{Cells, Form, Lists};
use crate::support::scenario::Scenario;
use crate::support::shape::{ENTRIES, FOLLOWS, LABELS, Shape};
use bytes::Bytes;
use serde_json::Value as Json;
use tailfill::model::{TargetId, Tick};
use tailfill::sink::{
    CellNames, CellRange, CountChange, CountedRow, CountedWrite, PackedRows, ReadCounts, RowWrite, ScanRange,
    Sink, StoredRow,
};

const DAY: u64 = 24 * 3_600 * 1_000_000;

const DAYS: TargetId = TargetId(0);
const WHOLE: TargetId = TargetId(1);
const PACKED: TargetId = TargetId(2);
const ALONE: TargetId = TargetId(3);

/// Wide with and without segments, both counted; tall with all columns in one cell, and with one column alone.
fn targets(segment: (&'static str, u64), alone: &'static str) -> Vec<Form> {
    vec![
        Form::wide("days", Cells::Msgpack).segmented(segment.0, segment.1).counted(),
        Form::wide("whole", Cells::Json).without_order().counted(),
        Form::tall("packed").packed(Cells::Json),
        Form::tall("alone").packed(Cells::Column(alone)),
    ]
}

/// Filled, copied, counted, and at rest.
async fn copied(
    test: &str,
    shape: &'static Shape,
    targets: Vec<Form>,
    (lists, rows): (u64, u64),
) -> Scenario {
    let moved = vec![Lists { name: "lists", shape, targets }];
    let scenario = Scenario::new(test, shape).await.moving(moved).await.fill(lists, rows).await;
    scenario.init().await;
    scenario.catch_up().await;
    scenario
}

/// missing, extra, different, miscounted
fn found(report: &Json) -> [u64; 4] {
    ["missing", "extra", "different", "miscounted"].map(|name| report[name].as_u64().expect("a number"))
}

/// `kind item: what` of a target's examples, sorted.
fn examples(report: &Json, target: TargetId) -> Vec<String> {
    let examples = report["targets"][usize::from(target.0)]["examples"].as_array().expect("examples");
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let line = |example: &Json| {
        let what: Vec<String> = example["what"].as_array().expect("a list").iter().map(text).collect();
        format!("{} {}: {}", text(&example["kind"]), text(&example["item"]), what.join(", "))
    };
    let mut lines: Vec<String> = examples.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

/// HBase as it is, and what is planted there behind tailfill's back.
struct Planter<S: Sink>(S);

impl<S: Sink> Planter<S> {
    /// The rows of a wide target with all their cells.
    async fn wide(&self, target: TargetId) -> Vec<StoredRow> {
        let everything = CellRange { limit: usize::MAX, ..CellRange::default() };
        self.0.scan_cells(target, &everything).await.expect("it can be scanned")
    }

    async fn tall(&self, target: TargetId) -> Vec<StoredRow> {
        let everything = ScanRange { limit: usize::MAX, ..ScanRange::default() };
        self.0.scan(target, &everything).await.expect("it can be scanned")
    }

    /// Above every tick.
    async fn write(&self, target: TargetId, row: &Bytes, puts: Vec<(Bytes, Bytes)>, gone: Vec<Bytes>) {
        let delete_family = puts.is_empty() && gone.is_empty();
        let tick = Tick(u64::from(u32::MAX) * 1_000);
        let write = RowWrite { row: row.clone(), tick, delete_family, puts, delete_columns: gone };
        self.0.write(target, &PackedRows::of(&[write]).writes()).await.expect("it can be written");
    }

    async fn put(&self, target: TargetId, row: &Bytes, qualifier: Bytes, value: Bytes) {
        self.write(target, row, vec![(qualifier, value)], vec![]).await;
    }

    async fn counted(&self, target: TargetId, row: &Bytes) -> CountedRow {
        let wanted = [CellNames { row: row.clone(), qualifiers: vec![] }];
        self.0.read_counted(target, &wanted).await.expect("it can be read").remove(0)
    }

    /// Changes the count of a row as if it were the last thing that was done to it.
    async fn recount(&self, target: TargetId, row: &Bytes, change: impl Fn(u64) -> CountChange) {
        loop {
            let found = self.counted(target, row).await;
            let write = CountedWrite {
                row: row.clone(),
                expected: found.tick,
                tick: Tick(found.tick.expect("the row was counted").0 + 1),
                puts: vec![],
                delete_columns: vec![],
                count: change(found.count.expect("the row was counted")),
            };
            if self.0.write_counted(target, &write).await.expect("it can be written") {
                return;
            }
        }
    }
}

/// A key that nobody has, next to another one of an unsigned number.
fn unknown(key: &Bytes) -> Bytes {
    let mut other = key.to_vec();
    let last = other.len() - 1;
    other[last - 3] ^= 0x40;
    other.into()
}

fn replaced(value: &Bytes, from: &str, to: &str) -> Option<Bytes> {
    let at = value.windows(from.len()).position(|part| part == from.as_bytes())?;
    Some([&value[..at], to.as_bytes(), &value[at + from.len()..]].concat().into())
}

/// The first row and cell whose value holds a text, with another text in its place.
fn with_other<'a>(rows: &'a [StoredRow], from: &str, to: &str) -> (&'a Bytes, Bytes, Bytes) {
    let cells = rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (&row.row, cell)));
    let mut changed =
        cells.filter_map(|(row, cell)| Some((row, cell.qualifier.clone(), replaced(&cell.value, from, to)?)));
    changed.next().expect("some item has it")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_copied_is_equal_in_every_layout_and_counted() {
    for (test, shape, segment, alone) in [
        ("wfollows", &FOLLOWS, ("\"1d\"", DAY), "note"),
        ("wlabels", &LABELS, ("5000", 5_000), "remark"),
        ("wentries", &ENTRIES, ("\"30d\"", 30 * DAY), "data"),
    ] {
        let scenario = copied(test, shape, targets(segment, alone), (60, 1_500)).await;
        let items = scenario.compare().await as u64;
        let report = scenario.verify(0).await;
        assert_eq!((found(&report), report["items_compared"].as_u64()), ([0; 4], Some(4 * items)));
        assert_eq!(report["uncounted"], 0, "{report}");
        assert!(report["counts_compared"].as_u64() > Some(60), "{report}");
        let text = scenario.run(&["verify"]).await.expect_code(0).out;
        assert!(text.contains(" counts compared, 0 wrong\n") && text.contains("\nequal: "), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_differences_are_found_exactly_in_every_layout() {
    let scenario = copied("wplanted", &FOLLOWS, targets(("\"1d\"", DAY), "note"), (40, 1_000)).await;
    let hbase = Planter(scenario.hbase().await);
    for target in [DAYS, WHOLE] {
        let rows = hbase.wide(target).await;
        // the second row loses a cell, the third gets one too many
        let cell = rows[1].cells[0].qualifier.clone();
        hbase.write(target, &rows[1].row, vec![], vec![cell]).await;
        hbase.put(target, &rows[2].row, unknown(&rows[2].cells[0].qualifier), "x".into()).await;
        let (row, cell, value) = with_other(&rows[4..], "met at work", "met at walk");
        hbase.put(target, row, cell, value).await;
    }
    for target in [PACKED, ALONE] {
        let rows = hbase.tall(target).await;
        hbase.write(target, &rows[1].row, vec![], vec![]).await;
        hbase.put(target, &unknown(&rows[2].row), Bytes::new(), "x".into()).await;
        let (row, cell, value) = with_other(&rows[4..], "met at work", "met at walk");
        hbase.put(target, row, cell, value).await;
    }
    let report = scenario.verify(4).await;
    assert_eq!(found(&report), [4, 4, 4, 0], "{report}");
    for target in [DAYS, WHOLE, PACKED, ALONE] {
        let lines = examples(&report, target);
        assert!(lines[0].starts_with("different ") && lines[0].ends_with(": note"), "{lines:?}");
        assert!(lines[1].starts_with("extra followee_id="), "{lines:?}");
        assert!(lines[2].starts_with("missing followee_id="), "{lines:?}");
    }
    let status = scenario.status().await.expect("there is a state");
    let states = status["targets"].as_array().expect("targets").iter().map(|target| &target["life_cycle"]);
    assert!(states.clone().all(|state| state == "caught_up"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_and_missing_counts_are_differences_and_zero_of_nothing_is_not() {
    let mut scenario = copied("wcounts", &FOLLOWS, targets(("\"1d\"", DAY), "note"), (40, 1_000)).await;
    let gone = scenario.shape.is_list(3);
    scenario.sql(&format!("DELETE FROM follows WHERE {gone}")).await;
    scenario.catch_up().await;
    scenario.verify(0).await;
    let hbase = Planter(scenario.hbase().await);
    let (days, whole) = (hbase.wide(DAYS).await, hbase.wide(WHOLE).await);
    hbase.recount(DAYS, &days[1].row, |count| CountChange::Set(count + 1)).await;
    hbase.recount(WHOLE, &whole[2].row, |_| CountChange::Remove).await;
    let everything = ScanRange { limit: usize::MAX, ..ScanRange::default() };
    let counts = hbase.0.scan_counts(WHOLE, &everything).await.expect("counts can be scanned");
    let empty = counts.iter().find(|row| row.count == Some(0)).expect("the list that was deleted");
    hbase.recount(WHOLE, &empty.row, |_| CountChange::Set(2)).await;
    let report = scenario.verify(4).await;
    assert_eq!(found(&report), [0, 0, 0, 3], "{report}");
    let (items, cells) = (days[1].cells.len(), whole[2].cells.len());
    let lines = examples(&report, DAYS);
    assert!(lines[0].ends_with(&format!(": c:n is {}, MySQL has {items}", items + 1)), "{lines:?}");
    assert!(lines[0].contains(" segment 19"), "{lines:?}");
    let lines = examples(&report, WHOLE);
    let uncounted = format!(": no c:n, MySQL has {cells}");
    assert!(lines.contains(&"miscounted followee_id=3: c:n is 2, MySQL has 0".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with(&uncounted)), "{lines:?}");
    let text = scenario.run(&["verify"]).await.expect_code(4).out;
    assert!(text.contains("0 different, 3 miscounted;"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_lists_that_are_written_to_raise_no_false_alarm_and_a_wrong_one_is_found() {
    let targets = vec![
        Form::wide("days", Cells::Msgpack).segmented("\"1d\"", DAY).counted(),
        Form::wide("whole", Cells::Json).without_order().counted(),
    ];
    let scenario = copied("wlive", &FOLLOWS, targets, (100, 6_000)).await;
    let hbase = Planter(scenario.hbase().await);
    let whole = hbase.wide(WHOLE).await;
    // 20 of 100 transactions are on this one
    let giant = whole.iter().max_by_key(|row| row.cells.len()).expect("there are lists");
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    // one connection: where others use the machine too, the tail counts more slowly than four of them commit
    let application = scenario.application(1).await;
    for _ in 0..3 {
        let report = scenario.verify(0).await;
        assert_eq!((found(&report), &report["judged"]), ([0; 4], &Json::Bool(true)));
        assert!(report["counts_compared"].as_u64() > Some(100), "{report}");
    }
    hbase.recount(WHOLE, &giant.row, |count| CountChange::Set(count + 1)).await;
    let report = scenario.verify(4).await;
    assert_eq!(found(&report), [0, 0, 0, 1], "{report}");
    assert!(examples(&report, WHOLE)[0].starts_with("miscounted followee_id=50: c:n is "), "{report}");
    assert!(application.stop().await > 50, "the application hardly worked");
    run.interrupted().await;
}
