//! Whether the source still is the one that is tailed, while the connection to it stays up.
//!
//! `RESET BINARY LOGS AND GTIDS` leaves a dump on the file that it has deleted: MySQL 9.7 sends nothing any more until the
//! new file is as long as the old one, and a dump that is opened later asks for none of the numbers that are used again.
//! So a look asks for the executed set, which never shrinks, and for a transaction of which an earlier look has shown
//! whose it is. Where that is the same, everything that was received before the look began comes from the same binlog.
//! A checkpoint takes only such a transaction for its witness: a run that ends between a reset and the next look is found
//! out by the next start.

use crate::error::Disposition;
use crate::model::{Reached, TransactionId, Witness};
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::Waiter;
use crate::pipeline::tail::identity::{self, Sighting};
use crate::protocol::{ProtocolError, Recovered};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// What is known of the source's identity, shared by the tasks of a run.
pub struct Watched {
    known: Mutex<Known>,
}

#[derive(Clone)]
struct Known {
    /// A transaction that was there at the last look.
    proven: Option<Sighting>,
    /// Everything that was received before the last look.
    received: Reached,
    /// What the source had executed at the last look.
    executed: Reached,
    /// The last transaction that was read whole.
    newest: Option<Sighting>,
}

impl Watched {
    /// The start has compared the source with `found`.
    pub fn new(found: &Recovered) -> Watched {
        let proven = found.witnesses().pop().map(Sighting::anywhere);
        let (received, executed) = (found.sealed.clone(), found.sealed.clone());
        Watched { known: Mutex::new(Known { proven, received, executed, newest: None }) }
    }

    /// Notes a transaction that was read whole.
    pub fn read(&self, sighting: Sighting) {
        self.known().newest = Some(sighting);
    }

    /// Whether a look has shown that this transaction comes from the binlog that is tailed.
    pub fn proves(&self, transaction: &TransactionId) -> bool {
        self.known().received.contains(transaction)
    }

    /// What the next connection has to find again.
    pub fn proven(&self) -> Option<Sighting> {
        self.known().proven.clone()
    }

    /// Looks once.
    ///
    /// # Errors
    /// `PositionLost` where it is another binlog; that is durable.
    pub async fn check(&self, parts: &Parts) -> Result<(), ProtocolError> {
        let received = parts.progress.positions().received.reached.clone();
        let before = self.known().clone();
        let executed = parts.source.executed().await?;
        if before.newest.is_none() && executed == before.executed {
            return Ok(());
        }
        if !parts.settings.failpoints.source_not_watched() {
            identity::require_same(parts, &before.executed, before.proven.as_slice()).await?;
        }
        if !executed.contains_set(&before.executed) {
            parts.progress.go_on(Waiter::Source); // it was waited for
        }
        let mut known = self.known();
        if known.newest == before.newest {
            known.newest = None;
        }
        known.proven = before.newest.or(before.proven);
        known.received.union_with(&received);
        known.executed.union_with(&executed);
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The witnesses of what is written, until a look has proven one: the oldest that waits, and the newest.
#[derive(Default)]
pub struct Witnesses {
    waiting: Option<Witness>,
    newest: Option<Witness>,
}

impl Witnesses {
    pub fn add(&mut self, written: Option<Witness>) {
        let Some(written) = written else { return };
        match self.waiting {
            None => self.waiting = Some(written),
            Some(_) => self.newest = Some(written),
        }
    }

    /// One that is proven; the newest waits then, so that under steady writes there is always one soon.
    pub fn take_proven(&mut self, proves: impl Fn(&TransactionId) -> bool) -> Option<Witness> {
        let proven = self.waiting.take_if(|waiting| proves(&waiting.transaction))?;
        self.waiting = self.newest.take();
        Some(proven)
    }
}

/// Looks again and again, until `stop`. A source that does not answer is the reader's to say.
pub async fn watch(parts: &Parts, watched: &Watched, stop: CancellationToken) -> Result<(), ProtocolError> {
    loop {
        let looked = tokio::select! { biased;
            () = stop.cancelled() => return Ok(()),
            looked = async { sleep(parts.settings.look_every).await; watched.check(parts).await } => looked,
        };
        match looked {
            Err(error) if error.disposition() != Disposition::Retry => return Err(error),
            _ => {}
        }
    }
}
