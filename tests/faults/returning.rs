//! Tables whose rows are left out, and the re-copy that brings them back: a binlog in bytes, and statements about its table.

use super::bench::{Bench, delete, insert, row};
use super::recopy::{all, recopied};
use crate::simulation::definitions::statement::{Statement, retype, truncate};
use crate::simulation::definitions::table::Layout;
use tailfill::clock::Clock;
use tailfill::pipeline::recopy::JobState;
use tailfill::protocol::ProtocolError;
use tailfill::store::records::{self, CountsRecord, CountsState};
use tailfill::store::{Commit, Space, Store};

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
fn execute(bench: &Bench, statement: fn(&Layout) -> Statement) {
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
