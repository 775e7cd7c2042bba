//! How long each side took for an answer, by query.

use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest time that is told apart, microseconds.
const MICROS_MAX: u64 = 60_000_000;

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Mysql,
    Hbase,
}

/// Times by query and side.
pub struct Times(Vec<[Histogram<u64>; 2]>);

impl Times {
    /// Of so many queries.
    pub fn of(queries: usize) -> Times {
        let new = || Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("these bounds are valid");
        Times((0..queries).map(|_| [new(), new()]).collect())
    }

    /// An answer to a query has come.
    pub fn took(&mut self, query: usize, by: By, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0[query][by as usize].saturating_record(micros.clamp(1, MICROS_MAX));
    }

    /// Median and 99th percentile, milliseconds.
    pub fn p50_p99_ms(&self, query: usize, by: By) -> (f64, f64) {
        let ms = |quantile| self.0[query][by as usize].value_at_quantile(quantile) as f64 / 1_000.0;
        (ms(0.5), ms(0.99))
    }
}
