//! A store in memory: the double that tests and the simulation run on, with seams for faults.

use super::meter::{Asked, Meter};
use super::{Commit, CommitCounts, Outcome, Space, Store, StoreError};
use crate::failpoints::Failpoints;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

const PLACE: &str = "memory";

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is made, if its expectations hold.
    Make,
    /// It fails and changes nothing.
    FailBefore,
    /// It is made, and then fails all the same: the work was done and the reply was lost.
    MakeThenFail,
}

/// Decides the fate of commits, and delays them (by sleeping in tokio's time).
#[async_trait]
pub trait CommitHook: Send + Sync {
    /// Runs before the commit.
    async fn before(&self, commit: &Commit) -> Fate;

    /// Runs when the commit is durable and not yet reported.
    async fn after(&self, _commit: &Commit) {}
}

/// Everything that a store holds; what is in it survived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<Space, BTreeMap<Vec<u8>, Vec<u8>>>);

/// A deterministic store. Clones are handles of one owner on the same records;
/// [`MemoryStore::take_over`] makes a new owner and locks the earlier ones out.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    owner: u64,
}

#[derive(Default)]
struct Shared {
    owner: u64,
    records: Snapshot,
    hook: Option<Arc<dyn CommitHook>>,
    meter: Meter,
}

impl MemoryStore {
    /// Empty, as a state folder is before the first start.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Sets or removes the hook that all later commits go through.
    pub fn set_hook(&self, hook: Option<Arc<dyn CommitHook>>) {
        self.shared().hook = hook;
    }

    /// All that is committed now, which is all that a crash would leave.
    pub fn snapshot(&self) -> Snapshot {
        self.shared().records.clone()
    }

    /// Puts everything back to a snapshot.
    pub fn restore(&self, snapshot: Snapshot) {
        self.shared().records = snapshot;
    }

    /// Opens the same records as a successor does after a crash: from now on every call through an
    /// earlier handle, also one that is under way and not yet made, fails with `Locked`.
    pub fn take_over(&self) -> MemoryStore {
        let mut shared = self.shared();
        shared.owner += 1;
        MemoryStore { shared: self.shared.clone(), owner: shared.owner }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn owned(&self) -> Result<MutexGuard<'_, Shared>, StoreError> {
        let shared = self.shared();
        match shared.owner == self.owner || Failpoints::default().owner_not_fenced() {
            true => Ok(shared),
            false => Err(StoreError::Locked { place: PLACE.to_owned() }),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.owned()?.records.get(space, key).cloned())
    }

    async fn list(&self, space: Space, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        Ok(self.owned()?.records.list(space, prefix))
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError> {
        let asked = Asked::now(&commit);
        let hook = self.owned()?.hook.clone();
        let Some(hook) = hook else { return Ok(self.owned()?.apply(commit, asked)) };
        let fate = hook.before(&commit).await;
        if fate == Fate::FailBefore {
            return Err(failed("failed before the commit, as the test asked"));
        }
        let outcome = self.owned()?.apply(commit.clone(), asked);
        hook.after(&commit).await;
        match fate {
            Fate::MakeThenFail => Err(failed("failed after the commit, as the test asked")),
            _ => Ok(outcome),
        }
    }

    fn counts(&self) -> CommitCounts {
        self.shared().meter.counts()
    }
}

impl Shared {
    fn apply(&mut self, commit: Commit, asked: Asked) -> Outcome {
        let outcome = self.records.apply(commit);
        self.meter.count(asked, outcome);
        outcome
    }
}

fn failed(reason: &str) -> StoreError {
    StoreError::Io { place: PLACE.to_owned(), reason: reason.to_owned() }
}

impl Snapshot {
    fn get(&self, space: Space, key: &[u8]) -> Option<&Vec<u8>> {
        self.0.get(&space)?.get(key)
    }

    fn list(&self, space: Space, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Some(records) = self.0.get(&space) else { return Vec::new() };
        records
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    fn apply(&mut self, commit: Commit) -> Outcome {
        if commit.expect.iter().any(|(space, key, value)| self.get(*space, key) != value.as_ref()) {
            return Outcome::Refused;
        }
        for (space, key) in commit.delete {
            self.space(space).remove(&key);
        }
        for (space, first, last) in commit.delete_range {
            self.space(space).retain(|key, _| *key < first || *key > last);
        }
        for (space, key, value) in commit.put {
            self.space(space).insert(key, value);
        }
        Outcome::Committed
    }

    fn space(&mut self, space: Space) -> &mut BTreeMap<Vec<u8>, Vec<u8>> {
        self.0.entry(space).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{Instant, sleep, timeout};

    const SECOND: Duration = Duration::from_secs(1);

    struct Always(Fate);

    #[async_trait]
    impl CommitHook for Always {
        async fn before(&self, _commit: &Commit) -> Fate {
            sleep(SECOND).await;
            self.0
        }

        async fn after(&self, _commit: &Commit) {
            sleep(SECOND).await;
        }
    }

    fn put(key: &[u8]) -> Commit {
        Commit { put: vec![(Space::Meta, key.to_vec(), vec![])], ..Commit::default() }
    }

    async fn has(store: &MemoryStore, key: &[u8]) -> bool {
        store.get(Space::Meta, key).await.expect("reads do not fail").is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hook_delays_and_fails_commits_before_or_after_they_are_made() {
        for (fate, fails, made) in
            [(Fate::Make, false, true), (Fate::FailBefore, true, false), (Fate::MakeThenFail, true, true)]
        {
            let (store, start) = (MemoryStore::new(), Instant::now());
            store.set_hook(Some(Arc::new(Always(fate))));
            assert_eq!(store.commit(put(b"key")).await.is_err(), fails, "{fate:?}");
            assert!(start.elapsed() >= SECOND);
            assert_eq!(has(&store, b"key").await, made, "{fate:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_cancelled_before_it_is_made_is_not_made_and_after_it_is() {
        let store = MemoryStore::new();
        store.set_hook(Some(Arc::new(Always(Fate::Make))));
        timeout(SECOND / 2, store.commit(put(b"early"))).await.expect_err("it takes two seconds");
        timeout(SECOND * 3 / 2, store.commit(put(b"late"))).await.expect_err("it takes two seconds");
        assert!(!has(&store, b"early").await && has(&store, b"late").await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_successor_locks_its_predecessor_out_even_in_the_middle_of_a_commit() {
        let old = MemoryStore::new();
        old.commit(put(b"before")).await.expect("it is the owner");
        old.set_hook(Some(Arc::new(Always(Fate::Make))));
        let late = old.commit(put(b"late"));
        let (late, new) = tokio::join!(late, async { old.take_over() });
        assert!(matches!(late, Err(StoreError::Locked { .. })));
        assert!(matches!(old.get(Space::Meta, b"before").await, Err(StoreError::Locked { .. })));
        assert!(has(&new, b"before").await && !has(&new, b"late").await);
    }

    #[tokio::test]
    async fn a_snapshot_puts_everything_back() {
        let store = MemoryStore::new();
        store.commit(put(b"one")).await.expect("no hook");
        let snapshot = store.snapshot();
        store.commit(put(b"two")).await.expect("no hook");
        store.restore(snapshot.clone());
        assert!(has(&store, b"one").await && !has(&store, b"two").await);
        assert_eq!(store.snapshot(), snapshot);
    }
}
