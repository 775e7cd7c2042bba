//! How far HBase is behind the source.
//!
//! Two things say up to which moment everything is written: the commit time of the newest transaction that `written` has
//! passed, and looks at the source, each a moment with what the source had committed by then. Once `written` holds all of a
//! look, everything that was committed before its moment is in HBase. The lag is the time since the later of the two, so it
//! is never less than the age of the oldest transaction that the source has and HBase has not, also where nobody can ask the
//! source, and never more than a second above it while the source answers.

use crate::model::Reached;
use hdrhistogram::Histogram;
use std::collections::VecDeque;

/// A look that is older says nothing about the present, microseconds.
pub const FRESH_MICROS: u64 = 2_500_000;
/// Looks that are kept while `written` stands still; every second one goes when there are more.
const LOOKS_MAX: usize = 1_024;
/// The width of a slot of the windows, microseconds, and how many there are: ten minutes.
const SLOT_MICROS: u64 = 10_000_000;
const SLOTS: u64 = 60;
/// A longer way from commit to written counts as a day, microseconds.
const LONGEST_MICROS: u64 = 86_400_000_000;

/// What a run knows of its lag.
pub struct Lag {
    /// Those that `written` has not passed, oldest first.
    looks: VecDeque<Look>,
    /// Everything that the source had committed by then is written, microseconds since 1970.
    written_up_to: Option<u64>,
    /// When the newest look began.
    looked_at: Option<u64>,
    /// Bytes of binlog between `written` and the source's end, at the newest look.
    bytes: Option<u64>,
    /// Commit to written over the run, microseconds.
    all: Histogram<u64>,
    /// The same for each slot of time, by number, oldest first.
    slots: VecDeque<(u64, Histogram<u32>)>,
}

struct Look {
    at_micros: u64,
    has: Reached,
}

/// How far `written` is behind the source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behind {
    /// Since when HBase may lack something; 0: it lacked nothing at the newest look, and has all that was read since.
    /// `None`: nobody knows.
    pub micros: Option<u64>,
    /// Bytes of binlog; `None`: nobody knows.
    pub bytes: Option<u64>,
    /// Whether the source answered the newest look in time.
    pub source_answers: bool,
}

/// From commit at the source to written in HBase, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantiles {
    pub transactions: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Default for Lag {
    fn default() -> Lag {
        Lag {
            looks: VecDeque::new(),
            written_up_to: None,
            looked_at: None,
            bytes: None,
            // two digits: 20 kB
            all: Histogram::new_with_bounds(1, LONGEST_MICROS, 2).expect("the bounds are valid"),
            slots: VecDeque::new(),
        }
    }
}

impl Lag {
    /// The source answered a look that began at `at_micros`: it `has` committed these, and its binlog ends `bytes` behind
    /// `written`.
    pub fn source_answered(&mut self, at_micros: u64, has: Reached, bytes: Option<u64>) {
        self.looked_at = Some(at_micros);
        self.bytes = bytes;
        if self.looks.len() >= LOOKS_MAX {
            let mut even = false;
            self.looks.retain(|_| {
                even = !even;
                even
            });
        }
        self.looks.push_back(Look { at_micros, has });
    }

    /// Bytes of binlog between `written` and the source's end, at the newest look that knew.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// Transactions with these commit times are written, as are all before them.
    pub fn passed(&mut self, committed_micros: &[u64]) {
        self.written_up_to =
            self.written_up_to.max(committed_micros.iter().copied().max().filter(|at| *at > 0));
    }

    /// Transactions with these commit times were written at `now_micros`, in whatever order.
    pub fn written(&mut self, now_micros: u64, committed_micros: &[u64]) {
        let slot = now_micros / SLOT_MICROS;
        self.forget_before(slot);
        if self.slots.back().is_none_or(|(last, _)| *last < slot) {
            self.slots.push_back((slot, Histogram::new(2).expect("two digits are valid")));
        }
        for committed in committed_micros.iter().filter(|committed| **committed > 0) {
            let micros = now_micros.saturating_sub(*committed).clamp(1, LONGEST_MICROS);
            self.all.saturating_record(micros);
            if let Some((_, histogram)) = self.slots.back_mut() {
                histogram.record(micros).ok(); // it grows up to a day
            }
        }
    }

    fn forget_before(&mut self, slot: u64) {
        while self.slots.front().is_some_and(|(first, _)| first + SLOTS < slot) {
            self.slots.pop_front();
        }
    }

    /// How far HBase is behind now, where it has all of `written` and the run has read all of `received`.
    pub fn behind(&mut self, now_micros: u64, written: &Reached, received: &Reached) -> Behind {
        while self.looks.front().is_some_and(|look| written.contains_set(&look.has)) {
            let passed = self.looks.pop_front().map(|look| look.at_micros);
            self.written_up_to = self.written_up_to.max(passed);
        }
        let fresh = self.looked_at.is_some_and(|at| now_micros.saturating_sub(at) <= FRESH_MICROS);
        if fresh && self.looks.is_empty() && written.contains_set(received) {
            return Behind { micros: Some(0), bytes: Some(0), source_answers: true };
        }
        let micros = self.written_up_to.map(|at| now_micros.saturating_sub(at));
        Behind { micros, bytes: self.bytes.filter(|_| fresh), source_answers: fresh }
    }

    pub fn over_the_run(&self) -> Quantiles {
        quantiles(&self.all)
    }

    pub fn last_minute(&self, now_micros: u64) -> Quantiles {
        self.over_slots(now_micros, 6)
    }

    pub fn last_ten_minutes(&self, now_micros: u64) -> Quantiles {
        self.over_slots(now_micros, SLOTS)
    }

    /// Over the last `slots` whole slots and the present one.
    fn over_slots(&self, now_micros: u64, slots: u64) -> Quantiles {
        let first = (now_micros / SLOT_MICROS).saturating_sub(slots);
        let mut sum = Histogram::<u64>::new(2).expect("two digits are valid");
        for (_, histogram) in self.slots.iter().filter(|(slot, _)| *slot >= first) {
            for value in histogram.iter_recorded() {
                sum.record_n(value.value_iterated_to(), value.count_at_value().into()).ok(); // it grows
            }
        }
        quantiles(&sum)
    }
}

fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    Quantiles { transactions: histogram.len(), p50_ms: ms(0.5), p99_ms: ms(0.99) }
}

#[cfg(test)]
#[path = "lag_tests.rs"]
mod tests;
