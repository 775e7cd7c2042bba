//! How many counted rows a window may have: as many as are surely written within a lease.
//!
//! Reckoned in steps, each what one batch does to one row. Steps of different rows go side by side and those of one row do
//! not, so that a window on a busy list teaches that steps are slow, and one on many lists that they are fast.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The part of a lease that a window's counted rows should take: others write meanwhile, and calls vary.
const PART_OF_LEASE: u32 = 4;
/// What a step is taken to cost before any was seen.
const FIRST: Duration = Duration::from_millis(1);

/// How long a step takes in a window: a mean in which the last window has half.
#[derive(Debug)]
pub struct CountedPace {
    micros: AtomicU64,
}

impl Default for CountedPace {
    fn default() -> CountedPace {
        CountedPace { micros: AtomicU64::new(micros(FIRST)) }
    }
}

impl CountedPace {
    /// Steps that a window has done in its time.
    pub fn learn(&self, steps: u64, took: Duration) {
        let step = micros(took) / steps.max(1);
        self.micros.store(u64::midpoint(self.micros.load(Relaxed), step), Relaxed);
    }

    /// Steps of one window, at least one.
    pub fn steps_max(&self, lease: Duration) -> usize {
        let steps = micros(lease / PART_OF_LEASE) / self.micros.load(Relaxed).max(1);
        usize::try_from(steps).unwrap_or(usize::MAX).max(1)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(6);

    #[test]
    fn a_slow_sink_gets_small_windows_and_a_fast_one_large_ones_again() {
        let pace = CountedPace::default();
        assert_eq!(pace.steps_max(LEASE), 1_500, "a quarter of the lease, at a millisecond each");
        (0..20).for_each(|_| pace.learn(100, Duration::from_secs(5)));
        assert!((29..=31).contains(&pace.steps_max(LEASE)), "{} at 50 ms each", pace.steps_max(LEASE));
        (0..20).for_each(|_| pace.learn(30, Duration::from_millis(10)));
        assert!(pace.steps_max(LEASE) > 4_000, "a window of few rows does not hold for ever");
    }

    #[test]
    fn a_window_that_brought_nothing_to_its_end_makes_the_next_one_small_but_never_empty() {
        let pace = CountedPace::default();
        (0..20).for_each(|_| pace.learn(0, Duration::from_secs(600)));
        assert_eq!(pace.steps_max(LEASE), 1);
    }
}
