//! A source that began its numbering again: the same GTIDs, other transactions.

use super::bench::{Bench, delete, insert, row};
use super::gap::{is_made_good, runs};
use super::gateway::Fate::{FailBefore, Pass};
use super::recopy::{Noted, copied};
use std::sync::Arc;
use std::time::Duration;
use tailfill::error::{Disposition, Exit};
use tailfill::model::TransactionId;
use tailfill::pipeline::{Finished, Recopies, RunOptions, run_with};
use tailfill::protocol::{Journal, ProtocolError};
use tailfill::source::Source;
use tailfill::store::records::CheckpointRecord;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// No run of these tests takes longer, in virtual time.
const LONGEST: Duration = Duration::from_secs(600);
/// No look comes in a test.
const NEVER: Duration = Duration::from_secs(86_400);

fn is_lost(error: &ProtocolError) {
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Position), "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains("--accept-gap")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_uses_its_numbers_again_ends_every_run_until_a_person_decides() {
    for counted in [false, true] {
        let bench = copied(counted).await;
        bench.source.restart_numbering(true);
        bench.commit(vec![delete(&row(0, 0, "old")), insert(&row(0, 9, "other"))]);
        for _ in 0..2 {
            is_lost(&runs(&bench, false).await.expect_err("it is another source"));
        }
        // the proof is purged by and by: what was found out is remembered
        bench.source.purge(bench.checkpointed().await);
        is_lost(&runs(&bench, false).await.expect_err("it is another source"));
        assert_eq!(runs(&bench, true).await.expect("a person has decided"), Finished::CaughtUp);
        is_made_good(&bench).await;
        bench.commit(vec![insert(&row(3, 30, "new"))]);
        bench.catches_up().await;
        bench.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_was_reset_to_fewer_transactions_ends_the_run_at_once() {
    let mut bench = copied(false).await;
    bench.commit(vec![insert(&row(1, 20, "tailed"))]);
    bench.catches_up().await;
    bench.settings.source_wait = 2 * LONGEST;
    bench.source.reset_to(1);
    let error = runs(&bench, false).await.expect_err("it is another source");
    is_lost(&error);
    assert!(error.to_string().contains("neither committed nor in its binlog"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_server_of_before_may_come_back_without_a_decision() {
    let bench = copied(false).await;
    bench.source.restart_numbering(true);
    is_lost(&runs(&bench, false).await.expect_err("it is another source"));
    bench.source.restart_numbering(false);
    bench.commit(vec![delete(&row(0, 0, "old"))]);
    assert_eq!(runs(&bench, false).await.expect("it is the same source"), Finished::CaughtUp);
    bench.source.purge(bench.checkpointed().await);
    assert_eq!(runs(&bench, false).await.expect("nothing is remembered"), Finished::CaughtUp);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_journaled_and_not_checkpointed_tells_the_source_too() {
    let bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "first"))]);
    bench.catches_up().await;
    let checkpoint = bench.recovered().await.checkpoint;
    let last = bench.commit(vec![insert(&row(1, 2, "second"))]);
    bench.gateway.all_writes(FailBefore);
    bench.fails().await;
    let found = bench.recovered().await;
    assert_eq!(found.checkpoint.witness, checkpoint.witness);
    let gtids: Vec<TransactionId> =
        found.witnesses().into_iter().map(|witness| witness.transaction).collect();
    assert_eq!(gtids.last(), Some(&crate::simulation::database::gtid(last)));
}

#[tokio::test(start_paused = true)]
async fn a_state_of_an_earlier_build_gets_its_witness_with_the_next_checkpoint() {
    let bench = copied(false).await;
    let journal = Journal::new(bench.parts().store, "simulated");
    let known = bench.recovered().await.checkpoint;
    assert!(known.witness.is_some());
    journal.advance(&CheckpointRecord { witness: None, ..known }).await.expect("it is written");
    bench.catches_up().await;
    bench.commit(vec![insert(&row(1, 20, "next"))]);
    bench.catches_up().await;
    let executed = bench.source.executed().await.expect("it answers");
    let witness = bench.recovered().await.checkpoint.witness.expect("it was completed");
    assert!(executed.contains(&witness.transaction));
    bench.source.restart_numbering(true);
    is_lost(&runs(&bench, false).await.expect_err("it is another source"));
}

/// A run that tails, and ends at the earliest when it has caught up.
async fn tails(bench: &Bench, backfill: bool, until_caught_up: bool) -> Result<Finished, ProtocolError> {
    let options = RunOptions { tail: true, backfill, from: None, until_caught_up, accept_gap: false };
    let recopies = Recopies::taken(Arc::new(Noted::default()));
    let run = run_with(bench.parts(), options, recopies, CancellationToken::new());
    timeout(LONGEST, run).await.expect("it finds out whose transactions these are")
}

/// Commits a transaction and waits until it is checkpointed.
async fn tailed(bench: &Bench, item: u64) {
    bench.commit(vec![insert(&row(2, item, "tailed"))]);
    let executed = bench.source.executed().await.expect("it answers");
    while bench.checkpointed().await != executed {
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_begins_again_while_its_stream_stays_up_ends_the_run() {
    let bench = copied(false).await;
    let restarts = async {
        tailed(&bench, 50).await;
        bench.source.restart_numbering(true);
        bench.commit(vec![delete(&row(0, 0, "old"))]);
    };
    let (ended, ()) = tokio::join!(tails(&bench, true, false), restarts);
    is_lost(&ended.expect_err("it is another source"));
    is_lost(&runs(&bench, false).await.expect_err("it is another source"));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_killed_before_it_has_looked_is_found_out_by_the_next() {
    let mut bench = copied(false).await;
    bench.settings.look_every = NEVER;
    let killed = async {
        tailed(&bench, 50).await;
        bench.source.restart_numbering(true);
        tailed(&bench, 51).await; // a transaction of the binlog that was begun again
    };
    tokio::select! {
        ended = tails(&bench, false, false) => panic!("it ended by itself: {ended:?}"),
        () = killed => {}
    }
    is_lost(&runs(&bench, false).await.expect_err("it is another source"));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_began_again_is_never_called_caught_up_with() {
    let mut bench = copied(false).await;
    bench.settings.look_every = NEVER;
    bench.commit(vec![insert(&row(2, 50, "tailed"))]);
    bench.gateway.all_writes(FailBefore);
    let restarts = async {
        while bench.journaled().await.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        bench.source.restart_numbering(true);
        bench.gateway.all_writes(Pass);
    };
    let (ended, ()) = tokio::join!(tails(&bench, true, true), restarts);
    is_lost(&ended.expect_err("it is another source"));
}
