//! Trying again after passing errors, as long as the lease lasts.

use crate::error::Disposition;
use crate::lock::Held;
use crate::retry::{Patience, Pauses};
use crate::sink::SinkError;
use tokio::time::sleep_until;

/// Why work is not finished.
pub enum Stop {
    /// The lease's deadline has come (I4).
    Deadline,
    /// For a reason that lasts.
    Refused(SinkError),
}

/// Pauses that grow, and the last passing error.
pub struct Retry {
    patience: Patience,
    pub trouble: Option<SinkError>,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { patience: Patience::for_ever(Pauses::UNDER_A_LEASE), trouble: None }
    }
}

impl Retry {
    /// Stops at the deadline.
    pub fn check(&self, held: &Held) -> Result<(), Stop> {
        if held.is_live() { Ok(()) } else { Err(Stop::Deadline) }
    }

    /// One attempt at a read, given up at the deadline: nothing could be done with its answer then. `None`: it failed,
    /// and may be tried again.
    pub async fn attempt<T>(
        &mut self,
        held: &Held,
        read: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<Option<T>, Stop> {
        self.check(held)?;
        let answer = tokio::select! { biased;
            () = sleep_until(held.deadline()) => return Err(Stop::Deadline),
            answer = read => answer,
        };
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(error) => self.after(error).await.map(|()| None),
        }
    }

    /// Pauses after a passing error; stops at any other.
    pub async fn after(&mut self, error: SinkError) -> Result<(), Stop> {
        if error.disposition() != Disposition::Retry {
            return Err(Stop::Refused(error));
        }
        tracing::debug!(%error, "the run reads a counted row again");
        self.trouble = Some(error);
        self.patience.again().await;
        Ok(())
    }
}
