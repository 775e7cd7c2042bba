use super::*;
use crate::clock::SteadyClock;
use crate::compare::items::{Found, tall_item, wide_items};
use crate::model::{ColumnValue, Mapping, Value};
use crate::protocol::{UnprovenMark, mark};
use crate::sink::fixtures::{date_time, followers_everywhere};
use crate::sink::layout::Codec;
use crate::sink::memory::MemorySink;
use crate::sink::{PackedRows, ReadRows, RowWrite, ScanRange, WriteRows};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const MARK: Tick = Tick(1_000);

fn safe(tick: Tick) -> SafeMark {
    let unproven = UnprovenMark { tick, proof: Default::default(), taken_ms: 0 };
    mark::judged(&Journaled::with_proof(unproven), Default::default()).expect("nothing is to be proven")
}

/// A row of list 7: item, seconds of its order value, note.
fn row(item: u64, second: u8, note: Option<&str>) -> Vec<Value> {
    let mut created = date_time("2024-01-01 00:00:00.123");
    created.second = second;
    let note = note.map_or(Value::Null, |note| Value::Text(note.to_owned().into()));
    vec![Value::UInt(7), Value::UInt(item), Value::DateTime(created), note]
}

/// Everything that a target shows, by address.
async fn shown(sink: &MemorySink, target: &Target) -> BTreeMap<Address, StoredRow> {
    let range = ScanRange { limit: usize::MAX, ..ScanRange::default() };
    let rows = sink.scan(target.id, &range).await.expect("it reads");
    let tall = target.layout == crate::model::Layout::Tall;
    let items: Vec<Found> = rows
        .into_iter()
        .flat_map(|row| if tall { vec![tall_item(row)] } else { wide_items(row).collect() })
        .collect();
    items.into_iter().map(|found| (found.address, found.stored)).collect()
}

fn full_write(mapping: &Mapping, target: &Target, row: &[ColumnValue<'_>], tick: Tick) -> RowWrite {
    let item = Codec::of(mapping, target).item_write(row).expect("it has an address");
    RowWrite {
        row: item.address.row,
        tick,
        delete_family: false,
        puts: item.puts,
        delete_columns: item.nulls,
    }
}

async fn write(sink: &MemorySink, target: &Target, writes: &[RowWrite]) {
    sink.write(target.id, &PackedRows::of(writes).writes()).await.expect("it writes");
}

/// Makes `target` show `rows`, and says which addresses differ still because of cells above the mark.
async fn repair(sink: &MemorySink, mapping: &Mapping, target: &Target, rows: &[Vec<Value>]) -> Vec<Address> {
    let expected: BTreeMap<Address, ItemWrite> = rows
        .iter()
        .map(|row| Codec::of(mapping, target).item_write(row).expect("it has an address"))
        .map(|item| (item.address.clone(), item))
        .collect();
    let stored = shown(sink, target).await;
    let (mark, mut newer) = (safe(MARK), Vec::new());
    let mut repairs = Repairs::new(target, &mark);
    let addresses: std::collections::BTreeSet<&Address> = expected.keys().chain(stored.keys()).collect();
    for address in addresses {
        let (item, found) = (expected.get(address), stored.get(address));
        let mend = decide(item, found, MARK);
        repairs.add(ListId::new(0, b"7"), address, item, &mend.act);
        if mend.newer {
            newer.push(address.clone());
        }
    }
    for writes in repairs.finish() {
        let rows: Vec<_> = writes.get().rows().collect();
        assert!(rows.iter().all(|row| row.tick == MARK));
        assert!(rows.iter().all(|row| !row.delete_family || row.puts().count() == 0), "a marker would win");
        sink.write(target.id, &rows).await.expect("it writes");
    }
    newer
}

async fn assert_shows(sink: &MemorySink, mapping: &Mapping, target: &Target, rows: &[Vec<Value>]) {
    let mut stored = shown(sink, target).await;
    for row in rows {
        let item = Codec::of(mapping, target).item_write(row).expect("it has an address");
        let found = stored.remove(&item.address);
        assert_eq!(difference(Some(&item), found.as_ref()), None, "{}", target.table);
    }
    assert_eq!(stored.into_keys().collect::<Vec<_>>(), [], "{}", target.table);
}

fn sink_of(mapping: &Mapping) -> MemorySink {
    MemorySink::with_tables(&mapping.targets, Arc::new(SteadyClock::start()))
}

#[tokio::test]
async fn every_kind_of_difference_is_mended_in_every_layout() {
    let mapping = followers_everywhere();
    let sink = sink_of(&mapping);
    let (moved, misplaced) = (row(3, 20, Some("moved")), row(3, 4, Some("moved")));
    let rows =
        vec![row(1, 1, Some("equal")), row(2, 2, None), moved, row(4, 4, Some("missing")), row(5, 5, None)];
    for target in &mapping.targets {
        let old = Tick(10);
        let stray = RowWrite {
            puts: vec![("none of ours".into(), "x".into())],
            ..full_write(&mapping, target, &rows[4], old)
        };
        let tall = target.layout == crate::model::Layout::Tall;
        write(
            &sink,
            target,
            &[
                full_write(&mapping, target, &rows[0], old),
                full_write(&mapping, target, &row(2, 2, Some("was deleted to NULL")), old),
                full_write(&mapping, target, &misplaced, old),
                full_write(&mapping, target, &row(9, 9, Some("was deleted")), old),
            ],
        )
        .await;
        write(&sink, target, &[full_write(&mapping, target, &rows[4], old)]).await;
        if tall {
            write(&sink, target, &[stray]).await;
        }
        assert_eq!(repair(&sink, &mapping, target, &rows).await, [], "{}", target.table);
        assert_shows(&sink, &mapping, target, &rows).await;
        let untouched = Codec::of(&mapping, target).address(&rows[0]).expect("it has an address");
        let cells = shown(&sink, target).await.remove(&untouched).expect("it is there").cells;
        assert!(cells.iter().all(|cell| cell.tick == old), "what is equal is not touched");
    }
}

#[tokio::test]
async fn what_is_stamped_above_the_mark_stays_and_is_said() {
    let mapping = followers_everywhere();
    let (sink, later) = (sink_of(&mapping), Tick(MARK.0 + 1));
    for target in &mapping.targets {
        let (deleted, changed) = (row(1, 1, Some("later")), row(2, 2, Some("later")));
        write(
            &sink,
            target,
            &[full_write(&mapping, target, &deleted, later), full_write(&mapping, target, &changed, later)],
        )
        .await;
        let newer = repair(&sink, &mapping, target, &[row(2, 2, Some("earlier"))]).await;
        let at = |row: &[Value]| Codec::of(&mapping, target).address(row).expect("it has an address");
        let mut both = vec![at(&deleted), at(&changed)];
        both.sort();
        assert_eq!(newer, both, "{}", target.table);
        assert_shows(&sink, &mapping, target, &[deleted, changed]).await;
    }
}

#[tokio::test]
async fn a_row_of_which_some_cells_are_newer_loses_the_older_ones() {
    let mapping = followers_everywhere();
    let (sink, target) = (sink_of(&mapping), &mapping.targets[0]);
    let (old, later) = (row(1, 1, Some("old")), row(1, 1, None));
    write(&sink, target, &[full_write(&mapping, target, &old, Tick(10))]).await;
    // a later insert of the same item, which has no marker for its NULL
    let insert =
        RowWrite { delete_columns: vec![], ..full_write(&mapping, target, &later, Tick(MARK.0 + 1)) };
    write(&sink, target, &[insert]).await;
    assert_eq!(repair(&sink, &mapping, target, &[]).await.len(), 1);
    assert_shows(&sink, &mapping, target, &[later]).await;
}

fn some_rows() -> impl Strategy<Value = Vec<(u64, u8, Option<&'static str>)>> {
    let note = proptest::sample::select(vec![None, Some("a"), Some("b")]);
    proptest::collection::btree_map(0_u64..6, (0_u8..3, note), 0..6)
        .prop_map(|rows| rows.into_iter().map(|(item, (second, note))| (item, second, note)).collect())
}

/// What was written before: rows, whether each is a delete, and its tick.
fn some_history() -> impl Strategy<Value = Vec<(u64, u8, Option<&'static str>, bool, u64)>> {
    let note = proptest::sample::select(vec![None, Some("a"), Some("b")]);
    proptest::collection::vec((0_u64..6, 0_u8..3, note, any::<bool>(), 1_u64..MARK.0), 0..20)
}

proptest! {
    /// Whatever was written below the mark, in whatever order, HBase shows MySQL's rows; and a write from before that
    /// lands once more changes nothing of what was mended.
    #[test]
    fn whatever_is_there_below_the_mark_hbase_shows_what_mysql_has(
        rows in some_rows(),
        history in some_history(),
        later in proptest::option::of(some_rows()),
    ) {
        let mapping = followers_everywhere();
        let sink = sink_of(&mapping);
        let rows: Vec<Vec<Value>> = rows.into_iter().map(|(item, second, note)| row(item, second, note)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            for target in &mapping.targets {
                for (item, second, note, delete, tick) in &history {
                    let full = full_write(&mapping, target, &row(*item, *second, *note), Tick(*tick));
                    let tall = target.layout == crate::model::Layout::Tall;
                    let names = full.puts.iter().map(|(name, _)| name.clone()).collect();
                    write(&sink, target, &[match (delete, tall) {
                        (false, _) => full,
                        (true, true) => RowWrite { delete_family: true, puts: vec![], delete_columns: vec![], ..full },
                        (true, false) => RowWrite { puts: vec![], delete_columns: names, ..full },
                    }])
                    .await;
                }
                assert_eq!(repair(&sink, &mapping, target, &rows).await, []);
                assert_shows(&sink, &mapping, target, &rows).await;
                // a change that MySQL has made since, sealed above the mark: its batch deletes what goes, and writes
                // what is there
                let Some(later) = &later else { continue };
                let later: Vec<Vec<Value>> =
                    later.iter().map(|(item, second, note)| row(*item, *second, *note)).collect();
                for gone in &rows {
                    let full = full_write(&mapping, target, gone, Tick(MARK.0 + 1));
                    let delete_family = target.layout == crate::model::Layout::Tall;
                    let names: Vec<Bytes> = full.puts.iter().map(|(name, _)| name.clone()).collect();
                    let delete_columns = if delete_family { vec![] } else { names };
                    write(&sink, target, &[RowWrite { delete_family, puts: vec![], delete_columns, ..full }]).await;
                }
                for row in &later {
                    write(&sink, target, &[full_write(&mapping, target, row, Tick(MARK.0 + 2))]).await;
                }
                repair(&sink, &mapping, target, &rows).await;
                assert_shows(&sink, &mapping, target, &later).await;
            }
        });
    }
}
