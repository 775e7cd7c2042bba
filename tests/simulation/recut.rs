//! After a crash the sealer cuts the journaled batches again, byte for byte, and goes on above their
//! ticks (I1, I2): random transactions, random settings before and after, random crash points, with the real
//! journal in between.

use super::app::Application;
use super::database;
use super::dice::Dice;
use super::process::parts_for_tests;
use super::world::{Process, World};
use std::sync::Arc;
use std::time::Duration;
use tailfill::lock::ListId;
use tailfill::model::{Reached, TargetId, Tick};
use tailfill::pipeline::jobs::requests::Requests;
use tailfill::pipeline::tail::seal::seal;
use tailfill::pipeline::tail::sealed::{Boundary, Sealed, SealedBatch};
use tailfill::pipeline::{Parts, Settings};
use tailfill::protocol::{Journal, ListWrites, Pending, Recovered};
use tailfill::sink::RowWrite;
use tailfill::source::{BinlogPlace, StreamEvent};
use tailfill::store::records::CheckpointRecord;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Lives of the sealer in one case.
const LIVES: usize = 5;

#[test]
fn journaled_batches_are_cut_again_byte_for_byte_after_any_crash() {
    for seed in 0..40 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(one_case(seed));
    }
}

async fn one_case(seed: u64) {
    let world = World::new(seed, false);
    Application::new(&world).publish_at_once();
    let process = Process::new(&world, 1);
    let parts = parts_for_tests(&process, settings(&world.dice));
    let journal = Journal::new(parts.store.clone(), parts.source_name.clone());
    let start = database::position(Reached::default());
    let (tick_high, replaying_until, witness) = (Tick(0), Reached::default(), None);
    let start = CheckpointRecord { position: start, tick_high, replaying_until, witness };
    let mut recovered = journal.open(start, "print", "all").await.expect("no faults");
    let mut journaled: Vec<(Tick, Vec<ListWrites>)> = Vec::new();
    for _ in 0..LIVES {
        let parts = Parts { settings: Arc::new(settings(&world.dice)), ..parts.clone() };
        let sealed = cut(&world, &parts, recovered.clone()).await;
        let batches: Vec<&SealedBatch> = sealed.iter().filter_map(batch).collect();
        check_replay(seed, &recovered, &batches, &journaled);
        // the crash comes when so many items have gone through the journal, and so many were written
        let through = world.dice.below(sealed.len() as u64 + 1) as usize;
        remember(&journal, &sealed[..through], &mut journaled).await;
        let written = world.dice.below(through as u64 + 1) as usize;
        checkpoint(&journal, &recovered, &sealed[..written]).await;
        recovered = journal.recover().await.expect("no faults").expect("it was opened");
    }
}

fn settings(dice: &Dice) -> Settings {
    Settings {
        batch_rows: dice.pick(&[1, 3, 7, 2_000]),
        batch_wait: Duration::from_millis(dice.pick(&[1, 20])),
        ..Settings::default()
    }
}

/// What a life of the sealer cuts out of everything after the checkpoint.
async fn cut(world: &Arc<World>, parts: &Parts, recovered: Recovered) -> Vec<Sealed> {
    let (events_in, events) = mpsc::channel(4);
    let (_marks, marks) = mpsc::channel(1);
    let (_recounts, recounts) = mpsc::channel(1);
    let (_turns, turns) = mpsc::channel(1);
    let requests = Requests { marks, turns, recounts };
    let (out, mut sealed) = mpsc::channel(4);
    let passed = recovered.checkpoint.position.reached.clone();
    let feeding = feed(world.clone(), passed, events_in);
    let sealing = seal(parts, recovered, events, requests, out);
    let collecting = async {
        let mut all = Vec::new();
        while let Some(item) = sealed.recv().await {
            all.push(without_permit(item));
        }
        all
    };
    let ((), outcome, all) = tokio::join!(feeding, sealing, collecting);
    outcome.expect("the stream is whole");
    all
}

/// Nobody writes here, so room is made at once.
fn without_permit(item: Sealed) -> Sealed {
    match item {
        Sealed::Batch(batch) => Sealed::Batch(Box::new(SealedBatch { permit: None, ..*batch })),
        other => other,
    }
}

/// Streams what is not passed, in pieces, with pauses; sometimes the connection breaks in a transaction, which
/// then comes again from its beginning.
async fn feed(world: Arc<World>, passed: Reached, events: mpsc::Sender<StreamEvent>) {
    let dice = world.dice.clone();
    let published = world.database.state().published();
    for number in (1..=published).filter(|number| !passed.contains(&database::gtid(*number))) {
        let gtid = database::gtid(number);
        let begin = || {
            let gtid = gtid.clone();
            StreamEvent::Begin { transaction: gtid, committed_micros: 0, original_micros: 0 }
        };
        let (changes, _) = world.database.state().transaction(number).expect("it was published");
        while dice.chance(150) {
            let part = changes[..dice.below(changes.len() as u64 + 1) as usize].to_vec();
            send(&events, begin()).await;
            send(&events, StreamEvent::Changes(part.into())).await;
        }
        send(&events, begin()).await;
        for change in changes.iter() {
            send(&events, StreamEvent::Changes(vec![change.clone()].into())).await;
        }
        let place = BinlogPlace { file: "binlog.1".into(), offset: number };
        send(&events, StreamEvent::End { transaction: gtid, place }).await;
        dice.pause(0, 4).await;
    }
    sleep(Duration::from_secs(1)).await; // what waits is sealed
}

async fn send(events: &mpsc::Sender<StreamEvent>, event: StreamEvent) {
    events.send(event).await.expect("the sealer listens");
}

fn batch(item: &Sealed) -> Option<&SealedBatch> {
    match item {
        Sealed::Batch(batch) => Some(batch),
        _ => None,
    }
}

/// What writes say, for comparing.
fn content(writes: &[ListWrites]) -> Vec<(ListId, TargetId, Vec<RowWrite>)> {
    let rows = |writes: &ListWrites| writes.rows().map(|row| row.unpack()).collect();
    writes.iter().map(|writes| (writes.list, writes.target, rows(writes))).collect()
}

/// The journaled batches above the checkpoint come first and are what they were; all others are new.
fn check_replay(
    seed: u64,
    recovered: &Recovered,
    batches: &[&SealedBatch],
    journaled: &[(Tick, Vec<ListWrites>)],
) {
    let replayed = &batches[..recovered.replay.len()];
    for (batch, replay) in replayed.iter().zip(&recovered.replay) {
        let before = journaled.iter().find(|(tick, _)| *tick == replay.tick);
        let (_, writes) = before.expect("what is replayed was journaled");
        assert_eq!(batch.tick, replay.tick, "seed {seed}");
        assert_eq!(batch.entry, None, "seed {seed}: it stands in the journal already");
        assert_eq!(
            content(&batch.writes),
            content(writes),
            "seed {seed}: batch {} means something else",
            batch.tick
        );
    }
    for new in &batches[recovered.replay.len()..] {
        assert!(new.tick > recovered.last_tick && new.entry.is_some(), "seed {seed}: {}", new.tick);
    }
}

async fn remember(journal: &Journal, sealed: &[Sealed], journaled: &mut Vec<(Tick, Vec<ListWrites>)>) {
    for batch in sealed.iter().filter_map(batch) {
        let pending = Pending { tick: batch.tick, entry: batch.entry.clone() };
        journal.append(&[pending], &mut None).await.expect("no faults");
        journaled.push((batch.tick, batch.writes.clone()));
    }
}

/// Moves the checkpoint to the last boundary of what was written, as the writer does.
async fn checkpoint(journal: &Journal, recovered: &Recovered, written: &[Sealed]) {
    let mut record: CheckpointRecord = recovered.checkpoint.clone();
    let mut highest = record.tick_high;
    let mut moved = false;
    for item in written {
        let boundary: Option<&Boundary> = match item {
            Sealed::Batch(batch) => {
                highest = highest.max(batch.tick);
                batch.boundary.as_ref()
            }
            Sealed::Advance(boundary) => Some(boundary),
            Sealed::Mark { .. } | Sealed::Recount { .. } | Sealed::Turn { .. } => None,
        };
        if let Some(boundary) = boundary {
            record.position.reached.union_with(&boundary.transactions);
            (record.tick_high, moved) = (highest, true);
        }
    }
    if moved {
        journal.advance(&record).await.expect("no faults");
    }
}
