//! Holds: lists that are held up for somebody who compares both sides show one place of the binlog, and go on afterwards.

use super::bench::{Bench, insert, row};
use crate::simulation::database;
use std::time::Duration;
use tailfill::model::{Reached, Value};
use tailfill::pipeline::jobs::holds::{HELD_MAX, Held, HoldAsk};
use tailfill::pipeline::{Finished, Parts, RunOptions, run};
use tailfill::protocol::ProtocolError;
use tailfill::sink::ReadRows;
use tailfill::sink::layout::Codec;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Rows of a transaction; each is a batch of its own.
const ROWS: u64 = 5;

/// A run that goes on, and what ends it.
fn goes_on(parts: &Parts) -> (JoinHandle<Result<Finished, ProtocolError>>, CancellationToken) {
    let stop = CancellationToken::new();
    let options =
        RunOptions { tail: true, backfill: false, from: None, until_caught_up: false, accept_gap: false };
    (tokio::spawn(run(parts.clone(), options, stop.clone())), stop)
}

/// Transaction by transaction, items of two lists.
fn commit(bench: &Bench) -> u64 {
    let next = bench.world.database.state().published() + 1;
    let item = |n: u64| insert(&row(1 + n % 2, next * ROWS + n, "new"));
    bench.commit((0..ROWS).map(item).collect())
}

/// How many items of a transaction HBase has in list 1, of those that it has in MySQL.
async fn present(bench: &Bench, transaction: u64) -> (u64, u64) {
    let target = &bench.world.mapping.targets[0];
    let (mut there, mut all) = (0, 0);
    for n in (0..ROWS).step_by(2) {
        let row = row(1, transaction * ROWS + n, "new");
        let address = Codec::of(&bench.world.mapping, target).address(&row).expect("it has an address");
        let found = bench.world.sink.read(target.id, &[address.row]).await.expect("it reads");
        there += u64::from(found[0].is_some());
        all += 1;
    }
    (there, all)
}

/// HBase has every transaction of `sealed` as a whole in list 1, and nothing of the others.
async fn assert_stands(bench: &Bench, first: u64, sealed: &Reached) -> u64 {
    let (mut outside, last) = (0, bench.world.database.state().published());
    for number in first..=last {
        let (there, all) = present(bench, number).await;
        let is_sealed = sealed.contains(&database::gtid(number));
        assert_eq!(there, if is_sealed { all } else { 0 }, "transaction {number}, sealed: {is_sealed}");
        outside += u64::from(!is_sealed);
    }
    outside
}

fn list_1(bench: &Bench) -> HoldAsk {
    HoldAsk { mapping: bench.world.mapping.name.clone(), lists: vec![vec![Value::UInt(1)]] }
}

/// Asks until the run takes it.
async fn held(parts: &Parts, ask: &HoldAsk) -> Held {
    loop {
        match parts.holds.hold(ask).await {
            Ok(held) => return held,
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_held_up_stands_at_one_place_between_transactions_whatever_is_committed() {
    let bench = Bench::opened().await;
    let first = commit(&bench);
    for _ in 0..20 {
        commit(&bench);
    }
    // the first transactions come in parts, with a connection that breaks in between
    bench.source.next_streams_break_after([1, 2, 3, 8, 4, 9, 11, 13]);
    let parts = bench.parts();
    let (run, stop) = goes_on(&parts);
    let mut outside = 0;
    for _ in 0..20 {
        let held = held(&parts, &list_1(&bench)).await;
        outside += assert_stands(&bench, first, &held.sealed).await;
        commit(&bench);
        sleep(Duration::from_millis(50)).await;
        outside += assert_stands(&bench, first, &held.sealed).await;
        assert!(parts.holds.release(held.hold), "it has lasted until now");
        assert!(!parts.holds.release(held.hold), "once");
        commit(&bench);
    }
    assert!(outside >= 20, "changes were committed while the list was held up: {outside}");
    stop.cancel();
    assert_eq!(run.await.expect("it does not panic").expect("a clean stop"), Finished::Stopped);
    bench.catches_up().await;
    bench.assert_equal().await;
    assert!(parts.holds.hold(&list_1(&bench)).await.is_err(), "the run is over");
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_not_given_back_ends_by_itself_and_says_so() {
    let bench = Bench::opened().await;
    let parts = bench.parts();
    let (run, stop) = goes_on(&parts);
    let held = held(&parts, &list_1(&bench)).await;
    let number = commit(&bench);
    sleep(HELD_MAX / 2).await;
    assert_eq!(present(&bench, number).await.0, 0, "it is held up");
    sleep(HELD_MAX).await;
    let (there, all) = present(&bench, number).await;
    assert_eq!(there, all, "it goes on");
    assert!(!parts.holds.release(held.hold), "it had ended before");
    let unknown = HoldAsk { mapping: "none".into(), lists: vec![] };
    assert!(parts.holds.hold(&unknown).await.is_err());
    stop.cancel();
    run.await.expect("it does not panic").expect("a clean stop");
}
