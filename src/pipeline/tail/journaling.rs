//! Journaling: makes sealed ticks durable, many in one commit, and only then passes them on (I2).
//!
//! Sealing the next batch does not wait for the commit; sending does.

use crate::lock::ListId;
use crate::model::Tick;
use crate::pipeline::jobs::requests::Turn;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::tail::sealed::{Boundary, Sealed, SealedBatch};
use crate::protocol::count::ListRecount;
use crate::protocol::{Entry, Journal, Journaled, ListWrites, Pending, ProtocolError, Receipt, UnprovenMark};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Entries that share one durable commit at most.
const TOGETHER: usize = 256;

/// What the journaling task hands to the writer, in the order of ticks.
#[derive(Debug)]
pub enum Ready {
    Batch(ReadyBatch),
    Recount { lists: Vec<Journaled<ListRecount>>, reply: oneshot::Sender<()> },
    Turn { mark: Journaled<UnprovenMark>, lists: Vec<ListId>, reply: oneshot::Sender<Turn> },
    Advance(Boundary),
}

/// A batch whose tick is durable: it may be sent.
#[derive(Debug)]
pub struct ReadyBatch {
    pub tick: Tick,
    pub writes: Vec<Journaled<ListWrites>>,
    pub boundary: Option<Boundary>,
    pub committed_micros: Vec<u64>,
    pub permit: Option<OwnedSemaphorePermit>,
    pub changes: u64,
}

/// Journals until the sealer is gone.
pub async fn journal(
    parts: &Parts,
    mut sealed: mpsc::Receiver<Sealed>,
    ready: mpsc::Sender<Ready>,
) -> Result<(), ProtocolError> {
    let journal = Journal::new(parts.store.clone(), parts.source_name.clone());
    let mut last_mark = None;
    let mut together = Vec::with_capacity(TOGETHER);
    while sealed.recv_many(&mut together, TOGETHER).await > 0 {
        let pending: Vec<Pending> = together.iter().filter_map(pending).collect();
        let receipt = journal.append(&pending, &mut last_mark).await?;
        for item in together.drain(..) {
            if pass_on(item, &receipt, &ready).await.is_err() {
                return Ok(()); // the writer is gone: its error is the one to report
            }
        }
    }
    Ok(())
}

fn pending(item: &Sealed) -> Option<Pending> {
    match item {
        Sealed::Batch(batch) => Some(Pending { tick: batch.tick, entry: batch.entry.clone() }),
        Sealed::Mark { mark, .. } | Sealed::Recount { mark, .. } | Sealed::Turn { mark, .. } => {
            Some(pending_mark(mark))
        }
        Sealed::Advance(_) => None,
    }
}

fn pending_mark(mark: &UnprovenMark) -> Pending {
    Pending { tick: mark.tick, entry: Some(Entry::Mark { proof: mark.proof.clone() }) }
}

async fn pass_on(item: Sealed, receipt: &Receipt, ready: &mpsc::Sender<Ready>) -> Result<(), ()> {
    let item = match item {
        Sealed::Mark { mark, reply } => {
            let _ = reply.send(receipt.mark(mark)); // nobody waits for it when the run ends
            return Ok(());
        }
        Sealed::Recount { lists, reply, .. } => {
            let lists = lists.into_iter().map(|recount| receipt.recount(recount)).collect();
            Ready::Recount { lists, reply }
        }
        Sealed::Turn { mark, lists, reply } => Ready::Turn { mark: receipt.mark(mark), lists, reply },
        Sealed::Advance(boundary) => Ready::Advance(boundary),
        Sealed::Batch(batch) => Ready::Batch(cover(*batch, receipt)),
    };
    ready.send(item).await.map_err(|_| ())
}

fn cover(batch: SealedBatch, receipt: &Receipt) -> ReadyBatch {
    let SealedBatch { tick, writes, boundary, committed_micros, permit, changes, .. } = batch;
    let writes = writes.into_iter().map(|writes| receipt.cover(writes)).collect();
    ReadyBatch { tick, writes, boundary, committed_micros, permit, changes }
}
