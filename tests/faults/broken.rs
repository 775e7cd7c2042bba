//! The same script with a mechanism turned off goes wrong in the way that the mechanism prevents: these tests
//! can fail.

#![cfg(feature = "failpoints")]

use super::bench::{Bench, contents, delete, insert, row, ticks};
use super::gateway::Fate;
use super::recopy::{all, plant, recopied, with_a_late_write};
use crate::simulation::checker;
use crate::simulation::database::up_to;
use std::time::Duration;
use tailfill::failpoints::{Failpoints, Switches};
use tailfill::model::Tick;

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

#[tokio::test(start_paused = true)]
async fn without_deleting_what_only_hbase_has_a_recopy_leaves_a_missed_delete() {
    let mut bench = Bench::opened().await;
    bench.settings.failpoints =
        Failpoints::new(Switches { recopy_keeps_extras: true, ..Switches::default() });
    bench.commit(vec![insert(&row(1, 1, "kept"))]);
    bench.catches_up().await;
    plant(&bench, &row(1, 2, "its delete was missed"), Tick(50)).await;
    recopied(&bench, all(&bench)).await;
    assert_eq!(checker::compare(&bench.world).await.len(), 2, "the row stays in both targets");
}

#[tokio::test(start_paused = true)]
async fn without_waiting_for_the_late_write_horizon_a_recopy_misses_what_lands_after_it() {
    let mut bench = Bench::opened().await;
    bench.settings.failpoints =
        Failpoints::new(Switches { recopy_inside_horizon: true, ..Switches::default() });
    bench.commit(vec![insert(&row(1, 1, "kept"))]);
    bench.catches_up().await;
    let late = Duration::from_secs(40);
    with_a_late_write(&bench, late).await;
    recopied(&bench, all(&bench)).await;
    assert_eq!(checker::compare(&bench.world).await.len(), 0, "nothing is wrong yet");
    tokio::time::sleep(late).await;
    assert_eq!(checker::compare(&bench.world).await.len(), 2, "the row came back in both targets");
}
