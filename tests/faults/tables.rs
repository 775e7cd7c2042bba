//! HBase tables that are dropped and made again while nothing runs.

use super::bench::{Bench, delete, insert, row};
use super::recopy::copied;
use tailfill::model::{LifeCycle, Target, TargetId};
use tailfill::sink::Tables;
use tailfill::store::records::{self, LifeRecord};
use tailfill::store::{Space, Store};

/// Makes the table of a target again, with what is in it gone: what `tailfill init` does after a drop in the HBase shell.
async fn make_again(bench: &Bench, target: &Target) {
    bench.world.sink.drop_table(&target.table);
    bench.world.sink.create(target, "state", 0).await.expect("it is not there");
}

async fn records_of(bench: &Bench) -> Vec<LifeRecord> {
    let stored = bench.world.store.list(Space::LifeCycle, &[]).await.expect("reads do not fail");
    stored.iter().map(|(_, value)| records::decode(value).expect("our own")).collect()
}

/// Copied into tables that have ids.
async fn copied_into_named_tables(counted: bool) -> Bench {
    let bench = copied(counted).await;
    for target in &bench.world.mapping.targets {
        make_again(&bench, target).await;
    }
    bench.copies().await;
    bench.assert_equal().await;
    assert!(records_of(&bench).await.iter().all(|record| record.table.is_some()));
    bench
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_dropped_and_made_again_is_copied_anew() {
    for counted in [false, true] {
        let bench = copied_into_named_tables(counted).await;
        for target in bench.world.mapping.targets.clone() {
            make_again(&bench, &target).await;
            bench.commit(vec![insert(&row(9, u64::from(target.id.0), "meanwhile"))]);
            bench.copies().await;
            bench.assert_equal().await;
        }
        assert!(records_of(&bench).await.iter().all(|record| record.state == LifeCycle::CaughtUp));
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_tables_are_not_copied_again_and_the_tail_alone_forgets_nothing() {
    let bench = copied_into_named_tables(false).await;
    make_again(&bench, &bench.world.mapping.targets[1]).await;
    bench.commit(vec![delete(&row(0, 0, "old"))]);
    bench.catches_up().await; // tails only: the copy is begun, and not made
    bench.gateway.take_sent();
    bench.copies().await;
    let sent = bench.gateway.take_sent();
    assert!(!sent.is_empty() && sent.iter().all(|call| call.target == TargetId(1)));
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_table_without_an_id_is_taken_for_another_one_when_it_gets_one_and_is_empty() {
    let bench = copied(false).await;
    assert!(records_of(&bench).await.iter().all(|record| record.table.is_none()), "as an earlier build");
    make_again(&bench, &bench.world.mapping.targets[0]).await;
    bench.copies().await;
    bench.assert_equal().await;
}
