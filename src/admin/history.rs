//! The last hour of a run, for charts: lag and rates, a sample a second, in memory and bounded. It is made of the status, beside
//! the row path.

use crate::status::{Phase, Status, StatusSource};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How often the status is sampled.
const EVERY: Duration = Duration::from_secs(1);
/// An hour of samples: 40 bytes each.
const SAMPLES_MAX: usize = 3_600;

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// `None`: not known.
    pub lag_seconds: Option<f64>,
    /// Tailed since the sample before, per second; `None`: nothing is known before it.
    pub changes_per_second: Option<f64>,
    /// Copied since the sample before, likewise.
    pub rows_per_second: Option<f64>,
}

/// The samples of the last hour, oldest first; clones share them.
#[derive(Clone, Debug, Default)]
pub struct History {
    shared: Arc<Mutex<Samples>>,
}

#[derive(Debug, Default)]
struct Samples {
    kept: VecDeque<Sample>,
    /// When the newest was taken, and the totals then: changes tailed, rows copied.
    before: Option<(u64, u64, u64)>,
}

impl History {
    /// Samples until it is dropped.
    pub async fn sample(self, status: StatusSource) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.take(&status());
        }
    }

    /// Takes one sample.
    pub fn take(&self, status: &Status) {
        // a start has no totals yet
        if status.phase == Phase::Starting {
            return;
        }
        let changes = status.tail.inserts + status.tail.updates + status.tail.deletes;
        let rows = status.targets.iter().map(|target| target.rows_copied).sum();
        let mut samples = self.lock();
        let before = samples.before.replace((status.at_ms, changes, rows));
        let rate = |now: u64, then: fn((u64, u64, u64)) -> u64| {
            let before = before.filter(|(at_ms, ..)| *at_ms < status.at_ms)?;
            let seconds = (status.at_ms - before.0) as f64 / 1_000.0;
            Some(now.saturating_sub(then(before)) as f64 / seconds)
        };
        let sample = Sample {
            at_ms: status.at_ms,
            lag_seconds: status.lag.seconds,
            changes_per_second: rate(changes, |(_, changes, _)| changes),
            rows_per_second: rate(rows, |(_, _, rows)| rows),
        };
        if samples.kept.len() >= SAMPLES_MAX {
            samples.kept.pop_front();
        }
        samples.kept.push_back(sample);
    }

    /// All of them.
    pub fn samples(&self) -> Vec<Sample> {
        self.lock().kept.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Lag, TailTotals, TargetStatus};

    fn status(at_ms: u64, changes: u64, rows_copied: u64) -> Status {
        Status {
            at_ms,
            phase: Phase::Tailing,
            lag: Lag { seconds: Some(0.5), ..Lag::default() },
            tail: TailTotals { inserts: changes, ..TailTotals::default() },
            targets: vec![TargetStatus { rows_copied, ..TargetStatus::default() }],
            ..Status::default()
        }
    }

    #[test]
    fn a_sample_has_the_rates_since_the_one_before() {
        let history = History::default();
        history.take(&Status::default());
        history.take(&status(1_000, 50, 900));
        history.take(&status(3_000, 150, 4_900));
        let samples = history.samples();
        assert_eq!(samples.len(), 2, "a start is none");
        assert_eq!((samples[0].changes_per_second, samples[0].rows_per_second), (None, None));
        assert_eq!((samples[1].changes_per_second, samples[1].rows_per_second), (Some(50.0), Some(2_000.0)));
        assert_eq!(samples[1].lag_seconds, Some(0.5));
    }

    #[test]
    fn an_hour_is_kept() {
        let history = History::default();
        (1..=5_000).for_each(|second| history.take(&status(second * 1_000, second, second)));
        let samples = history.samples();
        assert_eq!((samples.len(), samples[0].at_ms), (3_600, 1_401_000));
    }
}
