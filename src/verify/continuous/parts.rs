//! What a continuous verification is made of, and what it asks of its run.

use crate::model::TargetId;
use crate::sink::layout::Address;
use crate::status::ContinuousStatus;
use crate::store::Store;
use crate::store::records::VerdictRecord;
use crate::verify::Verification;
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long the rows of a round last at the bound.
pub const ROUND: Duration = Duration::from_secs(2);
/// Rows of a round at most: what is read at once stays small, whatever the bound is.
const ROUND_ROWS_MAX: usize = 2_000;

/// The run that a continuous verification belongs to.
#[async_trait]
pub trait RunView: Send + Sync {
    /// What has to be over before anything can be compared, as a noun; `None`: it can be.
    fn waits_for(&self) -> Option<String>;

    /// Another number whenever HBase may have shown an older state since.
    fn turn(&self) -> u64;

    /// The targets that should be equal now: copied, not parked, and without a gap.
    async fn comparable(&self) -> BTreeSet<TargetId>;

    /// About how many rows a target has; 0: not known.
    fn rows_estimated(&self, target: TargetId) -> u64;

    /// A uniform sample of the addresses that the tail has written since the last call, [`recent_room`] at most.
    fn take_recent(&self) -> Vec<(TargetId, Address)>;

    /// Keeps the verdict of a walk. What goes wrong is said in the log.
    async fn keep(&self, verdict: VerdictRecord);

    /// What a person sees.
    fn show(&self, status: ContinuousStatus);

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// A continuous verification, and what it needs.
pub struct Continuous {
    /// With the run's tail as its live one.
    pub with: Verification,
    pub run: Arc<dyn RunView>,
    /// Of the run.
    pub store: Arc<dyn Store>,
    /// The bound: addresses that are compared in a second. At least 1.
    pub rows_per_second: u32,
}

/// How many recent changes a round compares at most.
pub fn recent_room(rows_per_second: u32) -> usize {
    (round_rows(rows_per_second) / 2).max(1)
}

/// Rows of a round.
pub fn round_rows(rows_per_second: u32) -> usize {
    (rows_per_second as usize).saturating_mul(ROUND.as_secs() as usize).clamp(1, ROUND_ROWS_MAX)
}
