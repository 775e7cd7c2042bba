//! Commits of the journal and the checkpoint that fail, or whose reply is lost.

use super::bench::{Bench, contents, delete, insert, row, ticks, update};
use super::commits::Commits;
use crate::simulation::database::up_to;
use tailfill::error::{Disposition, Exit};
use tailfill::protocol::ProtocolError;
use tailfill::store::memory::Fate;
use tailfill::store::{Space, StoreError};

fn assert_store_failed(error: &ProtocolError) {
    assert!(matches!(error, ProtocolError::Store(StoreError::Io { .. })), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Failed));
}

/// One transaction is written and checkpointed, and another one waits.
async fn one_written_one_waiting() -> Bench {
    let bench = Bench::opened().await;
    let written = row(1, 1, "written");
    bench.commit(vec![insert(&written)]);
    bench.catches_up().await;
    bench.gateway.take_sent();
    bench.commit(vec![update(&written, &row(1, 1, "waiting")), insert(&row(2, 2, "waiting"))]);
    bench
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_with_a_tick_whose_journal_commit_failed() {
    let bench = one_written_one_waiting().await;
    let failed = Commits::into_space(&bench.world.store, Space::Journal, Fate::FailBefore);
    assert_store_failed(&bench.fails().await);
    assert!(!failed.ticks().is_empty(), "a commit was tried");
    assert_eq!(bench.gateway.take_sent(), [], "I2");
    assert_eq!(bench.journaled().await, []);
    assert_eq!(bench.checkpointed().await, up_to(1));
    bench.world.store.set_hook(None);
    bench.catches_up().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_commit_whose_reply_was_lost_sends_nothing_and_is_replayed_with_its_tick() {
    let bench = one_written_one_waiting().await;
    let lost = Commits::into_space(&bench.world.store, Space::Journal, Fate::MakeThenFail);
    assert_store_failed(&bench.fails().await);
    assert_eq!(bench.gateway.take_sent(), [], "I2: nobody knows that the entry is there");
    let journaled = bench.recovered().await.replay;
    let journaled_ticks: Vec<_> = journaled.iter().map(|batch| batch.tick).collect();
    assert_eq!(journaled_ticks, lost.ticks());
    bench.world.store.set_hook(None);
    bench.catches_up().await;
    let sent = ticks(&contents(&bench.gateway.take_sent()));
    assert_eq!(sent.len(), 2, "a batch for each of the two changes");
    assert_eq!(sent[..journaled_ticks.len()], journaled_ticks, "the journaled ticks, and new ones above");
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_checkpoint_commit_that_failed_the_next_run_replays_the_same() {
    let bench = one_written_one_waiting().await;
    bench.commit(vec![delete(&row(1, 1, "waiting"))]);
    Commits::into_space(&bench.world.store, Space::Checkpoint, Fate::FailBefore);
    assert_store_failed(&bench.fails().await);
    let written = contents(&bench.gateway.take_sent());
    assert_eq!(ticks(&written).len(), 3);
    assert_eq!(bench.checkpointed().await, up_to(1));
    assert_eq!(bench.journaled().await, ticks(&written));
    bench.world.store.set_hook(None);
    bench.catches_up().await;
    assert_eq!(contents(&bench.gateway.take_sent()), written);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_checkpoint_commit_whose_reply_was_lost_the_next_run_has_nothing_to_send() {
    let bench = one_written_one_waiting().await;
    Commits::into_space(&bench.world.store, Space::Checkpoint, Fate::MakeThenFail);
    assert_store_failed(&bench.fails().await);
    assert_eq!(ticks(&contents(&bench.gateway.take_sent())).len(), 2);
    bench.world.store.set_hook(None);
    bench.assert_equal().await;
    bench.catches_up().await;
    assert_eq!(bench.gateway.take_sent(), []);
    bench.assert_equal().await;
}
