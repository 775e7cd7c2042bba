//! How far a comparison is, for whoever shows it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// Counters of a comparison. Written by it, read by the display at any time.
#[derive(Debug, Default)]
pub struct Meter {
    /// Rows read from MySQL, and from HBase, in all stages.
    pub source_rows: AtomicU64,
    pub sink_rows: AtomicU64,
    /// Rows that are left over from comparing digests and are read again until they are equal or confirmed.
    pub candidates: AtomicU64,
    stage: AtomicU8,
}

/// What a comparison does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waits until the tail has written what the source has committed.
    CatchingUp,
    /// Reads both sides once.
    Reading,
    /// Looks at the rows in which the digests differ.
    LookingCloser,
}

impl Meter {
    pub fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::CatchingUp,
            1 => Stage::Reading,
            _ => Stage::LookingCloser,
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    pub(super) fn count(counter: &AtomicU64, rows: usize) {
        counter.fetch_add(rows as u64, Relaxed);
    }
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::CatchingUp => "waiting for the tail",
            Stage::Reading => "reading both sides",
            Stage::LookingCloser => "looking at what differs",
        }
    }
}
