//! One suite for every sink: the double and the real HBase must not drift apart.

use crate::support::own::Speaks;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use tailfill::clock::{Clock, Entropy, SeededEntropy, SteadyClock, SystemEntropy};
use tailfill::model::{CellForm, Layout, Target, TargetId, Tick, ValueEncoding};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink, Transport};
use tailfill::sink::memory::MemorySink;
use tailfill::sink::{PackedRows, RowWrite, ScanRange, Sink, StoredRow, Tables};

pub const TARGET: TargetId = TargetId(0);
pub const PURGE_DELETES_MS: u64 = 14 * 86_400_000;

/// `127.0.0.1:PORT` of a running server, by its environment variable.
pub fn server(variable: &str) -> String {
    let port = std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `scripts/services up` and take its environment variables")
    });
    format!("127.0.0.1:{port}")
}

/// A target of a table that no other test uses.
pub fn unique_target(name: &str) -> Target {
    Target {
        id: TARGET,
        table: format!("tf_{name}_{:016x}", SystemEntropy.next_u64()),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![],
        values: ValueEncoding::Utf8,
        salt_buckets: 16,
        ordered: true,
        segment: None,
        counted: false,
    }
}

pub async fn connect(transport: Transport, targets: &[Target]) -> HbaseSink {
    let variable = match transport {
        Transport::Buffered => "TAILFILL_THRIFT2_PORT",
        Transport::Framed => "TAILFILL_THRIFT2_FRAMED_PORT",
    };
    let options = HbaseOptions { transport, ..HbaseOptions::new(vec![server(variable)]) };
    HbaseSink::connect(options, targets.to_vec()).await.expect("the gateway answers")
}

/// The gateways of `scripts/services`, whatever they speak.
pub const SERVED: [(Speaks, &str); 3] = [
    (Speaks::Thrift2, "TAILFILL_THRIFT2_PORT"),
    (Speaks::Thrift2Framed, "TAILFILL_THRIFT2_FRAMED_PORT"),
    (Speaks::Thrift1, "TAILFILL_THRIFT1_PORT"),
];

/// A sink on each of them.
pub async fn every(targets: &[Target]) -> Vec<(Speaks, Box<dyn Sink>)> {
    let mut sinks = Vec::new();
    for (speaks, variable) in SERVED {
        let sink = speaks.connect(vec![server(variable)], targets).await.expect("the gateway answers");
        sinks.push((speaks, sink));
    }
    sinks
}

/// A sink under test. Each scenario has key space of its own in one table.
pub struct Bench<'a> {
    sink: &'a dyn Sink,
    space: String,
    /// Ticks count from here: some time before now, well within the purge delay.
    base: u64,
}

/// The cells of a row: qualifier, value, tick above the base.
type Cells = Vec<(String, String, u64)>;

impl<'a> Bench<'a> {
    pub fn new(sink: &'a dyn Sink, space: &str) -> Bench<'a> {
        Bench { sink, space: space.to_owned(), base: SteadyClock::start().now_ms() - 3_600_000 }
    }

    fn key(&self, name: &str) -> Bytes {
        format!("{}/{name}", self.space).into()
    }

    fn at(&self, tick: u64, name: &str) -> RowWrite {
        RowWrite {
            row: self.key(name),
            tick: Tick(self.base + tick),
            delete_family: false,
            puts: vec![],
            delete_columns: vec![],
        }
    }

    fn put(&self, tick: u64, name: &str, cells: &[(&str, &str)]) -> RowWrite {
        let owned = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let puts = cells.iter().map(|(qualifier, value)| (owned(qualifier), owned(value))).collect();
        RowWrite { puts, ..self.at(tick, name) }
    }

    fn delete_family(&self, tick: u64, name: &str) -> RowWrite {
        RowWrite { delete_family: true, ..self.at(tick, name) }
    }

    fn delete_column(&self, tick: u64, name: &str, qualifier: &'static str) -> RowWrite {
        RowWrite { delete_columns: vec![qualifier.into()], ..self.at(tick, name) }
    }

    async fn write(&self, rows: &[RowWrite]) {
        self.sink.write(TARGET, &PackedRows::of(rows).writes()).await.expect("the write succeeds");
    }

    async fn cells(&self, name: &str) -> Cells {
        let mut rows = self.sink.read(TARGET, &[self.key(name)]).await.expect("the read succeeds");
        assert_eq!(rows.len(), 1);
        rows.remove(0).map_or_else(Vec::new, |row| self.shown(row))
    }

    fn shown(&self, row: StoredRow) -> Cells {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("the test wrote text");
        assert!(!row.cells.is_empty(), "a row without cells does not exist");
        row.cells
            .iter()
            .map(|cell| (text(&cell.qualifier), text(&cell.value), cell.tick.0 - self.base))
            .collect()
    }

    /// The names of the rows in a range, without the key space.
    async fn scan(&self, start: &str, stop: &str, reversed: bool, limit: usize) -> Vec<String> {
        let range = ScanRange { start: self.key(start), stop: self.key(stop), reversed, limit };
        let rows = self.sink.scan(TARGET, &range).await.expect("the scan succeeds");
        let name =
            |row: StoredRow| String::from_utf8(row.row[self.space.len() + 1..].to_vec()).expect("text");
        rows.into_iter().map(name).collect()
    }
}

fn cell(qualifier: &str, value: &str, tick: u64) -> (String, String, u64) {
    (qualifier.into(), value.into(), tick)
}

type Scenario = for<'a> fn(&'a Bench<'a>) -> BoxFuture<'a, ()>;

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |bench| Box::pin($name(bench)))),*]
    };
}

const SCENARIOS: &[(&str, Scenario)] = scenarios![
    the_newest_put_shows_whatever_came_last,
    of_two_puts_at_one_tick_the_later_written_wins,
    a_marker_beats_a_put_at_the_same_tick_whichever_came_first,
    a_family_marker_hides_every_column_and_a_column_marker_only_its_own,
    a_late_put_below_a_marker_stays_hidden_and_one_above_shows,
    a_replay_of_the_same_writes_changes_nothing,
    one_row_may_have_several_ticks_in_one_write,
    values_and_qualifiers_may_be_empty,
    any_bytes_are_kept_in_keys_and_values,
    reads_come_in_the_order_asked_for_with_none_for_missing_rows,
    nothing_is_written_or_read_for_nothing,
    scans_keep_their_bounds_in_both_directions,
    scans_pass_over_deleted_rows_without_counting_them,
    a_scan_goes_on_after_its_last_row_in_both_directions,
    an_empty_row_key_is_refused,
];

async fn the_newest_put_shows_whatever_came_last(bench: &Bench<'_>) {
    bench.write(&[bench.put(5, "a", &[("q", "new")])]).await;
    bench.write(&[bench.put(3, "a", &[("q", "old"), ("r", "other")])]).await;
    assert_eq!(bench.cells("a").await, [cell("q", "new", 5), cell("r", "other", 3)]);
    bench.write(&[bench.put(6, "a", &[("q", "newest")])]).await;
    assert_eq!(bench.cells("a").await, [cell("q", "newest", 6), cell("r", "other", 3)]);
}

async fn of_two_puts_at_one_tick_the_later_written_wins(bench: &Bench<'_>) {
    bench.write(&[bench.put(5, "a", &[("q", "first")])]).await;
    bench.write(&[bench.put(5, "a", &[("q", "second")])]).await;
    assert_eq!(bench.cells("a").await, [cell("q", "second", 5)]);
}

async fn a_marker_beats_a_put_at_the_same_tick_whichever_came_first(bench: &Bench<'_>) {
    bench.write(&[bench.put(5, "a", &[("q", "v")]), bench.put(5, "c", &[("q", "v")])]).await;
    bench.write(&[bench.delete_family(5, "a"), bench.delete_family(5, "b")]).await;
    bench.write(&[bench.delete_column(5, "c", "q"), bench.delete_column(5, "d", "q")]).await;
    bench.write(&[bench.put(5, "b", &[("q", "v")]), bench.put(5, "d", &[("q", "v")])]).await;
    for row in ["a", "b", "c", "d"] {
        assert_eq!(bench.cells(row).await, [], "row {row}");
    }
}

async fn a_family_marker_hides_every_column_and_a_column_marker_only_its_own(bench: &Bench<'_>) {
    let cells = [("q", "v"), ("r", "v")];
    bench.write(&[bench.put(5, "a", &cells), bench.put(5, "b", &cells)]).await;
    bench.write(&[bench.delete_family(7, "a"), bench.delete_column(7, "b", "q")]).await;
    assert_eq!(bench.cells("a").await, []);
    assert_eq!(bench.cells("b").await, [cell("r", "v", 5)]);
}

async fn a_late_put_below_a_marker_stays_hidden_and_one_above_shows(bench: &Bench<'_>) {
    bench.write(&[bench.delete_family(10, "a"), bench.delete_column(10, "b", "q")]).await;
    bench.write(&[bench.put(9, "a", &[("q", "late")]), bench.put(9, "b", &[("q", "late")])]).await;
    assert_eq!((bench.cells("a").await, bench.cells("b").await), (vec![], vec![]));
    bench.write(&[bench.put(11, "a", &[("q", "v")]), bench.put(11, "b", &[("q", "v")])]).await;
    // An older marker after a newer put hides nothing.
    bench.write(&[bench.delete_family(10, "a"), bench.delete_column(8, "b", "q")]).await;
    assert_eq!(bench.cells("a").await, [cell("q", "v", 11)]);
    assert_eq!(bench.cells("b").await, [cell("q", "v", 11)]);
}

async fn a_replay_of_the_same_writes_changes_nothing(bench: &Bench<'_>) {
    let first = [bench.put(5, "a", &[("q", "1")]), bench.put(5, "b", &[("q", "1")])];
    let second = [bench.delete_family(6, "a"), bench.put(6, "b", &[("q", "2")])];
    bench.write(&first).await;
    bench.write(&second).await;
    for replayed in [&first, &second, &first] {
        bench.write(replayed).await;
        assert_eq!(bench.cells("a").await, []);
        assert_eq!(bench.cells("b").await, [cell("q", "2", 6)]);
    }
}

async fn one_row_may_have_several_ticks_in_one_write(bench: &Bench<'_>) {
    let writes = [
        bench.put(7, "a", &[("q", "newer")]),
        bench.delete_family(6, "a"),
        bench.put(5, "a", &[("q", "older"), ("r", "older")]),
    ];
    bench.write(&writes).await;
    assert_eq!(bench.cells("a").await, [cell("q", "newer", 7)]);
}

async fn values_and_qualifiers_may_be_empty(bench: &Bench<'_>) {
    bench.write(&[bench.put(5, "a", &[("", "")])]).await;
    assert_eq!(bench.cells("a").await, [cell("", "", 5)]);
    bench.write(&[bench.put(6, "a", &[("q", "")])]).await;
    assert_eq!(bench.cells("a").await, [cell("", "", 5), cell("q", "", 6)]);
    bench.write(&[bench.delete_column(7, "a", "")]).await;
    assert_eq!(bench.cells("a").await, [cell("q", "", 6)]);
}

async fn any_bytes_are_kept_in_keys_and_values(bench: &Bench<'_>) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let row = Bytes::from([&bench.key("a")[..], &every_byte].concat());
    let cells = vec![(every_byte.clone().into(), every_byte.into())];
    bench.write(&[RowWrite { row: row.clone(), puts: cells.clone(), ..bench.at(5, "a") }]).await;
    let stored = bench.sink.read(TARGET, std::slice::from_ref(&row)).await.unwrap().remove(0).unwrap();
    assert_eq!(stored.row, row);
    assert_eq!((&stored.cells[0].qualifier, &stored.cells[0].value), (&cells[0].0, &cells[0].1));
}

async fn reads_come_in_the_order_asked_for_with_none_for_missing_rows(bench: &Bench<'_>) {
    bench.write(&[bench.put(5, "a", &[("q", "a")]), bench.put(5, "b", &[("q", "b")])]).await;
    let keys = ["b", "x", "a", "b"].map(|name| bench.key(name));
    let rows = bench.sink.read(TARGET, &keys).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| row.as_ref().map(|row| row.row.clone())).collect();
    assert_eq!(found, [Some(keys[0].clone()), None, Some(keys[2].clone()), Some(keys[3].clone())]);
}

async fn nothing_is_written_or_read_for_nothing(bench: &Bench<'_>) {
    bench.write(&[]).await;
    bench.write(&[bench.at(5, "a")]).await;
    assert_eq!(bench.sink.read(TARGET, &[]).await.unwrap(), []);
    assert_eq!(bench.cells("a").await, []);
    assert_eq!(bench.scan("", "~", false, 0).await, [""; 0]);
}

async fn scans_keep_their_bounds_in_both_directions(bench: &Bench<'_>) {
    bench.write(&["a", "b", "c", "d"].map(|name| bench.put(5, name, &[("q", "v")]))).await;
    assert_eq!(bench.scan("", "~", false, 10).await, ["a", "b", "c", "d"]);
    assert_eq!(bench.scan("b", "d", false, 10).await, ["b", "c"]);
    assert_eq!(bench.scan("b", "~", false, 2).await, ["b", "c"]);
    assert_eq!(bench.scan("~", "", true, 10).await, ["d", "c", "b", "a"]);
    assert_eq!(bench.scan("c", "a", true, 10).await, ["c", "b"]);
    assert_eq!(bench.scan("~", "", true, 1).await, ["d"]);
    assert_eq!(bench.scan("b", "b", false, 10).await, [""; 0]);
    assert_eq!(bench.scan("c", "b", false, 10).await, [""; 0]);
    assert_eq!(bench.scan("b", "c", true, 10).await, [""; 0]);
}

async fn scans_pass_over_deleted_rows_without_counting_them(bench: &Bench<'_>) {
    bench.write(&["a", "b", "c"].map(|name| bench.put(5, name, &[("q", "v")]))).await;
    bench.write(&[bench.delete_family(6, "a"), bench.delete_column(6, "b", "q")]).await;
    assert_eq!(bench.scan("", "~", false, 1).await, ["c"]);
    assert_eq!(bench.scan("~", "", true, 2).await, ["c"]);
}

async fn a_scan_goes_on_after_its_last_row_in_both_directions(bench: &Bench<'_>) {
    let names = ["a", "a\0", "a\0\u{1}", "a\u{1}", "b", "b~~~~~~~~~~~~", "c"];
    bench.write(&names.map(|name| bench.put(5, name, &[("q", "v")]))).await;
    for reversed in [false, true] {
        let (start, stop) = if reversed { ("~", "") } else { ("", "~") };
        let mut range = ScanRange { start: bench.key(start), stop: bench.key(stop), reversed, limit: 2 };
        let mut seen = Vec::new();
        loop {
            let rows = bench.sink.scan(TARGET, &range).await.unwrap();
            let Some(last) = rows.last() else { break };
            range = range.after(&last.row);
            seen.extend(rows.into_iter().map(|row| row.row));
        }
        if reversed {
            seen.reverse();
        }
        assert_eq!(seen, names.map(|name| bench.key(name)), "reversed: {reversed}");
    }
}

async fn an_empty_row_key_is_refused(bench: &Bench<'_>) {
    let write = RowWrite { row: Bytes::new(), ..bench.put(5, "a", &[("q", "v")]) };
    assert!(bench.sink.write(TARGET, &PackedRows::of(&[write]).writes()).await.is_err());
}

/// 20,000 rows in one write: split into many calls. Returns how long the write took.
async fn a_large_write_arrives_whole(bench: &Bench<'_>) -> std::time::Duration {
    const ROWS: usize = 20_000;
    let name = |row: usize| format!("{row:08}");
    let cells = [("created_at", "2024-01-01 00:00:00"), ("note", "hello")];
    let rows: Vec<RowWrite> = (0..ROWS).map(|row| bench.put(5, &name(row), &cells)).collect();
    let start = std::time::Instant::now();
    bench.write(&rows).await;
    let took = start.elapsed();
    let markers: Vec<RowWrite> = (0..ROWS).step_by(2).map(|row| bench.delete_family(6, &name(row))).collect();
    bench.write(&markers).await;
    let left = bench.scan("", "~", false, ROWS).await;
    assert_eq!(left.len(), ROWS / 2);
    assert!(left.iter().eq((1..ROWS).step_by(2).map(name).collect::<Vec<_>>().iter()));
    let keys: Vec<Bytes> = (0..ROWS).map(|row| bench.key(&name(row))).collect();
    let read = bench.sink.read(TARGET, &keys).await.unwrap();
    assert!(read.iter().enumerate().all(|(row, stored)| stored.is_some() == (row % 2 == 1)));
    took
}

pub async fn keeps_the_contract(sink: &dyn Sink, space: &str) {
    for (name, scenario) in SCENARIOS {
        println!("{name}");
        scenario(&Bench::new(sink, &format!("{space}-{name}"))).await;
    }
    let took = a_large_write_arrives_whole(&Bench::new(sink, &format!("{space}-large"))).await;
    println!("20,000 rows of two cells written in {} ms", took.as_millis());
}

fn memory(target: &Target) -> MemorySink {
    MemorySink::with_tables(std::slice::from_ref(target), Arc::new(SteadyClock::start()))
}

#[tokio::test]
async fn the_memory_sink_keeps_the_contract() {
    keeps_the_contract(&memory(&unique_target("memory")), "m").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hbase_keeps_the_contract_over_every_gateway() {
    let target = unique_target("contract");
    let creating = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    creating.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    for (speaks, sink) in every(std::slice::from_ref(&target)).await {
        println!("--- {speaks:?}");
        keeps_the_contract(&*sink, &format!("{speaks:?}")).await;
    }
    creating.drop_table(&target.table).await.unwrap();
}

/// Random writes over few rows, columns and ticks, so that all of them collide.
struct RandomWrites {
    entropy: SeededEntropy,
}

impl RandomWrites {
    fn below(&self, bound: u64) -> u64 {
        self.entropy.next_u64() % bound
    }

    fn row(&self) -> String {
        format!("r{}", self.below(6))
    }

    /// A write of a few rows; no row has one tick twice.
    fn next(&self, bench: &Bench<'_>) -> Vec<RowWrite> {
        let mut writes: Vec<RowWrite> = Vec::new();
        for _ in 0..=self.below(4) {
            let write = self.one(bench);
            if writes.iter().all(|other| (&other.row, other.tick) != (&write.row, write.tick)) {
                writes.push(write);
            }
        }
        writes
    }

    fn one(&self, bench: &Bench<'_>) -> RowWrite {
        let qualifiers = ["", "q", "r"];
        let (row, tick) = (self.row(), 1 + self.below(12));
        if self.below(5) == 0 {
            return bench.delete_family(tick, &row);
        }
        let mut write = bench.at(tick, &row);
        for qualifier in qualifiers {
            match self.below(4) {
                0 => write.delete_columns.push(qualifier.into()),
                1 | 2 => write.puts.push((qualifier.into(), format!("{}", self.below(1_000)).into())),
                _ => {}
            }
        }
        write
    }

    fn range(&self, bench: &Bench<'_>) -> ScanRange {
        let limit = 1 + self.below(8) as usize;
        let (start, stop) = (bench.key(&self.row()), bench.key(&self.row()));
        ScanRange { start, stop, reversed: self.below(2) == 0, limit }
    }
}

/// Writes through one of the real sinks, and reads through all of them.
async fn behave_alike(seed: u64, double: &dyn Sink, real: &[(Speaks, Box<dyn Sink>)]) {
    let (speaks, writer) = &real[seed as usize % real.len()];
    println!("seed {seed}, written by {speaks:?}");
    let bench = Bench::new(double, &format!("random-{seed}"));
    let random = RandomWrites { entropy: SeededEntropy::new(seed) };
    let keys: Vec<Bytes> = (0..6).map(|row| bench.key(&format!("r{row}"))).collect();
    for step in 0..40 {
        let writes = random.next(&bench);
        let packed = PackedRows::of(&writes);
        double.write(TARGET, &packed.writes()).await.unwrap();
        writer.write(TARGET, &packed.writes()).await.unwrap();
        let (range, place) = (random.range(&bench), format!("seed {seed}, step {step}"));
        let read = double.read(TARGET, &keys).await.unwrap();
        let scanned = double.scan(TARGET, &range).await.unwrap();
        for (speaks, sink) in real {
            assert_eq!(sink.read(TARGET, &keys).await.unwrap(), read, "{place}, {speaks:?}: {writes:?}");
            let found = sink.scan(TARGET, &range).await.unwrap();
            assert_eq!(found, scanned, "{place}, {speaks:?}: {range:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_writes_leave_the_same_rows_in_memory_and_in_hbase() {
    let target = unique_target("random");
    let double = memory(&target);
    let creating = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    creating.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    let real = every(std::slice::from_ref(&target)).await;
    for seed in 1..=12 {
        behave_alike(seed, &double, &real).await;
    }
    behave_alike(SystemEntropy.next_u64(), &double, &real).await;
    creating.drop_table(&target.table).await.unwrap();
}
