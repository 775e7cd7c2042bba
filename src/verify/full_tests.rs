use super::fixtures::{Call, World, edge};
use super::{Tail, VerifyReport, full};
use crate::error::Exit;
use crate::model::{Position, Reached, Row, Tick};
use crate::sink::layout::Codec;
use crate::store::records::CheckpointRecord;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// `lists` lists of `items` items each, equal on both sides.
fn world(lists: u64, items: u64) -> World {
    let world = World::new();
    for followee in 0..lists {
        for follower in 0..items {
            let note = (follower % 3 != 0).then_some("note");
            world.change((followee, follower), Some(edge(followee, follower, follower as i64, note)));
        }
    }
    world
}

fn run(future: impl Future<Output = VerifyReport>) -> VerifyReport {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

fn verify(world: &World, live: bool) -> VerifyReport {
    let verification = world.verification(live);
    run(async { full(&verification).await.unwrap() })
}

fn verify_after(world: &World, checkpoint: Reached, replaying_until: Reached) -> VerifyReport {
    let position =
        Position { server_uuid: String::new(), reached: checkpoint, file: String::new(), offset: 0 };
    let checkpoint = Some(CheckpointRecord { position, tick_high: Tick(0), replaying_until, witness: None });
    let mut verification = world.verification(false);
    verification.tail = Tail::Stopped { checkpoint };
    run(async { full(&verification).await.unwrap() })
}

/// missing, extra, different, unsettled
fn counts(report: &VerifyReport) -> [u64; 4] {
    [report.missing, report.extra, report.different, report.unsettled]
}

fn lines(report: &VerifyReport) -> BTreeSet<String> {
    let examples = report.targets.iter().flat_map(|t| t.examples.iter().map(move |e| (&t.table, e)));
    examples.map(|(table, e)| format!("{table} {} {}: {}", e.kind, e.item, e.what.join(", "))).collect()
}

#[test]
fn equal_sides_are_equal_with_and_without_a_live_tail() {
    let world = world(5, 20);
    for live in [true, false] {
        let report = verify(&world, live);
        assert_eq!((counts(&report), report.items_compared), ([0; 4], 200));
        assert_eq!((report.exit(), report.judged, report.equal), (Exit::Done, true, true));
    }
    assert_eq!(verify(&World::new(), true).exit(), Exit::Done);
}

#[test]
fn each_kind_of_difference_is_found_and_described() {
    let world = world(5, 20);
    let [ordered, has] = [world.mapping.targets[0].clone(), world.mapping.targets[1].clone()];
    let address = |row: &Row| Codec::of(&world.mapping, &ordered).address(row).unwrap().row;
    let puts = |name: &'static str, value: &'static str| vec![(Bytes::from(name), Bytes::from(value))];
    let note = || vec![Bytes::from("note")];
    world.lose(&ordered, &edge(0, 1, 1, None));
    world.lose(&has, &edge(0, 3, 3, None)); // a placeholder
    world.write(&ordered, address(&edge(1, 1, 1, None)), puts("note", "other"), vec![]);
    world.write(&ordered, address(&edge(1, 3, 3, None)), puts("note", "unexpected"), vec![]);
    world.write(&ordered, address(&edge(1, 4, 4, None)), vec![], note());
    world.write(&ordered, address(&edge(1, 5, 5, None)), puts("stranger", ""), vec![]);
    world.write(&ordered, address(&edge(2, 99, 5, None)), puts("note", "x"), vec![]);
    world.write(&ordered, address(&edge(2, 2, 77, None)), puts("note", "x"), vec![]);
    world.write(&ordered, Bytes::from_static(&[9, 9]), puts("note", "x"), vec![]);
    let report = verify(&world, true);
    let expected = [
        "followers missing followee_id=0 follower_id=1: ",
        "has missing followee_id=0 follower_id=3: ",
        "followers different followee_id=1 follower_id=1: note",
        "followers different followee_id=1 follower_id=3: note (only in HBase)",
        "followers different followee_id=1 follower_id=4: note (only in MySQL)",
        "followers different followee_id=1 follower_id=5: stranger (only in HBase)",
        "followers extra followee_id=2 follower_id=99: ",
        "followers extra followee_id=2 follower_id=2: MySQL has it with another created_at",
        "followers extra row 0909: not a row key of this mapping",
    ];
    assert_eq!(lines(&report), expected.map(str::to_owned).into());
    assert_eq!(counts(&report), [2, 3, 4, 0]);
    assert_eq!(report.exit(), Exit::Differences);
}

#[test]
fn every_row_of_a_target_that_was_lost_is_counted_and_examples_are_bounded() {
    let world = world(30, 100);
    let target = world.mapping.targets[0].clone();
    for followee in 0..30 {
        (0..100).for_each(|follower| world.lose(&target, &edge(followee, follower, follower as i64, None)));
    }
    let report = verify(&world, true);
    assert_eq!((counts(&report), report.items_compared), ([3_000, 0, 0, 0], 6_000));
    assert_eq!(report.targets[0].examples.len(), 20);
    assert!(report.to_string().contains("and 2980 more"), "{report}");
}

#[test]
fn a_difference_that_heals_before_it_is_confirmed_is_not_reported() {
    let world = world(3, 10);
    world.log((1, 4), None);
    world.commit(); // MySQL has deleted it, the tail has not written that
    world.before(Call::Positions, |world| world.tail());
    assert_eq!(counts(&verify(&world, true)), [0; 4]);

    let target = world.mapping.targets[0].clone();
    world.lose(&target, &edge(2, 2, 2, None));
    world.before(Call::Items, |world| world.store(&edge(2, 2, 2, Some("note"))));
    assert_eq!(counts(&verify(&world, true)), [0; 4]);

    // It changes in MySQL between the two SELECTs of a round, and is right in the next one.
    world.lose(&target, &edge(2, 2, 2, None));
    world.before(Call::Items, |_| {});
    world.before(Call::Items, |world| world.log((2, 2), Some(edge(2, 2, 2, Some("new")))));
    world.before(Call::Executed, |_| {});
    world.before(Call::Executed, |_| {});
    world.before(Call::Executed, |_| {});
    world.before(Call::Executed, |world| {
        world.commit();
        world.tail();
    });
    assert_eq!(counts(&verify(&world, true)), [0; 4]);
}

#[test]
fn hbase_may_be_ahead_of_what_a_select_sees() {
    // The delete is in the binlog and written, and the engine has not committed it (semi-sync).
    let world = world(3, 10);
    world.log((1, 4), None);
    world.tail();
    let verification = world.verification(true);
    let report = run(async { full(&verification).await.unwrap() });
    // It stays that way in every round: not a difference, and not judged either.
    assert_eq!(counts(&report), [0, 0, 0, 2]);
    assert_eq!((report.exit(), report.judged), (Exit::Refused, false));
    world.commit();
    assert_eq!(verify(&world, true).exit(), Exit::Done);
}

#[test]
fn a_true_difference_is_found_while_other_rows_change() {
    let world = world(3, 10);
    let target = world.mapping.targets[0].clone();
    world.lose(&target, &edge(2, 2, 2, None));
    for n in 0..20 {
        world.before(Call::Items, move |world| world.change((7, n), Some(edge(7, n, 1, None))));
    }
    let report = verify(&world, true);
    assert_eq!(counts(&report), [1, 0, 0, 0], "{report}");
}

#[test]
fn nothing_is_judged_while_a_range_is_replayed() {
    let world = world(3, 10);
    world.set_replaying(true);
    let report = verify(&world, true);
    assert_eq!((report.exit(), report.judged, report.equal), (Exit::Refused, false, false));
    assert!(report.to_string().contains("not judged: the run replays a range of the binlog"), "{report}");
    let reached = world.executed_now();
    assert_eq!(verify_after(&world, reached.clone(), reached).exit(), Exit::Refused);
}

#[test]
fn nothing_is_judged_when_the_tail_does_not_catch_up_or_ends() {
    let world = world(3, 10);
    world.log((1, 4), None);
    world.commit();
    let report = verify(&world, true);
    assert_eq!(report.exit(), Exit::Refused);
    assert!(
        report
            .to_string()
            .contains("HBase misses 1 transactions of MySQL, and the tail has not read 0 of them"),
        "{report}"
    );
    world.tail();
    world.lose(&world.mapping.targets[0].clone(), &edge(2, 2, 2, None));
    world.before(Call::Positions, |_| {});
    world.before(Call::Positions, World::end_tail);
    let report = verify(&world, true);
    assert_eq!(report.exit(), Exit::Refused);
    assert!(report.to_string().contains("not judged: the tail has ended"), "{report}");
}

#[test]
fn without_a_tail_a_source_that_moves_is_not_judged_unless_both_sides_are_equal() {
    let world = world(3, 10);
    let checkpointed = world.executed_now();
    let target = world.mapping.targets[0].clone();
    world.lose(&target, &edge(2, 2, 2, None));
    assert_eq!(verify_after(&world, checkpointed.clone(), Reached::default()).exit(), Exit::Differences);

    world.elsewhere();
    let report = verify_after(&world, checkpointed.clone(), Reached::default());
    assert_eq!(report.exit(), Exit::Differences, "other tables do not matter: {report}");

    world.before(Call::Executed, |_| {});
    world.before(Call::Executed, |world| world.change((7, 7), Some(edge(7, 7, 1, None))));
    let report = verify_after(&world, checkpointed.clone(), Reached::default());
    assert_eq!((report.exit(), report.missing), (Exit::Refused, 1));
    let said = "mapped tables were changed by 1 transaction (00000000-0000-0000-0000-00000000000a:32)";
    assert!(report.to_string().contains(said), "{report}");
    let report = verify_after(&world, checkpointed.clone(), Reached::default());
    assert_eq!((report.exit(), report.judged), (Exit::Refused, false));
    assert_eq!(verify(&world, false).exit(), Exit::Differences, "it stands still, and nothing else is known");

    world.store(&edge(2, 2, 2, Some("note")));
    let report = verify_after(&world, checkpointed, Reached::default());
    assert_eq!((report.exit(), report.notes.len()), (Exit::Done, 1));
}

#[test]
fn without_a_tail_a_source_behind_the_checkpoint_is_not_judged() {
    let world = world(3, 10);
    world.log((1, 4), None);
    world.tail(); // the last run received it before the engine committed it
    let mut checkpointed = world.executed_now();
    checkpointed.union_with(&"00000000-0000-0000-0000-00000000000a:31".parse().unwrap());
    let report = verify_after(&world, checkpointed, Reached::default());
    assert_eq!(report.exit(), Exit::Refused);
    assert!(report.to_string().contains("MySQL lacks 1 transaction"), "{report}");
}

#[test]
fn the_json_begins_with_the_plain_numbers_of_all_targets() {
    let world = world(2, 2);
    world.lose(&world.mapping.targets[1].clone(), &edge(1, 1, 1, None));
    let report = VerifyReport { seconds: 0.5, ..verify(&world, true) };
    assert_eq!(
        serde_json::to_string(&report).unwrap(),
        "{\"items_compared\":8,\"missing\":1,\"extra\":0,\"different\":0,\"repeated\":0,\"unexplained\":0,\
         \"mysql_rows_counted\":8,\"hbase_items_scanned\":7,\"unsettled\":0,\"counts_compared\":0,\"miscounted\":0,\"uncounted\":0,\"seconds\":0.5,\
         \"judged\":true,\"equal\":false,\"cannot_judge\":null,\"notes\":[],\"targets\":[\
         {\"mapping\":\"followers\",\"table\":\"followers\",\"family\":\"f\",\"items_compared\":4,\"missing\":0,\
         \"extra\":0,\"different\":0,\"repeated\":0,\"unexplained\":0,\"mysql_rows_counted\":4,\
         \"hbase_items_scanned\":4,\"unsettled\":0,\"counts_compared\":0,\"miscounted\":0,\
         \"uncounted\":0,\"share\":{\"compared\":4,\"confirmed\":0,\"is_all\":true,\"estimate\":0.0,\
         \"bound\":0.0,\"missing_for_six_nines\":0},\"examples\":[]},\
         {\"mapping\":\"followers\",\"table\":\"has\",\"family\":\"f\",\"items_compared\":4,\"missing\":1,\
         \"extra\":0,\"different\":0,\"repeated\":0,\"unexplained\":0,\"mysql_rows_counted\":4,\
         \"hbase_items_scanned\":3,\"unsettled\":0,\"counts_compared\":0,\"miscounted\":0,\
         \"uncounted\":0,\"share\":{\"compared\":4,\"confirmed\":1,\"is_all\":true,\"estimate\":0.25,\
         \"bound\":0.25,\"missing_for_six_nines\":0},\"examples\":[{\"kind\":\"missing\",\
         \"item\":\"followee_id=1 follower_id=1\",\"what\":[]}]}]}"
    );
}

/// What is done to one item behind everybody's back.
#[derive(Clone, Copy, Debug)]
enum Corruption {
    Lose,
    ChangeCell,
    AddCell,
    LoseCell,
    Misplace,
    AddRow,
}

fn corruptions() -> impl Strategy<Value = BTreeMap<(u64, u64), (usize, Corruption)>> {
    use Corruption::*;
    let kind = proptest::sample::select(vec![Lose, ChangeCell, AddCell, LoseCell, Misplace, AddRow]);
    proptest::collection::btree_map((0..6_u64, 0..30_u64), (0..2_usize, kind), 0..25)
}

/// Applies it, and says what a comparison must say.
fn corrupt(world: &World, (followee, follower): (u64, u64), target: usize, corruption: Corruption) -> String {
    let second = follower as i64;
    let target = &world.mapping.targets[target];
    let row = edge(followee, follower, second, Some("note"));
    let address = |row: &Row| Codec::of(&world.mapping, target).address(row).unwrap().row;
    let put = |row: Bytes, name: &'static str| {
        world.write(target, row, vec![(name.into(), "corrupt".into())], vec![]);
    };
    let line = |kind: &str, follower: u64, what: &str| {
        format!("{} {kind} followee_id={followee} follower_id={follower}: {what}", target.table)
    };
    let has_note = follower % 3 != 0;
    match corruption {
        Corruption::Lose => {
            world.lose(target, &row);
            line("missing", follower, "")
        }
        Corruption::LoseCell if has_note => {
            // A row of the second target has no other cell, so it is gone with it.
            world.write(target, address(&row), vec![], vec!["note".into()]);
            let (kind, what) =
                if target.ordered { ("different", "note (only in MySQL)") } else { ("missing", "") };
            line(kind, follower, what)
        }
        Corruption::ChangeCell | Corruption::LoseCell => {
            put(address(&row), "note");
            line("different", follower, if has_note { "note" } else { "note (only in HBase)" })
        }
        Corruption::AddCell => {
            put(address(&row), "odd");
            line("different", follower, "odd (only in HBase)")
        }
        Corruption::Misplace if target.ordered => {
            put(address(&edge(followee, follower, 1_000, None)), "note");
            line("extra", follower, "MySQL has it with another created_at")
        }
        Corruption::AddRow | Corruption::Misplace => {
            put(address(&edge(followee, 1_000 + follower, 5, None)), "note");
            line("extra", 1_000 + follower, "")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn planted_corruptions_are_found_exactly(planted in corruptions(), live: bool) {
        let world = world(6, 30);
        let mut expected = BTreeSet::new();
        let mut per_target = [0; 2];
        for (key, (target, corruption)) in planted {
            if per_target[target] < 20 {
                per_target[target] += 1;
                expected.insert(corrupt(&world, key, target, corruption));
            }
        }
        let report = verify(&world, live);
        prop_assert_eq!(lines(&report), expected.clone());
        prop_assert_eq!(report.missing + report.extra + report.different, expected.len() as u64);
        prop_assert_eq!(report.exit(), if expected.is_empty() { Exit::Done } else { Exit::Differences });
    }
}
