//! The journal: the durable record of every tick and what it covers, made before anything is sent
//! with it (I2).
//!
//! After a crash the tail cuts the journaled batches again from the same rows and sends them with the
//! same ticks, so that a replay changes nothing that a reader sees.

use super::count::ListRecount;
use super::journaled::Journaled;
use super::list_writes::ListWrites;
use super::mark::UnprovenMark;
use crate::failpoints::{KillPoint, kill_at};
use crate::model::{Point, Reached, Tick, Witness};
use crate::store::records::{self, CheckpointRecord, JournalRecord, MetaRecord};
use crate::store::{Commit, Space, Store, StoreError};
use std::sync::Arc;

/// What a tick covers.
pub type Entry = JournalRecord;

/// A tick on its way into the journal.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Above every tick before it, unless the batch is replayed.
    pub tick: Tick,
    /// `None`: a replayed batch, whose entry is in the journal already.
    pub entry: Option<Entry>,
}

/// The proof that some ticks are durably journaled.
#[derive(Debug)]
pub struct Receipt {
    /// In rising order.
    ticks: Vec<Tick>,
}

impl Receipt {
    /// What may be sent under this receipt.
    pub fn cover(&self, writes: ListWrites) -> Journaled<ListWrites> {
        assert!(
            self.ticks.binary_search(&writes.tick()).is_ok(),
            "I2: nothing is sent with a tick before the journal holds it"
        );
        Journaled::with_proof(writes)
    }

    /// A recount that may be carried out at its mark.
    pub fn recount(&self, recount: ListRecount) -> Journaled<ListRecount> {
        assert!(
            self.ticks.binary_search(&recount.tick).is_ok(),
            "I2: counts are set at a mark that the journal holds"
        );
        Journaled::with_proof(recount)
    }

    /// A mark that chunks may use once it is proven.
    pub fn mark(&self, mark: UnprovenMark) -> Journaled<UnprovenMark> {
        assert!(
            self.ticks.binary_search(&mark.tick).is_ok(),
            "I2: a mark is used after the journal holds it"
        );
        Journaled::with_proof(mark)
    }
}

/// What a start finds.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// What the run starts behind.
    pub checkpoint: CheckpointRecord,
    /// The journaled batches above the checkpoint, in tick order: they are cut again.
    pub replay: Vec<Replay>,
    /// The highest tick ever journaled; new ticks start above it (I1).
    pub last_tick: Tick,
    /// Everything that was sealed before: the checkpoint, and every transaction in the journal. The
    /// source must contain it, and a new mark's proof begins with it.
    pub sealed: Reached,
}

impl Recovered {
    /// Transactions by which the source is known again: of the checkpoint, and the last one that has rows in the journal.
    pub fn witnesses(&self) -> Vec<Witness> {
        let journaled = self.replay.iter().rev().find_map(|batch| batch.witness.clone());
        self.checkpoint.witness.clone().into_iter().chain(journaled).collect()
    }
}

/// A batch to cut again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// It is sent with this tick again.
    pub tick: Tick,
    /// Its first row.
    pub from: Point,
    /// Its last row.
    pub to: Point,
    /// Every transaction that has a row in it.
    pub transactions: Reached,
    /// The transaction of `to`, if its time is known.
    pub witness: Option<Witness>,
}

/// The journal and the checkpoint of one source, in the store.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn Store>,
    source: String,
}

/// How long the journal is behind the sink where that mechanism is off.
#[cfg(feature = "failpoints")]
const AFTER_SEND: std::time::Duration = std::time::Duration::from_millis(200);

const FINGERPRINT: &[u8] = b"fingerprint";
const COHORT: &[u8] = b"cohort";

impl Journal {
    /// Touches nothing; [`Journal::recover`] reads. `source`: the source's name in the store.
    pub fn new(store: Arc<dyn Store>, source: impl Into<String>) -> Journal {
        Journal { store, source: source.into() }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// The checkpoint, if the source was ever started.
    pub async fn checkpoint(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        records::read(&*self.store, Space::Checkpoint, self.source.as_bytes()).await
    }

    /// The fingerprint of the plan that the journal was cut under.
    pub async fn fingerprint(&self) -> Result<Option<String>, StoreError> {
        self.meta(FINGERPRINT).await
    }

    /// The name of the cohort of the last run.
    pub async fn cohort(&self) -> Result<Option<String>, StoreError> {
        self.meta(COHORT).await
    }

    async fn meta(&self, key: &[u8]) -> Result<Option<String>, StoreError> {
        let record: Option<MetaRecord> = records::read(&*self.store, Space::Meta, key).await?;
        Ok(record.map(|record| record.value))
    }

    /// What a start continues from; `None` when the source was never started.
    pub async fn recover(&self) -> Result<Option<Recovered>, StoreError> {
        let Some(checkpoint) = self.checkpoint().await? else { return Ok(None) };
        let mut recovered = Recovered {
            last_tick: checkpoint.tick_high,
            sealed: checkpoint.position.reached.clone(),
            checkpoint,
            replay: Vec::new(),
        };
        recovered.sealed.union_with(&recovered.checkpoint.replaying_until);
        for (key, value) in self.store.list(Space::Journal, &[]).await? {
            let tick = records::journal_tick(&key)?;
            recovered.last_tick = recovered.last_tick.max(tick);
            match records::decode(&value)? {
                // its rows were left out when it was read again, and the checkpoint went past it
                Entry::Batch { transactions, .. }
                    if recovered.checkpoint.position.reached.contains_set(&transactions) => {}
                Entry::Batch { from, to, transactions, original_micros } => {
                    recovered.sealed.union_with(&transactions);
                    let witness = Witness::of(&to.transaction, original_micros);
                    recovered.replay.push(Replay { tick, from, to, transactions, witness });
                }
                Entry::Mark { proof } => recovered.sealed.union_with(&proof),
            }
        }
        Ok(Some(recovered))
    }

    /// Opens the tail at the checkpoint's position with new ticks for everything after it: the first start, an older
    /// position, or a plan whose batches cannot be cut again. One durable commit moves the checkpoint
    /// to the start of the replay and drops the entries that it makes void (else a crash would leave
    /// a replayed insert above its delete). Until `replaying_until` is passed, older states may show.
    pub async fn open(
        &self,
        checkpoint: CheckpointRecord,
        fingerprint: &str,
        cohort: &str,
    ) -> Result<Recovered, StoreError> {
        let meta = |value: &str| records::encode(&MetaRecord { value: value.to_owned() });
        let plan = vec![
            (Space::Meta, FINGERPRINT.to_vec(), meta(fingerprint)?),
            (Space::Meta, COHORT.to_vec(), meta(cohort)?),
        ];
        self.open_with(checkpoint, plan).await
    }

    /// Moves the checkpoint and drops all entries, in one durable commit that also puts `beside`.
    pub async fn open_with(
        &self,
        checkpoint: CheckpointRecord,
        beside: Vec<(Space, Vec<u8>, Vec<u8>)>,
    ) -> Result<Recovered, StoreError> {
        let mut put = beside;
        put.push((Space::Checkpoint, self.source.clone().into_bytes(), records::encode(&checkpoint)?));
        self.make(Commit {
            put,
            delete_range: vec![(Space::Journal, vec![0; 8], vec![0xff; 8])],
            ..Commit::default()
        })
        .await?;
        let mut sealed = checkpoint.position.reached.clone();
        sealed.union_with(&checkpoint.replaying_until);
        Ok(Recovered { last_tick: checkpoint.tick_high, checkpoint, replay: Vec::new(), sealed })
    }

    /// Keeps the fingerprint of a plan that cuts the journaled batches like the one before.
    pub async fn keep_fingerprint(&self, fingerprint: &str) -> Result<(), StoreError> {
        let record = records::encode(&MetaRecord { value: fingerprint.to_owned() })?;
        self.make(Commit { put: vec![(Space::Meta, FINGERPRINT.to_vec(), record)], ..Commit::default() })
            .await
    }

    /// Makes the entries of `pending` durable in one commit. A mark replaces the one before it
    /// (`last_mark`): only the newest proof is needed, since it holds the older ones.
    pub async fn append(
        &self,
        pending: &[Pending],
        last_mark: &mut Option<Tick>,
    ) -> Result<Receipt, StoreError> {
        let newest_mark = pending.iter().rposition(|item| matches!(item.entry, Some(Entry::Mark { .. })));
        let mut commit = Commit::default();
        for (index, item) in pending.iter().enumerate() {
            match &item.entry {
                Some(Entry::Mark { .. }) if Some(index) != newest_mark => {}
                Some(entry) => {
                    commit.put.push((
                        Space::Journal,
                        records::journal_key(item.tick),
                        records::encode(entry)?,
                    ));
                }
                None => {}
            }
        }
        if let Some(index) = newest_mark
            && let Some(older) = last_mark.replace(pending[index].tick)
        {
            commit.delete.push((Space::Journal, records::journal_key(older)));
        }
        #[cfg(feature = "failpoints")]
        let commit = self.may_come_after_send(commit);
        if !commit.put.is_empty() {
            self.make(commit).await?;
        }
        if pending.iter().any(|item| matches!(item.entry, Some(Entry::Batch { .. }))) {
            kill_at(KillPoint::Journaled);
        }
        // marks lie above the replayed batches around them, so this is not the order of ticks
        let mut ticks: Vec<Tick> = pending.iter().map(|item| item.tick).collect();
        ticks.sort_unstable();
        Ok(Receipt { ticks })
    }

    /// With its mechanism off a commit comes later: what is left of it is nothing.
    #[cfg(feature = "failpoints")]
    fn may_come_after_send(&self, commit: Commit) -> Commit {
        if !crate::failpoints::Failpoints::default().journal_after_send() {
            return commit;
        }
        let journal = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AFTER_SEND).await;
            _ = journal.make(commit).await; // a crash comes between, or an owner
        });
        Commit::default()
    }

    /// Moves the checkpoint to `record.position` and drops the batches that it covers: those at or below
    /// `record.tick_high`, all of which are written (I5).
    pub async fn advance(&self, record: &CheckpointRecord) -> Result<(), StoreError> {
        self.make(Commit {
            put: vec![(Space::Checkpoint, self.source.clone().into_bytes(), records::encode(record)?)],
            delete_range: vec![(Space::Journal, vec![0; 8], records::journal_key(record.tick_high))],
            ..Commit::default()
        })
        .await
    }

    async fn make(&self, commit: Commit) -> Result<(), StoreError> {
        self.store.commit(commit).await?.taken()
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
