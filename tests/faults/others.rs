//! What other tools lost, as our tests: rows that are committed around a copy's start, and a binlog that is ahead of
//! the engine.

use super::bench::{Bench, EXPIRY, copy, delete, insert, row, update};
use super::gateway::Fate;
use std::time::Duration;
use tailfill::pipeline::Finished;
use tokio::time::sleep;

/// How long a transaction is in the binlog before the engine has it.
const BEHIND: Duration = Duration::from_secs(5);

/// Publishes a delete, an insert and a change of rows that are there: in the binlog, and not in the engine.
fn publish(bench: &Bench, list: u64) -> u64 {
    let changes = vec![
        delete(&row(list, 1, "old")),
        insert(&row(list, 9, "new")),
        update(&row(list, 2, "old"), &row(list, 2, "changed")),
    ];
    bench.world.database.publish(changes, 1)
}

fn filled(bench: &Bench) {
    for list in 0..3 {
        bench.commit((0..4).map(|item| insert(&row(list, item, "old"))).collect());
    }
}

/// Copies and tails while these transactions are not in the engine, which then commits them in this order.
async fn copies_beside(bench: &Bench, transactions: &[u64]) {
    bench.gateway.all_writes(Fate::FailBefore);
    let run = tokio::spawn(copy(bench.parts()));
    // the parts of the copy are read again later, when the tail knows of the transactions
    sleep(EXPIRY).await;
    bench.gateway.all_writes(Fate::Pass);
    for number in transactions {
        sleep(BEHIND).await;
        bench.world.database.commit(*number, false);
    }
    let ended = run.await.expect("it does not panic").expect("nothing that needs a person");
    assert_eq!(ended, Finished::CaughtUp);
    bench.assert_equal().await;
}

/// github/gh-ost#1030: a transaction that was in the binlog before the copy began, and visible to no SELECT of it, was in
/// neither.
#[tokio::test(start_paused = true)]
async fn rows_committed_around_the_start_of_the_copy_are_copied_or_tailed() {
    let bench = Bench::unopened();
    filled(&bench);
    let published = publish(&bench, 1);
    copies_beside(&bench, &[published]).await;
}

/// block/spirit#820 and #847: the binlog showed a delete before the engine had made it; a chunk read the row, and put it
/// back behind its delete.
#[tokio::test(start_paused = true)]
async fn a_chunk_that_reads_a_row_whose_delete_is_tailed_already_does_not_bring_it_back() {
    let bench = Bench::opened().await;
    filled(&bench);
    bench.catches_up().await;
    let published = publish(&bench, 1);
    copies_beside(&bench, &[published]).await;
}

/// apache/flink-cdc#3616, and Debezium's read-only incremental snapshots: a watermark that counts by the highest
/// transaction passes one below it that the engine has not made.
#[tokio::test(start_paused = true)]
async fn an_executed_set_with_a_hole_proves_nothing_about_what_is_in_the_hole() {
    let bench = Bench::opened().await;
    filled(&bench);
    bench.catches_up().await;
    let (first, second) = (publish(&bench, 0), publish(&bench, 2));
    copies_beside(&bench, &[second, first]).await;
}
