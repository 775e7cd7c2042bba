//! A stream that breaks, and a source that forgets.

use super::bench::{Bench, contents, delete, insert, row, ticks, update};
use super::gateway::{Fate, Sent};
use crate::simulation::database::up_to;
use std::collections::BTreeMap;
use std::time::Duration;
use tailfill::error::{Disposition, Exit};
use tailfill::model::{Tick, TransactionId};
use tailfill::pipeline::jobs::requests::Requests;
use tailfill::pipeline::progress::RunPosition;
use tailfill::pipeline::tail::seal;
use tailfill::protocol::ProtocolError;
use tailfill::sink::RowWrite;
use tailfill::source::{BinlogPlace, SourceError, StreamEvent};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What each batch wrote, in the order of batches; without the ticks, which follow the clock.
fn batches(sent: &[Sent]) -> Vec<Vec<RowWrite>> {
    let mut batches: BTreeMap<Tick, Vec<RowWrite>> = BTreeMap::new();
    for ((_, _, tick), write) in contents(sent) {
        batches.entry(tick).or_default().push(RowWrite { tick: Tick(0), ..write });
    }
    batches.into_values().collect()
}

/// Tails one transaction of five changes, in batches of two, over streams that break.
async fn tail_over_breaks(breaks: &[usize]) -> Vec<Vec<RowWrite>> {
    let mut bench = Bench::opened().await;
    bench.settings.batch_rows = 2;
    let (first, second) = (row(1, 1, "first"), row(1, 1, "second"));
    bench.commit(vec![
        insert(&first),
        update(&first, &second),
        insert(&row(1, 2, "stays")),
        delete(&second),
        insert(&row(2, 1, "stays")),
    ]);
    let streams_before = bench.source.streams();
    bench.source.next_streams_break_after(breaks.iter().copied());
    bench.catches_up().await;
    assert_eq!(bench.source.streams() - streams_before, breaks.len() as u64 + 1, "each break reconnects");
    bench.assert_equal().await;
    batches(&bench.gateway.take_sent())
}

#[tokio::test(start_paused = true)]
async fn a_transaction_in_whose_middle_the_stream_breaks_is_taken_in_once() {
    let whole = tail_over_breaks(&[]).await;
    assert_eq!(whole.len(), 3, "five changes in batches of two");
    for breaks in [&[1][..], &[2], &[3], &[4], &[5], &[3, 1, 4], &[4, 4]] {
        assert_eq!(tail_over_breaks(breaks).await, whole, "breaks after {breaks:?} changes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_forgets_a_journaled_transaction_ends_the_run() {
    let mut bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "kept"))]);
    bench.catches_up().await;
    bench.commit(vec![insert(&row(1, 2, "forgotten"))]);
    bench.gateway.all_writes(Fate::FailBefore);
    bench.fails().await;
    bench.gateway.all_writes(Fate::Pass);
    let journaled = bench.journaled().await;
    bench.gateway.take_sent();

    bench.source.set_executed(Some(up_to(1)));
    bench.settings.source_wait = Duration::from_secs(60);
    let begin = Instant::now();
    let error = bench.fails().await;
    assert!(matches!(error, ProtocolError::Source(SourceError::PositionLost { .. })), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Position));
    let waited = begin.elapsed().as_secs();
    assert!((60..65).contains(&waited), "it waited {waited} s");
    assert_eq!(bench.gateway.take_sent(), []);
    assert_eq!(bench.checkpointed().await, up_to(1));
    assert_eq!(bench.journaled().await, journaled, "another server may still have it");

    bench.source.set_executed(None);
    bench.catches_up().await;
    assert_eq!(ticks(&contents(&bench.gateway.take_sent())), journaled);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_lost_what_the_checkpoint_covers_is_not_taken_for_caught_up_with() {
    let mut bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "kept"))]);
    bench.commit(vec![insert(&row(1, 2, "lost"))]);
    bench.catches_up().await;
    assert_eq!(bench.checkpointed().await, up_to(2));
    bench.source.set_executed(Some(up_to(1)));
    bench.settings.source_wait = Duration::from_secs(60);
    let error = bench.fails().await;
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Position), "{error:?}");
    bench.source.set_executed(None);
    bench.catches_up().await;
}

/// What the sealer says where it refuses the end of a transaction that never began.
async fn refusal_of_the_sealer(sealed: RunPosition, before: Vec<StreamEvent>) -> String {
    let bench = Bench::opened().await;
    let parts = bench.parts();
    parts.progress.positions().sealed = sealed;
    let (events_in, events) = mpsc::channel(8);
    for event in before {
        events_in.send(event).await.expect("there is room");
    }
    let transaction: TransactionId = "3e11fa47-71ca-11e1-9e33-c80aa9429562:9".parse().expect("a GTID");
    let place = BinlogPlace { file: "binlog.000009".into(), offset: 9_000 };
    events_in.send(StreamEvent::End { transaction, place }).await.expect("there is room");
    let (_marks, marks) = mpsc::channel(1);
    let (_turns, turns) = mpsc::channel(1);
    let (_recounts, recounts) = mpsc::channel(1);
    let requests = Requests { marks, turns, recounts };
    let (out, _sealed) = mpsc::channel(8);
    let recovered = bench.recovered().await;
    let ended = seal::seal(&parts, recovered, events, requests, out).await;
    ended.expect_err("it never began").to_string()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_sealer_names_a_place_with_its_file() {
    let place = |offset| BinlogPlace { file: "binlog.000007".into(), offset };
    let sealed = |at| RunPosition { reached: up_to(3), at };
    let transaction: TransactionId =
        format!("{}", up_to(4).newest().last().expect("one")).parse().expect("a GTID");
    let whole = vec![
        StreamEvent::Begin { transaction: transaction.clone(), committed_micros: 1, original_micros: 1 },
        StreamEvent::End { transaction, place: place(800) },
    ];
    for (at, before, said) in [
        (place(700), vec![], "at binlog.000007:700: ".to_owned()),
        (place(700), whole, "at binlog.000007:800: ".to_owned()),
        (BinlogPlace::default(), vec![], format!("at the binlog behind {}: ", up_to(3))),
    ] {
        let error = refusal_of_the_sealer(sealed(at), before).await;
        assert!(error.starts_with(&said), "{said} is not in {error}");
    }
}
