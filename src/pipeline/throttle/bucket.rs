//! A token bucket on tokio's clock.
//!
//! `governor` has a quota that does not change and a clock of its own; here the pace changes twice a second, and the
//! simulation owns the time.

use std::time::Duration;
use tokio::time::Instant;

/// What may be saved up while nobody asks, as seconds of the pace.
const SAVED_SECONDS: f64 = 0.25;

/// Rows that may be read now, and since when that is so.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Negative: somebody has read more than there was, and all wait until it is made up for.
    level: f64,
    at: Instant,
}

/// The answer to one who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Granted,
    /// To ask again then.
    After(Duration),
    /// Nothing is granted at this pace.
    Never,
}

impl Bucket {
    /// Empty, and without debts.
    pub fn new() -> Bucket {
        Bucket { level: 0.0, at: Instant::now() }
    }

    /// Asks for `rows` at a pace. They are granted as soon as there is no debt, however many they are.
    pub fn ask(&mut self, rows: f64, pace: f64) -> Answer {
        let now = Instant::now();
        let gained = pace * (now - self.at).as_secs_f64();
        (self.level, self.at) = ((self.level + gained).min(pace * SAVED_SECONDS), now);
        if pace <= 0.0 {
            return Answer::Never;
        }
        if self.level >= 0.0 {
            self.level -= rows;
            return Answer::Granted;
        }
        // never zero, which would ask again at once
        Answer::After(Duration::from_secs_f64((-self.level / pace).clamp(0.001, 3_600.0)))
    }

    /// What was granted turned out to be fewer rows, or more (negative).
    pub fn give_back(&mut self, rows: f64) {
        self.level += rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::time::advance;

    /// Runs a test that awaits on a clock that stands still.
    fn at_rest(test: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
        let built = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        built.expect("a runtime").block_on(test)
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_is_granted_than_the_pace_the_savings_and_one_request(
            asks in proptest::collection::vec((1_u32..3_000, 0_u64..2_000), 1..80),
            pace in 10.0..50_000.0_f64,
        ) {
            at_rest(async {
                let (mut bucket, begin, mut granted) = (Bucket::new(), Instant::now(), 0.0);
                for (rows, pause) in asks {
                    advance(Duration::from_millis(pause)).await;
                    if bucket.ask(f64::from(rows), pace) == Answer::Granted {
                        let most = pace * begin.elapsed().as_secs_f64() + pace * SAVED_SECONDS;
                        prop_assert!(granted <= most + 1e-6, "{granted} rows before it, {most} at most");
                        granted += f64::from(rows);
                    }
                }
                Ok(())
            })?;
        }

        #[test]
        fn whoever_comes_again_when_told_is_served(rows in 1_u32..100_000, pace in 1.0..100_000.0_f64) {
            at_rest(async {
                let mut bucket = Bucket::new();
                prop_assert_eq!(bucket.ask(f64::from(rows), pace), Answer::Granted);
                for _ in 0..200 {
                    match bucket.ask(1.0, pace) {
                        Answer::Granted => return Ok(()),
                        Answer::After(wait) => advance(wait).await,
                        Answer::Never => break,
                    }
                }
                prop_assert!(false, "it is never served");
                Ok(())
            })?;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_granted_at_no_pace_and_what_is_given_back_can_be_granted_again() {
        let mut bucket = Bucket::new();
        assert_eq!(bucket.ask(1.0, 0.0), Answer::Never);
        assert_eq!(bucket.ask(1_000.0, 100.0), Answer::Granted);
        assert_eq!(bucket.ask(1.0, 100.0), Answer::After(Duration::from_secs(10)));
        bucket.give_back(1_000.0);
        assert_eq!(bucket.ask(1.0, 100.0), Answer::Granted);
    }
}
