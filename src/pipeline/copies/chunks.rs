//! The chunks of one copy: which are planned, done, under way (I8).
//!
//! Bounds are found by MySQL one after the other and stored before a chunk is worked on, so that a
//! restart goes on with the same chunks. They cover the key space without gaps: each begins where the one
//! before it ends, and the first and last are unbounded.

use crate::model::{Mapping, Target, Value};
use crate::pipeline::progress::CopyProgress;
use crate::protocol::Plan;
use crate::source::KeyRange;
use crate::store::records::{self, ChunkRecord, CopyKey};
use crate::store::{Commit, Space, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A unit of backfill.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    pub number: u64,
    pub what: ChunkRange,
}

/// What a chunk copies.
#[derive(Clone, Debug, PartialEq)]
pub enum ChunkRange {
    /// A range of primary keys, of all lists.
    Keys(KeyRange),
    /// One list of a pilot cohort, by its key values.
    List(Vec<Value>),
}

/// The chunks of one (mapping, target), as far as they are known.
pub struct Chunks {
    store: Arc<dyn Store>,
    key: CopyKey,
    /// Planned and not given out, by number.
    waiting: BTreeMap<u64, ChunkRange>,
    /// Where the next chunk to be planned begins; `None` at the table's beginning.
    planned_to: Option<Vec<Value>>,
    next_number: u64,
    all_planned: bool,
    under_way: u64,
    done: u64,
    rows_done: u64,
}

impl Chunks {
    /// The key of a copy in the store.
    pub fn copy_key(source: &str, plan: &Plan, mapping: &Mapping, target: &Target) -> CopyKey {
        CopyKey {
            source: source.to_owned(),
            mapping: mapping.name.clone(),
            cohort: plan.cohort().name(),
            target: format!("{}/{}", target.table, target.family),
        }
    }

    /// Reads what is stored. `lists`: those to copy, in the order of their encoded keys, each as a chunk; `None`: the chunks
    /// are ranges of the whole table.
    pub async fn load(
        store: Arc<dyn Store>,
        key: CopyKey,
        lists: Option<&[Vec<Value>]>,
    ) -> Result<Chunks, StoreError> {
        let mut chunks = Chunks {
            key,
            waiting: BTreeMap::new(),
            planned_to: None,
            next_number: 0,
            all_planned: false,
            under_way: 0,
            done: 0,
            rows_done: 0,
            store,
        };
        let stored = chunks.store.list(Space::Chunk, &chunks.key.prefix()).await?;
        match lists {
            None => {
                for (_, value) in stored {
                    chunks.take_in(records::decode(&value)?)?;
                }
            }
            Some(lists) => chunks.plan_lists(lists, stored)?,
        }
        Ok(chunks)
    }

    fn take_in(&mut self, record: ChunkRecord) -> Result<(), StoreError> {
        if self.all_planned || record.after != self.planned_to {
            let reason = format!("chunk {} does not begin where the one before it ends", self.next_number);
            return Err(StoreError::Record { reason });
        }
        let range = KeyRange { after: record.after, up_to: record.up_to.clone() };
        if record.done {
            (self.done, self.rows_done) = (self.done + 1, self.rows_done + record.rows);
        } else {
            self.waiting.insert(self.next_number, ChunkRange::Keys(range));
        }
        self.all_planned = record.up_to.is_none();
        self.planned_to = record.up_to;
        self.next_number += 1;
        Ok(())
    }

    /// A pilot's chunks are its lists, numbered in the order of their encoded keys.
    fn plan_lists(
        &mut self,
        lists: &[Vec<Value>],
        stored: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        let stored: BTreeMap<Vec<u8>, Vec<u8>> = stored.into_iter().collect();
        for (number, list) in (0..).zip(lists) {
            let record = stored.get(&self.key.chunk(number));
            match record.map(|value| records::decode::<ChunkRecord>(value)).transpose()? {
                Some(record) if record.done => {
                    (self.done, self.rows_done) = (self.done + 1, self.rows_done + record.rows);
                }
                _ => {
                    self.waiting.insert(number, ChunkRange::List(list.clone()));
                }
            }
            self.next_number = number + 1;
        }
        self.all_planned = true;
        Ok(())
    }

    /// How far a pilot's copy is, by the lists that are copied: its records do not name the others.
    pub async fn copied_by_a_pilot(store: &dyn Store, key: &CopyKey) -> Result<CopyProgress, StoreError> {
        let mut copied = CopyProgress { all_known: true, ..CopyProgress::default() };
        for (_, value) in store.list(Space::Chunk, &key.prefix()).await? {
            let record: ChunkRecord = records::decode(&value)?;
            if record.done {
                (copied.chunks_done, copied.chunks_known) = (copied.chunks_done + 1, copied.chunks_known + 1);
                copied.rows_done += record.rows;
            }
        }
        Ok(copied)
    }

    /// Planned chunks to work on, each beginning where the one before it ends: `count` at most, none when none
    /// waits.
    pub fn take(&mut self, count: usize) -> Vec<Chunk> {
        let mut taken: Vec<Chunk> = Vec::new();
        while taken.len() < count
            && let Some(next) = self.waiting.first_entry()
            && taken.last().is_none_or(|last| last.number + 1 == *next.key())
        {
            let (number, what) = next.remove_entry();
            taken.push(Chunk { number, what });
        }
        self.under_way += taken.len() as u64;
        taken
    }

    /// Gives chunks back that were not copied.
    pub fn give_back(&mut self, chunks: Vec<Chunk>) {
        self.under_way -= chunks.len() as u64;
        self.waiting.extend(chunks.into_iter().map(|chunk| (chunk.number, chunk.what)));
    }

    /// Whether none is left to plan or to take.
    pub fn all_taken(&self) -> bool {
        self.all_planned && self.waiting.is_empty()
    }

    /// Where the next chunk to plan begins, unless all are planned.
    pub fn to_plan(&self) -> Option<Option<&[Value]>> {
        (!self.all_planned).then_some(self.planned_to.as_deref())
    }

    /// Stores the next chunks, by the last key of each (`None`: the end of the table, after which there is none), in
    /// one commit.
    pub async fn plan(&mut self, ends: Vec<Option<Vec<Value>>>) -> Result<(), StoreError> {
        let mut after = self.planned_to.clone();
        let mut records = Vec::with_capacity(ends.len());
        for (number, up_to) in (self.next_number..).zip(ends) {
            let record = ChunkRecord { after, up_to, done: false, rows: 0 };
            after = record.up_to.clone();
            records.push((self.key.chunk(number), record));
        }
        put(&self.store, &records).await?;
        records.into_iter().try_for_each(|(_, record)| self.take_in(record))
    }

    /// What makes the end of chunks durable that were copied together; call [`Chunks::note_done`] once that is
    /// made. The last of them stands for all `rows`.
    pub fn done_records(&self, chunks: &[Chunk], rows: u64) -> Vec<(Vec<u8>, ChunkRecord)> {
        let done = |(place, chunk): (usize, &Chunk)| {
            let (after, up_to) = match &chunk.what {
                ChunkRange::Keys(range) => (range.after.clone(), range.up_to.clone()),
                ChunkRange::List(_) => (None, None),
            };
            let rows = if place + 1 == chunks.len() { rows } else { 0 };
            (self.key.chunk(chunk.number), ChunkRecord { after, up_to, done: true, rows })
        };
        chunks.iter().enumerate().map(done).collect()
    }

    pub fn note_done(&mut self, chunks: usize, rows: u64) {
        self.under_way -= chunks as u64;
        self.done += chunks as u64;
        self.rows_done += rows;
    }

    pub fn complete(&self) -> bool {
        self.all_planned && self.waiting.is_empty() && self.under_way == 0
    }

    pub fn all_planned(&self) -> bool {
        self.all_planned
    }

    pub fn counts(&self) -> (u64, u64, u64) {
        (self.done, self.next_number, self.rows_done)
    }

    pub fn key(&self) -> &CopyKey {
        &self.key
    }
}

/// Stores chunk records durably, all or none.
pub async fn put(store: &Arc<dyn Store>, chunks: &[(Vec<u8>, ChunkRecord)]) -> Result<(), StoreError> {
    let encoded = |(key, record): &(Vec<u8>, ChunkRecord)| -> Result<_, StoreError> {
        Ok((Space::Chunk, key.clone(), records::encode(record)?))
    };
    let put = chunks.iter().map(encoded).collect::<Result<_, _>>()?;
    store.commit(Commit { put, ..Commit::default() }).await?.taken()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn key() -> CopyKey {
        let text = |text: &str| text.to_owned();
        CopyKey { source: text("s"), mapping: text("m"), cohort: text("all"), target: text("t/f") }
    }

    async fn load(store: &MemoryStore) -> Result<Chunks, StoreError> {
        Chunks::load(Arc::new(store.clone()), key(), None).await
    }

    fn bound(number: u64) -> Option<Vec<Value>> {
        Some(vec![Value::UInt(number)])
    }

    fn record(after: Option<Vec<Value>>, up_to: Option<Vec<Value>>, done: bool) -> ChunkRecord {
        ChunkRecord { after, up_to, done, rows: 7 }
    }

    async fn store_with(records: &[ChunkRecord]) -> MemoryStore {
        let store = MemoryStore::new();
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let records: Vec<_> =
            (0..).zip(records).map(|(number, record)| (key().chunk(number), record.clone())).collect();
        put(&shared, &records).await.expect("a memory store");
        store
    }

    #[tokio::test]
    async fn a_restart_goes_on_with_the_chunks_that_were_planned() {
        let store = MemoryStore::new();
        let mut chunks = load(&store).await.expect("nothing is stored");
        chunks.plan(vec![bound(5), bound(7)]).await.expect("a memory store");
        let first = chunks.take(2);
        put(&(Arc::new(store.clone()) as Arc<dyn Store>), &chunks.done_records(&first, 5))
            .await
            .expect("a memory store");
        chunks.plan(vec![bound(9)]).await.expect("a memory store");
        let second = chunks.take(2);
        assert_eq!((first.len(), second.len()), (2, 1));

        let mut again = load(&store).await.expect("whole");
        assert_eq!(again.counts(), (2, 3, 5));
        assert_eq!(again.take(2), second, "it was under way, and is done again");
        assert_eq!(again.to_plan(), Some(bound(9).as_deref()));
        again.plan(vec![None]).await.expect("a memory store");
        assert!(again.all_planned() && !again.complete());
        let last = again.take(1);
        assert_eq!(last[0].what, ChunkRange::Keys(KeyRange { after: bound(9), up_to: None }));
    }

    #[tokio::test]
    async fn chunks_are_taken_together_only_where_one_begins_at_the_end_of_the_other() {
        let mut records = vec![record(None, bound(1), false)];
        records.extend((1..5).map(|n| record(bound(n), bound(n + 1), n == 2)));
        let mut chunks = load(&store_with(&records).await).await.expect("whole");
        let numbers = |taken: &[Chunk]| taken.iter().map(|chunk| chunk.number).collect::<Vec<_>>();
        let first = chunks.take(9);
        assert_eq!(numbers(&first), [0, 1], "the third is done");
        assert_eq!(numbers(&chunks.take(1)), [3]);
        chunks.give_back(first);
        assert_eq!(numbers(&chunks.take(1)), [0]);
        assert_eq!(numbers(&chunks.take(9)), [1]);
        assert_eq!(numbers(&chunks.take(9)), [4]);
        assert!(chunks.take(9).is_empty() && chunks.waiting.is_empty());
    }

    #[tokio::test]
    async fn a_gap_or_an_overlap_between_chunks_is_refused() {
        for second in [bound(6), bound(4), None] {
            let store = store_with(&[record(None, bound(5), true), record(second, None, false)]).await;
            assert!(matches!(load(&store).await, Err(StoreError::Record { .. })));
        }
    }

    #[tokio::test]
    async fn a_chunk_that_does_not_begin_at_the_beginning_or_follows_the_last_is_refused() {
        for records in
            [vec![record(bound(1), None, true)], vec![record(None, None, true), record(None, None, true)]]
        {
            assert!(matches!(load(&store_with(&records).await).await, Err(StoreError::Record { .. })));
        }
    }

    #[tokio::test]
    async fn a_copy_is_complete_when_all_is_planned_and_nothing_waits_or_is_under_way() {
        let store = store_with(&[record(None, bound(5), true), record(bound(5), None, false)]).await;
        let mut chunks = load(&store).await.expect("whole");
        let last = chunks.take(2);
        assert_eq!(last.len(), 1, "the first is done");
        assert!(!chunks.complete(), "under way");
        chunks.give_back(last);
        assert!(!chunks.complete(), "waiting");
        assert_eq!(chunks.take(2).len(), 1, "it was given back");
        chunks.note_done(1, 3);
        assert!(chunks.complete());
        assert_eq!(chunks.counts(), (2, 2, 10));
    }

    #[tokio::test]
    async fn a_pilot_copies_its_lists_and_remembers_which_are_done() {
        let store = MemoryStore::new();
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let pilot = [1, 2].map(|list: u64| vec![Value::UInt(list)]);
        let mut chunks = Chunks::load(shared.clone(), key(), Some(&pilot)).await.expect("nothing is stored");
        let first = chunks.take(1);
        assert_eq!(first[0].what, ChunkRange::List(vec![Value::UInt(1)]));
        put(&shared, &chunks.done_records(&first, 4)).await.expect("a memory store");
        let mut again = Chunks::load(shared, key(), Some(&pilot)).await.expect("whole");
        let left = again.take(2);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].what, ChunkRange::List(vec![Value::UInt(2)]));
    }
}
