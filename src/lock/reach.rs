//! The way to the lease server: time-outs, the memory of an outage, and leases that nobody owns any more.

use super::late::LateLeases;
use super::{KeyNames, LeaseServer, ListId, LockError, Predecessor, Token};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A dead server is asked at most this often, so that it does not cost a time-out per batch.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Groups of stray leases that are remembered; older ones are left to expire.
const STRAYS_MAX: usize = 256;

/// Groups of stray leases that one acquisition cleans up on its way.
const STRAYS_PER_CALL: usize = 4;

/// Since when the lease server has not answered, and what it said last.
#[derive(Clone, Debug)]
pub struct Outage {
    pub since: Instant,
    pub reason: String,
}

/// What is known after asking for leases.
pub(super) enum Added {
    /// For each key, whether it is ours.
    Answered(Vec<bool>),
    /// No answer: each key may be ours or not.
    Unknown,
    /// The server is known to be away and was not asked.
    NotAsked,
}

pub(super) struct Reach {
    server: Arc<dyn LeaseServer>,
    names: KeyNames,
    expiry: Duration,
    reply_timeout: Duration,
    round_trips: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    outage: Option<Outage>,
    next_try: Option<Instant>,
    outages_total: u64,
    strays: VecDeque<Stray>,
    late: LateLeases,
}

/// Leases that may stand on the server under a token that nobody holds any more: the reply to their
/// `add` or release was lost. They would look like another program's until they expire.
struct Stray {
    lists: Vec<ListId>,
    token: Token,
    expires: Instant,
}

impl Reach {
    pub(super) fn new(
        server: Arc<dyn LeaseServer>,
        names: KeyNames,
        expiry: Duration,
        reply_timeout: Duration,
    ) -> Reach {
        let (round_trips, state) = (AtomicU64::new(0), Mutex::default());
        Reach { server, names, expiry, reply_timeout, round_trips, state }
    }

    pub(super) fn outage(&self) -> Option<Outage> {
        self.state().outage.clone()
    }

    pub(super) fn outages_total(&self) -> u64 {
        self.state().outages_total
    }

    pub(super) fn round_trips_total(&self) -> u64 {
        self.round_trips.load(Relaxed)
    }

    /// Asks for leases. Cancelling it leaves them to [`Reach::release_strays`].
    pub(super) async fn add(&self, lists: &[ListId], token: &Token) -> Added {
        if !self.may_ask() {
            return Added::NotAsked;
        }
        let mut unanswered = Unanswered::new(self, lists, token);
        self.round_trips.fetch_add(1, Relaxed);
        let asked = self.server.add(self.names.of(lists), token, self.expiry);
        let answer = self.answered_keys(asked, lists.len()).await;
        // From here on the caller knows the token, and what to do with it.
        unanswered.settle();
        answer.map_or(Added::Unknown, Added::Answered)
    }

    /// Takes over what dead predecessors hold, as [`Reach::add`] takes what is free.
    pub(super) async fn take_over(
        &self,
        lists: &[ListId],
        predecessor: &Predecessor,
        token: &Token,
    ) -> Option<Vec<bool>> {
        let mut unanswered = Unanswered::new(self, lists, token);
        self.round_trips.fetch_add(2, Relaxed);
        let asked = self.server.take_over(self.names.of(lists), predecessor, token, self.expiry);
        let answer = self.answered_keys(asked, lists.len()).await?;
        unanswered.settle();
        Some(answer)
    }

    /// Releases leases; `None` when that is not known to have worked, in which case (as after a
    /// cancellation) it is tried again later. Those that are not there may come yet: see
    /// [`Reach::release_late`].
    pub(super) async fn release(&self, lists: &[ListId], token: &Token) -> Option<Vec<bool>> {
        let ours = self.delete(lists, token).await?;
        let not_found = lists.iter().zip(&ours).filter(|(_, ours)| !**ours).map(|(list, _)| *list);
        self.state().late.remember(not_found, token);
        Some(ours)
    }

    /// Of lists that were refused, frees those that only a late request of our own blocks, and names them. The
    /// caller holds the in-process locks of the lists, so nobody writes to one under such a lease.
    pub(super) async fn release_late(&self, refused: &[ListId]) -> Vec<ListId> {
        let late = self.state().late.of(refused, STRAYS_PER_CALL);
        let mut freed = Vec::new();
        for (token, lists) in late {
            let Some(ours) = self.delete(&lists, &token).await else { return freed };
            let mut state = self.state();
            for (list, _) in lists.iter().zip(ours).filter(|(_, ours)| *ours) {
                state.late.forget(list);
                freed.push(*list);
            }
        }
        freed
    }

    async fn delete(&self, lists: &[ListId], token: &Token) -> Option<Vec<bool>> {
        let mut unanswered = Unanswered::new(self, lists, token);
        if !self.may_ask() {
            return None;
        }
        self.round_trips.fetch_add(2, Relaxed);
        let asked = self.server.release(self.names.of(lists), token);
        let answer = self.answered_keys(asked, lists.len()).await?;
        unanswered.settle();
        Some(answer)
    }

    /// Remembers leases that may stand although nobody holds them.
    pub(super) fn leave_stray(&self, lists: Vec<ListId>, token: Token) {
        let expires = Instant::now() + self.expiry;
        let mut state = self.state();
        if state.strays.len() == STRAYS_MAX {
            state.strays.pop_front();
        }
        state.strays.push_back(Stray { lists, token, expires });
    }

    /// Releases some stray leases, while the server answers.
    pub(super) async fn release_strays(&self) {
        for _ in 0..STRAYS_PER_CALL {
            if self.outage().is_some() {
                return;
            }
            let Some(stray) = self.next_stray() else { return };
            if self.release(&stray.lists, &stray.token).await.is_none() {
                return;
            }
        }
    }

    fn next_stray(&self) -> Option<Stray> {
        let now = Instant::now();
        let mut state = self.state();
        while let Some(stray) = state.strays.pop_front() {
            if stray.expires > now {
                return Some(stray);
            }
        }
        None
    }

    /// Whether the server answers, or it is time to find out. In an outage one caller a second
    /// finds out; the others go without.
    fn may_ask(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        match state.next_try {
            Some(next_try) if now < next_try => false,
            Some(_) => {
                state.next_try = Some(now + RETRY_EVERY);
                true
            }
            None => true,
        }
    }

    async fn answered_keys(
        &self,
        call: impl Future<Output = Result<Vec<bool>, LockError>>,
        keys: usize,
    ) -> Option<Vec<bool>> {
        let reason = match timeout(self.reply_timeout, call).await {
            Ok(Ok(answer)) if answer.len() == keys => {
                self.answered();
                return Some(answer);
            }
            Ok(Ok(answer)) => format!("the lease server answered for {} of {keys} keys", answer.len()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the lease server did not answer within {:?}", self.reply_timeout),
        };
        self.failed(reason);
        None
    }

    fn answered(&self) {
        let mut state = self.state();
        state.next_try = None;
        if let Some(outage) = state.outage.take() {
            drop(state);
            tracing::info!(away_seconds = outage.since.elapsed().as_secs(), "the lease server answers again");
        }
    }

    fn failed(&self, reason: String) {
        let now = Instant::now();
        let mut state = self.state();
        state.next_try = Some(now + RETRY_EVERY);
        let since = state.outage.as_ref().map(|outage| outage.since);
        if since.is_none() {
            state.outages_total += 1;
            tracing::warn!(reason, "the lease server is away");
        }
        state.outage = Some(Outage { since: since.unwrap_or(now), reason });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Makes strays of the leases, should the caller go away before the answer is known.
struct Unanswered<'a> {
    reach: &'a Reach,
    lists: &'a [ListId],
    token: &'a Token,
    settled: bool,
}

impl<'a> Unanswered<'a> {
    fn new(reach: &'a Reach, lists: &'a [ListId], token: &'a Token) -> Unanswered<'a> {
        Unanswered { reach, lists, token, settled: false }
    }

    fn settle(&mut self) {
        self.settled = true;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.reach.leave_stray(self.lists.to_vec(), self.token.clone());
        }
    }
}
