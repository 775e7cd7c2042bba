//! The start of a run: what it waits for is known to `tailfill status` from the first moment, and said on standard error
//! when it takes longer than a second.

use crate::clock::{Clock, SteadyClock};
use crate::failure::Failure;
use crate::source::SourceError;
use crate::status::{Awaited, Kind, Phase, Status, Wait, Who};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How soon it says what it waits for, and how often again.
const SAY_AFTER: Duration = Duration::from_secs(1);
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// What a start is at.
#[derive(Debug, Default)]
pub struct Starting(Mutex<Option<(Awaited, u64)>>);

impl Starting {
    /// Does one thing of a start; again as long as it fails because a table is locked.
    pub async fn step<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let begin = Instant::now();
        let mut say_from = begin;
        loop {
            match self.once(what, begin, attempt()).await {
                Err(failure) if is_locked(&failure) => {
                    let reason = format!("{what}: {}", failure.error);
                    if Instant::now() >= say_from {
                        let help = failure.help.unwrap_or_default();
                        let seconds = begin.elapsed().as_secs();
                        tracing::warn!(seconds, "the start waits for {reason}; {help}");
                        say_from = Instant::now() + SAY_AGAIN;
                    }
                    self.show(Awaited::new(Kind::TableLock, reason));
                    sleep(SAY_AFTER).await;
                }
                ended => {
                    *self.awaited() = None;
                    return ended;
                }
            }
        }
    }

    async fn once<T>(&self, what: &str, begin: Instant, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if self.awaited().is_none() {
            self.show(Awaited::new(Kind::Step, what));
        }
        let mut pause = SAY_AFTER;
        loop {
            if let Ok(done) = timeout(pause, work.as_mut()).await {
                return done;
            }
            tracing::info!(seconds = begin.elapsed().as_secs(), "the start waits for {what}");
            pause = SAY_AGAIN;
        }
    }

    /// The status of a run that has nothing else to say yet.
    pub fn status(&self) -> Status {
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            at_ms: now_ms(),
            phase: Phase::Starting,
            ..Status::default()
        };
        let awaited = self.awaited().clone();
        status.show_waits(
            awaited.map(|(awaited, since)| Wait::new(Who::Start, awaited, since)).into_iter().collect(),
        );
        status
    }

    /// A wait for the same kind goes on since when it began.
    fn show(&self, awaited: Awaited) {
        let mut shown = self.awaited();
        let since = shown.take().filter(|(before, _)| before.kind == awaited.kind).map(|(_, since)| since);
        *shown = Some((awaited, since.unwrap_or_else(now_ms)));
    }

    fn awaited(&self) -> MutexGuard<'_, Option<(Awaited, u64)>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn now_ms() -> u64 {
    SteadyClock::start().now_ms()
}

fn is_locked(failure: &Failure) -> bool {
    failure.error.downcast_ref().is_some_and(SourceError::is_lock_wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    fn locked() -> Failure {
        let reason = "a SELECT: Lock wait timeout exceeded (error 1205)".into();
        SourceError::Unavailable { address: "a:1".into(), reason }.into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_says_what_it_waits_for_and_tries_again_while_a_table_is_locked() {
        let (starting, attempts) = (Starting::default(), AtomicU32::new(0));
        let attempt = || async {
            match attempts.fetch_add(1, Relaxed) {
                0 => {
                    assert_eq!(starting.status().waits, ["the start waits for the tables"]);
                    Err(locked())
                }
                1 => {
                    assert!(starting.status().waits[0].contains("Lock wait timeout"));
                    Err(locked())
                }
                _ => Ok(()),
            }
        };
        starting.step("the tables", attempt).await.expect("it is free by now");
        assert_eq!((attempts.load(Relaxed), starting.status().waits), (3, Vec::<String>::new()));
        let refused = || async { Err::<(), _>(Failure::new(Exit::Failed, "away")) };
        assert_eq!(starting.step("the source", refused).await.expect_err("as it is").exit, Exit::Failed);
    }
}
