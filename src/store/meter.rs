//! What durable commits cost.

use super::commit::{Commit, Outcome, Space};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::time::Instant;

/// Commits made since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitCounts {
    /// A commit that was refused is not counted.
    pub commits_total: u64,
    /// Nanoseconds from asking for a commit to its being durable, the wait for its turn included; summed
    /// over callers side by side.
    pub commit_nanos_total: u64,
    /// Of them, those that put entries into the journal.
    pub journal_commits_total: u64,
    /// The same time of these alone, in nanoseconds.
    pub journal_commit_nanos_total: u64,
}

/// Counts commits.
#[derive(Debug, Default)]
pub(super) struct Meter {
    all: Total,
    journal: Total,
}

#[derive(Debug, Default)]
struct Total {
    commits: AtomicU64,
    nanos: AtomicU64,
}

/// A commit under way.
pub(super) struct Asked {
    at: Instant,
    is_journal: bool,
}

impl Asked {
    pub(super) fn now(commit: &Commit) -> Asked {
        let is_journal = commit.put.iter().any(|(space, ..)| *space == Space::Journal);
        Asked { at: Instant::now(), is_journal }
    }
}

impl Meter {
    /// Counts the commit if it was made.
    pub(super) fn count(&self, asked: Asked, outcome: Outcome) {
        if outcome == Outcome::Refused {
            return;
        }
        let nanos = u64::try_from(asked.at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.all.add(nanos);
        if asked.is_journal {
            self.journal.add(nanos);
        }
    }

    pub(super) fn counts(&self) -> CommitCounts {
        CommitCounts {
            commits_total: self.all.commits.load(Relaxed),
            commit_nanos_total: self.all.nanos.load(Relaxed),
            journal_commits_total: self.journal.commits.load(Relaxed),
            journal_commit_nanos_total: self.journal.nanos.load(Relaxed),
        }
    }
}

impl Total {
    fn add(&self, nanos: u64) {
        self.commits.fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }
}
