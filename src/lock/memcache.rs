//! Leases in Memcache, over its meta protocol.
//!
//! `ms KEY .. ME T<seconds>` (mode add) takes a lease, `mg KEY v c` reads its token and CAS,
//! `md KEY C<cas>` deletes it if nobody changed it since (memcached's doc/protocol.txt, "Meta commands",
//! 1.6 and later). Many keys go in one pipelined round trip per server.

use super::probe::{self, ServerFacts};
use super::{LeaseKey, LeaseServer, LockError, Predecessor, Token, expiry_seconds};
use ::memcache::exp::{
    AsyncMetaClient, Delete, Error, Get, Meta, MutationResult, MutationStatus, Operation, Router, Set, Ttl,
};
use async_trait::async_trait;
use futures::future;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::timeout;

/// Commands in one pipelined exchange. The client writes an exchange in full before it reads replies,
/// so it must fit the socket buffers of both sides; more keys go over several connections at once.
const EXCHANGE_MAX: usize = 1_000;

/// Idle connections kept to each server.
const IDLE_MAX: usize = 8;

/// Connections in use to each server; at the bound a call waits, up to the reply time-out.
const CONNECTIONS_MAX: usize = 64;

/// A client of one or several memcached servers.
///
/// The server of a key is `CRC-32 (IEEE) of the key, modulo the number of servers`, in configured
/// order: simple enough for other programs to follow. A server that is away fails the whole call (its
/// keys do not move to another server, where nobody would look for them).
///
/// Connects when first used, and resolves the names again after a failure.
pub struct MemcacheLeases {
    servers: Vec<String>,
    reply_timeout: Duration,
    client: Mutex<Option<AsyncMetaClient>>,
}

impl MemcacheLeases {
    /// `servers` as `host:port`, at least one. `reply_timeout` bounds connecting and each round trip.
    pub fn new(servers: Vec<String>, reply_timeout: Duration) -> MemcacheLeases {
        assert!(!servers.is_empty(), "the configuration is checked to name a lease server");
        MemcacheLeases { servers, reply_timeout, client: Mutex::new(None) }
    }

    /// What each server says of itself, in configured order.
    pub async fn probe(&self) -> Vec<(String, Result<ServerFacts, LockError>)> {
        let probes = self.servers.iter().map(async |server| {
            let facts = probe::facts(server, self.reply_timeout).await;
            (server.clone(), facts)
        });
        future::join_all(probes).await
    }

    async fn run<O>(&self, operations: Vec<O>) -> Result<Vec<O::Output>, LockError>
    where
        O: Operation + Clone,
    {
        let client = self.client().await?;
        let exchanges = operations.chunks(EXCHANGE_MAX).map(|chunk| client.run_many(chunk.to_vec()));
        let mut outputs = Vec::with_capacity(operations.len());
        for exchange in future::join_all(exchanges).await {
            for answer in exchange.map_err(|error| self.failed(0, &error))? {
                // Any key without an answer fails the call; the position names its server.
                outputs.push(answer.map_err(|error| {
                    let key = operations[outputs.len()].key();
                    self.failed(server_of(key, self.servers.len()), &error)
                })?);
            }
        }
        Ok(outputs)
    }

    /// Reads value and CAS of each key, and makes a change where `wanted` holds and nobody changed it since.
    /// Says for each key whether it was made.
    async fn change<O>(
        &self,
        keys: &[LeaseKey],
        wanted: impl Fn(&[u8]) -> bool,
        change: impl Fn(&LeaseKey, u64) -> O,
    ) -> Result<Vec<bool>, LockError>
    where
        O: Operation<Output = MutationResult> + Clone,
    {
        let reads = keys.iter().map(|key| Get::new(&key.0).meta(Meta::NONE.cas()));
        let found = self.run(reads.collect()).await?;
        let mut made = vec![false; keys.len()];
        let (mut places, mut changes) = (Vec::new(), Vec::new());
        for (place, read) in found.into_iter().enumerate() {
            let Some(cas) = read.item.cas else { continue };
            if read.value.as_deref().is_some_and(&wanted) {
                places.push(place);
                changes.push(change(&keys[place], cas));
            }
        }
        for (place, answer) in places.into_iter().zip(self.run(changes).await?) {
            made[place] = answer.status == MutationStatus::Applied;
        }
        Ok(made)
    }

    async fn client(&self) -> Result<AsyncMetaClient, LockError> {
        if let Some(client) = self.slot().clone() {
            return Ok(client);
        }
        let builder = AsyncMetaClient::builder()
            .router(ByCrc32)
            .max_idle(IDLE_MAX)
            .max_connections(Some(CONNECTIONS_MAX))
            .connect_timeout(Some(self.reply_timeout))
            .io_timeout(Some(self.reply_timeout));
        let client = timeout(self.reply_timeout, builder.connect_multiple_async(&self.servers))
            .await
            .map_err(|_| self.unresolved("the name was not resolved in time"))?
            .map_err(|error| self.unresolved(error))?;
        *self.slot() = Some(client.clone());
        Ok(client)
    }

    /// The next call connects anew: the server may have moved.
    fn failed(&self, server: usize, error: &Error) -> LockError {
        *self.slot() = None;
        LockError { server: self.servers[server].clone(), reason: error.to_string() }
    }

    fn unresolved(&self, reason: impl std::fmt::Display) -> LockError {
        LockError { server: self.servers.join(", "), reason: reason.to_string() }
    }

    fn slot(&self) -> MutexGuard<'_, Option<AsyncMetaClient>> {
        self.client.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl LeaseServer for MemcacheLeases {
    async fn add(&self, keys: &[LeaseKey], token: &Token, expiry: Duration) -> Result<Vec<bool>, LockError> {
        let ttl = Ttl::secs(expiry_seconds(expiry));
        let adds = keys.iter().map(|key| Set::new(&key.0, &token.0).ttl(ttl).add());
        Ok(self.run(adds.collect()).await?.iter().map(MutationResult::applied).collect())
    }

    async fn take_over(
        &self,
        keys: &[LeaseKey],
        predecessor: &Predecessor,
        token: &Token,
        expiry: Duration,
    ) -> Result<Vec<bool>, LockError> {
        let ttl = Ttl::secs(expiry_seconds(expiry));
        let theirs = |value: &[u8]| predecessor.has(value);
        self.change(keys, theirs, |key, cas| Set::new(&key.0, &token.0).ttl(ttl).compare_cas(cas)).await
    }

    async fn release(&self, keys: &[LeaseKey], token: &Token) -> Result<Vec<bool>, LockError> {
        let ours = |value: &[u8]| value == token.0.as_bytes();
        self.change(keys, ours, |key, cas| Delete::new(&key.0).compare_cas(cas)).await
    }
}

struct ByCrc32;

impl Router for ByCrc32 {
    fn route(&self, key: &[u8], servers: &[String]) -> usize {
        server_of(key, servers.len())
    }
}

fn server_of(key: &[u8], servers: usize) -> usize {
    crc32fast::hash(key) as usize % servers
}
