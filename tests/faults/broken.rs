//! The same script with a mechanism turned off goes wrong in the way that the mechanism prevents: these tests
//! can fail.

#![cfg(feature = "failpoints")]

use super::bench::{Bench, contents, delete, insert, row, ticks};
use super::gateway::Fate;
use crate::simulation::checker;
use crate::simulation::database::up_to;
use tailfill::failpoints::{Failpoints, Switches};

/// One row is written, and its delete waits.
async fn a_delete_waits(switches: Switches) -> Bench {
    let mut bench = Bench::opened().await;
    bench.settings.failpoints = Failpoints::new(switches);
    let written = row(1, 1, "written");
    bench.commit(vec![insert(&written)]);
    bench.catches_up().await;
    bench.gateway.take_sent();
    bench.commit(vec![delete(&written)]);
    bench.gateway.all_writes(Fate::FailBefore);
    bench
}

#[tokio::test(start_paused = true)]
async fn without_identical_replay_what_failed_is_sent_again_with_other_ticks() {
    let bench = a_delete_waits(Switches { replay_takes_new_ticks: true, ..Switches::default() }).await;
    bench.fails().await;
    let tried = ticks(&contents(&bench.gateway.take_sent()));
    bench.gateway.all_writes(Fate::Pass);
    bench.catches_up().await;
    let written = ticks(&contents(&bench.gateway.take_sent()));
    assert_eq!((tried.len(), written.len()), (1, 1));
    assert!(written > tried, "{written:?} after {tried:?}");
}

#[tokio::test(start_paused = true)]
async fn without_waiting_for_writes_the_checkpoint_passes_a_delete_that_is_lost() {
    let bench = a_delete_waits(Switches { checkpoint_before_write: true, ..Switches::default() }).await;
    bench.catches_up().await;
    assert_eq!(bench.checkpointed().await, up_to(2));
    bench.gateway.all_writes(Fate::Pass);
    bench.catches_up().await;
    assert_eq!(checker::compare(&bench.world).await.len(), 2, "the row stays in both targets");
}
