//! Which of two numbers of calls is the better one.

/// By how much more rows a second the larger number must move to be worth it: more calls under way make
/// single calls slower, and hold more of HBase's memory. (Natural logarithm, like all comparisons here.)
const WORTH: f64 = 0.06;

/// Pairs of epochs before a verdict, and at most.
const PAIRS_MIN: u32 = 2;
const PAIRS_MAX: u32 = 8;

/// How far the mean of the first pairs must be from [`WORTH`] for an early verdict, times the square root
/// of their number: two standard deviations where an epoch is off by up to a fifth either way (a
/// uniform error of 20 % has a standard deviation of 0.115, the quotient of two epochs of 0.16).
const SLACK: f64 = 0.32;

/// A pair says at most this much: a pause of a server or a burst of other programs must not decide alone.
const PAIR_MAX: f64 = 0.35;

/// A comparison of the present number of calls with another one.
///
/// Epochs with both alternate in the order ABBA, so that a rate that drifts (caches that warm up, a table
/// that grows) favours neither.
#[derive(Clone, Debug)]
pub struct Trial {
    present: usize,
    challenger: usize,
    epochs: u32,
    /// The rate of the first epoch of a pair that is not complete.
    first: f64,
    /// Sum over the pairs of how much more the larger number moved.
    gains: f64,
}

/// What a trial says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Open,
    Use(usize),
}

impl Trial {
    /// Two different numbers of calls.
    pub fn new(present: usize, challenger: usize) -> Trial {
        Trial { present, challenger, epochs: 0, first: 0.0, gains: 0.0 }
    }

    /// The number to use in this epoch.
    pub fn calls(&self) -> usize {
        match self.epochs % 4 {
            0 | 3 => self.present,
            _ => self.challenger,
        }
    }

    pub fn low(&self) -> usize {
        self.present.min(self.challenger)
    }

    /// Takes the rate (rows a second) of an epoch with [`Trial::calls`].
    pub fn learn(&mut self, rate: f64) -> Verdict {
        let is_larger = self.calls() > self.low();
        self.epochs += 1;
        if self.epochs % 2 == 1 {
            self.first = rate;
            return Verdict::Open;
        }
        let gain = match is_larger {
            true => (rate / self.first).ln(),
            false => (self.first / rate).ln(),
        };
        self.gains += gain.clamp(-PAIR_MAX, PAIR_MAX);
        self.verdict()
    }

    fn verdict(&self) -> Verdict {
        let pairs = self.epochs / 2;
        let beyond = self.gains / f64::from(pairs) - WORTH;
        let slack = SLACK / f64::from(pairs).sqrt();
        if pairs < PAIRS_MAX && (pairs < PAIRS_MIN || beyond.abs() < slack) {
            return Verdict::Open;
        }
        Verdict::Use(if beyond > 0.0 { self.present.max(self.challenger) } else { self.low() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of(present: usize, challenger: usize, rate: impl Fn(usize, u32) -> f64) -> (usize, u32) {
        let mut trial = Trial::new(present, challenger);
        for epoch in 1.. {
            if let Verdict::Use(calls) = trial.learn(rate(trial.calls(), epoch)) {
                return (calls, epoch);
            }
        }
        unreachable!("a trial ends after {PAIRS_MAX} pairs")
    }

    #[test]
    fn what_is_clear_is_decided_after_two_pairs() {
        let grows = |calls: usize, _| calls as f64 * 1_000.0;
        assert_eq!(verdict_of(2, 3, grows), (3, 4));
        assert_eq!(verdict_of(2, 1, grows), (2, 4));
        let falls = |calls: usize, _| 1_000.0 / calls as f64;
        assert_eq!(verdict_of(2, 3, falls), (2, 4));
        assert_eq!(verdict_of(3, 2, falls), (2, 4));
    }

    #[test]
    fn of_two_that_are_as_good_the_smaller_is_used() {
        assert_eq!(verdict_of(2, 3, |_, _| 1_000.0).0, 2);
        assert_eq!(verdict_of(3, 2, |_, _| 1_000.0).0, 2);
        let hardly = |calls: usize, _| 1_000.0 + calls as f64 * 10.0;
        assert_eq!((verdict_of(2, 3, hardly).0, verdict_of(3, 2, hardly).0), (2, 2));
    }

    #[test]
    fn a_rate_that_drifts_favours_neither() {
        for drift in [0.9_f64, 0.95, 1.05, 1.1] {
            let rate = |calls: usize, epoch: u32| drift.powi(epoch as i32) * (1.0 + 0.2 * calls as f64);
            assert_eq!((verdict_of(2, 3, rate).0, verdict_of(3, 2, rate).0), (3, 3), "{drift}");
            let flat = |_, epoch: u32| drift.powi(epoch as i32);
            assert_eq!((verdict_of(2, 3, flat).0, verdict_of(3, 2, flat).0), (2, 2), "{drift}");
        }
    }

    #[test]
    fn one_pause_decides_nothing() {
        for pause in 1..=16 {
            let paused = move |epoch: u32| if epoch == pause { 0.01 } else { 1.0 };
            let rate = |calls: usize, epoch: u32| paused(epoch) * (1.0 + 0.25 * calls as f64);
            assert_eq!((verdict_of(2, 3, rate).0, verdict_of(3, 2, rate).0), (3, 3), "{pause}");
            let flat = |_, epoch: u32| paused(epoch);
            assert_eq!((verdict_of(2, 3, flat).0, verdict_of(3, 2, flat).0), (2, 2), "{pause}");
        }
    }
}
