//! A hook into the state store that follows a script: the fate of every commit that journals a batch, or moves the
//! checkpoint.

use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use tailfill::model::Tick;
use tailfill::store::memory::{CommitHook, Fate, MemoryStore};
use tailfill::store::records::{self, JournalRecord};
use tailfill::store::{Commit, Space};

/// Gives commits that put into `space` the fate (into the journal: a batch), and remembers the ticks in them.
pub struct Commits {
    space: Space,
    fate: Fate,
    ticks: Mutex<Vec<Tick>>,
}

impl Commits {
    /// From now on commits that put into `space` go like this, until [`MemoryStore::set_hook`].
    pub fn into_space(store: &MemoryStore, space: Space, fate: Fate) -> Arc<Commits> {
        let hook = Arc::new(Commits { space, fate, ticks: Mutex::default() });
        store.set_hook(Some(hook.clone()));
        hook
    }

    /// The ticks of batches that met the fate on their way into the journal.
    pub fn ticks(&self) -> Vec<Tick> {
        self.ticks.lock().expect("nothing panics while it is held").clone()
    }
}

#[async_trait]
impl CommitHook for Commits {
    async fn before(&self, commit: &Commit) -> Fate {
        let meant = match self.space {
            Space::Journal => {
                let ticks = batch_ticks(commit);
                let meant = !ticks.is_empty();
                self.ticks.lock().expect("nothing panics while it is held").extend(ticks);
                meant
            }
            space => commit.put.iter().any(|(into, ..)| *into == space),
        };
        if meant { self.fate } else { Fate::Make }
    }
}

/// The ticks of the batches that a commit journals; marks are left alone.
fn batch_ticks(commit: &Commit) -> Vec<Tick> {
    let entries = commit.put.iter().filter(|(space, ..)| *space == Space::Journal);
    let batches = entries.filter(|(_, _, value)| {
        matches!(records::decode(value).expect("a journal entry"), JournalRecord::Batch { .. })
    });
    batches.map(|(_, key, _)| records::journal_tick(key).expect("a journal key")).collect()
}
