//! How long calls that write rows took lately.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// Older calls say nothing about the present.
const LATELY: Duration = Duration::from_secs(10);
/// Calls that are kept.
const CALLS_MAX: usize = 2_048;

/// The calls of the last ten seconds.
#[derive(Debug, Default)]
pub struct WriteMeter {
    calls: Mutex<VecDeque<(Instant, Duration)>>,
}

impl WriteMeter {
    /// A call ended now that began then, however it ended.
    pub fn ended(&self, begun: Instant) {
        let mut calls = self.calls();
        if calls.len() >= CALLS_MAX {
            calls.pop_front();
        }
        let now = Instant::now();
        calls.push_back((now, now - begun));
    }

    /// The 99th percentile; `None`: nothing was called lately.
    pub fn p99(&self) -> Option<Duration> {
        let mut calls = self.calls();
        while calls.front().is_some_and(|(ended, _)| ended.elapsed() > LATELY) {
            calls.pop_front();
        }
        let mut took: Vec<Duration> = calls.iter().map(|(_, took)| *took).collect();
        took.sort_unstable();
        let rank = (took.len() * 99).div_ceil(100);
        took.get(rank.checked_sub(1)?).copied()
    }

    fn calls(&self) -> MutexGuard<'_, VecDeque<(Instant, Duration)>> {
        // no method panics between two changes that belong together
        self.calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn the_percentile_is_of_the_last_ten_seconds() {
        let meter = WriteMeter::default();
        assert_eq!(meter.p99(), None);
        for milliseconds in 1..=200 {
            let begun = Instant::now();
            advance(Duration::from_millis(milliseconds % 10)).await;
            meter.ended(begun);
        }
        assert_eq!(meter.p99(), Some(Duration::from_millis(9)));
        let begun = Instant::now();
        advance(Duration::from_secs(9)).await;
        meter.ended(begun);
        assert!(meter.p99() < Some(Duration::from_secs(9)), "one of many");
        advance(LATELY).await;
        assert_eq!(meter.p99(), Some(Duration::from_secs(9)), "only the last is not too old");
        advance(Duration::from_secs(1)).await;
        assert_eq!(meter.p99(), None);
    }
}
