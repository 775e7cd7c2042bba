use super::*;
use crate::failpoints::Failpoints;
use crate::model::{DateTime, Mapping, Position, RowChange, TransactionId, Value};
use crate::protocol::plan::Cohort;
use crate::protocol::{Coalescer, Plan};
use crate::store::memory::MemoryStore;
use uuid::Uuid;

fn transaction(number: u64) -> TransactionId {
    format!("00000000-0000-0000-0000-00000000000a:{number}").parse().expect("a transaction")
}

fn up_to(last: u64) -> Reached {
    let mut reached = Reached::default();
    (1..=last).for_each(|number| reached.insert(&transaction(number)));
    reached
}

fn only(number: u64) -> Reached {
    transaction(number).alone()
}

fn position(last: u64) -> Position {
    let server_uuid = Uuid::from_u128(0xA).to_string();
    Position { server_uuid, reached: up_to(last), file: "binlog.1".into(), offset: last }
}

fn checkpoint(last: u64, tick: u64, replaying_until: Reached) -> CheckpointRecord {
    CheckpointRecord { position: position(last), tick_high: Tick(tick), replaying_until, witness: None }
}

fn batch(tick: u64, number: u64) -> Pending {
    let point = |row| Point { transaction: transaction(number), row };
    let entry =
        Entry::Batch { from: point(0), to: point(4), transactions: only(number), original_micros: number };
    Pending { tick: Tick(tick), entry: Some(entry) }
}

fn mark(tick: u64, last: u64) -> Pending {
    Pending { tick: Tick(tick), entry: Some(Entry::Mark { proof: up_to(last) }) }
}

/// A journal whose tail was opened after transaction 2, with ticks above 10.
async fn opened() -> Journal {
    let journal = Journal::new(Arc::new(MemoryStore::new()), "source");
    journal.open(checkpoint(2, 10, Reached::default()), "print", "all").await.expect("a memory store");
    journal
}

async fn recovered(journal: &Journal) -> Recovered {
    journal.recover().await.expect("our own records").expect("it was opened")
}

fn replayed_ticks(recovered: &Recovered) -> Vec<u64> {
    recovered.replay.iter().map(|replay| replay.tick.0).collect()
}

#[tokio::test]
async fn a_source_that_was_never_started_has_nothing_to_recover() {
    let journal = Journal::new(Arc::new(MemoryStore::new()), "source");
    assert!(journal.recover().await.expect("empty").is_none());
    assert_eq!(journal.fingerprint().await.expect("empty"), None);
}

#[tokio::test]
async fn an_opened_tail_is_recovered_with_its_plan() {
    let journal = opened().await;
    let found = recovered(&journal).await;
    assert_eq!(found.checkpoint.position, position(2));
    assert_eq!((found.last_tick, found.sealed), (Tick(10), up_to(2)));
    assert_eq!(journal.fingerprint().await.expect("stored").as_deref(), Some("print"));
    assert_eq!(journal.cohort().await.expect("stored").as_deref(), Some("all"));
}

#[tokio::test]
async fn batches_are_replayed_in_tick_order_and_ticks_go_on_above_the_highest() {
    let journal = opened().await;
    let mut last_mark = None;
    for pending in [&[batch(11, 3), batch(256, 4)][..], &[mark(300, 6)], &[batch(301, 7)]] {
        journal.append(pending, &mut last_mark).await.expect("a memory store");
    }
    let found = recovered(&journal).await;
    assert_eq!(replayed_ticks(&found), [11, 256, 301]);
    assert_eq!(found.last_tick, Tick(301));
    let mut sealed = up_to(4);
    sealed.union_with(&up_to(6));
    sealed.insert(&transaction(7));
    assert_eq!(found.sealed, sealed, "what a mark's proof holds was sealed too");
}

#[tokio::test]
async fn only_the_newest_mark_is_kept_and_its_tick_counts() {
    let journal = opened().await;
    let mut last_mark = None;
    journal.append(&[mark(20, 3), batch(21, 4), mark(22, 4)], &mut last_mark).await.expect("a memory store");
    journal.append(&[mark(30, 5)], &mut last_mark).await.expect("a memory store");
    let kept = journal.store.list(Space::Journal, &[]).await.expect("a memory store");
    let ticks: Vec<Tick> = kept.iter().map(|(key, _)| records::journal_tick(key).expect("8 bytes")).collect();
    assert_eq!(ticks, [Tick(21), Tick(30)]);
    assert_eq!(recovered(&journal).await.last_tick, Tick(30));
}

#[tokio::test]
async fn a_checkpoint_drops_what_it_covers_and_never_lets_a_tick_come_again() {
    let journal = opened().await;
    journal.append(&[batch(11, 3), batch(12, 4), batch(13, 5)], &mut None).await.expect("a memory store");
    journal.advance(&checkpoint(4, 12, Reached::default())).await.expect("a memory store");
    let found = recovered(&journal).await;
    assert_eq!(replayed_ticks(&found), [13]);
    let last = Witness { transaction: transaction(5), original_micros: 5 };
    assert_eq!(found.witnesses(), [last], "of the batch that is cut again");
    assert_eq!((found.last_tick, found.sealed), (Tick(13), up_to(5)));
    journal.advance(&checkpoint(5, 13, Reached::default())).await.expect("a memory store");
    let found = recovered(&journal).await;
    assert_eq!((found.replay, found.last_tick), (vec![], Tick(13)));
}

#[tokio::test]
async fn a_batch_that_the_checkpoint_went_past_is_not_cut_again_and_its_tick_counts() {
    let journal = opened().await;
    journal.append(&[batch(11, 3), batch(12, 4)], &mut None).await.expect("a memory store");
    // the rows of 3 were left out when it was read again: nothing was written with its tick
    journal.advance(&checkpoint(3, 10, Reached::default())).await.expect("a memory store");
    let found = recovered(&journal).await;
    assert_eq!(replayed_ticks(&found), [12]);
    assert_eq!((found.last_tick, found.sealed), (Tick(12), up_to(4)));
}

#[tokio::test]
async fn opening_at_an_older_position_drops_the_journal_and_remembers_what_was_written() {
    let journal = opened().await;
    journal.append(&[batch(11, 3), mark(12, 3)], &mut None).await.expect("a memory store");
    let before = recovered(&journal).await;
    let until = before.sealed.minus(&position(1).reached);
    journal.open(checkpoint(1, before.last_tick.0, until), "print", "all").await.expect("a memory store");
    let found = recovered(&journal).await;
    assert_eq!(found.checkpoint.position, position(1));
    assert_eq!((found.replay, found.last_tick), (vec![], Tick(12)));
    assert_eq!(found.sealed, up_to(3), "the source must still contain it");
}

fn writes_at(tick: u64) -> ListWrites {
    let mapping = crate::sink::fixtures::followers();
    let row = vec![Value::UInt(1), Value::UInt(2), Value::DateTime(DateTime::default()), Value::Null];
    let change = RowChange { table: mapping.table, before: Some(row), after: None };
    let plan = Plan::new(vec![Mapping { order: None, ..mapping }], Cohort::All);
    let mut coalescer = Coalescer::new(Failpoints::default());
    assert!(coalescer.add(&plan, change.as_ref()).is_empty(), "the keys are whole");
    coalescer.finish(Tick(tick)).swap_remove(0)
}

#[tokio::test]
async fn a_receipt_covers_the_ticks_of_its_commit_whatever_their_order() {
    let replayed = Pending { tick: Tick(11), entry: None };
    let receipt = opened().await.append(&[mark(40, 2), replayed], &mut None).await.expect("a memory store");
    assert_eq!(receipt.cover(writes_at(11)).get().tick(), Tick(11));
}

#[tokio::test]
#[should_panic(expected = "I2")]
async fn a_receipt_does_not_cover_another_tick() {
    let receipt = opened().await.append(&[batch(11, 3)], &mut None).await.expect("a memory store");
    receipt.cover(writes_at(12));
}
