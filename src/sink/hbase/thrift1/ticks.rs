//! How many ticks a write may have: as many calls as fit well into a lease, by what calls took lately.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the calls of a write should take together. The shortest lease lets it have one and a half seconds.
const BUDGET: Duration = Duration::from_millis(750);
/// More ticks than this do not make a write faster.
const TICKS_MAX: u128 = 64;
/// What a call is taken to last before one was seen.
const FIRST: Duration = Duration::from_millis(20);

/// How long calls took lately, the wait for their turn included: a mean in which each one has an eighth.
pub struct CallTimes {
    micros: AtomicU64,
}

impl Default for CallTimes {
    fn default() -> CallTimes {
        CallTimes { micros: AtomicU64::new(micros(FIRST)) }
    }
}

impl CallTimes {
    /// Begins a call.
    pub fn begin(&self) -> Timed<'_> {
        Timed { times: self, begun: Instant::now(), is_answered: false }
    }

    /// Ticks of one write that goes to so many targets, with so many calls at once.
    pub fn ticks_max(&self, calls_at_once: usize, targets: usize) -> usize {
        let call = self.micros.load(Ordering::Relaxed).max(1);
        let calls = BUDGET.as_micros() * calls_at_once as u128 / (u128::from(call) * targets.max(1) as u128);
        calls.clamp(1, TICKS_MAX) as usize
    }

    fn learn(&self, took: u64) {
        let mean = self.micros.load(Ordering::Relaxed);
        self.micros.store(mean - mean / 8 + took / 8, Ordering::Relaxed);
    }
}

/// A call under way. One that is given up counts too, and never as a fast one.
pub struct Timed<'a> {
    times: &'a CallTimes,
    begun: Instant,
    is_answered: bool,
}

impl Timed<'_> {
    pub fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let took = micros(self.begun.elapsed());
        let mean = self.times.micros.load(Ordering::Relaxed);
        self.times.learn(if self.is_answered { took } else { took.max(mean) });
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(calls: &[u64]) -> CallTimes {
        let times = CallTimes::default();
        calls.iter().for_each(|millis| times.learn(millis * 1_000));
        times
    }

    #[test]
    fn slow_calls_leave_room_for_few_ticks_and_fast_ones_for_many() {
        let (fast, slow) = (after(&[1; 40]), after(&[400; 40]));
        assert_eq!(fast.ticks_max(4, 2), 64);
        assert!((3..=4).contains(&slow.ticks_max(4, 2)), "{}", slow.ticks_max(4, 2));
        assert_eq!(slow.ticks_max(1, 5), 1, "never none");
        assert!(after(&[]).ticks_max(4, 2) >= 32, "before anything is known");
    }

    #[test]
    fn a_call_that_is_given_up_never_makes_calls_look_faster() {
        let times = after(&[400; 40]);
        let before = times.micros.load(Ordering::Relaxed);
        drop(times.begin());
        assert!(times.micros.load(Ordering::Relaxed) >= before - 8);
        times.begin().answered();
        assert!(times.micros.load(Ordering::Relaxed) < before);
    }
}
