//! The start of a run, and `init`: what they wait for is said on standard error when it takes longer than a second. Of a run
//! `tailfill status` knows it from the first moment.

use crate::clock::{Clock, SteadyClock};
use crate::config::Config;
use crate::error::Disposition;
use crate::failure::Failure;
use crate::retry::{Patience, Pauses};
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::status::{Awaited, Kind, Phase, Status, Wait, Who};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How soon it says what it waits for, and how often again.
const SAY_AFTER: Duration = Duration::from_secs(1);
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// What a start is at.
#[derive(Debug)]
pub struct Starting {
    /// Who starts.
    who: &'static str,
    /// How long it waits for HBase where that does not answer.
    hbase_for: Duration,
    awaited: Mutex<Option<(Awaited, u64)>>,
}

impl Default for Starting {
    fn default() -> Starting {
        Starting { who: "the start", hbase_for: Duration::ZERO, awaited: Mutex::default() }
    }
}

impl Starting {
    /// `init`, which waits for HBase as long as a run does.
    pub fn init(config: &Config) -> Starting {
        Starting { who: "init", hbase_for: config.run.retry_for, ..Starting::default() }
    }

    /// Does one thing of a start; again as long as it fails for something that it waits for.
    pub async fn step<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let begin = Instant::now();
        let (mut say_from, mut hbase) = (begin, Patience::with_one(self.hbase_for, Pauses::OF_A_CONNECTION));
        loop {
            let ended = self.once(what, begin, attempt()).await;
            let Some((failure, kind, pause)) = ended.as_ref().err().and_then(|failure| {
                let (kind, pause) = passes(failure, &mut hbase)?;
                Some((failure, kind, pause))
            }) else {
                *self.awaited() = None;
                return ended;
            };
            let reason = format!("{what}: {}", failure.error);
            if Instant::now() >= say_from {
                let (who, seconds) = (self.who, begin.elapsed().as_secs());
                let help = failure.help.as_deref().unwrap_or_default();
                tracing::warn!(seconds, "{who} waits for {reason}; {help}");
                say_from = Instant::now() + SAY_AGAIN;
            }
            self.show(Awaited::new(kind, reason));
            sleep(pause).await;
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
            tracing::info!(seconds = begin.elapsed().as_secs(), "{} waits for {what}", self.who);
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
        self.awaited.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn now_ms() -> u64 {
    SteadyClock::start().now_ms()
}

/// What a failure waits for, and how long until the next attempt; `None`: it ends the start.
fn passes(failure: &Failure, hbase: &mut Patience) -> Option<(Kind, Duration)> {
    if failure.error.downcast_ref().is_some_and(SourceError::is_lock_wait) {
        return Some((Kind::TableLock, SAY_AFTER));
    }
    let Some(SinkError::Unavailable { .. }) = failure.error.downcast_ref() else { return None };
    Some((Kind::Hbase, hbase.after(Disposition::Retry).ok()?))
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

    #[tokio::test(start_paused = true)]
    async fn init_waits_for_hbase_for_its_time_and_a_start_does_not() {
        let begin = Instant::now();
        let away = || async { Err::<(), _>(unavailable()) };
        let starting = Starting::default();
        assert!(starting.step("HBase", away).await.is_err());
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let init = Starting { who: "init", hbase_for: Duration::from_secs(20), ..Starting::default() };
        assert!(init.step("HBase", away).await.is_err());
        assert!(begin.elapsed() >= Duration::from_secs(20), "{:?}", begin.elapsed());
    }

    fn unavailable() -> Failure {
        SinkError::Unavailable { gateway: "a:1".into(), reason: "no answer".into() }.into()
    }
}
