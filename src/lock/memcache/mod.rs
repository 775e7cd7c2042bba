//! Leases in Memcache, over its meta protocol.
//!
//! `ms KEY .. ME T<seconds>` (mode add) takes a lease, `mg KEY v c` reads its token and CAS,
//! `md KEY C<cas>` deletes it if nobody changed it since (memcached's doc/protocol.txt, "Meta commands",
//! 1.6 and later). Thousands of keys go in one pipelined conversation. Commands are quiet: the server
//! answers only where a lease is refused or a read finds something, and says at the end of a round that
//! it is through. Why this is our own code: docs/decisions/0002-own-lease-client.md.

use super::probe::{self, ServerFacts};
use super::{LeaseKeys, LeaseServer, LockError, Predecessor, Token, expiry_seconds};
use async_trait::async_trait;
use futures::future;
use std::time::Duration;

mod command;
mod connection;
mod conversation;
mod pool;
mod reply;

use command::Store;
use conversation::{Ask, Conversation};
use pool::Pool;

/// Conversations that a call holds with one server at once: memcached gives a connection to one of its threads.
const PARTS_MAX: usize = 4;

/// What is not worth a connection of its own.
const PART_KEYS_MIN: usize = 500;

/// A client of one or several memcached servers.
///
/// The server of a key is `CRC-32 (IEEE) of the key, modulo the number of servers`, in configured
/// order: simple enough for other programs to follow. A server that is away fails the whole call (its
/// keys do not move to another server, where nobody would look for them).
///
/// Connects when first used, and resolves the name for each new connection. After a failure no older
/// connection to that server is used again. A call that is cancelled closes the connections that it used.
pub struct MemcacheLeases {
    servers: Vec<Pool>,
    reply_timeout: Duration,
}

/// Keys of one server that travel together, by their places in the call, rising.
struct Part {
    server: usize,
    places: Vec<usize>,
}

impl MemcacheLeases {
    /// `servers` as `host:port`, at least one. `reply_timeout` bounds connecting, and each conversation.
    pub fn new(servers: Vec<String>, reply_timeout: Duration) -> MemcacheLeases {
        assert!(!servers.is_empty(), "the configuration is checked to name a lease server");
        MemcacheLeases { servers: servers.into_iter().map(Pool::new).collect(), reply_timeout }
    }

    /// What each server says of itself, in configured order.
    pub async fn probe(&self) -> Vec<(String, Result<ServerFacts, LockError>)> {
        let probes = self.servers.iter().map(async |server| {
            let facts = probe::facts(&server.address, self.reply_timeout).await;
            (server.address.clone(), facts)
        });
        future::join_all(probes).await
    }

    /// Says for each key whether what is asked was done. One part that fails fails the call.
    async fn call(&self, keys: LeaseKeys<'_>, ask: Ask<'_>) -> Result<Vec<bool>, LockError> {
        let parts = self.parts(keys);
        let answers = future::join_all(parts.iter().map(|part| self.call_server(keys, part, &ask))).await;
        let mut all = vec![false; keys.len()];
        for (part, answers) in parts.iter().zip(answers) {
            part.places.iter().zip(answers?).for_each(|(place, answer)| all[*place] = answer);
        }
        Ok(all)
    }

    async fn call_server(
        &self,
        keys: LeaseKeys<'_>,
        part: &Part,
        ask: &Ask<'_>,
    ) -> Result<Vec<bool>, LockError> {
        let pool = &self.servers[part.server];
        let failed = |reason: String| LockError { server: pool.address.clone(), reason };
        let mut conversation = Conversation::new(ask, keys, &part.places);
        let mut lent = pool.lend(self.reply_timeout).await.map_err(failed)?;
        let outcome = lent.connection.hold(&mut conversation, self.reply_timeout).await;
        lent.settle(outcome).map_err(|broken| failed(broken.to_string()))?;
        Ok(conversation.into_answers())
    }

    fn parts(&self, keys: LeaseKeys<'_>) -> Vec<Part> {
        let mut by_server: Vec<Vec<usize>> = vec![Vec::new(); self.servers.len()];
        match self.servers.len() {
            1 => by_server[0] = (0..keys.len()).collect(),
            servers => {
                let mut key = Vec::new();
                for place in 0..keys.len() {
                    key.clear();
                    keys.put(place, &mut key);
                    by_server[crc32fast::hash(&key) as usize % servers].push(place);
                }
            }
        }
        let mut parts = Vec::new();
        for (server, places) in by_server.into_iter().enumerate() {
            let size = places.len().div_ceil(PARTS_MAX).max(PART_KEYS_MIN);
            parts.extend(places.chunks(size).map(|places| Part { server, places: places.to_vec() }));
        }
        parts
    }
}

#[async_trait]
impl LeaseServer for MemcacheLeases {
    async fn add(
        &self,
        keys: LeaseKeys<'_>,
        token: &Token,
        expiry: Duration,
    ) -> Result<Vec<bool>, LockError> {
        self.call(keys, Ask::Add { lease: Store::new(token, expiry_seconds(expiry)) }).await
    }

    async fn take_over(
        &self,
        keys: LeaseKeys<'_>,
        predecessor: &Predecessor,
        token: &Token,
        expiry: Duration,
    ) -> Result<Vec<bool>, LockError> {
        let lease = Store::new(token, expiry_seconds(expiry));
        self.call(keys, Ask::TakeOver { predecessor, lease }).await
    }

    async fn release(&self, keys: LeaseKeys<'_>, token: &Token) -> Result<Vec<bool>, LockError> {
        self.call(keys, Ask::Release { token }).await
    }
}
