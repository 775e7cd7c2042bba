//! How much a window may have: as much as is surely written within a lease.
//!
//! Counted rows are reckoned in steps, each what one batch does to one row. Steps of different rows go side by side and those of one row do
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

/// How many plain rows a window may have, and how many windows are under way at once: less after one that did not end
/// before the deadline of its leases, more again as windows end early. So there is progress at any speed of the sink above
/// one list for each lease.
#[derive(Debug)]
pub struct WindowPace {
    rows: usize,
    windows: usize,
    rows_max: usize,
    windows_max: usize,
}

/// Parts that the rows of a window are asked for in while the sink is slow.
const PARTS: usize = 8;

impl WindowPace {
    pub fn at_most(rows_max: usize, windows_max: usize) -> WindowPace {
        let (rows_max, windows_max) = (rows_max.max(1), windows_max.max(1));
        WindowPace { rows: rows_max, windows: windows_max, rows_max, windows_max }
    }

    /// The most rows are others now.
    pub fn bind(&mut self, rows_max: usize) {
        let rows_max = rows_max.max(1);
        self.rows = if self.rows < self.rows_max { self.rows.min(rows_max) } else { rows_max };
        self.rows_max = rows_max;
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn windows(&self) -> usize {
        self.windows
    }

    pub fn is_slow(&self) -> bool {
        self.rows < self.rows_max || self.windows < self.windows_max
    }

    /// Rows that are asked for together: all, until a window was too slow.
    pub fn at_once(&self) -> usize {
        if self.is_slow() { self.rows.div_ceil(PARTS) } else { usize::MAX }
    }

    /// A window did not end before its deadline.
    pub fn missed(&mut self) {
        match self.rows {
            1 => self.windows = (self.windows / 2).max(1),
            rows => self.rows = rows / 2,
        }
    }

    /// A window of `rows` ended in its time.
    pub fn ended(&mut self, rows: usize, took: Duration, lease: Duration) {
        if !self.is_slow() || took > lease / PART_OF_LEASE || rows < self.rows / 2 {
            return;
        }
        match self.windows < self.windows_max {
            true => self.windows += 1,
            false => self.rows = (self.rows * 2).min(self.rows_max),
        }
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
    fn windows_get_smaller_after_a_deadline_and_larger_again_later() {
        let mut pace = WindowPace::at_most(16_384, 4);
        assert_eq!((pace.rows(), pace.windows(), pace.at_once()), (16_384, 4, usize::MAX));
        (0..3).for_each(|_| pace.missed());
        assert_eq!((pace.rows(), pace.windows(), pace.at_once()), (2_048, 4, 256));
        pace.ended(2_048, LEASE, LEASE);
        pace.ended(10, Duration::ZERO, LEASE);
        assert_eq!(pace.rows(), 2_048, "one that took long, and one that proves nothing");
        (0..30).for_each(|_| pace.missed());
        assert_eq!((pace.rows(), pace.windows()), (1, 1));
        (0..30).for_each(|_| pace.ended(pace.rows(), Duration::ZERO, LEASE));
        assert_eq!((pace.rows(), pace.windows(), pace.is_slow()), (16_384, 4, false));
    }

    #[test]
    fn another_bound_holds_at_once_and_does_not_forget_that_the_sink_is_slow() {
        let mut pace = WindowPace::at_most(2_000, 1);
        pace.bind(8_000);
        assert_eq!((pace.rows(), pace.is_slow()), (8_000, false));
        pace.missed();
        pace.bind(10_000);
        assert_eq!((pace.rows(), pace.is_slow()), (4_000, true));
        pace.bind(500);
        assert_eq!((pace.rows(), pace.is_slow()), (500, false));
    }

    #[test]
    fn a_window_that_brought_nothing_to_its_end_makes_the_next_one_small_but_never_empty() {
        let pace = CountedPace::default();
        (0..20).for_each(|_| pace.learn(0, Duration::from_secs(600)));
        assert_eq!(pace.steps_max(LEASE), 1);
    }
}
