//! Leases: who may write to a list now.
//!
//! Promises: one holder per list inside this process, fair between tail and backfill; beyond the
//! process as far as Memcache can promise, which is not at all: a lease can vanish at any moment,
//! so no promise on deletes rests on it (DESIGN section 3, I4).
//! Refuses to know: what is written under a lease.

use async_trait::async_trait;
use std::time::Duration;

mod held;
mod inner;
mod key;
mod late;
mod lease;
#[cfg(test)]
mod lease_tests;
mod local;
#[cfg(test)]
mod local_properties;
pub(crate) mod memcache;
pub mod memory;
pub(crate) mod probe;
mod reach;

pub(crate) use held::{Held, Lists};
pub use inner::{LeaseOptions, OnLoss};
pub use key::{KeyNames, LeaseKey, LeaseKeys, ListId};
pub use lease::{Busy, Leases};
pub(crate) use local::{Claim, Ticket};
pub use memcache::MemcacheLeases;
pub use memory::MemoryLeases;

/// The unique text that names one holding of leases; a release compares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub String);

/// The earlier processes of a state, whose tokens are `OWNER:BOOT:RANDOM` with the same owner and
/// another boot. They are known to be dead, or unable to do anything new, because this process has the
/// state's lock; so their leases need not expire first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// The same for all processes of a state; no other state has it.
    pub owner: String,
    /// The boot of this process, whose own tokens are not a predecessor's.
    pub boot: String,
}

impl Predecessor {
    /// Whether `value`, as it stands in a lease, is a predecessor's token.
    pub fn has(&self, value: &[u8]) -> bool {
        let rest = value.strip_prefix(self.owner.as_bytes()).and_then(|rest| rest.strip_prefix(b":"));
        rest.is_some_and(|rest| !rest.starts_with(self.boot.as_bytes()))
    }
}

/// The lease server does not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("memcached {server}: {reason}")]
pub struct LockError {
    /// `host:port` of the Memcache that was asked.
    pub server: String,
    /// In the words of the operating system or of Memcache.
    pub reason: String,
}

/// A server of leases: Memcache, or a double.
#[async_trait]
pub trait LeaseServer: Send + Sync {
    /// `add`s each key with `token` as its value and `expiry`; says for each whether it was added.
    /// All keys in one pipelined round trip (per server).
    async fn add(&self, keys: LeaseKeys<'_>, token: &Token, expiry: Duration)
    -> Result<Vec<bool>, LockError>;

    /// Gives each key that a dead predecessor holds to `token`: reads value and CAS, and where the value
    /// is one of `predecessor`'s, sets it with that CAS. Says for each key whether it was taken over. Two
    /// pipelined round trips.
    async fn take_over(
        &self,
        keys: LeaseKeys<'_>,
        predecessor: &Predecessor,
        token: &Token,
        expiry: Duration,
    ) -> Result<Vec<bool>, LockError>;

    /// Deletes each key that still holds `token`: reads value and CAS, compares, deletes with that
    /// CAS. Keys that vanished or belong to others are left alone; says for each whether it was
    /// still held when it was read, and is not now. Two pipelined round trips.
    async fn release(&self, keys: LeaseKeys<'_>, token: &Token) -> Result<Vec<bool>, LockError>;
}

/// An expiry as Memcache takes it: whole seconds, rounded up so that a lease never ends before its
/// holder thinks, at least 1 (0 means never) and at most 30 days (more means a date; memcached's
/// doc/protocol.txt, "Expiration times").
fn expiry_seconds(expiry: Duration) -> u32 {
    const THIRTY_DAYS: u64 = 30 * 24 * 60 * 60;
    let rounded_up = expiry.as_secs().saturating_add(u64::from(expiry.subsec_nanos() > 0));
    rounded_up.clamp(1, THIRTY_DAYS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_are_whole_seconds_rounded_up_and_never_mean_forever_or_a_date() {
        assert_eq!(expiry_seconds(Duration::ZERO), 1);
        assert_eq!(expiry_seconds(Duration::from_millis(1)), 1);
        assert_eq!(expiry_seconds(Duration::from_secs(10)), 10);
        assert_eq!(expiry_seconds(Duration::from_millis(10_001)), 11);
        assert_eq!(expiry_seconds(Duration::MAX), 2_592_000);
    }
}
