//! Trying again: pauses that grow, and patience with what may pass.
//!
//! Every loop that repeats a call, or asks for what has no signal, gets its pauses and its end from here. What is waited for
//! is the caller's to say. Pauses go through tokio's clock, which tests pause; a wait may be dropped at any time.

use crate::error::Disposition;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Pauses, each twice as long as the one before it, up to a longest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
}

impl Pauses {
    /// Between attempts at a write or a read under a lease, which ends in seconds.
    pub const UNDER_A_LEASE: Pauses = Pauses::growing(20, 1_000);
    /// Between attempts of a task.
    pub const OF_A_TASK: Pauses = Pauses::growing(20, 2_000);
    /// Between attempts to use a connection that broke, where nobody waits for the next answer.
    pub const OF_A_CONNECTION: Pauses = Pauses::growing(100, 5_000);
    /// Between questions to a server or another process about something that changes soon.
    pub const OF_QUESTIONS: Pauses = Pauses::growing(10, 250);
    /// Between looks at what another task of this process has done, where there is no signal.
    pub const OF_LOOKS: Pauses = Pauses::even(20);
    /// Between attempts at something dear that people or other programs keep from working.
    pub const OF_OTHERS: Pauses = Pauses::even(500);

    const fn growing(first_ms: u64, longest_ms: u64) -> Pauses {
        Pauses { first: Duration::from_millis(first_ms), longest: Duration::from_millis(longest_ms) }
    }

    const fn even(ms: u64) -> Pauses {
        Pauses::growing(ms, ms)
    }
}

/// How long one thing is tried again, and how soon.
#[derive(Clone, Debug)]
pub struct Patience {
    bound: Duration,
    pauses: Pauses,
    next: Duration,
    since: Option<Instant>,
}

/// Why something is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The error does not pass.
    Lasts,
    /// It was tried for as long as the bound says.
    After(Duration),
}

impl Patience {
    /// With one thing: `bound` counts from now on.
    pub fn with_one(bound: Duration, pauses: Pauses) -> Patience {
        Patience { since: Some(Instant::now()), ..Patience::with_a_task(bound, pauses) }
    }

    /// With a task that goes on and on: `bound` counts from the first failure after it last worked.
    pub fn with_a_task(bound: Duration, pauses: Pauses) -> Patience {
        Patience { bound, pauses, next: pauses.first, since: None }
    }

    /// Without an end.
    pub fn for_ever(pauses: Pauses) -> Patience {
        Patience::with_a_task(Duration::MAX, pauses)
    }

    /// The task works: the next failure is the first one.
    pub fn worked(&mut self) {
        (self.since, self.next) = (None, self.pauses.first);
    }

    /// What is waited for comes nearer: the bound counts anew, and the pauses go on.
    pub fn comes_nearer(&mut self) {
        self.since = None;
    }

    /// From when on the bound counts; `None` while the task works.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// The pause before the next attempt, after one that failed.
    ///
    /// # Errors
    /// There is to be no other attempt.
    pub fn after(&mut self, disposition: Disposition) -> Result<Duration, Over> {
        if disposition != Disposition::Retry {
            return Err(Over::Lasts);
        }
        let tried = self.since.get_or_insert_with(Instant::now).elapsed();
        if tried >= self.bound {
            return Err(Over::After(tried));
        }
        let pause = self.next;
        self.next = (pause * 2).min(self.pauses.longest);
        Ok(pause)
    }

    /// Pauses before the next look at something; `false`: the bound is reached, and nothing was waited for.
    pub async fn again(&mut self) -> bool {
        match self.after(Disposition::Retry) {
            Ok(pause) => sleep(pause).await,
            Err(_) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    const SECOND: Duration = Duration::from_secs(1);
    const PAUSES: Pauses = Pauses::growing(100, 350);

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_twofold_to_the_longest_and_begin_anew_once_it_worked() {
        let mut patience = Patience::with_a_task(SECOND, PAUSES);
        let mut pauses = || patience.after(Disposition::Retry).map(|pause| pause.as_millis());
        assert_eq!([pauses(), pauses(), pauses(), pauses()], [Ok(100), Ok(200), Ok(350), Ok(350)]);
        patience.comes_nearer();
        assert_eq!(patience.after(Disposition::Retry), Ok(Duration::from_millis(350)));
        patience.worked();
        assert_eq!(patience.after(Disposition::Retry), Ok(Duration::from_millis(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bound_counts_from_now_or_from_the_first_failure() {
        let (mut one, mut task) = (Patience::with_one(SECOND, PAUSES), Patience::with_a_task(SECOND, PAUSES));
        sleep(SECOND).await;
        assert_eq!(one.after(Disposition::Retry), Err(Over::After(SECOND)));
        assert!(task.after(Disposition::Retry).is_ok(), "it worked until now");
        sleep(SECOND).await;
        assert_eq!(task.after(Disposition::Retry), Err(Over::After(SECOND)));
        task.worked();
        assert!(task.after(Disposition::Retry).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_lasts_is_not_tried_again() {
        let mut patience = Patience::for_ever(PAUSES);
        assert_eq!(patience.after(Disposition::Halt(Exit::Failed)), Err(Over::Lasts));
        assert_eq!(patience.since(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn looks_end_at_the_bound() {
        let (begin, mut patience) = (Instant::now(), Patience::with_one(SECOND, PAUSES));
        let mut looks = 1;
        while patience.again().await {
            looks += 1;
        }
        assert_eq!((looks, begin.elapsed()), (5, SECOND));
    }
}
