//! What comes out of the sealer.

use crate::lock::ListId;
use crate::model::{Reached, Tick, Witness};
use crate::pipeline::jobs::requests::Turn;
use crate::protocol::count::ListRecount;
use crate::protocol::{Entry, Journaled, ListWrites, UnprovenMark};
use crate::source::BinlogPlace;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What the sealer hands to the journaling task, in the order of ticks.
#[derive(Debug)]
pub enum Sealed {
    /// Changes, to be journaled and then written.
    Batch(Box<SealedBatch>),
    /// A mark for chunks.
    Mark {
        /// Its tick is above every batch before it.
        mark: UnprovenMark,
        /// Answered once the journal holds it.
        reply: oneshot::Sender<Journaled<UnprovenMark>>,
    },
    /// Counts that are set or taken away at a mark of their own; answered once that is done.
    Recount {
        /// The tick of the counts.
        mark: UnprovenMark,
        /// Each with its rows.
        lists: Vec<ListRecount>,
        /// Answered once every row is done.
        reply: oneshot::Sender<()>,
    },
    /// A place in the queues of some lists, at a mark of its own.
    Turn {
        /// What is sealed above it waits in these lists.
        mark: UnprovenMark,
        /// Without repetition.
        lists: Vec<ListId>,
        /// Answered once everything below the mark is written in them.
        reply: oneshot::Sender<Turn>,
    },
    /// The source moved on without a change of a mapped table.
    Advance(Boundary),
}

/// A group of consecutive changes with one tick.
#[derive(Debug)]
pub struct SealedBatch {
    /// The timestamp of all its writes.
    pub tick: Tick,
    /// `None`: in the journal already.
    pub entry: Option<Entry>,
    /// By list and target.
    pub writes: Vec<ListWrites>,
    /// Set when the batch ends at the end of a transaction.
    pub boundary: Option<Boundary>,
    /// When the transactions that end in this batch were committed, microseconds since 1970.
    pub committed_micros: Vec<u64>,
    /// Its share of the bound on changes read and not yet written.
    pub permit: Option<OwnedSemaphorePermit>,
    /// As MySQL logged them, before coalescing.
    pub changes: u64,
}

/// A place between two transactions and two batches: what a checkpoint may name.
#[derive(Clone, Debug, Default)]
pub struct Boundary {
    /// The transactions that ended since the boundary before.
    pub transactions: Reached,
    /// Where the next transaction begins.
    pub at: BinlogPlace,
    /// The last of them whose time is known.
    pub witness: Option<Witness>,
}
