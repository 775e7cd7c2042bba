//! Answers of both sides compared, beside changes.

use super::business::BusinessReport;
use super::fixtures::{Call, World, edge, other_layouts};
use super::{BusinessAsk, Query, Verification, business};
use crate::error::Exit;
use crate::model::QueryKind;
use crate::sink::CountChange;
use crate::sink::layout::Codec;

fn ask(kinds: &[QueryKind]) -> BusinessAsk {
    let query = |kind: &QueryKind| Query { name: kind.name().to_owned(), kind: *kind, limit: 5, sql: None };
    BusinessAsk { queries: vec![kinds.iter().map(query).collect()], random: 100, seed: 7, since: None }
}

const ALL: [QueryKind; 5] =
    [QueryKind::Latest, QueryKind::First, QueryKind::Page, QueryKind::Has, QueryKind::Count];

pub(super) fn judge(verification: &Verification, ask: &BusinessAsk) -> BusinessReport {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async { business(verification, ask).await.unwrap() })
}

/// Lists 0 to 9, of 1 to 10 items with ties in their order.
pub(super) fn filled(world: World) -> World {
    for (followee, follower) in (0..10).flat_map(|list| (0..=list).map(move |item| (list, item))) {
        let second = (follower / 3) as i64;
        world.change((followee, follower), Some(edge(followee, follower, second, Some("note"))));
    }
    world
}

/// List 2 changes before and after each answer.
pub(super) fn list_2_never_rests(world: &World) {
    for n in 0..500 {
        let change = move |world: &World, note: &str| {
            world.log((2, 1), Some(edge(2, 1, 0, Some(&format!("{note} {n}")))));
            world.commit();
        };
        world.before(Call::Executed, move |world| change(world, "asked"));
        world.before(Call::Positions, move |world| {
            change(world, "tailed");
            world.tail();
        });
    }
}

#[test]
fn equal_sides_answer_alike_in_every_layout() {
    for world in [World::new(), World::of(other_layouts())] {
        let world = filled(world);
        for live in [true, false] {
            let report = judge(&world.verification(live), &ask(&ALL));
            assert_eq!(report.exit(), Exit::Done, "{report}");
            assert_eq!((report.lists, report.different, report.unsettled), (10, 0, 0), "{report}");
            // a second page of each list with five items or more; an item that is there, and the first one of another list,
            // where that is another item
            assert_eq!(report.answers, 10 + 10 + 16 + 12 + 10, "{report}");
            let random = report.mappings[0].random;
            assert!(random.is_all && random.compared == 10 && random.bound == 0.0, "{random:?}");
        }
    }
}

#[test]
fn each_kind_of_query_finds_a_lost_delete_an_extra_item_and_a_wrong_value() {
    // the item is the first and the last one of its list, so that every query of five items shows it
    for (kind, sees_values) in [
        (QueryKind::Latest, true),
        (QueryKind::First, true),
        (QueryKind::Page, true),
        (QueryKind::Count, false),
    ] {
        let world = filled(World::new());
        world.forget_changes_of((0, 0));
        world.change((0, 0), None);
        assert_eq!(
            judge(&world.verification(true), &ask(&[kind])).different,
            0,
            "an empty list is not drawn"
        );

        let world = filled(World::new());
        world.forget_changes_of((2, 1));
        world.change((2, 1), None);
        let report = judge(&world.verification(true), &ask(&[kind]));
        assert_eq!((report.different, report.exit()), (1, Exit::Differences), "{kind:?}: {report}");
        assert!(report.mappings[0].findings[0].list.contains("followee_id=2"), "{report}");

        let world = filled(World::new());
        world.forget_changes_of((2, 1));
        world.change((2, 1), Some(edge(2, 1, 0, Some("another"))));
        let report = judge(&world.verification(true), &ask(&[kind]));
        assert_eq!(report.different, u64::from(sees_values), "{kind:?}: {report}");
    }
}

#[test]
fn another_order_is_a_difference() {
    let world = filled(World::new());
    // MySQL has moved the item to the front, HBase has it where it was
    world.forget_changes_of((2, 1));
    world.change((2, 1), Some(edge(2, 1, 99, Some("note"))));
    let report = judge(&world.verification(true), &ask(&[QueryKind::Latest]));
    assert_eq!(report.different, 1, "{report}");
    assert!(report.mappings[0].findings[0].what.contains("item 1 of 3: MySQL has"), "{report}");
}

#[test]
fn a_wrong_count_beside_right_cells_is_found() {
    let world = filled(World::of(other_layouts()));
    for target in [0, 1].map(|target| world.mapping.targets[target].clone()) {
        let row = Codec::of(&world.mapping, &target).address(&edge(3, 0, 0, None)).unwrap().row;
        world.recount(&target, &row, CountChange::Set(990));
    }
    let report = judge(&world.verification(true), &ask(&[QueryKind::Count]));
    assert_eq!((report.different, report.mappings[0].random.confirmed), (1, 1), "{report}");
}

#[test]
fn changes_under_way_are_no_difference() {
    let world = filled(World::new());
    // in the binlog and in HBase, and not committed in the engine: both SELECTs agree, and HBase is ahead
    world.log((2, 1), Some(edge(2, 1, 0, Some("ahead"))));
    world.tail();
    for _ in 0..2 {
        world.before(Call::Positions, World::commit);
    }
    let report = judge(&world.verification(true), &ask(&[QueryKind::Latest]));
    assert_eq!((report.different, report.exit()), (0, Exit::Done), "{report}");
}

#[test]
fn a_list_that_never_rests_is_judged_in_a_turn() {
    for is_wrong in [false, true] {
        let world = filled(World::new());
        if is_wrong {
            world.forget_changes_of((2, 2));
            world.change((2, 2), None);
        }
        list_2_never_rests(&world);
        let report = judge(&world.verification(true), &ask(&[QueryKind::Latest]));
        assert_eq!((report.different, report.unsettled), (u64::from(is_wrong), 0), "{report}");
    }
}

#[test]
fn a_stopped_tail_and_a_source_that_went_on_judge_nothing() {
    let world = filled(World::new());
    let verification = world.verification(false);
    world.log((2, 1), None);
    world.commit();
    let report = judge(&verification, &ask(&[QueryKind::Latest]));
    assert_eq!(report.different, 1, "{report}");
}

#[test]
fn nothing_to_ask_is_not_equal() {
    let world = filled(World::new());
    let report = judge(&world.verification(true), &ask(&[]));
    assert_eq!((report.judged, report.exit()), (false, Exit::Refused), "{report}");
}
