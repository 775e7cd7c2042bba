//! What clones of [`Leases`](super::Leases), and all who hold some, have in common; and how lists are given back.

use super::local::FairLocks;
use super::reach::Reach;
use super::{ListId, Predecessor, Token};
use crate::clock::Entropy;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// What happens while the lease server is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Leases come from the in-process locks alone, and status says so.
    #[default]
    Degrade,
    /// Nothing is granted until the server answers.
    Wait,
}

/// How leases behave.
#[derive(Clone, Copy, Debug)]
pub struct LeaseOptions {
    /// How long a lease stands on the server. Must exceed `margin`, or nothing held is ever live.
    pub expiry: Duration,
    /// How long before that its holder stops writing. Memcache's clock has steps of one second and
    /// an item may go up to a second early, hence two seconds.
    pub margin: Duration,
    /// What `acquire` does while the server does not answer.
    pub on_loss: OnLoss,
    /// How long one answer of the server is waited for.
    pub reply_timeout: Duration,
}

impl Default for LeaseOptions {
    fn default() -> LeaseOptions {
        LeaseOptions {
            expiry: Duration::from_secs(10),
            margin: Duration::from_secs(2),
            on_loss: OnLoss::Degrade,
            reply_timeout: Duration::from_secs(1),
        }
    }
}

pub(super) struct Inner {
    pub(super) locks: FairLocks,
    pub(super) reach: Option<Reach>,
    pub(super) options: LeaseOptions,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) predecessor: Predecessor,
    /// When no lease of a predecessor can stand any more.
    pub(super) predecessors_until: Instant,
    pub(super) totals: Totals,
}

#[derive(Default)]
pub(super) struct Totals {
    pub(super) acquired: AtomicU64,
    pub(super) busy_local: AtomicU64,
    pub(super) busy_elsewhere: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) degraded: AtomicU64,
    pub(super) released: AtomicU64,
    pub(super) waited_nanos: AtomicU64,
    pub(super) holding_nanos: AtomicU64,
}

pub(super) struct UnlockOnDrop<'a> {
    pub(super) inner: &'a Inner,
    pub(super) lists: &'a [ListId],
}

impl Drop for UnlockOnDrop<'_> {
    fn drop(&mut self) {
        self.inner.locks.unlock_all(self.lists);
    }
}

/// Adds the time until it is dropped, whichever way that comes about.
pub(super) struct Stopwatch<'a> {
    pub(super) since: Instant,
    total: &'a AtomicU64,
}

impl<'a> Stopwatch<'a> {
    pub(super) fn start(total: &'a AtomicU64) -> Stopwatch<'a> {
        Stopwatch { since: Instant::now(), total }
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        add_nanos(self.total, self.since);
    }
}

pub(super) fn add(total: &AtomicU64, count: usize) {
    total.fetch_add(count as u64, Relaxed);
}

pub(super) fn add_nanos(total: &AtomicU64, since: Instant) {
    total.fetch_add(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
}

impl Inner {
    /// Gives lists back: the leases first, or else the next claimant in this process would take our
    /// own lease for another program's.
    pub(super) async fn release(&self, lists: &[ListId], token: Option<Token>) {
        let _watch = Stopwatch::start(&self.totals.waited_nanos);
        let _unlock = UnlockOnDrop { inner: self, lists };
        let (Some(reach), Some(token)) = (&self.reach, token) else { return };
        if lists.is_empty() {
            return;
        }
        if let Some(ours) = reach.release(lists, &token).await {
            let released = ours.iter().filter(|ours| **ours).count();
            add(&self.totals.released, released);
            add(&self.totals.lost, ours.len() - released);
        }
    }

    /// A holder is gone; `lists` is what it had not given back.
    pub(super) fn holder_ended(&self, lists: &[ListId], asked_at: Instant) {
        self.locks.unlock_all(lists);
        add_nanos(&self.totals.holding_nanos, asked_at);
    }
}
