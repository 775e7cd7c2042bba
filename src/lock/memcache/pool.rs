//! The connections to one server.

use super::connection::{Broken, Connection};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// Idle connections kept.
const IDLE_MAX: usize = 8;

/// How long a connection may rest before another is opened in its place: a firewall in between may have
/// forgotten it without a word.
const IDLE_FOR: Duration = Duration::from_secs(60);

/// Connections in use; at the bound a call waits, up to the reply time-out.
const CONNECTIONS_MAX: usize = 64;

pub(super) struct Pool {
    /// `host:port`.
    pub(super) address: String,
    idle: Mutex<Vec<(Instant, Connection)>>,
    free: Semaphore,
}

/// A connection for one conversation. Dropping it closes the connection, which is right in the middle of one.
pub(super) struct Lent<'a> {
    pub(super) connection: Connection,
    pool: &'a Pool,
    _place: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(address: String) -> Pool {
        Pool { address, idle: Mutex::default(), free: Semaphore::new(CONNECTIONS_MAX) }
    }

    /// A connection that rested, or a new one; the name is resolved for each new one.
    ///
    /// # Errors
    /// In words, after `wait` at the latest.
    pub(super) async fn lend(&self, wait: Duration) -> Result<Lent<'_>, String> {
        let place = timeout(wait, self.free.acquire())
            .await
            .map_err(|_| format!("all {CONNECTIONS_MAX} connections were in use for {wait:?}"))?
            .expect("the semaphore is never closed");
        let connection = match self.rested() {
            Some(connection) => connection,
            None => timeout(wait, Connection::open(&self.address))
                .await
                .map_err(|_| format!("no connection within {wait:?}"))?
                .map_err(|error| format!("no connection: {error}"))?,
        };
        Ok(Lent { connection, pool: self, _place: place })
    }

    /// The connection that rested shortest, so that the others may grow old.
    fn rested(&self) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some((since, connection)) = idle.pop() {
            if since.elapsed() >= IDLE_FOR {
                idle.clear();
            } else if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Closes the connections that rest: what broke one (a restart, a move) may have broken them too.
    fn close_rested(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Connection)>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Lent<'_> {
    /// Ends the conversation: a connection whose conversation came to its end goes back.
    pub(super) fn settle(self, outcome: Result<(), Broken>) -> Result<(), Broken> {
        match &outcome {
            Ok(()) => {
                let mut idle = self.pool.idle();
                if idle.len() < IDLE_MAX {
                    idle.push((Instant::now(), self.connection));
                }
            }
            Err(_) => self.pool.close_rested(),
        }
        outcome
    }
}
