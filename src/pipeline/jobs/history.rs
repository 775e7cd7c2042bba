//! The history of positions: one durable record a minute, and one at each start, stop and lever.
//!
//! A lever's record is in the lever's own commit. Records are kept for [`KEPT_FOR`], and [`KEPT_MAX`] of them at most. No
//! commit deletes more than [`PRUNED_AT_ONCE`].

use crate::model::Lever;
use crate::store::records::{self, Cause, CheckpointRecord, PassageRecord, Versioned};
use crate::store::{Commit, Put, Space, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a record is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Records that are kept.
pub const KEPT_MAX: usize = 50_000;
/// Room for records of levers, which no keeper counts until it looks again.
const ROOM: usize = 1_000;
/// Records that one commit deletes.
const PRUNED_AT_ONCE: usize = 64;
/// Records that a keeper adds before it looks again what is there.
const LOOK_AFTER: usize = 360;

const PREFIX: &[u8] = b"position\0";

/// Which records are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// Milliseconds since 1970; none before this.
    pub since_ms: u64,
    /// The newest ones, so many at most.
    pub limit: usize,
}

fn key(at_ms: u64, cause: Cause) -> Vec<u8> {
    [PREFIX, &at_ms.to_be_bytes(), &[cause as u8]].concat()
}

fn at_ms(key: &[u8]) -> u64 {
    time_of(PREFIX, key)
}

/// The time in the key of a record: its 8 bytes behind the prefix of its history, big-endian.
fn time_of(prefix: &[u8], key: &[u8]) -> u64 {
    let bytes = key.get(prefix.len()..prefix.len() + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_be_bytes)
}

/// The record of a checkpoint, to be put.
pub fn record(checkpoint: &CheckpointRecord, cause: Cause, lever: &Lever) -> Result<Put, StoreError> {
    let Lever { by, at_ms, reason, .. } = lever.clone();
    let CheckpointRecord { position, tick_high, .. } = checkpoint.clone();
    let record = PassageRecord { at_ms, cause, by, reason, position, tick_high };
    Ok((Space::History, key(at_ms, cause), records::encode(&record)?))
}

/// The record of where the tail of a state stands; `None`: nothing was tailed yet.
pub async fn of_now(store: &dyn Store, cause: Cause, lever: &Lever) -> Result<Option<Put>, StoreError> {
    checkpoint_of(store).await?.map(|checkpoint| record(&checkpoint, cause, lever)).transpose()
}

/// The checkpoint of a state, which has one source; `None`: nothing was tailed yet.
pub(super) async fn checkpoint_of(store: &dyn Store) -> Result<Option<CheckpointRecord>, StoreError> {
    let first = store.list(Space::Checkpoint, &[]).await?.into_iter().next();
    first.map(|(_, value)| records::decode(&value)).transpose()
}

/// The newest records, oldest first.
pub async fn read(store: &dyn Store, wanted: Since) -> Result<Vec<PassageRecord>, StoreError> {
    newest(store, PREFIX, wanted).await
}

/// The newest records of the history whose keys begin with `prefix` and a time, oldest first.
pub(super) async fn newest<R: Versioned>(
    store: &dyn Store,
    prefix: &[u8],
    wanted: Since,
) -> Result<Vec<R>, StoreError> {
    let all = store.list(Space::History, prefix).await?;
    let later = all.partition_point(|(key, _)| time_of(prefix, key) < wanted.since_ms);
    let from = later.max(all.len().saturating_sub(wanted.limit));
    all[from..].iter().map(|(_, value)| records::decode(value)).collect()
}

/// Adds records to the history of a run, and deletes those that are too old or too many.
#[derive(Default)]
pub struct Keeper {
    /// Of the records, oldest first; those of levers since the last look are missing.
    keys: VecDeque<Vec<u8>>,
    added: usize,
    looked: bool,
}

impl Keeper {
    /// Adds a record.
    ///
    /// # Errors
    /// The store fails; the next call makes up for what this one did not delete.
    pub async fn add(&mut self, store: &dyn Store, cause: Cause, lever: &Lever) -> Result<(), StoreError> {
        let Some(put) = of_now(store, cause, lever).await? else { return Ok(()) };
        if !self.looked || self.added >= LOOK_AFTER {
            let all = store.list(Space::History, PREFIX).await?;
            *self = Keeper { keys: all.into_iter().map(|(key, _)| key).collect(), added: 0, looked: true };
        }
        let over = self.over(lever.at_ms);
        let delete = self.keys.iter().take(over).map(|key| (Space::History, key.clone())).collect();
        let key = put.1.clone();
        store.commit(Commit { put: vec![put], delete, ..Commit::default() }).await?;
        self.keys.drain(..over);
        self.keys.push_back(key);
        self.added += 1;
        Ok(())
    }

    /// How many of the oldest go now.
    fn over(&self, now_ms: u64) -> usize {
        let oldest_kept = now_ms.saturating_sub(KEPT_FOR.as_millis() as u64);
        let too_many = (self.keys.len() + 1).saturating_sub(KEPT_MAX - ROOM);
        let too_old = self.keys.iter().take(PRUNED_AT_ONCE).filter(|key| at_ms(key) < oldest_kept).count();
        too_many.max(too_old).min(PRUNED_AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Position, Reached, Tick};
    use crate::store::memory::MemoryStore;

    fn checkpoint() -> CheckpointRecord {
        let position = Position {
            server_uuid: "s".into(),
            reached: Reached::default(),
            file: "binlog.000001".into(),
            offset: 4,
        };
        let replaying_until = Reached::default();
        CheckpointRecord { position, tick_high: Tick(7), replaying_until, witness: None }
    }

    fn at(at_ms: u64) -> Lever {
        Lever { at_ms, ..Lever::default() }
    }

    async fn tailed() -> MemoryStore {
        let store = MemoryStore::new();
        let put = vec![(Space::Checkpoint, b"s".to_vec(), records::encode(&checkpoint()).expect("encodes"))];
        store.commit(Commit { put, ..Commit::default() }).await.expect("it commits");
        store
    }

    async fn times(store: &MemoryStore, wanted: Since) -> Vec<u64> {
        read(store, wanted).await.expect("it reads").iter().map(|record| record.at_ms).collect()
    }

    #[tokio::test]
    async fn the_newest_records_since_a_moment_are_read_oldest_first() {
        let (store, mut keeper) = (tailed().await, Keeper::default());
        for minute in 1..=9 {
            keeper.add(&store, Cause::Minute, &at(minute * 60_000)).await.expect("it commits");
        }
        assert_eq!(times(&store, Since { since_ms: 0, limit: 2 }).await, [480_000, 540_000]);
        assert_eq!(times(&store, Since { since_ms: 479_999, limit: 9 }).await, [480_000, 540_000]);
        assert!(times(&store, Since { since_ms: 540_001, limit: 9 }).await.is_empty());
        assert!(of_now(&MemoryStore::new(), Cause::Start, &at(1)).await.expect("it reads").is_none());
    }

    #[tokio::test]
    async fn what_is_too_old_or_too_much_goes_in_small_steps() {
        let (store, day) = (tailed().await, 24 * 60 * 60 * 1_000);
        let old = (0..200).map(|number| record(&checkpoint(), Cause::Minute, &at(number)).expect("encodes"));
        store.commit(Commit { put: old.collect(), ..Commit::default() }).await.expect("it commits");
        let mut keeper = Keeper::default();
        let mut left = Vec::new();
        for number in 0..4 {
            keeper.add(&store, Cause::Minute, &at(40 * day + number)).await.expect("it commits");
            left.push(times(&store, Since { since_ms: 0, limit: KEPT_MAX }).await.len());
        }
        assert_eq!(left, [137, 74, 11, 4]);
        let mut full = Keeper { looked: true, ..Keeper::default() };
        full.keys.extend((0..KEPT_MAX as u64).map(|number| key(40 * day + number, Cause::Minute)));
        assert_eq!(full.over(40 * day), PRUNED_AT_ONCE);
        full.keys.truncate(KEPT_MAX - ROOM - 1);
        assert_eq!(full.over(40 * day), 0);
    }
}
