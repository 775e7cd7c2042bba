//! How long passing errors of one thing are taken.

use crate::error::Disposition;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{Waiter, trouble};
use crate::protocol::ProtocolError;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Pause between two looks at something that has no signal, and after the first passing error.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Longest pause after a passing error.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Pause after the first passing error at the start of a run.
const START_PAUSE: Duration = Duration::from_millis(100);

/// Counts from the beginning of one thing that may have to be repeated.
pub struct Patience {
    begin: Instant,
    bound: Duration,
    pause: Duration,
}

impl Patience {
    pub fn new(parts: &Parts) -> Patience {
        Patience { begin: Instant::now(), bound: parts.settings.retry_for, pause: LOOK_AGAIN }
    }

    /// At the start of a run somebody waits.
    fn at_start(parts: &Parts) -> Patience {
        let bound = parts.settings.source_wait.min(parts.settings.retry_for);
        Patience { begin: Instant::now(), bound, pause: START_PAUSE }
    }

    /// The error, and how long to wait before the next attempt.
    ///
    /// # Errors
    /// It does not pass, or they go on for too long.
    pub fn pause_after(&mut self, error: ProtocolError) -> Result<(ProtocolError, Duration), ProtocolError> {
        if error.disposition() != Disposition::Retry {
            return Err(error);
        }
        if self.begin.elapsed() >= self.bound {
            let seconds = self.begin.elapsed().as_secs();
            return Err(ProtocolError::GaveUp { seconds, cause: Box::new(error) });
        }
        let pause = self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok((error, pause))
    }
}

/// Repeats something at the start of a run whose errors may pass, within the stated bound.
pub async fn retried<T, F>(parts: &Parts, attempt: impl Fn() -> F) -> Result<T, ProtocolError>
where
    F: Future<Output = Result<T, ProtocolError>>,
{
    let mut patience = Patience::at_start(parts);
    loop {
        let (error, pause) = match attempt().await {
            Ok(done) => {
                parts.progress.go_on(Waiter::Start);
                return Ok(done);
            }
            Err(error) => patience.pause_after(error)?,
        };
        parts.progress.wait_for(Waiter::Start, trouble(&error));
        sleep(pause).await;
    }
}
