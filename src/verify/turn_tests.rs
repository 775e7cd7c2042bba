//! What never rests is judged in a turn of its list.

use super::fixtures::{Call, World, edge, other_layouts};
use super::{Verification, VerifyReport, full};
use crate::error::Exit;
use crate::sink::CountChange;
use crate::sink::layout::Codec;

/// More changes than a comparison has looks.
const WITHOUT_END: u64 = 500;

fn judge(verification: &Verification) -> VerifyReport {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async { full(verification).await.unwrap() })
}

/// One item changes before each SELECT, and again before the tail writes.
fn restless(world: &World) {
    let change = |world: &World, note: String| {
        world.log((1, 4), Some(edge(1, 4, 1, Some(&note))));
        world.commit();
    };
    for n in 0..WITHOUT_END {
        world.before(Call::Items, move |world| change(world, format!("selected {n}")));
        world.before(Call::Positions, move |world| {
            change(world, format!("tailed {n}"));
            world.tail();
        });
    }
}

fn filled(world: World) -> World {
    for (followee, follower) in (0..3).flat_map(|list| (0..10).map(move |item| (list, item))) {
        world.change((followee, follower), Some(edge(followee, follower, 1, Some("note"))));
    }
    world
}

#[test]
fn an_item_that_never_rests_is_judged_equal() {
    let world = filled(World::new());
    let verification = world.verification(true);
    world.before(Call::CountRows, |world| {
        // so that it is a candidate
        world.log((1, 4), Some(edge(1, 4, 1, Some("before"))));
        world.commit();
    });
    restless(&world);
    let report = judge(&verification);
    assert_eq!((report.unsettled, report.exit()), (0, Exit::Done), "{report}");
}

#[test]
fn an_item_that_never_rests_and_is_wrong_is_a_difference() {
    let world = filled(World::new());
    world.forget_changes_of((1, 4));
    world.change((1, 4), Some(edge(1, 4, 1, Some("lost"))));
    restless(&world);
    let report = judge(&world.verification(true));
    assert_eq!((report.different, report.unsettled), (2, 0), "once in each target: {report}");
    assert_eq!(report.exit(), Exit::Differences);
}

#[test]
fn an_item_that_comes_and_goes_all_the_time_is_judged() {
    for is_lost in [false, true] {
        let world = filled(World::new());
        if is_lost {
            world.forget_changes_of((1, 4));
            world.change((1, 4), None);
        }
        for n in 0..WITHOUT_END {
            world.before(Call::Items, move |world| {
                world.log((1, 4), (n % 2 == 0).then(|| edge(1, 4, 1, Some("back"))));
                world.commit();
            });
            world.before(Call::Positions, move |world| {
                world.log((1, 4), Some(edge(1, 4, 1, Some(&format!("tailed {n}")))));
                world.commit();
                world.tail();
            });
        }
        let report = judge(&world.verification(true));
        assert_eq!(report.unsettled, 0, "{report}");
        let wrong = report.extra + report.different + report.missing;
        assert_eq!(report.exit(), if is_lost { Exit::Differences } else { Exit::Done }, "{report}");
        assert_eq!(wrong, if is_lost { 2 } else { 0 }, "{report}");
    }
}

#[test]
fn a_hold_that_ended_before_hbase_was_read_proves_nothing() {
    for (short, unsettled) in [(4, 0), (100, 2)] {
        let world = filled(World::new());
        world.forget_changes_of((1, 4));
        world.change((1, 4), Some(edge(1, 4, 1, Some("lost"))));
        restless(&world);
        world.end_holds_early(short);
        let report = judge(&world.verification(true));
        assert_eq!((report.different, report.unsettled), (2 - unsettled, unsettled), "{report}");
    }
}

#[test]
fn the_count_of_a_row_that_never_rests_is_judged() {
    for wrong in [0, 990] {
        let world = filled(World::of(other_layouts()));
        let [wide, whole] = [0, 1].map(|target| world.mapping.targets[target].clone());
        let row = Codec::of(&world.mapping, &whole).address(&edge(1, 0, 1, None)).unwrap().row;
        world.recount(&whole, &row, CountChange::Set(10 + wrong));
        for n in 0..WITHOUT_END {
            let busy = world.clone();
            world.sink.before_counts(move || {
                // ten and nine by turns; while the list is held up HBase stays where it is
                let after = (n % 2 == 1).then(|| edge(1, 3, 1, Some("again")));
                busy.change((1, 3), after);
            });
            let busy = world.clone();
            world.sink.after_cells(whole.id, row.clone(), move || {
                busy.change((1, 5), Some(edge(1, 5, 1, Some(&n.to_string()))));
            });
        }
        let mut verification = world.verification(true);
        verification.counts_due = [wide.id, whole.id].into();
        let report = judge(&verification);
        assert_eq!((report.unsettled, report.miscounted), (0, u64::from(wrong > 0)), "{report}");
    }
}
