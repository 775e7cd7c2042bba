//! Reads cell by cell, and counted rows: the double and the real HBase answer alike.

use super::sink::{PURGE_DELETES_MS, TARGET, every, unique_target};
use crate::support::own::Speaks;
use bytes::Bytes;
use std::sync::Arc;
use tailfill::clock::{Clock, Entropy, SeededEntropy, SteadyClock};
use tailfill::model::{CellForm, Layout, Target, Tick};
use tailfill::sink::memory::MemorySink;
use tailfill::sink::{
    CellNames, CellRange, CountChange, CountedRow, CountedWrite, PackedRows, ReadCounts, ReadRows, RowWrite,
    ScanRange, Sink, StoredRow, WriteRows,
};

fn counted(name: &str) -> Target {
    let (layout, form) = (Layout::Wide, CellForm::Msgpack);
    Target { layout, form, counted: true, ..unique_target(name) }
}

fn now() -> u64 {
    SteadyClock::start().now_ms() - 3_600_000
}

/// Every byte that HBase's filter language could mind, and others.
fn qualifiers() -> Vec<Bytes> {
    let mut all: Vec<Bytes> = (0..=255_u8).map(|byte| Bytes::copy_from_slice(&[byte])).collect();
    let texts: [&'static [u8]; 7] =
        [b"", b"'", b"''", b"a'b\\", b"') OR KeyOnlyFilter (", b"\0\0\xff", b"binary:x"];
    all.extend(texts.map(Bytes::from_static));
    all
}

fn write(row: &str, tick: u64, puts: Vec<(Bytes, Bytes)>) -> RowWrite {
    let row = Bytes::copy_from_slice(row.as_bytes());
    RowWrite { row, tick: Tick(tick), delete_family: false, puts, delete_columns: vec![] }
}

/// One double, and the real one behind every gateway.
struct Both {
    memory: MemorySink,
    real: Vec<Box<dyn Sink>>,
    /// Those of Thrift2.
    counting: usize,
}

impl Both {
    async fn of(target: &Target) -> Both {
        let memory = MemorySink::with_tables(std::slice::from_ref(target), Arc::new(SteadyClock::start()));
        let (mut real, mut counting) = (Vec::new(), 0);
        for (speaks, sink) in every(std::slice::from_ref(target)).await {
            counting += usize::from(speaks != Speaks::Thrift1);
            real.push(sink);
        }
        real[0].create(target, "test", PURGE_DELETES_MS).await.expect("the table is created");
        Both { memory, real, counting }
    }

    /// The sinks that know counts, which come first.
    fn counting(&self) -> &[Box<dyn Sink>] {
        &self.real[..self.counting]
    }

    async fn write(&self, rows: &[RowWrite]) {
        let rows = PackedRows::of(rows);
        self.memory.write(TARGET, &rows.writes()).await.expect("the double writes");
        self.real[0].write(TARGET, &rows.writes()).await.expect("hbase writes");
    }

    async fn cells(&self, range: &CellRange) -> Vec<StoredRow> {
        let expected = self.memory.scan_cells(TARGET, range).await.expect("the double reads");
        for real in &self.real {
            let found = real.scan_cells(TARGET, range).await.expect("hbase reads");
            assert_eq!(found, expected, "{range:?}");
        }
        expected
    }

    async fn counted(&self, wanted: &[CellNames]) -> Vec<CountedRow> {
        let expected = self.memory.read_counted(TARGET, wanted).await.expect("the double reads");
        for real in self.counting() {
            assert_eq!(real.read_counted(TARGET, wanted).await.expect("hbase reads"), expected, "{wanted:?}");
        }
        expected
    }

    async fn write_counted(&self, write: &CountedWrite) -> bool {
        let expected = self.memory.write_counted(TARGET, write).await.expect("the double writes");
        let found = self.real[0].write_counted(TARGET, write).await.expect("hbase writes");
        assert_eq!(found, expected, "{write:?}");
        expected
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_are_read_in_order_from_any_place_on_whatever_their_names() {
    let target = counted("cells");
    let both = Both::of(&target).await;
    let tick = now();
    let value = |row: &str, qualifier: &Bytes| [row.as_bytes(), qualifier].concat().into();
    let row = |row: &str, step: usize| {
        let puts =
            qualifiers().into_iter().step_by(step).map(|name| (name.clone(), value(row, &name))).collect();
        write(row, tick, puts)
    };
    let mut rows = vec![row("a", 1), row("b", 7), row("c", 200), row("d", 3), row("e", 1)];
    rows.push(RowWrite { delete_columns: qualifiers()[..100].to_vec(), ..write("e", tick + 1, vec![]) });
    rows.extend((0..40).map(|number| row(&format!("f{number:02}"), 130)));
    both.write(&rows).await;

    let all = both.cells(&CellRange { limit: usize::MAX, ..CellRange::default() }).await;
    assert_eq!(all.len(), 45);
    for limit in [0, 1, 2, 262, 263, 264, 300, 301, 400] {
        both.cells(&CellRange { limit, ..CellRange::default() }).await;
        both.cells(&CellRange { limit, names_only: true, stop: "f20".into(), ..CellRange::default() }).await;
    }
    for name in qualifiers() {
        let behind = |row: &'static str, limit| {
            CellRange { limit, ..CellRange::default() }.behind(&Bytes::from_static(row.as_bytes()), &name)
        };
        both.cells(&behind("a", 3)).await;
        both.cells(&CellRange { names_only: true, ..behind("d", 200) }).await;
    }
    // a cell at a time, from one end to the other
    let (mut range, mut walked) = (CellRange { limit: 1, start: "b".into(), ..CellRange::default() }, 0);
    while let Some(last) = both.cells(&range).await.pop() {
        range = range.behind(&last.row, &last.cells[0].qualifier);
        walked += 1;
        if walked == 60 {
            break;
        }
    }
    assert_eq!(walked, 60);
    both.real[0]
        .scan_keys(TARGET, &ScanRange { limit: 7, ..ScanRange::default() })
        .await
        .expect("hbase reads");
    for reversed in [false, true] {
        let (start, stop) = if reversed { ("f30", "c") } else { ("c", "f30") };
        let range = ScanRange { start: start.into(), stop: stop.into(), reversed, limit: 12 };
        let expected = both.memory.scan_keys(TARGET, &range).await.expect("the double reads");
        for real in &both.real[1..] {
            assert_eq!(real.scan_keys(TARGET, &range).await.expect("hbase reads"), expected);
        }
        assert_eq!(expected.len(), 12);
    }
    let names = |row: &'static str| CellNames { row: row.into(), qualifiers: qualifiers()[90..110].to_vec() };
    let wanted = [names("e"), names("absent"), names("a"), names("c")];
    let expected = both.memory.read_cells(TARGET, &wanted).await.expect("the double reads");
    for real in &both.real {
        assert_eq!(real.read_cells(TARGET, &wanted).await.expect("hbase reads"), expected);
    }
    assert_eq!(expected.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, false]);
    let nothing = [CellNames { row: "a".into(), qualifiers: vec![] }];
    for real in &both.real {
        assert_eq!(
            real.read_cells(TARGET, &nothing).await.expect("hbase reads"),
            [None],
            "no names, no cells"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_row_is_read_page_by_page() {
    let target = counted("long");
    let both = Both::of(&target).await;
    let tick = now();
    let cells: Vec<RowWrite> = (0..7_001_u32)
        .map(|number| {
            write("long", tick, vec![(number.to_be_bytes().to_vec().into(), Bytes::from_static(b"v"))])
        })
        .collect();
    both.write(&cells).await;
    both.write(&[write("next", tick, vec![("q".into(), "v".into())])]).await;
    for limit in [1_000, 1_001, 5_000, 7_001, 7_002, 9_999] {
        let found = both.cells(&CellRange { limit, ..CellRange::default() }).await;
        assert_eq!(found.iter().map(|row| row.cells.len()).sum::<usize>(), limit.min(7_002));
    }
    let of_row = CellRange::of_row(&"long".into(), usize::MAX);
    assert_eq!(both.cells(&of_row).await.len(), 1);
}

fn change(
    row: &str,
    expected: Option<u64>,
    tick: u64,
    puts: &[&'static str],
    count: CountChange,
) -> CountedWrite {
    CountedWrite {
        row: Bytes::copy_from_slice(row.as_bytes()),
        expected: expected.map(Tick),
        tick: Tick(tick),
        puts: puts.iter().map(|name| (Bytes::from(*name), Bytes::from_static(b"v"))).collect(),
        delete_columns: vec![],
        count,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counted_row_is_written_only_where_its_tick_is_as_expected() {
    let target = counted("counted");
    let both = Both::of(&target).await;
    let t = now();
    let names = |qualifiers: &[&'static str]| CellNames {
        row: "r".into(),
        qualifiers: qualifiers.iter().map(|name| Bytes::from(*name)).collect(),
    };
    assert_eq!(
        both.counted(&[names(&["a"])]).await,
        [CountedRow { row: "r".into(), ..CountedRow::default() }]
    );
    // a chunk brought a cell before the row was counted
    both.write(&[write("r", t, vec![("a".into(), "v".into())])]).await;
    assert!(
        !both.write_counted(&change("r", Some(t), t + 1, &["b"], CountChange::Keep)).await,
        "c:t is absent"
    );
    assert!(both.write_counted(&change("r", None, t + 1, &["b"], CountChange::Keep)).await);
    assert!(!both.write_counted(&change("r", None, t + 2, &["c"], CountChange::Keep)).await, "c:t is there");
    assert!(both.write_counted(&change("r", Some(t + 1), t + 3, &[], CountChange::Set(2))).await);
    let row = &both.counted(&[names(&["a", "b", "c"])]).await[0];
    assert_eq!((row.tick, row.count, row.present.len()), (Some(Tick(t + 3)), Some(2), 2));
    let delete = CountedWrite {
        delete_columns: vec!["a".into(), "absent".into()],
        ..change("r", Some(t + 3), t + 5, &["d"], CountChange::Set(2))
    };
    assert!(both.write_counted(&delete).await);
    // a late chunk, below the marker
    both.write(&[write("r", t + 4, vec![("a".into(), "late".into())])]).await;
    assert!(both.write_counted(&change("r", Some(t + 5), t + 6, &[], CountChange::Remove)).await);
    let row = &both.counted(&[names(&["a", "b", "d"])]).await[0];
    assert_eq!((row.count, row.present.len()), (None, 2));
    assert!(
        both.write_counted(&change("r", Some(t + 6), t + 7, &[], CountChange::Set(0))).await,
        "0 is kept"
    );
    assert!(both.write_counted(&change("s", None, t + 7, &["x"], CountChange::Set(1))).await);

    let everything = ScanRange { limit: 10, ..ScanRange::default() };
    let counts = both.memory.scan_counts(TARGET, &everything).await.expect("the double reads");
    assert_eq!(counts.iter().map(|row| row.count).collect::<Vec<_>>(), [Some(0), Some(1)]);
    for real in both.counting() {
        assert_eq!(real.scan_counts(TARGET, &everything).await.expect("hbase reads"), counts);
    }
    let all = both.cells(&CellRange { limit: usize::MAX, ..CellRange::default() }).await;
    assert_eq!(all.len(), 2, "counts are not among the cells of items");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_counted_writes_leave_the_same_rows_in_memory_and_in_hbase() {
    let target = counted("random_counted");
    let both = Both::of(&target).await;
    let dice = SeededEntropy::new(1);
    let (base, rows) = (now(), ["a", "b", "c"]);
    let name = || qualifiers()[(dice.next_u64() % 12) as usize].clone();
    for _ in 0..150 {
        let row = rows[(dice.next_u64() % 3) as usize];
        let tick = |bound: u64| base + dice.next_u64() % bound;
        match dice.next_u64() % 3 {
            0 => both.write(&[write(row, tick(40), vec![(name(), "chunk".into())])]).await,
            _ => {
                let names = CellNames { row: row.into(), qualifiers: vec![name()] };
                let now = both.counted(std::slice::from_ref(&names)).await.remove(0);
                let count = [CountChange::Keep, CountChange::Set(dice.next_u64() % 9), CountChange::Remove];
                let guess = if dice.next_u64().is_multiple_of(4) { Some(Tick(tick(40))) } else { now.tick };
                both.write_counted(&CountedWrite {
                    expected: guess,
                    tick: Tick(now.tick.map_or(base, |tick| tick.0) + 1 + dice.next_u64() % 3),
                    delete_columns: vec![name()],
                    ..change(
                        row,
                        None,
                        0,
                        &["p", "q"][..(dice.next_u64() % 3) as usize],
                        count[(dice.next_u64() % 3) as usize],
                    )
                })
                .await;
            }
        }
        both.cells(&CellRange { limit: 1 + (dice.next_u64() % 20) as usize, ..CellRange::default() }).await;
    }
    let everything = ScanRange { limit: 10, ..ScanRange::default() };
    let counts = both.memory.scan_counts(TARGET, &everything).await.expect("the double reads");
    assert_eq!(both.real[0].scan_counts(TARGET, &everything).await.expect("hbase reads"), counts);
}
