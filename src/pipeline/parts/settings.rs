//! What a run is made of, and its numbers.

use crate::clock::Clock;
use crate::failpoints::Failpoints;
use crate::lock::Leases;
use crate::model::FileLimits;
use crate::pipeline::jobs::{Holds, Levers, Recent};
use crate::pipeline::parts::definitions::Definitions;
use crate::pipeline::progress::Progress;
use crate::pipeline::throttle::Throttle;
use crate::protocol::Plan;
use crate::sink::Sink;
use crate::source::Source;
use crate::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// The rooms that a run uses, each behind its seam. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The source's name in the store.
    pub source_name: String,
    /// MySQL, or the simulation's double.
    pub source: Arc<dyn Source>,
    /// HBase, or a double; its targets are those of `plan`.
    pub sink: Arc<dyn Sink>,
    /// Locked by this process.
    pub store: Arc<dyn Store>,
    /// Clones share what is held.
    pub leases: Leases,
    /// What ticks stay near (I6).
    pub clock: Arc<dyn Clock>,
    /// The mappings, and which of their targets are parked.
    pub plan: Arc<Plan>,
    /// Do not change while the run lasts.
    pub settings: Arc<Settings>,
    /// Written by all tasks.
    pub progress: Arc<Progress>,
    /// Lists that are held up for readers in other processes.
    pub holds: Holds,
    /// What a person wants of the tail and of the backfill. Read from the store when a run begins.
    pub levers: Levers,
    /// How fast history is read.
    pub throttle: Throttle,
    /// What rows mean at each position. Read from the store when a run begins.
    pub definitions: Definitions,
    /// A sample of what the tail writes, where somebody compares it later.
    pub recent: Recent,
}

/// The numbers of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A batch is sealed at the end of the transaction that reaches this many changes; a transaction
    /// alone above it is cut into parts of this size.
    pub batch_rows: u64,
    /// Or this long after its first change, at the end of a transaction.
    pub batch_wait: Duration,
    /// Rows that are regrouped and written together at most.
    pub window_rows: usize,
    /// Changes that may be read and not yet written.
    pub queue_rows: u32,
    /// Windows that are under way at once.
    pub writes_at_once: usize,
    /// The least time between two checkpoints.
    pub checkpoint_every: Duration,
    /// How long passing errors of source or sink may go on.
    pub retry_for: Duration,
    /// How long a (re)connect waits for the source to contain what was journaled.
    pub source_wait: Duration,
    /// The least time between two marks.
    pub mark_every: Duration,
    /// How often the source is asked whether it still is the one that is tailed.
    pub look_every: Duration,
    /// How often HBase's clock is looked at.
    pub clock_every: Duration,
    /// Half the purge delay: the age at which a mark is no longer used.
    pub mark_age_max: Duration,
    /// Of the copy, as the configuration has them; `throttle` knows those that hold.
    pub limits: FileLimits,
    /// Chunks whose rows are put in HBase's order together.
    pub span_chunks: usize,
    /// Rows of a counted target that a walk looks at, and has counted, together.
    pub count_rows: usize,
    /// How long a write that was sent may hang in a gateway and still land.
    pub late_write: Duration,
    /// How long a stop may take to finish what is under way.
    pub drain_for: Duration,
    /// What tests turn off.
    pub failpoints: Failpoints,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            batch_rows: 2_000,
            batch_wait: Duration::from_millis(5),
            window_rows: 16_384,
            queue_rows: 65_536,
            writes_at_once: 4,
            checkpoint_every: Duration::from_secs(1),
            retry_for: Duration::from_secs(600),
            source_wait: Duration::from_secs(60),
            mark_every: Duration::from_secs(1),
            look_every: Duration::from_secs(3),
            clock_every: Duration::from_secs(60),
            mark_age_max: Duration::from_secs(7 * 86_400),
            limits: FileLimits::default(),
            span_chunks: 16,
            count_rows: 500,
            late_write: Duration::from_secs(45),
            drain_for: Duration::from_secs(3),
            failpoints: Failpoints::default(),
        }
    }
}
