//! A source that began its numbering again: the same GTIDs, other transactions.

use super::bench::{Bench, delete, insert, row};
use super::gap::{is_made_good, runs};
use super::gateway::Fate::FailBefore;
use super::recopy::copied;
use tailfill::error::{Disposition, Exit};
use tailfill::model::Gtid;
use tailfill::pipeline::Finished;
use tailfill::protocol::{Journal, ProtocolError};
use tailfill::source::Source;
use tailfill::store::records::CheckpointRecord;

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
    let gtids: Vec<Gtid> = found.witnesses().into_iter().map(|witness| witness.gtid).collect();
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
    assert!(executed.contains(&witness.gtid));
    bench.source.restart_numbering(true);
    is_lost(&runs(&bench, false).await.expect_err("it is another source"));
}
