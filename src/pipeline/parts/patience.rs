//! How long passing errors are borne in a run: for `run.retry_for`.

use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{Waiter, trouble};
use crate::protocol::ProtocolError;
use crate::retry::{Over, Patience, Pauses};
use crate::status::Awaited;
use std::time::Duration;
use tokio::time::sleep;

/// With one thing, from its beginning on.
pub fn with_one(parts: &Parts) -> Patience {
    Patience::with_one(parts.settings.retry_for, Pauses::OF_A_TASK)
}

/// With a task that goes on and on, from the first error after it last worked.
pub fn with_a_task(parts: &Parts) -> Patience {
    Patience::with_a_task(parts.settings.retry_for, Pauses::OF_A_TASK)
}

/// The error, and how long to wait before the next attempt.
///
/// # Errors
/// It does not pass, or they go on for too long.
pub fn pause_after(
    patience: &mut Patience,
    error: ProtocolError,
) -> Result<(ProtocolError, Duration), ProtocolError> {
    match patience.after(error.disposition()) {
        Ok(pause) => Ok((error, pause)),
        Err(Over::Lasts) => Err(error),
        Err(Over::After(tried)) => {
            Err(ProtocolError::GaveUp { seconds: tried.as_secs(), cause: Box::new(error) })
        }
    }
}

/// Repeats something whose errors may pass. `shows` hears what is waited for, and `None` once that is over.
pub async fn tried<T, F>(
    mut patience: Patience,
    mut attempt: impl FnMut() -> F,
    shows: impl Fn(Option<Awaited>),
) -> Result<T, ProtocolError>
where
    F: Future<Output = Result<T, ProtocolError>>,
{
    let mut waited = false;
    loop {
        let (error, pause) = match attempt().await {
            Ok(done) => {
                if waited {
                    shows(None);
                }
                return Ok(done);
            }
            Err(error) => pause_after(&mut patience, error)?,
        };
        waited = true;
        shows(Some(trouble(&error)));
        sleep(pause).await;
    }
}

/// The same where somebody waits for the run to begin or to end: for no longer than the source may take.
pub async fn retried<T, F>(
    parts: &Parts,
    waiter: Waiter,
    attempt: impl FnMut() -> F,
) -> Result<T, ProtocolError>
where
    F: Future<Output = Result<T, ProtocolError>>,
{
    let bound = parts.settings.source_wait.min(parts.settings.retry_for);
    let patience = Patience::with_one(bound, Pauses::OF_A_TASK);
    tried(patience, attempt, |awaited| parts.progress.show(waiter, awaited)).await
}
