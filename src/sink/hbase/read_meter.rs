//! How much was read from the gateways.

use super::thrift::TResult;
use crate::sink::ReadCount;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts calls that read, and what they brought; also what a caller did not ask for and never sees.
#[derive(Debug, Default)]
pub struct ReadMeter {
    calls: AtomicU64,
    rows: AtomicU64,
    cells: AtomicU64,
}

impl ReadMeter {
    /// One call that was answered.
    pub fn count(&self, results: &[TResult]) {
        let found = results.iter().filter(|result| !result.column_values.is_empty());
        let cells: usize = results.iter().map(|result| result.column_values.len()).sum();
        self.calls.fetch_add(1, Relaxed);
        self.rows.fetch_add(found.count() as u64, Relaxed);
        self.cells.fetch_add(cells as u64, Relaxed);
    }

    pub fn total(&self) -> ReadCount {
        ReadCount {
            calls: self.calls.load(Relaxed),
            rows: self.rows.load(Relaxed),
            cells: self.cells.load(Relaxed),
        }
    }
}
