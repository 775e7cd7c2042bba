//! How far a comparison is, for whoever shows it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// Counters of a comparison. Written by it, read by the display at any time.
#[derive(Debug, Default)]
pub struct Meter {
    /// Items read from MySQL, and from HBase, in all stages.
    pub source_items: AtomicU64,
    pub sink_items: AtomicU64,
    /// Items and counts that are left over from the first reading and are read again until they are equal or confirmed.
    pub candidates: AtomicU64,
    stage: AtomicU8,
}

/// What a comparison does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waits until the tail has written what the source has committed.
    CatchingUp,
    /// Looks through the binlog since a pass began that another process has left.
    Resuming,
    /// Reads both sides once.
    Reading,
    /// Chooses the lists whose answers are compared.
    Drawing,
    /// Asks both sides.
    Asking,
    /// Looks at the items in which the digests differ, and at counts that do not fit.
    LookingCloser,
}

impl Meter {
    pub fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::CatchingUp,
            1 => Stage::Resuming,
            2 => Stage::Reading,
            3 => Stage::Drawing,
            4 => Stage::Asking,
            _ => Stage::LookingCloser,
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    pub(super) fn count(counter: &AtomicU64, items: usize) {
        counter.fetch_add(items as u64, Relaxed);
    }
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::CatchingUp => "waiting for the tail",
            Stage::Resuming => "reading the binlog since the comparison began",
            Stage::Reading => "reading both sides",
            Stage::Drawing => "choosing lists",
            Stage::Asking => "asking both sides",
            Stage::LookingCloser => "comparing what differs",
        }
    }
}
