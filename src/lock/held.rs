//! Lists that are held, and until when.

use super::inner::Inner;
use super::{ListId, Token};
use crate::failpoints::Failpoints;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Distinct lists in rising order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists(Vec<ListId>);

impl Lists {
    pub fn contains(&self, list: &ListId) -> bool {
        self.0.binary_search(list).is_ok()
    }
}

impl Deref for Lists {
    type Target = [ListId];

    fn deref(&self) -> &[ListId] {
        &self.0
    }
}

impl From<Vec<ListId>> for Lists {
    fn from(mut lists: Vec<ListId>) -> Lists {
        lists.sort_unstable();
        lists.dedup();
        Lists(lists)
    }
}

/// The right to write to some lists, until a deadline.
///
/// Give it back with [`Held::release`]. Dropping it instead (a task that was aborted, perhaps with
/// a write under way) frees the in-process locks at once and leaves the leases to expire, which keeps
/// other programs off the lists until then; it never blocks.
#[must_use = "a lease that is dropped at once protects nothing"]
pub struct Held {
    inner: Arc<Inner>,
    lists: Lists,
    /// When the leases were asked for.
    asked_at: Instant,
    deadline: Instant,
    /// The token on the lease server; `None` when the server was not asked.
    token: Option<Token>,
}

impl Held {
    pub(super) fn new(
        inner: Arc<Inner>,
        lists: Lists,
        asked_at: Instant,
        deadline: Instant,
        token: Option<Token>,
    ) -> Held {
        Held { inner, lists, asked_at, deadline, token }
    }

    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// No write may be sent at or after this moment (I4). It is counted from before the leases were
    /// asked for, and ends a margin before they can expire.
    pub fn deadline(&self) -> Instant {
        match Failpoints::default().lease_deadline_ignored() {
            true => self.deadline + Duration::from_secs(86_400),
            false => self.deadline,
        }
    }

    /// Whether a write may be sent now (I4).
    pub fn is_live(&self) -> bool {
        Instant::now() < self.deadline()
    }

    /// Gives everything back. Leases that vanished or belong to others by now are left alone and
    /// counted as lost. A lease server that does not answer is not waited for beyond the reply
    /// time-out. The in-process locks are free when this returns, or is cancelled.
    pub async fn release(mut self) {
        let lists = std::mem::take(&mut self.lists);
        self.inner.release(&lists, self.token.take()).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.inner.holder_ended(&self.lists, self.asked_at);
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("lists", &self.lists).field("deadline", &self.deadline).finish()
    }
}
