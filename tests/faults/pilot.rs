//! A pilot that grows, until all lists are moved: what joins is copied, what was copied is not copied again.

use super::bench::{Bench, copy, delete, insert, row, update};
use super::commits::Commits;
use super::gateway::Fate;
use crate::simulation::checker;
use crate::simulation::schema::{MAPPING, list_in};
use std::collections::BTreeSet;
use std::sync::Arc;
use tailfill::model::{LifeCycle, Mapping, Pilot, TargetId, Value};
use tailfill::pipeline::{self, Finished, Parts, RunOptions};
use tailfill::protocol::plan::Cohort;
use tailfill::protocol::{Plan, ProtocolError};
use tailfill::sink::{ReadRows, ScanRange};
use tailfill::store::memory as store;
use tailfill::store::records::{self, LifeRecord};
use tailfill::store::{Space, Store};
use tokio_util::sync::CancellationToken;

const LISTS: u64 = 6;
const ITEMS: u64 = 5;
const LATEST: TargetId = TargetId(0);
const MEMBER: TargetId = TargetId(1);

fn lists(keys: impl IntoIterator<Item = u64>) -> Pilot {
    let mut pilot = Pilot::default();
    keys.into_iter().for_each(|key| pilot.add(MAPPING, vec![Value::UInt(key)]));
    pilot
}

fn sample(buckets: u32) -> Pilot {
    let mut pilot = Pilot::default();
    pilot.sample(MAPPING, buckets);
    pilot
}

/// Parts of a run of these lists; `None`: all.
fn parts(bench: &Bench, pilot: Option<Pilot>) -> Parts {
    with_targets(bench, pilot, &[LATEST, MEMBER])
}

fn with_targets(bench: &Bench, pilot: Option<Pilot>, ids: &[TargetId]) -> Parts {
    let all = bench.world.mapping.clone();
    let targets = all.targets.iter().filter(|target| ids.contains(&target.id)).cloned().collect();
    let mappings = vec![Mapping { targets, ..all }];
    let cohort = pilot.map_or(Cohort::All, |pilot| Cohort::of(pilot, &mappings).expect("numbers are keys"));
    Parts { plan: Arc::new(Plan::new(mappings, cohort)), ..bench.parts() }
}

/// Copies and tails to the end; the rows that were copied into the first target.
async fn copied_rows(bench: &Bench, pilot: Option<Pilot>) -> u64 {
    let parts = parts(bench, pilot);
    let progress = parts.progress.clone();
    bench.copies_with(parts).await;
    progress.rows_copied(LATEST)
}

fn filled() -> Bench {
    let bench = Bench::unopened();
    for list in 0..LISTS {
        bench.commit((0..ITEMS).map(|item| insert(&row(list, item, "old"))).collect());
    }
    bench
}

/// A change in each list: an item goes, one comes, one moves to the next list.
fn changes(bench: &Bench, item: u64) {
    for list in 0..LISTS {
        let moved = row((list + 1) % LISTS, 100 + item * 10 + list, "moved");
        bench.commit(vec![
            delete(&row(list, item, "old")),
            insert(&row(list, 50 + item, "new")),
            update(&row(list, 50 + item, "new"), &moved),
        ]);
    }
}

/// The lists that a target shows.
async fn shown(bench: &Bench, target: TargetId) -> BTreeSet<u64> {
    let mapping = &bench.world.mapping;
    let range = ScanRange { limit: 10_000, ..ScanRange::default() };
    let rows = bench.world.sink.scan(target, &range).await.expect("the memory sink does not fail");
    rows.iter().map(|row| list_in(mapping, target, &row.row)).collect()
}

/// The lists that differ, by the simulation's comparison.
async fn differing(bench: &Bench) -> BTreeSet<u64> {
    let found = checker::compare(&bench.world).await;
    found.iter().flat_map(|difference| &difference.items).map(|item| item.list).collect()
}

#[tokio::test(start_paused = true)]
async fn a_pilot_that_grows_copies_what_joins_and_nothing_twice() {
    let bench = filled();
    assert_eq!(copied_rows(&bench, Some(lists([1, 2]))).await, 2 * ITEMS);
    assert_eq!(shown(&bench, LATEST).await, [1, 2].into());
    changes(&bench, 0);
    assert_eq!(copied_rows(&bench, Some(lists([1, 2]))).await, 0, "it is copied");
    assert_eq!(shown(&bench, LATEST).await, [1, 2].into(), "the tail writes lists of the pilot alone");
    assert_eq!(differing(&bench).await, [0, 3, 4, 5].into());
    assert_eq!(copied_rows(&bench, Some(lists([1, 2, 4]))).await, ITEMS, "one list joins");
    changes(&bench, 1);
    assert_eq!(copied_rows(&bench, None).await, 3 * ITEMS, "the other three");
    bench.assert_equal().await;
    assert_eq!(copied_rows(&bench, None).await, 0);
    let lives = bench.world.store.list(Space::LifeCycle, &[]).await.expect("reads do not fail");
    assert_eq!(lives.len(), 2, "nothing is left of the pilots");
}

#[tokio::test(start_paused = true)]
async fn a_sample_is_copied_by_ranges_and_grows_by_its_buckets() {
    let bench = filled();
    let bucket = |list: u64| tailfill::model::bucket::bucket(MAPPING, &list.to_string());
    let mut buckets: Vec<u32> = (0..LISTS).map(bucket).collect();
    buckets.sort_unstable();
    let of = |below: u32| -> BTreeSet<u64> { (0..LISTS).filter(|list| bucket(*list) < below).collect() };
    let (two, four) = (buckets[2], buckets[4]);
    assert_eq!(copied_rows(&bench, Some(sample(two))).await, 2 * ITEMS);
    assert_eq!(shown(&bench, LATEST).await, of(two));
    changes(&bench, 0);
    assert_eq!(copied_rows(&bench, Some(sample(four))).await, 2 * ITEMS);
    assert_eq!(shown(&bench, MEMBER).await, of(four));
    assert!(differing(&bench).await.is_disjoint(&of(four)));
    changes(&bench, 1);
    assert_eq!(copied_rows(&bench, None).await, 2 * ITEMS);
    bench.assert_equal().await;
}

/// Its copy was not complete: what of it was copied is not known list by list.
#[tokio::test(start_paused = true)]
async fn a_pilot_that_was_not_copied_is_copied_with_the_rest() {
    let bench = filled();
    let tailed =
        RunOptions { tail: true, backfill: false, from: None, until_caught_up: true, accept_gap: false };
    let run = pipeline::run(parts(&bench, Some(lists([1, 2]))), tailed, CancellationToken::new());
    assert_eq!(run.await.expect("nothing that needs a person"), Finished::CaughtUp);
    changes(&bench, 0);
    assert_eq!(copied_rows(&bench, None).await, LISTS * ITEMS);
    bench.assert_equal().await;
}

/// What a narrower cohort need not copy stays so when the next one was not copied either.
#[tokio::test(start_paused = true)]
async fn a_pilot_that_was_copied_stays_so_over_one_that_was_not() {
    let bench = filled();
    copied_rows(&bench, Some(lists([1, 2]))).await;
    let tailed =
        RunOptions { tail: true, backfill: false, from: None, until_caught_up: true, accept_gap: false };
    let run = pipeline::run(parts(&bench, Some(lists([1, 2, 3]))), tailed, CancellationToken::new());
    run.await.expect("nothing that needs a person");
    changes(&bench, 0);
    assert_eq!(copied_rows(&bench, None).await, 4 * ITEMS);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn fewer_lists_are_refused_and_change_nothing() {
    let bench = filled();
    copied_rows(&bench, Some(lists([1, 2]))).await;
    for narrower in [lists([1]), lists([1, 3]), sample(1), Pilot::default()] {
        let error = copy(parts(&bench, Some(narrower))).await.expect_err("a list would miss changes");
        let ProtocolError::Refused { reason, advice } = error else { panic!("{error:?}") };
        assert!(reason.contains("2 lists of follows") && advice.contains("run --all"), "{reason}; {advice}");
    }
    changes(&bench, 0);
    assert_eq!(copied_rows(&bench, Some(lists([1, 2]))).await, 0);
    copied_rows(&bench, None).await;
    let error = copy(parts(&bench, Some(lists([1, 2])))).await.expect_err("all are moved");
    assert!(error.to_string().contains("moved all lists"), "{error}");
    changes(&bench, 1);
    bench.copies().await;
    bench.assert_equal().await;
}

/// A start that ends before the tail is opened leaves the pilot as it is: it can go on, and all can join later.
#[tokio::test(start_paused = true)]
async fn a_start_of_all_lists_that_comes_to_nothing_leaves_the_pilot_as_it_is() {
    let bench = filled();
    copied_rows(&bench, Some(lists([1, 2]))).await;
    let commits = Commits::into_space(&bench.world.store, Space::Checkpoint, store::Fate::FailBefore);
    copy(parts(&bench, None)).await.expect_err("the tail cannot be opened");
    bench.world.store.set_hook(None);
    drop(commits);
    changes(&bench, 0);
    assert_eq!(copied_rows(&bench, Some(lists([1, 2, 3]))).await, ITEMS);
    assert_eq!(shown(&bench, LATEST).await, [1, 2, 3].into());
    changes(&bench, 1);
    assert_eq!(copied_rows(&bench, None).await, 3 * ITEMS);
    bench.assert_equal().await;
}

/// It missed changes of the lists that the pilot had copied into it.
#[tokio::test(start_paused = true)]
async fn a_target_that_is_left_out_when_all_join_is_parked() {
    let bench = filled();
    copied_rows(&bench, Some(lists([1, 2]))).await;
    bench.copies_with(with_targets(&bench, None, &[LATEST])).await;
    changes(&bench, 0);
    bench.copies_with(with_targets(&bench, None, &[LATEST])).await;
    let error = copy(parts(&bench, None)).await.expect_err("it has missed changes");
    assert!(
        matches!(&error, ProtocolError::Parked { targets, .. } if targets.contains("member")),
        "{error:?}"
    );
    assert!(!differing(&bench).await.is_empty());
    let lives = bench.world.store.list(Space::LifeCycle, &[]).await.expect("reads do not fail");
    let life = |value: &[u8]| records::decode::<LifeRecord>(value).expect("whole").state;
    let parked = lives.iter().filter(|(_, value)| matches!(life(value), LifeCycle::Parked { .. }));
    assert_eq!(parked.count(), 1);
}

/// A list that is named twice, and rows of it that a gateway takes late: the copy of what joins is a copy as any other.
#[tokio::test(start_paused = true)]
async fn what_joins_is_copied_through_a_gateway_that_fails() {
    let bench = filled();
    copied_rows(&bench, Some(lists([0, 0, 5]))).await;
    changes(&bench, 0);
    bench.gateway.next_writes([Fate::FailBefore, Fate::FailAfter, Fate::FailAfter, Fate::FailBefore]);
    let before = bench.world.database.state().published();
    assert_eq!(copied_rows(&bench, None).await, 4 * ITEMS);
    assert!(bench.world.database.state().published() >= before);
    bench.assert_equal().await;
}
