//! How much was read from the gateways.

use crate::sink::ReadTotals;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts calls that read, and what they brought; also what a caller did not ask for and never sees.
#[derive(Debug, Default)]
pub struct ReadMeter {
    calls: AtomicU64,
    rows: AtomicU64,
    cells: AtomicU64,
}

impl ReadMeter {
    /// So many calls that were answered, and how many cells each row has that they brought.
    pub fn count(&self, calls: u64, cells: impl Iterator<Item = usize>) {
        let cells: Vec<u64> = cells.filter(|cells| *cells > 0).map(|cells| cells as u64).collect();
        self.calls.fetch_add(calls, Relaxed);
        self.rows.fetch_add(cells.len() as u64, Relaxed);
        self.cells.fetch_add(cells.iter().sum(), Relaxed);
    }

    pub fn total(&self) -> ReadTotals {
        ReadTotals {
            calls: self.calls.load(Relaxed),
            rows: self.rows.load(Relaxed),
            cells: self.cells.load(Relaxed),
        }
    }
}
