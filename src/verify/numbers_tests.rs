//! What only the numbers of both scans show.

use super::fixtures::{Call, World, edge, mapping, other_layouts};
use super::{VerifyReport, full};
use crate::error::Exit;
use crate::model::Mapping;

fn verify(world: &World, live: bool) -> VerifyReport {
    let verification = world.verification(live);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async { full(&verification).await.unwrap() })
}

/// 3 lists of 10 items, equal on both sides.
fn world() -> World {
    let world = World::new();
    for (followee, follower) in (0..3).flat_map(|list| (0..10).map(move |item| (list, item))) {
        world.change((followee, follower), Some(edge(followee, follower, 1, Some("note"))));
    }
    world
}

/// The note names the item, so that the primary key does not make it the only one.
fn items_by_note(mapping: Mapping) -> World {
    World::of(Mapping { item: vec![3], ..mapping })
}

#[test]
fn two_rows_of_one_address_are_a_difference_in_every_layout() {
    for mapping in [mapping(), other_layouts()] {
        let targets = mapping.targets.len() as u64;
        let world = items_by_note(mapping);
        let note = |n: u64| ["a", "b", "c"][n as usize % 3];
        for n in 0..30 {
            world.change((n % 3, n), Some(edge(n % 3, n, 1, Some(note(n / 3)))));
        }
        let report = verify(&world, true);
        assert_eq!((report.exit(), report.equal), (Exit::Differences, false), "{report}");
        // 3 lists of 3 items, which have 30 rows
        assert_eq!((report.repeated, report.unexplained), (21 * targets, 0), "{report}");
        assert_eq!((report.mysql_rows_counted, report.hbase_items_scanned), (30 * targets, 9 * targets));
        let example = &report.targets[0].examples[0];
        assert_eq!((example.kind, example.item.as_str()), ("repeated", "followee_id=0 note=a"), "{report}");
        assert_eq!(example.what, ["4 rows of MySQL have this key, HBase holds one item"]);
        assert!(
            report.to_string().contains("30 rows counted in MySQL, 9 items scanned in HBase"),
            "{report}"
        );
    }
}

#[test]
fn two_rows_of_one_address_that_do_not_have_the_same_cells_are_one_too_many() {
    let world = items_by_note(mapping());
    for (follower, second) in [(1, 1), (2, 2)] {
        world.change((7, follower), Some(edge(7, follower, second, Some("a"))));
    }
    let report = verify(&world, false);
    // by their order they have two places, for membership one
    assert_eq!(report.targets.iter().map(|target| target.repeated).collect::<Vec<_>>(), [0, 1], "{report}");
}

#[test]
fn a_row_that_moves_to_another_primary_key_while_it_is_scanned_is_not_two() {
    let world = items_by_note(mapping());
    for n in 0..30 {
        world.change((7, n), Some(edge(7, n, 1, Some(&n.to_string()))));
    }
    world.lose(&world.mapping.targets[0].clone(), &edge(7, 0, 1, Some("1"))); // its partition is looked at
    (0..6).for_each(|_| world.before(Call::Rows, |_| {})); // the first reading, and the first chunk of the second
    world.before(Call::Rows, |world| {
        world.change((7, 1), None);
        world.change((7, 99), Some(edge(7, 99, 1, Some("1"))));
    });
    let report = verify(&world, true);
    assert_eq!((report.repeated, report.missing, report.unsettled), (0, 0, 0), "{report}");
    assert_eq!((report.exit(), report.unexplained), (Exit::Done, 0), "{report}");
}

#[test]
fn an_item_that_no_look_up_finds_is_not_called_equal() {
    let world = world();
    world.lose(&world.mapping.targets[0].clone(), &edge(1, 4, 1, None));
    world.blind(Call::Items, (1, 4));
    for live in [true, false] {
        let report = verify(&world, live);
        assert_eq!((report.exit(), report.judged, report.equal), (Exit::Refused, false, false), "{report}");
        assert_eq!(report.unexplained, 1);
        assert!(report.to_string().contains("MySQL counts 60 rows and shows 60, HBase shows 59"), "{report}");
    }
    world.change((2, 4), Some(edge(2, 4, 1, Some("new"))));
    world.before(Call::CountRows, |world| world.change((2, 4), Some(edge(2, 4, 1, Some("newer")))));
    assert_eq!(verify(&world, true).unexplained, 1, "a change of another item explains nothing");
}

#[test]
fn rows_that_the_chunks_pass_over_are_not_called_equal() {
    let world = world();
    world.mapping.targets.iter().for_each(|target| world.lose(target, &edge(1, 4, 1, None)));
    world.blind(Call::Rows, (1, 4));
    let report = verify(&world, true);
    assert_eq!((report.exit(), report.judged, report.unexplained), (Exit::Refused, false, 2), "{report}");
    assert!(report.to_string().contains("MySQL counts 60 rows and shows 58, HBase shows 58"), "{report}");
}

#[test]
fn what_changes_while_both_sides_are_scanned_is_explained() {
    let world = world();
    world.before(Call::CountRows, |world| world.log((1, 4), None));
    world.before(Call::Rows, |world| {
        world.commit();
        world.change((9, 9), Some(edge(9, 9, 1, None)));
    });
    world.before(Call::Positions, |_| {});
    world.before(Call::Positions, World::tail);
    let report = verify(&world, true);
    assert_eq!((report.exit(), report.unexplained), (Exit::Done, 0), "{report}");
}
