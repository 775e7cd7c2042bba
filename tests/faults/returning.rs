//! Tables whose rows are left out, and the re-copy that brings them back: a binlog in bytes, and statements about its table.

use super::bench::{Bench, delete, insert, row};
use super::recopy::{Noted, all, recopied};
use crate::simulation::database::{position, up_to};
use crate::simulation::definitions::statement::{Statement, exchange, retype, truncate};
use crate::simulation::definitions::table::Layout;
use std::sync::Arc;
use std::time::Duration;
use tailfill::clock::Clock;
use tailfill::model::History;
use tailfill::pipeline::jobs::JobState;
use tailfill::pipeline::{self, Recopies, RunOptions, run_with};
use tailfill::protocol::ProtocolError;
use tailfill::store::records::{self, CountsRecord, CountsState};
use tailfill::store::{Commit, Space, Store};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// A table that was emptied by a statement, and has got other rows since.
async fn parked(counted: bool) -> Bench {
    let bench = Bench::in_bytes(counted);
    bench.commit(vec![insert(&row(1, 1, "old")), insert(&row(2, 1, "old"))]);
    bench.copies().await;
    execute(&bench, truncate);
    bench.commit(vec![insert(&row(2, 2, "new"))]);
    assert!(matches!(bench.fails().await, ProtocolError::Parked { .. }));
    bench
}

/// The server executes a statement.
pub fn execute(bench: &Bench, statement: fn(&Layout) -> Statement) {
    let database = &bench.world.database;
    let before = database.state().present_layout().clone();
    let number = database.publish_statement(statement(&before), bench.world.clock.now_micros());
    database.commit(number, true);
}

async fn is_brought_back(bench: &Bench) {
    let (report, _) = recopied(bench, all(bench)).await;
    assert_eq!(report.state, JobState::Done, "{report:?}");
    assert!(report.targets.iter().all(|target| target.unparked), "{report:?}");
    bench.assert_equal().await;
    bench.commit(vec![delete(&row(2, 2, "new")), insert(&row(1, 2, "newer"))]);
    bench.copies().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_table_whose_rows_are_left_out_is_brought_back_by_a_recopy() {
    is_brought_back(&parked(false).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_while_a_definition_is_proven_is_opened_again() {
    let bench = parked(false).await;
    bench.source.next_proof_is_cut_short();
    bench.source.next_proof_is_cut_short();
    is_brought_back(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_parked_while_its_rows_were_counted_is_brought_back_and_counted() {
    let bench = parked(true).await;
    let store = &bench.world.store;
    let counting = records::encode(&CountsRecord { state: CountsState::Counting }).expect("a record");
    for (key, _) in store.list(Space::Counts, &[]).await.expect("it reads") {
        let put = vec![(Space::Counts, key, counting.clone())];
        store.commit(Commit { put, ..Commit::default() }).await.expect("it writes");
    }
    is_brought_back(&bench).await;
}

/// The entries of the table's history, as the store has them.
async fn entries(bench: &Bench) -> usize {
    let stored = bench.world.store.list(Space::Definitions, &[]).await.expect("it reads");
    let history: History = records::decode(&stored[0].1).expect("a record");
    history.entries.len()
}

async fn until_entries(bench: &Bench, wanted: usize) {
    while entries(bench).await < wanted {
        sleep(Duration::from_millis(10)).await;
    }
}

/// A process that is killed once `work` is over.
pub async fn killed_after(bench: &Bench, recopies: Recopies, work: impl Future<Output = ()>) {
    let parts = bench.parts();
    let run = tokio::spawn(async move {
        let options =
            RunOptions { tail: true, backfill: false, from: None, until_caught_up: false, accept_gap: false };
        run_with(parts, options, recopies, CancellationToken::new()).await
    });
    timeout(Duration::from_secs(60), work).await.expect("nothing is in the way");
    run.abort();
    _ = run.await;
}

#[tokio::test(start_paused = true)]
async fn what_was_journaled_between_two_parkings_is_cut_again_after_a_restart() {
    let mut bench = Bench::in_bytes(false);
    bench.commit(vec![insert(&row(1, 1, "old"))]);
    bench.copies().await;
    let often = std::mem::replace(&mut bench.settings.checkpoint_every, Duration::from_secs(3_600));
    execute(&bench, truncate);
    killed_after(&bench, Recopies::none(), until_entries(&bench, 2)).await;
    let recopies = Recopies::only(Arc::new(Noted::default()), [all(&bench)]);
    let work = async {
        until_entries(&bench, 3).await;
        let journaled = bench.journaled().await.len();
        bench.commit(vec![insert(&row(3, 1, "between"))]);
        while bench.journaled().await.len() == journaled {
            sleep(Duration::from_millis(10)).await;
        }
        execute(&bench, truncate);
        until_entries(&bench, 4).await;
    };
    killed_after(&bench, recopies, work).await;
    bench.settings.checkpoint_every = often;
    bench.commit(vec![insert(&row(2, 2, "new"))]);
    is_brought_back(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_mapped_column_that_gets_another_type_parks_its_table() {
    let bench = Bench::in_bytes(false);
    bench.commit(vec![insert(&row(1, 1, "old"))]);
    bench.copies().await;
    execute(&bench, retype);
    bench.commit(vec![insert(&row(2, 2, "new"))]);
    let error = bench.fails().await;
    assert!(matches!(&error, ProtocolError::Parked { .. }), "{error:?}");
    is_brought_back(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_position_before_a_statement_that_the_history_does_not_know_is_refused() {
    let bench = Bench::in_bytes(false);
    bench.commit(vec![insert(&row(1, 1, "old"))]);
    execute(&bench, exchange);
    bench.copies().await;
    let from = Some(position(up_to(0)));
    let options = RunOptions { tail: true, backfill: true, from, until_caught_up: true, accept_gap: false };
    let ended = pipeline::run(bench.parts(), options, CancellationToken::new()).await;
    assert!(
        matches!(&ended, Err(ProtocolError::Refused { reason, .. }) if reason.contains("RENAME COLUMN")),
        "{ended:?}"
    );
    bench.catches_up().await;
    bench.assert_equal().await;
}
