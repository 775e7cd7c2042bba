//! A binlog that was purged: the run ends, and goes on over the gap only when a person accepts it.

use super::bench::{Bench, delete, insert, row, update};
use super::recopy::{Noted, copied};
use crate::simulation::database::{position, up_to};
use std::sync::Arc;
use std::time::Duration;
use tailfill::error::{Disposition, Exit};
use tailfill::model::LifeCycle;
use tailfill::pipeline::life::gaps;
use tailfill::pipeline::{self, Finished, Recopies, RunOptions, run_with};
use tailfill::protocol::ProtocolError;
use tailfill::source::Source;
use tailfill::store::records::{self, LifeRecord};
use tailfill::store::{Space, Store};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// No run of these tests takes longer, in virtual time.
const LONGEST: Duration = Duration::from_secs(600);

pub async fn runs(bench: &Bench, accept_gap: bool) -> Result<Finished, ProtocolError> {
    let options = RunOptions { tail: true, backfill: true, from: None, until_caught_up: true, accept_gap };
    let recopies = Recopies::taken(Arc::new(Noted::default()));
    let run = run_with(bench.parts(), options, recopies, CancellationToken::new());
    timeout(LONGEST, run).await.expect("nothing is in the way")
}

/// Everything is copied; then changes are made that the binlog does not have any more.
async fn with_a_gap(counted: bool) -> Bench {
    let bench = copied(counted).await;
    bench.commit(vec![delete(&row(0, 0, "old")), insert(&row(0, 9, "missed"))]);
    bench.commit((0..5).map(|item| delete(&row(1, item, "old"))).collect());
    bench.commit(vec![update(&row(2, 2, "old"), &row(2, 2, "missed")), insert(&row(77, 7, "missed"))]);
    bench.source.purge(bench.source.executed().await.expect("it answers"));
    bench
}

async fn states(bench: &Bench) -> Vec<LifeCycle> {
    let found = bench.world.store.list(Space::LifeCycle, &[]).await.expect("it reads");
    let state = |(_, value): &(_, Vec<u8>)| records::decode::<LifeRecord>(value).expect("a record").state;
    found.iter().map(state).collect()
}

pub async fn open_gaps(bench: &Bench) -> usize {
    let gaps = gaps::stored(&bench.world.store).await.expect("it reads").gaps;
    gaps.iter().filter(|gap| !gap.mappings.is_empty()).count()
}

pub async fn is_made_good(bench: &Bench) {
    bench.assert_equal().await;
    assert_eq!(open_gaps(bench).await, 0);
    assert!(states(bench).await.iter().all(|state| *state == LifeCycle::CaughtUp));
}

#[tokio::test(start_paused = true)]
async fn a_purged_binlog_ends_the_run_and_an_accepted_gap_is_made_good() {
    for counted in [false, true] {
        let bench = with_a_gap(counted).await;
        let error = runs(&bench, false).await.expect_err("the binlog is gone");
        assert_eq!(error.disposition(), Disposition::Halt(Exit::Position), "{error}");
        assert_eq!(runs(&bench, true).await.expect("it goes on"), Finished::CaughtUp);
        is_made_good(&bench).await;
        bench.commit(vec![insert(&row(3, 30, "new")), delete(&row(77, 7, "missed"))]);
        bench.catches_up().await;
        bench.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_inside_an_accepted_gap_is_gone_on_with_by_the_next() {
    let bench = with_a_gap(true).await;
    bench.gateway.scans_take(Duration::from_secs(20));
    // the first is within the late-write horizon of 55 s, the others begin to compare
    for (run, seconds) in [5, 60, 70, 80].into_iter().enumerate() {
        let run = run as u64;
        let accepted = timeout(Duration::from_secs(seconds), runs(&bench, run == 0)).await;
        assert!(accepted.is_err(), "it ended before it was killed: {accepted:?}");
        assert_eq!(open_gaps(&bench).await, 1);
        assert!(states(&bench).await.iter().all(|state| matches!(state, LifeCycle::Parked { .. })));
        bench.commit(vec![insert(&row(4, 100 + run, "meanwhile")), delete(&row(3, run, "old"))]);
    }
    bench.gateway.scans_take(Duration::ZERO);
    assert_eq!(runs(&bench, false).await.expect("it goes on"), Finished::CaughtUp);
    is_made_good(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_gap_inside_the_first_is_accepted_too() {
    let bench = with_a_gap(true).await;
    assert!(timeout(Duration::from_secs(5), runs(&bench, true)).await.is_err());
    bench.commit(vec![delete(&row(4, 4, "old")), insert(&row(5, 50, "missed too"))]);
    bench.source.purge(bench.source.executed().await.expect("it answers"));
    let error = runs(&bench, false).await.expect_err("the binlog is gone again");
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Position), "{error}");
    assert_eq!(runs(&bench, true).await.expect("it goes on"), Finished::CaughtUp);
    is_made_good(&bench).await;
    let gaps = gaps::stored(&bench.world.store).await.expect("it reads").gaps;
    assert_eq!(gaps.len(), 2, "both are kept");
    assert!(
        gaps[1].from.reached.contains_set(&gaps[0].to.reached) && gaps[0].to.reached != gaps[1].to.reached
    );
}

#[tokio::test(start_paused = true)]
async fn changes_while_a_gap_is_made_good_are_neither_lost_nor_undone() {
    let bench = with_a_gap(true).await;
    bench.gateway.scans_take(Duration::from_millis(400));
    let changes = async {
        for round in 0..300_u64 {
            let (list, item) = (round % 6, 100 + round % 4);
            bench.commit(vec![insert(&row(list, item, "new"))]);
            sleep(Duration::from_millis(90)).await;
            bench.commit(vec![update(&row(list, item, "new"), &row(list, item, "newer"))]);
            sleep(Duration::from_millis(60)).await;
            bench.commit(vec![delete(&row(list, item, "newer"))]);
        }
    };
    let (ended, ()) = tokio::join!(runs(&bench, true), changes);
    assert_eq!(ended.expect("it goes on"), Finished::CaughtUp);
    bench.catches_up().await;
    is_made_good(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_gap_nothing_is_accepted() {
    let bench = Bench::unopened();
    bench.commit(vec![insert(&row(1, 1, "first"))]);
    for _ in 0..2 {
        assert_eq!(runs(&bench, true).await.expect("as without it"), Finished::CaughtUp);
        bench.commit(vec![insert(&row(1, 2, "second"))]);
        assert!(gaps::stored(&bench.world.store).await.expect("it reads").gaps.is_empty());
        assert!(states(&bench).await.iter().all(|state| *state == LifeCycle::CaughtUp));
        bench.source.purge(bench.source.executed().await.expect("it answers"));
        bench.source.purge(Default::default());
        bench.catches_up().await;
        bench.assert_equal().await;
        bench.commit(vec![delete(&row(1, 2, "second"))]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_middle_of_a_copy_is_made_good_and_the_copy_ended() {
    let bench = Bench::opened().await;
    bench.commit((0..5).map(|item| insert(&row(1, item, "old"))).collect());
    bench.catches_up().await;
    bench.commit(vec![delete(&row(1, 0, "old")), insert(&row(2, 2, "missed"))]);
    bench.source.purge(bench.source.executed().await.expect("it answers"));
    bench.gateway.scans_take(Duration::from_secs(1));
    assert_eq!(runs(&bench, true).await.expect("it goes on"), Finished::CaughtUp);
    is_made_good(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_at_a_position_that_is_purged_leaves_the_checkpoint_where_it_was() {
    let bench = copied(false).await;
    let from = position(up_to(1));
    bench.commit(vec![insert(&row(0, 9, "tailed"))]);
    bench.catches_up().await;
    bench.source.purge(up_to(2));
    let options =
        RunOptions { tail: true, backfill: true, from: Some(from), until_caught_up: true, accept_gap: false };
    let run = pipeline::run(bench.parts(), options, CancellationToken::new());
    let error = timeout(LONGEST, run).await.expect("nothing is in the way").expect_err("it is purged");
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Position), "{error}");
    bench.commit(vec![delete(&row(0, 9, "tailed"))]);
    bench.catches_up().await;
    bench.assert_equal().await;
}
