//! A bound of how long a process that lost its state may go on copying into a counted target.
//!
//! A late *write* of a chunk does no harm to a count once the tail has passed what the chunk's SELECT could see. A late
//! SELECT would: it may bring an item that the tail is about to count. A process that was thought dead, and lives on,
//! can take new leases for ever. It cannot make a commit. So a chunk of a counted target is read only if the process
//! had its state a moment ago, and the lease under which its rows are written was taken before that was made sure:
//! [`FENCE`] and a lease's expiry after its successor has the state, all that it read before is too late to be sent.

use crate::store::records::{self, CountsRecord, CountsState};
use crate::store::{Commit, Outcome, Space, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a proof holds.
pub const FENCE: Duration = Duration::from_secs(1);

/// The proof that a process has its state. One for each counted copy.
pub struct Fence {
    store: Arc<dyn Store>,
    /// Of the copy, as for its counts.
    key: Vec<u8>,
    proven: Mutex<Proven>,
}

struct Proven {
    /// Before the last commit that was made.
    at: Option<Instant>,
    /// The record as it stands.
    record: Option<Vec<u8>>,
}

impl Fence {
    pub(crate) async fn of(store: Arc<dyn Store>, key: Vec<u8>) -> Result<Fence, StoreError> {
        let record = store.get(Space::Counts, &key).await?;
        Ok(Fence { store, key, proven: Mutex::new(Proven { at: None, record }) })
    }

    /// Makes sure that this process had its state less than [`FENCE`] ago, by a commit if need be. Call it with the
    /// leases taken and before the SELECT.
    ///
    /// # Errors
    /// Another process has the state; or rows are counted already, which they never are while chunks are copied.
    pub async fn hold(&self) -> Result<(), StoreError> {
        let mut proven = self.proven.lock().await;
        if proven.at.is_some_and(|at| at.elapsed() < FENCE) {
            return Ok(());
        }
        let now = Instant::now();
        let uncounted = records::encode(&CountsRecord { state: CountsState::Uncounted })?;
        let commit = Commit {
            expect: vec![(Space::Counts, self.key.clone(), proven.record.clone())],
            put: vec![(Space::Counts, self.key.clone(), uncounted.clone())],
            ..Commit::default()
        };
        let counted = || StoreError::Record { reason: "rows are counted while chunks are copied".into() };
        if proven.record.as_ref().is_some_and(|record| *record != uncounted) {
            return Err(counted());
        }
        match self.store.commit(commit).await? {
            Outcome::Committed => {
                *proven = Proven { at: Some(now), record: Some(uncounted) };
                Ok(())
            }
            Outcome::Refused => Err(counted()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use tokio::time::sleep;

    async fn fence(store: &MemoryStore) -> Fence {
        Fence::of(Arc::new(store.clone()), b"copy".to_vec()).await.expect("a memory store")
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_lost_its_state_stops_copying_within_the_bound() {
        let store = MemoryStore::new();
        let fence = fence(&store).await;
        fence.hold().await.expect("it has its state");
        let _successor = store.take_over();
        fence.hold().await.expect("it was sure a moment ago");
        sleep(FENCE).await;
        assert!(matches!(fence.hold().await, Err(StoreError::Locked { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_is_a_commit_and_is_made_no_more_often_than_needed() {
        let store = MemoryStore::new();
        let fence = fence(&store).await;
        for _ in 0..10 {
            fence.hold().await.expect("it has its state");
        }
        assert_eq!(store.counts().commits_total, 1);
        sleep(FENCE).await;
        fence.hold().await.expect("it has its state");
        assert_eq!(store.counts().commits_total, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_copied_into_counted_rows() {
        let store = MemoryStore::new();
        let fence = fence(&store).await;
        let counting = records::encode(&CountsRecord { state: CountsState::Counting }).expect("it encodes");
        let put = vec![(Space::Counts, b"copy".to_vec(), counting)];
        store.commit(Commit { put, ..Commit::default() }).await.expect("a memory store");
        assert!(matches!(fence.hold().await, Err(StoreError::Record { .. })));
        assert!(matches!(fence.hold().await, Err(StoreError::Record { .. })));
        let again = Fence::of(Arc::new(store), b"copy".to_vec()).await.expect("a memory store");
        assert!(matches!(again.hold().await, Err(StoreError::Record { .. })));
    }
}
