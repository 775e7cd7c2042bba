//! The full comparison of wide and packed targets, and of counts.

use super::fixtures::{Call, World, edge, other_layouts};
use super::{VerifyReport, full};
use crate::error::Exit;
use crate::model::{Row, TableSchema, Target, TargetId, Value};
use crate::sink::layout::{self, Address, Codec};
use crate::sink::{CountChange, encode, wide};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const WIDE: usize = 0;
const WHOLE: usize = 1;
const PACKED: usize = 2;
const ALONE: usize = 3;

/// Lists of `items` items each, created a second after each other: five to a segment.
fn world(lists: u64, items: u64) -> World {
    let world = World::of(other_layouts());
    fill(&world, lists, items);
    world
}

fn fill(world: &World, lists: u64, items: u64) {
    for followee in 0..lists {
        for follower in 0..items {
            world.change((followee, follower), Some(item(followee, follower)));
        }
    }
}

fn item(followee: u64, follower: u64) -> Row {
    edge(followee, follower, follower as i64, (!follower.is_multiple_of(3)).then_some("note"))
}

fn verify(world: &World, live: bool) -> VerifyReport {
    verify_counted(world, live, &[])
}

/// `due`: targets whose rows must have counts.
fn verify_counted(world: &World, live: bool, due: &[usize]) -> VerifyReport {
    let mut verification = world.verification(live);
    verification.counts_due = due.iter().map(|target| world.mapping.targets[*target].id).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async { full(&verification).await.unwrap() })
}

/// missing, extra, different, miscounted, unsettled
fn found(report: &VerifyReport) -> [u64; 5] {
    [report.missing, report.extra, report.different, report.miscounted, report.unsettled]
}

fn lines(report: &VerifyReport) -> BTreeSet<String> {
    let examples = report.targets.iter().flat_map(|t| t.examples.iter().map(move |e| (&t.table, e)));
    examples.map(|(table, e)| format!("{table} {} {}: {}", e.kind, e.item, e.what.join(", "))).collect()
}

fn address(world: &World, target: &Target, row: &Row) -> Address {
    Codec::of(&world.mapping, target).address(row).unwrap()
}

/// Puts a value in the place of an item.
fn put(world: &World, target: &Target, row: &Row, value: &'static [u8]) {
    let Address { row, cell } = address(world, target, row);
    world.write(target, row, vec![(cell.unwrap_or_default(), value.into())], vec![]);
}

/// Puts the cells of `as_of` in the place of `row`.
fn put_other(world: &World, target: &Target, row: &Row, as_of: &Row) {
    let Address { row, cell } = address(world, target, row);
    let value = Codec::of(&world.mapping, target).item_write(as_of).unwrap().puts.remove(0).1;
    world.write(target, row, vec![(cell.unwrap_or_default(), value)], vec![]);
}

#[test]
fn equal_sides_are_equal_in_every_layout_with_and_without_a_live_tail() {
    let world = world(5, 20);
    for live in [true, false] {
        let report = verify_counted(&world, live, &[WIDE, WHOLE]);
        assert_eq!((found(&report), report.items_compared), ([0; 5], 400));
        assert_eq!((report.exit(), report.judged, report.equal), (Exit::Done, true, true));
        // four segments a list, and a row for each list
        assert_eq!((report.counts_compared, report.uncounted), (25, 0));
    }
    assert_eq!(verify(&World::of(other_layouts()), true).exit(), Exit::Done);
}

#[test]
fn each_kind_of_difference_is_found_in_every_layout_and_columns_are_named() {
    let world = world(5, 20);
    let targets = world.mapping.targets.clone();
    for target in &targets {
        world.lose(target, &item(0, 1));
        world.store_in(target, &edge(4, 99, 5, None));
    }
    put_other(&world, &targets[WIDE], &item(1, 1), &edge(1, 1, 1, Some("other")));
    put_other(&world, &targets[WHOLE], &item(1, 3), &edge(1, 3, 3, Some("unexpected")));
    put_other(&world, &targets[PACKED], &item(1, 4), &edge(1, 4, 9, None));
    put(&world, &targets[PACKED], &item(1, 5), b"{");
    put(&world, &targets[ALONE], &item(1, 7), b"other");
    let beside = address(&world, &targets[ALONE], &item(1, 8)).row;
    world.write(&targets[ALONE], beside, vec![("odd".into(), "".into())], vec![]);
    let row = address(&world, &targets[WIDE], &item(2, 2)).row;
    world.write(&targets[WIDE], row.clone(), vec![("odd".into(), "".into())], vec![]);
    world.write(&targets[WHOLE], Bytes::from_static(&[9, 9]), vec![("x".into(), "".into())], vec![]);
    let report = verify_counted(&world, true, &[WIDE, WHOLE]);
    let mut expected: BTreeSet<String> = targets
        .iter()
        .flat_map(|target| {
            let table = &target.table;
            [
                format!("{table} missing followee_id=0 follower_id=1: "),
                format!("{table} extra followee_id=4 follower_id=99: "),
            ]
        })
        .collect();
    let others = [
        "wide different followee_id=1 follower_id=1: note",
        "whole different followee_id=1 follower_id=3: note (only in HBase)",
        "packed different followee_id=1 follower_id=4: created_at, note (only in MySQL)",
        "packed different followee_id=1 follower_id=5: the value",
        "alone different followee_id=1 follower_id=7: note",
        "alone different followee_id=1 follower_id=8: odd (only in HBase)",
        &format!("wide extra row {} cell 6f6464: not a row and cell of this mapping", hex::encode(row)),
        "whole extra row 0909 cell 78: not a row and cell of this mapping",
        // stored through the tail, with its count
        "wide miscounted followee_id=4 segment 1: c:n is 6, MySQL has 5",
        "whole miscounted followee_id=4: c:n is 21, MySQL has 20",
    ];
    expected.extend(others.map(str::to_owned));
    assert_eq!(lines(&report), expected);
    assert_eq!((found(&report), report.exit()), ([4, 6, 6, 2, 0], Exit::Differences));
    let text = report.to_string();
    assert!(text.contains(", 1 wrong\n") && text.contains(", 6 different, 2 miscounted;"), "{text}");
}

#[test]
fn an_item_that_stayed_in_its_old_segment_is_extra_and_one_in_the_wrong_row_too() {
    let world = world(2, 20);
    let target = world.mapping.targets[WIDE].clone();
    // it moved from the segment 0 to the segment 2, and its delete was lost
    let (old, new) = (item(1, 3), edge(1, 3, 11, None));
    world.change((1, 3), Some(new.clone()));
    put_other(&world, &target, &old, &old);
    // a cell of the segment 3, in the row of the segment 1
    let Address { cell, .. } = address(&world, &target, &item(0, 17));
    let row = address(&world, &target, &item(0, 7)).row;
    world.write(&target, row, vec![(cell.unwrap(), "x".into())], vec![]);
    let report = verify_counted(&world, true, &[WIDE]);
    let expected = [
        "wide extra followee_id=1 follower_id=3: MySQL has it with another created_at",
        "wide extra followee_id=0 follower_id=17: MySQL has it in another segment",
    ];
    assert_eq!(lines(&report), expected.map(str::to_owned).into());
    assert_eq!(found(&report), [0, 2, 0, 0, 0], "the counts are those of MySQL");
}

#[test]
fn rows_without_a_count_are_differences_only_once_they_should_have_one() {
    let world = World::of(other_layouts());
    world.set_counting(false);
    fill(&world, 3, 10);
    let report = verify(&world, true);
    assert_eq!((report.exit(), report.counts_compared, report.uncounted), (Exit::Done, 0, 9));
    assert!(
        report.to_string().contains("; 0 counts compared, 0 wrong, 6 rows not counted yet\n"),
        "{report}"
    );

    let report = verify_counted(&world, true, &[WIDE]);
    assert_eq!((found(&report), report.exit()), ([0, 0, 0, 6, 0], Exit::Differences));
    assert_eq!(report.uncounted, 3, "those of the other target");
    assert!(
        lines(&report).contains("wide miscounted followee_id=2 segment 1: no c:n, MySQL has 5"),
        "{report}"
    );
}

#[test]
fn a_list_without_items_counts_nothing_or_0() {
    let world = world(3, 5);
    for follower in 0..5 {
        world.change((1, follower), None);
    }
    let target = world.mapping.targets[WHOLE].clone();
    let row = address(&world, &target, &item(1, 0)).row;
    let report = verify_counted(&world, true, &[WIDE, WHOLE]);
    assert_eq!((found(&report), report.counts_compared), ([0; 5], 6), "0 is kept");
    world.recount(&target, &row, CountChange::Remove);
    let report = verify_counted(&world, true, &[WIDE, WHOLE]);
    assert_eq!((found(&report), report.counts_compared), ([0; 5], 5));
    world.recount(&target, &row, CountChange::Set(2));
    let report = verify_counted(&world, true, &[WIDE, WHOLE]);
    assert_eq!(lines(&report), ["whole miscounted followee_id=1: c:n is 2, MySQL has 0".to_owned()].into());
}

#[test]
fn a_count_is_compared_with_mysql_and_not_with_the_cells_that_are_there() {
    let world = world(3, 5);
    let target = world.mapping.targets[WHOLE].clone();
    // two cells are gone, and the count knows of one
    world.lose(&target, &item(1, 2));
    world.lose(&target, &item(1, 3));
    let row = address(&world, &target, &item(1, 0)).row;
    world.recount(&target, &row, CountChange::Set(4));
    assert_eq!(found(&verify(&world, true)), [2, 0, 0, 1, 0]);
    world.recount(&target, &row, CountChange::Set(3));
    assert_eq!(found(&verify(&world, true)), [2, 0, 0, 1, 0], "it fits the cells");
    world.recount(&target, &row, CountChange::Set(5));
    let report = verify(&world, true);
    assert_eq!(found(&report), [2, 0, 0, 0, 0], "it is right: {report}");
    // a whole list that HBase never had, and a row of which only the count is left
    for follower in 0..5 {
        world.lose(&target, &item(2, follower));
    }
    assert_eq!(found(&verify(&world, true)), [7, 0, 0, 0, 0]);
}

#[test]
fn a_list_is_counted_in_mysql_whatever_index_there_is() {
    for unique_keys in [vec![], vec![vec![0, 1]]] {
        let mut world = world(3, 10);
        let schema = (*world.mapping.schema).clone();
        world.mapping.schema = Arc::new(TableSchema { primary_key: vec![1, 0], unique_keys, ..schema });
        let target = world.mapping.targets[WIDE].clone();
        world.recount(&target, &address(&world, &target, &item(1, 0)).row, CountChange::Set(7));
        let line = "wide miscounted followee_id=1 segment 0: c:n is 7, MySQL has 5";
        assert_eq!(lines(&verify(&world, true)), [line.to_owned()].into());
    }
}

#[test]
fn a_list_that_never_stands_still_is_compared_exactly() {
    let world = world(4, 12);
    let hot = |n: u64| {
        move |world: &World| {
            // one that comes, one that goes, one that only changes: all of a list of which the count is wrong
            world.change((1, 100 + n), Some(edge(1, 100 + n, n as i64, None)));
            world.change((1, n % 12), None);
            world.change((1, 5), Some(edge(1, 5, 5, Some("new"))));
        }
    };
    let target = world.mapping.targets[WHOLE].clone();
    let row = address(&world, &target, &item(1, 0)).row;
    for wrong in [false, true] {
        if wrong {
            world.recount(&target, &row, CountChange::Set(1_000));
        }
        for n in 0..40 {
            for call in [Call::Executed, Call::View, Call::BinlogEnd, Call::Positions] {
                let change = hot(n);
                world.before(call, move |world| change(world));
            }
        }
        let report = verify_counted(&world, true, &[WIDE, WHOLE]);
        assert_eq!(found(&report), [0, 0, 0, u64::from(wrong), 0], "{report}");
    }
}

#[test]
fn what_is_done_to_a_row_between_the_binlog_and_the_count_is_looked_at_again() {
    let world = world(3, 10);
    let target = world.mapping.targets[WHOLE].clone();
    world.recount(&target, &address(&world, &target, &item(1, 0)).row, CountChange::Set(1_000));
    for n in 0..5 {
        let busy = world.clone();
        world.sink.before_counts(move || busy.change((1, 50 + n), Some(edge(1, 50 + n, 1, None))));
    }
    let report = verify_counted(&world, true, &[WIDE, WHOLE]);
    let line = "whole miscounted followee_id=1: c:n is 1005, MySQL has 15";
    assert_eq!(lines(&report), [line.to_owned()].into());
}

#[test]
fn a_wrong_count_that_fits_by_chance_since_its_row_is_written_to_is_found() {
    let world = world(3, 10);
    let target = world.mapping.targets[WHOLE].clone();
    let row = address(&world, &target, &item(1, 0)).row;
    world.recount(&target, &row, CountChange::Set(11));
    // one goes between the cells and the count, whenever they are read
    for n in 0..5 {
        let busy = world.clone();
        world.sink.after_cells(target.id, row.clone(), move || busy.change((1, n), None));
    }
    let report = verify_counted(&world, true, &[WIDE, WHOLE]);
    assert_eq!(found(&report), [0, 0, 0, 1, 0], "{report}");
}

#[test]
fn a_count_that_is_on_its_way_is_waited_for() {
    let world = world(3, 10);
    let target = world.mapping.targets[WHOLE].clone();
    let row = address(&world, &target, &item(1, 0)).row;
    world.recount(&target, &row, CountChange::Set(1_000));
    world.before(Call::Executed, |_| {});
    world.before(Call::Positions, |_| {});
    world.before(Call::Executed, |world| {
        world.log((1, 50), Some(edge(1, 50, 1, None)));
        world.commit();
    });
    world.before(Call::Positions, move |world| {
        world.tail();
        world.recount(&target, &row, CountChange::Set(11));
    });
    assert_eq!(found(&verify_counted(&world, true, &[WIDE, WHOLE])), [0; 5]);
}

#[test]
fn a_count_that_hbase_has_before_mysql_shows_the_change_is_not_wrong() {
    let world = world(3, 10);
    let target = world.mapping.targets[WHOLE].clone();
    // committed in the binlog and written, and not in the engine yet (semi-sync)
    world.log((1, 4), None);
    world.tail();
    let report = verify_counted(&world, true, &[WHOLE]);
    assert_eq!(found(&report), [0, 0, 0, 0, 4], "the item is unsettled in each target: {report}");
    let row = address(&world, &target, &item(1, 0)).row;
    world.recount(&target, &row, CountChange::Set(10));
    let report = verify_counted(&world, true, &[WHOLE]);
    assert_eq!(
        lines(&report),
        ["whole miscounted followee_id=1: c:n is 10, MySQL has 9".to_owned()].into(),
        "what is under way is reckoned with: {report}"
    );
    world.commit();
    world.recount(&target, &row, CountChange::Set(9));
    assert_eq!(verify_counted(&world, true, &[WHOLE]).exit(), Exit::Done);
}

#[test]
fn a_row_of_many_cells_is_never_asked_for_at_once() {
    let mut world = World::of(other_layouts());
    world.mapping.targets.truncate(2);
    fill(&world, 1, 12_000);
    let target = world.mapping.targets[WHOLE].clone();
    world.lose(&target, &item(0, 7_000));
    world.recount(&target, &address(&world, &target, &item(0, 0)).row, CountChange::Set(7));
    let report = verify_counted(&world, true, &[WIDE, WHOLE]);
    assert_eq!((found(&report), report.items_compared), ([1, 0, 0, 1, 0], 24_000));
    let (cells, rows, whole) = (world.sink.most_cells(), world.sink.most_rows(), world.sink.whole_rows());
    assert!(
        (500..=5_000).contains(&cells) && rows <= 5_000 && whole == 0,
        "{cells} cells, {rows} rows, {whole}"
    );
}

#[test]
fn counts_of_rows_that_are_no_list_are_passed_page_by_page() {
    let world = world(1, 5);
    let target = world.mapping.targets[WHOLE].clone();
    for n in 0..6_000_u64 {
        let list = encode::key_parts_of(&world.mapping, &[0], &[Value::UInt(1_000 + n)]).unwrap();
        let row = layout::list_prefix(&target, &list);
        world.recount(&target, &row, CountChange::Set(u64::from(n % 2_000 == 0)));
    }
    let report = verify(&world, true);
    assert_eq!((found(&report), report.counts_compared), ([0, 0, 0, 3, 0], 6_002), "{report}");
    assert!(world.sink.most_rows() <= 5_000);
}

/// What is done to one list, or one item, behind everybody's back.
#[derive(Clone, Copy, Debug)]
enum Corruption {
    Lose,
    Change,
    Add,
    Miscount,
    Uncount,
}

fn corruptions() -> impl Strategy<Value = BTreeMap<u64, (usize, Corruption)>> {
    use Corruption::*;
    let kind = proptest::sample::select(vec![Lose, Change, Add, Miscount, Uncount]);
    proptest::collection::btree_map(0..9_u64, (0..2_usize, kind), 0..8)
}

/// Applies it to the item 7 of a list, and says what a comparison must say.
fn corrupt(world: &World, followee: u64, target: usize, corruption: Corruption) -> String {
    let target = &world.mapping.targets[target];
    let row = item(followee, 7);
    let Address { row: row_key, .. } = address(world, target, &row);
    let segment = wide::split_row_key(&world.mapping, target, &row_key).and_then(|parts| parts.segment);
    let place = segment.map_or(String::new(), |segment| format!(" segment {segment}"));
    let items = if segment.is_some() { 5 } else { 10 };
    let table = &target.table;
    match corruption {
        Corruption::Lose => {
            world.lose(target, &row);
            format!("{table} missing followee_id={followee} follower_id=7: ")
        }
        Corruption::Change => {
            put_other(world, target, &row, &edge(followee, 7, 7, Some("corrupt")));
            format!("{table} different followee_id={followee} follower_id=7: note")
        }
        Corruption::Add => {
            put(world, target, &edge(followee, 77, 7, None), b"x");
            format!("{table} extra followee_id={followee} follower_id=77: ")
        }
        Corruption::Miscount => {
            world.recount(target, &row_key, CountChange::Set(followee + 100));
            let says = followee + 100;
            format!("{table} miscounted followee_id={followee}{place}: c:n is {says}, MySQL has {items}")
        }
        Corruption::Uncount => {
            world.recount(target, &row_key, CountChange::Remove);
            format!("{table} miscounted followee_id={followee}{place}: no c:n, MySQL has {items}")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn planted_corruptions_of_wide_targets_are_found_exactly(planted in corruptions(), live: bool, busy: bool) {
        let world = world(9, 10);
        let expected: BTreeSet<String> =
            planted.iter().map(|(list, (target, what))| corrupt(&world, *list, *target, *what)).collect();
        if live && busy {
            for n in 0..60 {
                let call = [Call::Items, Call::View, Call::BinlogEnd, Call::Executed][n as usize % 4];
                world.before(call, move |world| {
                    world.change((n % 9, 30 + n % 5), (n % 2 == 0).then(|| edge(n % 9, 30 + n % 5, 3, None)));
                });
            }
        }
        let report = verify_counted(&world, live, &[WIDE, WHOLE]);
        let told: BTreeSet<String> = match live && busy {
            // how many MySQL has changes all the time
            true => lines(&report).into_iter().map(without_number).collect(),
            false => lines(&report),
        };
        let expected: BTreeSet<String> = match live && busy {
            true => expected.into_iter().map(without_number).collect(),
            false => expected,
        };
        prop_assert_eq!(report.unsettled, 0);
        prop_assert_eq!(told, expected);
    }
}

fn without_number(line: String) -> String {
    let ends = [line.find(": c:n is "), line.find(": no c:n")];
    line[..ends.into_iter().flatten().min().unwrap_or(line.len())].to_owned()
}

#[test]
fn the_targets_of_these_tests_are_what_they_are_called() {
    let mapping = other_layouts();
    let tables: Vec<(TargetId, &str)> =
        mapping.targets.iter().map(|target| (target.id, target.table.as_str())).collect();
    assert_eq!(tables[WIDE].1, "wide");
    assert_eq!(tables[WHOLE], (TargetId(1), "whole"));
    assert_eq!((tables[PACKED].1, tables[ALONE].1), ("packed", "alone"));
}
