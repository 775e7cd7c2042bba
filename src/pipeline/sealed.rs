//! What goes into the sealer from the side, and what comes out of it.

use crate::lock::ListId;
use crate::model::{GtidSet, Tick, Witness};
use crate::protocol::count::{ListRecount, Recount};
use crate::protocol::{Entry, Journaled, ListWrites, UnprovenMark};
use crate::source::BinlogPlace;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// What the sealer hands to the journaling task, in the order of ticks.
#[derive(Debug)]
pub enum Sealed {
    Batch(Box<SealedBatch>),
    Mark {
        mark: UnprovenMark,
        reply: oneshot::Sender<Journaled<UnprovenMark>>,
    },
    /// Counts that are set or taken away at a mark of their own; answered once that is done.
    Recount {
        mark: UnprovenMark,
        lists: Vec<ListRecount>,
        reply: oneshot::Sender<()>,
    },
    /// A place in the queues of some lists, at a mark of its own.
    Turn {
        mark: UnprovenMark,
        lists: Vec<ListId>,
        reply: oneshot::Sender<Turn>,
    },
    /// The source moved on without a change of a mapped table.
    Advance(Boundary),
}

/// A group of consecutive changes with one tick.
#[derive(Debug)]
pub struct SealedBatch {
    pub tick: Tick,
    /// `None`: in the journal already.
    pub entry: Option<Entry>,
    pub writes: Vec<ListWrites>,
    /// Set when the batch ends at the end of a transaction.
    pub boundary: Option<Boundary>,
    /// When the transactions that end in this batch were committed, microseconds since 1970.
    pub committed_micros: Vec<u64>,
    /// Its share of the bound on changes read and not yet written.
    pub permit: Option<OwnedSemaphorePermit>,
    pub changes: u64,
}

/// A place between two transactions and two batches: what a checkpoint may name.
#[derive(Clone, Debug, Default)]
pub struct Boundary {
    /// The transactions that ended since the boundary before.
    pub gtids: GtidSet,
    pub at: BinlogPlace,
    /// The last of them whose time is known.
    pub witness: Option<Witness>,
}

/// A request for a mark; answered once it is journaled.
pub type MarkRequest = oneshot::Sender<Journaled<UnprovenMark>>;

/// A request for counts, answered once all of it is done; the answer never comes when the run ends before.
#[derive(Debug)]
pub struct RecountRequest {
    pub recount: Recount,
    pub reply: oneshot::Sender<()>,
}

/// Asks for counts and waits until it is done; `false` when nobody answers any more.
pub async fn recount(requests: &mpsc::Sender<RecountRequest>, recount: Recount) -> bool {
    let (reply, answer) = oneshot::channel();
    requests.send(RecountRequest { recount, reply }).await.is_ok() && answer.await.is_ok()
}

/// A request for a turn at some lists, without repetition; the answer never comes when the run ends before.
#[derive(Debug)]
pub struct TurnRequest {
    pub lists: Vec<ListId>,
    /// Whether everything that was taken in is to be sealed below the mark: what stands in a batch that is not sealed
    /// yet may lack a target that joined meanwhile.
    pub cut: bool,
    /// Whether the mark is to lie between two transactions, so that each one that is sealed below it is so as a whole.
    pub whole: bool,
    pub reply: oneshot::Sender<Turn>,
}

/// A turn at some lists: in these, everything that was sealed below the mark is written, and nothing that was sealed
/// above it is, until this is dropped.
#[derive(Debug)]
pub struct Turn {
    pub mark: Journaled<UnprovenMark>,
    /// Its end is heard on the other side.
    pub under_way: oneshot::Sender<()>,
}

/// What others ask of the sealer.
#[derive(Debug)]
pub struct Requests {
    pub marks: mpsc::Receiver<MarkRequest>,
    pub turns: mpsc::Receiver<TurnRequest>,
    pub recounts: mpsc::Receiver<RecountRequest>,
}
