//! A lease server in memory: the double that tests and the simulation run on.

use super::{LeaseKey, LeaseKeys, LeaseServer, LockError, Predecessor, Token, expiry_seconds};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How the server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    /// Does the work and answers.
    #[default]
    Yes,
    /// Fails at once and does nothing: nobody listens.
    Refuses,
    /// Does nothing and never answers.
    Never,
    /// Does the work; the answer never comes.
    WorkDoneReplyLost,
    /// Never answers; an `add` is on its way until [`MemoryLeases::deliver`].
    Later,
}

/// Leases with Memcache's rules: whole seconds, and anything can vanish at any time. Clones share
/// the leases. Time is tokio's.
#[derive(Clone, Default)]
pub struct MemoryLeases {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    leases: BTreeMap<String, Lease>,
    answers: Answers,
    delay: Duration,
    calls: u64,
    /// Keys, each with the token and the seconds with which it is to be added.
    on_their_way: Vec<(String, Token, u32)>,
}

struct Lease {
    token: Token,
    expires: Instant,
}

impl MemoryLeases {
    /// No leases; the server answers.
    pub fn new() -> MemoryLeases {
        MemoryLeases::default()
    }

    /// Holds for all calls that have not done their work yet.
    pub fn set_answers(&self, answers: Answers) {
        self.state().answers = answers;
    }

    /// How long each call takes before it does anything.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Does every `add` that is on its way.
    pub fn deliver(&self) {
        let mut state = self.state();
        state.expire();
        for (key, token, seconds) in std::mem::take(&mut state.on_their_way) {
            state.add(key, &token, seconds);
        }
    }

    /// One lease goes, as by eviction.
    pub fn vanish(&self, key: &LeaseKey) {
        self.state().leases.remove(&key.0);
    }

    /// All leases go, as by a restart.
    pub fn clear(&self) {
        self.state().leases.clear();
    }

    /// Who holds a lease now.
    pub fn holder(&self, key: &LeaseKey) -> Option<Token> {
        let mut state = self.state();
        state.expire();
        state.leases.get(&key.0).map(|lease| lease.token.clone())
    }

    /// How many leases stand now.
    pub fn len(&self) -> usize {
        let mut state = self.state();
        state.expire();
        state.leases.len()
    }

    /// Whether no lease stands now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls ever made, answered or not.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    async fn answer(
        &self,
        work: impl FnOnce(&mut State) -> Vec<bool> + Send,
    ) -> Result<Vec<bool>, LockError> {
        let delay = {
            let mut state = self.state();
            state.calls += 1;
            state.delay
        };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let answers = self.state().answers;
        match answers {
            Answers::Yes => Ok(self.work(work)),
            Answers::Refuses => {
                Err(LockError { server: "memory".to_owned(), reason: "connection refused".to_owned() })
            }
            Answers::Never | Answers::Later => std::future::pending().await,
            Answers::WorkDoneReplyLost => {
                self.work(work);
                std::future::pending().await
            }
        }
    }

    fn work(&self, work: impl FnOnce(&mut State) -> Vec<bool>) -> Vec<bool> {
        let mut state = self.state();
        state.expire();
        work(&mut state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn expire(&mut self) {
        let now = Instant::now();
        self.leases.retain(|_, lease| lease.expires > now);
    }

    fn add(&mut self, key: String, token: &Token, seconds: u32) -> bool {
        let free = !self.leases.contains_key(&key);
        if free {
            let expires = Instant::now() + Duration::from_secs(seconds.into());
            self.leases.insert(key, Lease { token: token.clone(), expires });
        }
        free
    }
}

#[async_trait]
impl LeaseServer for MemoryLeases {
    async fn add(
        &self,
        keys: LeaseKeys<'_>,
        token: &Token,
        expiry: Duration,
    ) -> Result<Vec<bool>, LockError> {
        let seconds = expiry_seconds(expiry);
        if self.state().answers == Answers::Later {
            let adds = keys.iter().map(|key| (key.0, token.clone(), seconds));
            self.state().on_their_way.extend(adds);
        }
        self.answer(|state| keys.iter().map(|key| state.add(key.0, token, seconds)).collect()).await
    }

    async fn take_over(
        &self,
        keys: LeaseKeys<'_>,
        predecessor: &Predecessor,
        token: &Token,
        expiry: Duration,
    ) -> Result<Vec<bool>, LockError> {
        self.answer(|state| {
            let expires = Instant::now() + Duration::from_secs(expiry_seconds(expiry).into());
            let mut take = |key: LeaseKey| {
                let lease = state.leases.get_mut(&key.0);
                let theirs = lease.filter(|lease| predecessor.has(lease.token.0.as_bytes()));
                theirs.map(|lease| *lease = Lease { token: token.clone(), expires }).is_some()
            };
            keys.iter().map(&mut take).collect()
        })
        .await
    }

    async fn release(&self, keys: LeaseKeys<'_>, token: &Token) -> Result<Vec<bool>, LockError> {
        self.answer(|state| {
            let mut delete = |key: LeaseKey| {
                let ours = state.leases.get(&key.0).is_some_and(|lease| lease.token == *token);
                if ours {
                    state.leases.remove(&key.0);
                }
                ours
            };
            keys.iter().map(&mut delete).collect()
        })
        .await
    }
}
