//! The start of a run, and `init`: what they wait for is said on standard error when it takes longer than a second. Of a run
//! `tailfill status` knows it from the first moment.

use crate::clock::{Clock, SteadyClock};
use crate::config::Config;
use crate::error::{Disposition, Exit};
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
    /// How long it waits for a server that does not answer.
    retry_for: Duration,
    awaited: Mutex<Option<(Awaited, u64)>>,
}

impl Starting {
    /// The start of a run.
    pub fn run(config: &Config) -> Starting {
        Starting::of("the start", config.run.retry_for)
    }

    /// `init`.
    pub fn init(config: &Config) -> Starting {
        Starting::of("init", config.run.retry_for)
    }

    fn of(who: &'static str, retry_for: Duration) -> Starting {
        Starting { who, retry_for, awaited: Mutex::default() }
    }

    /// Does one thing of a start; again as long as it fails for something that it waits for: a locked table, and within
    /// `run.retry_for` a server that does not answer.
    pub async fn step<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.until_done(what, attempt, kind_of).await
    }

    /// The same for something that fails with 1 only because a server did not answer, whatever its error says.
    pub async fn questions<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let kind =
            |failure: &Failure| kind_of(failure).or((failure.exit == Exit::Failed).then_some(Kind::Step));
        self.until_done(what, attempt, kind).await
    }

    async fn until_done<T, F>(
        &self,
        what: &str,
        attempt: impl Fn() -> F,
        kind_of: impl Fn(&Failure) -> Option<Kind>,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let begin = Instant::now();
        let (mut say_from, mut patience) =
            (begin, Patience::with_a_task(self.retry_for, Pauses::OF_A_CONNECTION));
        loop {
            let ended = self.once(what, begin, attempt()).await;
            let passes = |failure| {
                let kind = kind_of(failure)?;
                let pause = match kind {
                    Kind::TableLock => SAY_AFTER, // a person ends it
                    _ => patience.after(Disposition::Retry).ok()?,
                };
                Some((failure, kind, pause))
            };
            let Some((failure, kind, pause)) = ended.as_ref().err().and_then(passes) else {
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

/// What a failure waits for; `None`: it ends the start.
fn kind_of(failure: &Failure) -> Option<Kind> {
    match (failure.error.downcast_ref::<SourceError>(), failure.error.downcast_ref::<SinkError>()) {
        (Some(error), _) if error.is_lock_wait() => Some(Kind::TableLock),
        (Some(SourceError::Unavailable { .. }), _) => Some(Kind::Source),
        (_, Some(SinkError::Unavailable { .. })) => Some(Kind::Hbase),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    fn locked() -> Failure {
        let reason = "a SELECT: Lock wait timeout exceeded (error 1205)".into();
        SourceError::Unavailable { address: "a:1".into(), reason }.into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_says_what_it_waits_for_and_tries_again_while_a_table_is_locked() {
        let (starting, attempts) = (Starting::of("the start", Duration::ZERO), AtomicU32::new(0));
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
    async fn a_start_waits_for_a_server_for_its_time_and_not_for_what_a_person_has_to_change() {
        let source = || SourceError::Unavailable { address: "a:1".into(), reason: "refused".into() }.into();
        let sink = || SinkError::Unavailable { gateway: "a:1".into(), reason: "no answer".into() }.into();
        let servers: [(&dyn Fn() -> Failure, Kind); 2] = [(&source, Kind::Source), (&sink, Kind::Hbase)];
        for (away, kind) in servers {
            let (starting, begin) = (Starting::of("the start", Duration::from_secs(20)), Instant::now());
            let attempt = || async {
                if begin.elapsed() > Duration::from_secs(5) {
                    assert_eq!(starting.status().waiting[0].kind, kind);
                }
                Err::<(), _>(away())
            };
            assert!(starting.step("the server", attempt).await.is_err());
            assert!(begin.elapsed() >= Duration::from_secs(20), "{:?}", begin.elapsed());
        }
        let (starting, begin) = (Starting::of("the start", Duration::from_secs(20)), Instant::now());
        let wrong = || async { Err::<(), _>(Failure::new(Exit::Failed, "a wrong password")) };
        assert!(starting.step("the server", wrong).await.is_err());
        let refused = || async { Err::<(), _>(Failure::new(Exit::Refused, "two checks refuse")) };
        assert!(starting.questions("the checks", refused).await.is_err());
        assert_eq!(begin.elapsed(), Duration::ZERO, "nobody waits for these");
        // checks that nobody answered
        assert!(starting.questions("the checks", wrong).await.is_err());
        assert!(begin.elapsed() >= Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_cut_once_does_not_end_a_start() {
        let (starting, attempts) = (Starting::of("the start", Duration::from_secs(20)), AtomicU32::new(0));
        let attempt = || async {
            let cut = SourceError::Unavailable { address: "a:1".into(), reason: "it was cut".into() };
            if attempts.fetch_add(1, Relaxed) == 0 { Err(cut.into()) } else { Ok(7) }
        };
        assert_eq!(starting.step("MySQL", attempt).await.expect("the second attempt"), 7);
        assert_eq!(starting.status().waits, Vec::<String>::new());
    }
}
