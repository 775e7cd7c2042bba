use super::*;
use crate::clock::SteadyClock;
use crate::model::{DateTime, Layout, Pilot, Row, RowChange, TableId, Value};
use crate::protocol::plan::{Cohort, list_of};
use crate::sink::PackedWrite;
use crate::sink::fixtures::{followers, followers_everywhere};
use crate::sink::layout::{Address, Codec};
use crate::sink::memory::MemorySink;
use crate::sink::{ReadRows, RowWrite, ScanRange, StoredRow, WriteRows};
use bytes::Bytes;
use futures::FutureExt;
use proptest::prelude::*;
use std::collections::BTreeMap;

const ORDERED: TargetId = TargetId(0);
const MEMBERSHIP: TargetId = TargetId(1);
const TICK: Tick = Tick(100);

fn row(list: u64, item: u64, second: u8, note: Option<&str>) -> Row {
    let created = DateTime { year: 2024, month: 1, day: 1, second, ..DateTime::default() };
    let note = note.map_or(Value::Null, |note| Value::Text(note.to_owned().into()));
    vec![Value::UInt(list), Value::UInt(item), Value::DateTime(created), note]
}

fn insert(after: Row) -> RowChange {
    RowChange { table: TableId(0), before: None, after: Some(after) }
}

fn delete(before: Row) -> RowChange {
    RowChange { table: TableId(0), before: Some(before), after: None }
}

fn update(before: Row, after: Row) -> RowChange {
    RowChange { table: TableId(0), before: Some(before), after: Some(after) }
}

fn plan(cohort: Cohort) -> Plan {
    Plan::new(vec![followers()], cohort)
}

fn everywhere() -> Plan {
    Plan::new(vec![followers_everywhere()], Cohort::All)
}

fn batch_of(plan: &Plan, changes: &[RowChange], tick: Tick) -> Vec<ListWrites> {
    let mut coalescer = Coalescer::new(Failpoints::default());
    for change in changes {
        assert!(coalescer.add(plan, change.as_ref()).is_empty(), "the keys are whole");
    }
    coalescer.finish(tick)
}

fn unpacked(writes: &ListWrites) -> Vec<RowWrite> {
    writes.rows().map(|row| row.unpack()).collect()
}

/// The rows that a batch of these changes writes to one target, in key order.
fn rows_of(target: TargetId, changes: &[RowChange]) -> Vec<RowWrite> {
    let batch = batch_of(&everywhere(), changes, TICK);
    let mut rows: Vec<RowWrite> =
        batch.iter().filter(|writes| writes.target == target).flat_map(unpacked).collect();
    rows.sort_by(|a, b| a.row.cmp(&b.row));
    rows
}

fn is_delete(write: &RowWrite) -> bool {
    write.delete_family && write.puts.is_empty() && write.delete_columns.is_empty()
}

#[test]
fn an_insert_alone_needs_no_marker_for_its_null() {
    let rows = rows_of(MEMBERSHIP, &[insert(row(1, 1, 0, None))]);
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].delete_family && rows[0].delete_columns.is_empty());
    assert_eq!(rows[0].puts.len(), 1, "created_at; the note has no cell");
}

#[test]
fn a_column_that_an_update_makes_null_gets_a_marker() {
    let rows = rows_of(MEMBERSHIP, &[update(row(1, 1, 0, Some("a")), row(1, 1, 0, None))]);
    assert_eq!(rows[0].delete_columns, [Bytes::from("note")]);
}

#[test]
fn a_null_that_follows_an_insert_in_the_batch_gets_a_marker() {
    let changes = [insert(row(1, 1, 0, Some("a"))), update(row(1, 1, 0, Some("a")), row(1, 1, 0, None))];
    assert_eq!(rows_of(MEMBERSHIP, &changes)[0].delete_columns, [Bytes::from("note")]);
}

#[test]
fn the_delete_of_an_item_that_the_batch_created_is_sent() {
    let rows = rows_of(ORDERED, &[insert(row(1, 1, 0, None)), delete(row(1, 1, 0, None))]);
    assert_eq!(rows.len(), 1);
    assert!(is_delete(&rows[0]));
}

#[test]
fn an_item_that_is_deleted_and_inserted_is_written_in_full_without_a_family_marker() {
    let rows = rows_of(MEMBERSHIP, &[delete(row(1, 1, 0, Some("a"))), insert(row(1, 1, 9, None))]);
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].delete_family, "it would hide the put at the same tick");
    assert_eq!(rows[0].delete_columns, [Bytes::from("note")]);
}

#[test]
fn a_change_of_order_deletes_the_address_before_where_the_order_is_in_it() {
    let changes = [update(row(1, 1, 0, None), row(1, 1, 9, None))];
    let ordered = rows_of(ORDERED, &changes);
    assert_eq!(ordered.len(), 2);
    assert_eq!(ordered.iter().filter(|write| is_delete(write)).count(), 1);
    let membership = rows_of(MEMBERSHIP, &changes);
    assert_eq!(membership.len(), 1, "the address is the same");
    assert!(!membership[0].delete_family);
}

#[test]
fn an_item_that_moves_to_another_list_is_deleted_under_the_lease_of_the_first() {
    let batch = batch_of(&plan(Cohort::All), &[update(row(1, 1, 0, None), row(2, 1, 0, None))], TICK);
    let of = |list: u64| {
        let (id, _) = list_of(&followers(), &row(list, 1, 0, None)).expect("a whole key");
        batch.iter().filter(move |writes| writes.list == id && writes.target == MEMBERSHIP)
    };
    assert!(of(1).all(|writes| is_delete(&unpacked(writes)[0])) && of(1).count() == 1);
    assert!(of(2).all(|writes| !unpacked(writes)[0].puts.is_empty()) && of(2).count() == 1);
}

#[test]
fn an_item_that_leaves_the_cohort_is_deleted_and_one_that_joins_is_written_in_full() {
    let mut lists = Pilot::default();
    lists.add("m", vec![Value::UInt(1)]);
    let pilot = plan(Cohort::of(lists, &[followers()]).expect("a whole key"));
    let (inside, outside) = (row(1, 1, 0, None), row(2, 1, 0, None));
    let leaves = batch_of(&pilot, &[update(inside.clone(), outside.clone())], TICK);
    assert!(leaves.iter().flat_map(unpacked).all(|write| is_delete(&write)));
    assert_eq!(leaves.len(), 2, "one a target");
    let joins = batch_of(&pilot, &[update(outside, inside)], TICK);
    assert!(joins.iter().flat_map(unpacked).all(|write| write.delete_columns.len() == 1));
    assert_eq!(joins.len(), 2, "one a target");
}

const WIDE: TargetId = TargetId(2);

#[test]
fn a_wide_item_is_deleted_by_a_marker_for_its_cell_alone() {
    let deleted = &rows_of(WIDE, &[delete(row(1, 1, 0, None))])[0];
    assert!(!deleted.delete_family && deleted.puts.is_empty());
    let written = &rows_of(WIDE, &[insert(row(1, 1, 0, None))])[0];
    assert_eq!(deleted.delete_columns, [written.puts[0].0.clone()]);
    assert_eq!(deleted.row, written.row);
}

#[test]
fn a_wide_item_that_moves_to_another_segment_is_deleted_there_and_written_here() {
    let moved = rows_of(WIDE, &[update(row(1, 1, 0, None), row(1, 1, 5, None))]);
    assert_eq!(moved.len(), 2);
    assert_ne!(moved[0].row, moved[1].row);
    let both = rows_of(WIDE, &[insert(row(1, 1, 0, None)), update(row(1, 1, 0, None), row(1, 1, 5, None))]);
    assert_eq!(
        both.iter().map(|write| write.delete_columns.len()).sum::<usize>(),
        1,
        "what the batch made is deleted"
    );
}

#[test]
fn items_of_one_wide_row_are_last_operations_of_their_own() {
    let changes = [
        insert(row(1, 1, 0, None)),
        delete(row(1, 2, 0, None)),
        delete(row(1, 1, 0, None)),
        insert(row(1, 2, 0, Some("a"))),
    ];
    let rows = rows_of(WIDE, &changes);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].row, rows[1].row);
    assert!(rows[0].puts.is_empty() && rows[0].delete_columns.len() == 1);
    assert!(rows[1].puts.len() == 1 && rows[1].delete_columns.is_empty());
}

/// What a change does to one of few items: enough for every rule to meet every other.
#[derive(Clone, Debug)]
struct Step {
    item: u64,
    to: u64,
    second: u8,
    note: Option<&'static str>,
    delete: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let note = prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))];
    let step = (0..3u64, 0..3u64, 0..2u8, note, any::<bool>())
        .prop_map(|(item, to, second, note, delete)| Step { item, to, second, note, delete });
    proptest::collection::vec(step, 1..24)
}

/// Changes that a database could have made, one after the other.
fn changes_of(steps: &[Step]) -> Vec<RowChange> {
    let mut table: BTreeMap<u64, Row> = BTreeMap::new();
    let mut changes = Vec::new();
    for step in steps {
        let before = table.get(&step.item).cloned();
        let to = if before.is_none() || table.contains_key(&step.to) { step.item } else { step.to };
        let after = row(to % 2, to, step.second, step.note);
        changes.push(match before {
            None => insert(after.clone()),
            Some(before) if step.delete => {
                table.remove(&step.item);
                changes.push(delete(before));
                continue;
            }
            Some(before) => update(before, after.clone()),
        });
        table.remove(&step.item);
        table.insert(to, after);
    }
    changes
}

/// What readers of a target see; the cell of an item without cells does not count beside others.
fn visible(sink: &MemorySink, target: TargetId) -> Vec<(Bytes, Vec<(Bytes, Bytes)>)> {
    let range = ScanRange { limit: usize::MAX, ..ScanRange::default() };
    let found = sink.scan(target, &range).now_or_never().expect("it does not wait").expect("nor fails");
    let cells = |row: StoredRow| row.cells.into_iter().map(|cell| (cell.qualifier, cell.value)).collect();
    found.into_iter().map(|row| (row.row.clone(), cells(row))).collect()
}

fn apply(sink: &MemorySink, writes: &[ListWrites]) {
    for writes in writes {
        let rows: Vec<PackedWrite<'_>> = writes.rows().collect();
        sink.write(writes.target, &rows).now_or_never().expect("it does not wait").expect("nor fails");
    }
}

proptest! {
    #[test]
    fn batches_of_any_size_end_like_the_changes_one_by_one(steps in steps(), sizes in proptest::collection::vec(1..9usize, 24)) {
        let (plan, changes) = (everywhere(), changes_of(&steps));
        let targets = followers_everywhere().targets;
        let sink = || MemorySink::with_tables(&targets, Arc::new(SteadyClock::start()));
        let (one_by_one, batched) = (sink(), sink());
        for (tick, change) in (1..).zip(&changes) {
            apply(&one_by_one, &batch_of(&plan, std::slice::from_ref(change), Tick(tick)));
        }
        let mut rest = changes.as_slice();
        for (tick, size) in (1..).zip(sizes) {
            let (batch, left) = rest.split_at(size.min(rest.len()));
            apply(&batched, &batch_of(&plan, batch, Tick(tick)));
            rest = left;
        }
        for target in &targets {
            prop_assert_eq!(visible(&one_by_one, target.id), visible(&batched, target.id));
        }
    }

    #[test]
    fn every_address_mentioned_is_sent_once_and_never_with_family_marker_and_put(steps in steps()) {
        let (mapping, changes) = (followers_everywhere(), changes_of(&steps));
        for target in &mapping.targets {
            let mut mentioned: Vec<Address> = changes.iter()
                .flat_map(|change| [&change.before, &change.after]).flatten()
                .map(|row| Codec::of(&mapping, target).address(row).expect("whole keys")).collect();
            mentioned.sort();
            mentioned.dedup();
            let sent = rows_of(target.id, &changes);
            prop_assert!(sent.iter().all(|write| !write.delete_family || write.puts.is_empty()));
            let cell = |write: &RowWrite| match target.layout {
                Layout::Tall => None,
                Layout::Wide => write.puts.iter().map(|(name, _)| name).chain(&write.delete_columns).next().cloned(),
            };
            let mut sent: Vec<Address> = sent.iter().map(|write| Address { row: write.row.clone(), cell: cell(write) }).collect();
            sent.sort();
            prop_assert_eq!(sent, mentioned);
        }
    }
}
