//! The line to one gateway, of either interface: whether it answers, and what is under way on it.

use super::failure::{self, Subject};
use super::options::HbaseOptions;
use super::probe::{self, Interface};
use super::thrift::{Connections, Error};
use crate::sink::SinkError;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// How long a gateway that failed is left alone while others are there; doubled each time that it
/// cannot be opened again.
const ASIDE: Duration = Duration::from_secs(1);
const ASIDE_MAX: Duration = Duration::from_secs(32);

pub struct Line {
    pub address: String,
    options: HbaseOptions,
    interface: Interface,
    permits: Semaphore,
    /// The permits that bulk writes may take: all but one, so that no other call waits behind bulk writes alone.
    bulk: Semaphore,
    state: Mutex<State>,
}

enum State {
    /// Not asked yet, or to be asked again.
    Closed,
    Open(Connections),
    Aside {
        since: Instant,
        wait: Duration,
    },
}

/// What a call is to the bounds of what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A write of many rows, which takes long.
    Bulk,
    Other,
}

/// The right to make one call on a gateway, until it is dropped.
pub struct Permit<'a> {
    _permit: SemaphorePermit<'a>,
    _bulk: Option<SemaphorePermit<'a>>,
}

impl Line {
    pub fn new(address: &str, options: &HbaseOptions, interface: Interface) -> Line {
        let connections = options.connections.max(1);
        Line {
            address: address.to_owned(),
            options: options.clone(),
            interface,
            permits: Semaphore::new(connections),
            bulk: Semaphore::new((connections - 1).max(1)),
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
        self.permits.available_permits() == 0 || (kind == Kind::Bulk && self.bulk.available_permits() == 0)
    }

    /// Waits for the right to make a call. A bulk write waits among bulk writes first, so that those that wait do
    /// not stand before other calls in the queue for permits.
    pub async fn permit(&self, kind: Kind) -> Permit<'_> {
        let bulk = match kind {
            Kind::Bulk => Some(acquire(&self.bulk).await),
            Kind::Other => None,
        };
        Permit { _permit: acquire(&self.permits).await, _bulk: bulk }
    }

    /// Connections to a gateway that was asked what it speaks; asks now if need be. Whoever else wants them
    /// waits for the same answer.
    ///
    /// # Errors
    /// `WrongProtocol` when it says or shows that it speaks something else, `Unavailable` when it says nothing.
    pub async fn connections(&self) -> Result<Connections, SinkError> {
        let mut state = self.state.lock().await;
        if let State::Open(connections) = &*state {
            return Ok(connections.clone());
        }
        let wait = match *state {
            State::Aside { wait, .. } => (wait * 2).min(ASIDE_MAX),
            _ => ASIDE,
        };
        let opened = probe::find(&self.address, &self.options, self.interface).await;
        *state = match &opened {
            Ok(connections) => State::Open(connections.clone()),
            Err(_) => State::Aside { since: Instant::now(), wait },
        };
        opened
    }

    /// Calls that belong together, with the connections of this gateway. Gives up after `limit`; what was sent may still
    /// land then.
    pub async fn call<T>(
        &self,
        subject: &Subject<'_>,
        limit: Duration,
        calls: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, SinkError> {
        let error = match timeout(limit, calls).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if error.is_declared() => {
                return Err(failure::meaning(&self.address, subject, &error));
            }
            Ok(Err(error)) => failure::meaning(&self.address, subject, &error),
            Err(_elapsed) => failure::no_answer(&self.address, subject, limit),
        };
        self.put_aside().await;
        Err(error)
    }

    /// Leaves it alone for a while, for it failed; it is asked anew before the next call.
    async fn put_aside(&self) {
        *self.state.lock().await = State::Aside { since: Instant::now(), wait: ASIDE };
    }
}

async fn acquire(semaphore: &Semaphore) -> SemaphorePermit<'_> {
    semaphore.acquire().await.expect("the semaphore is never closed")
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
