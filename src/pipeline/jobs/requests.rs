//! What the tasks of a run ask of the sealer, from the side: marks, counts, and turns at lists.

use crate::lock::ListId;
use crate::protocol::count::Recount;
use crate::protocol::{Journaled, UnprovenMark};
use tokio::sync::{mpsc, oneshot};

/// A request for a mark; answered once it is journaled.
pub type MarkRequest = oneshot::Sender<Journaled<UnprovenMark>>;

/// A request for counts, answered once all of it is done; the answer never comes when the run ends before.
#[derive(Debug)]
pub struct RecountRequest {
    /// Which rows.
    pub recount: Recount,
    /// Dropped without an answer when the run ends before.
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
    /// Without repetition.
    pub lists: Vec<ListId>,
    /// Whether everything that was taken in is to be sealed below the mark: what stands in a batch that is not sealed
    /// yet may lack a target that joined meanwhile.
    pub cut: bool,
    /// Whether the mark is to lie between two transactions, so that each one that is sealed below it is so as a whole.
    pub whole: bool,
    /// Answered when the turn has come.
    pub reply: oneshot::Sender<Turn>,
}

/// A turn at some lists: in these, everything that was sealed below the mark is written, and nothing that was sealed
/// above it is, until this is dropped.
#[derive(Debug)]
pub struct Turn {
    /// Journaled, and not yet proven: the one who reads after it proves it.
    pub mark: Journaled<UnprovenMark>,
    /// Its end is heard on the other side.
    pub under_way: oneshot::Sender<()>,
}

/// What others ask of the sealer.
#[derive(Debug)]
pub struct Requests {
    /// Answered in order, each with a mark of its own.
    pub marks: mpsc::Receiver<MarkRequest>,
    /// For re-copies and for lists that are held.
    pub turns: mpsc::Receiver<TurnRequest>,
    /// From the walks that count, and from re-copies.
    pub recounts: mpsc::Receiver<RecountRequest>,
}
