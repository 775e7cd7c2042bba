//! The line to one gateway, of either interface: whether it answers, and what is under way on it.

use super::HbaseOptions;
use super::slots::{Slot, Slots};
use crate::sink::SinkError;
use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How long a gateway that failed is left alone while others are there; doubled each time that it
/// cannot be opened again.
const ASIDE: Duration = Duration::from_secs(1);
const ASIDE_MAX: Duration = Duration::from_secs(32);

/// Gateways close connections that were idle for 60 s.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Replies larger than this are refused: a read of 2,000 rows may have 128 kB a row.
pub const REPLY_BYTES_MAX: i32 = 256 << 20;

/// The clients of one gateway. Cheap to clone.
#[async_trait]
pub trait Open: Clone + Send + Sync {
    /// Those of the gateway at `address`, once it has said that it speaks what they speak.
    ///
    /// # Errors
    /// `WrongProtocol` when it says or shows that it does not, `Unavailable` when it says nothing.
    async fn open(address: &str, options: &HbaseOptions) -> Result<Self, SinkError>;
}

pub struct Line<C> {
    pub address: String,
    pub(super) options: HbaseOptions,
    permits: Semaphore,
    /// The share of the permits that bulk writes may take.
    bulk: Slots,
    state: Mutex<State<C>>,
}

enum State<C> {
    /// Not asked yet, or to be asked again.
    Closed,
    Open(C),
    Aside {
        since: Instant,
        wait: Duration,
    },
}

/// What a call is to the bounds of what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A write of many rows, whose number under way is found while running.
    Bulk,
    Other,
}

/// The right to make one call on a gateway, until it is dropped.
pub struct Permit<'a> {
    _permit: SemaphorePermit<'a>,
    _slot: Option<Slot<'a>>,
}

impl<C: Open> Line<C> {
    /// Bulk writes have as many slots as there are connections, until [`Line::pace`] says otherwise.
    pub fn new(address: &str, options: &HbaseOptions) -> Line<C> {
        Line {
            address: address.to_owned(),
            options: options.clone(),
            permits: Semaphore::new(options.connections.max(1)),
            bulk: Slots::new(options.connections.max(1)),
            state: Mutex::new(State::Closed),
        }
    }

    /// Whether it is neither put aside nor being asked what it speaks.
    pub fn is_ready(&self) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        !matches!(*state, State::Aside { since, wait } if since.elapsed() < wait)
    }

    /// Whether as many calls of this kind are under way as may be.
    pub fn is_busy(&self, kind: Kind) -> bool {
        self.permits.available_permits() == 0 || (kind == Kind::Bulk && self.bulk.are_all_used())
    }

    /// Waits for the right to make a call. A bulk write has a slot first, so that those that wait for one do not
    /// stand before other calls in the queue for permits.
    pub async fn permit(&self, kind: Kind) -> Permit<'_> {
        let slot = match kind {
            Kind::Bulk => Some(self.bulk.acquire().await),
            Kind::Other => None,
        };
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        Permit { _permit: permit, _slot: slot }
    }

    /// Lets `calls` bulk writes be under way from now on.
    pub fn pace(&self, calls: usize) {
        self.bulk.resize(calls);
    }

    /// The client of a gateway that was asked what it speaks; asks now if need be. Whoever else wants it
    /// waits for the same answer.
    pub async fn client(&self) -> Result<C, SinkError> {
        let mut state = self.state.lock().await;
        if let State::Open(client) = &*state {
            return Ok(client.clone());
        }
        let wait = match *state {
            State::Aside { wait, .. } => (wait * 2).min(ASIDE_MAX),
            _ => ASIDE,
        };
        let opened = C::open(&self.address, &self.options).await;
        *state = match &opened {
            Ok(client) => State::Open(client.clone()),
            Err(_) => State::Aside { since: Instant::now(), wait },
        };
        opened
    }

    /// Leaves it alone for a while, for it failed; it is asked anew before the next call.
    pub async fn put_aside(&self) {
        *self.state.lock().await = State::Aside { since: Instant::now(), wait: ASIDE };
    }
}
