//! A window: rows of several lists, batches and ticks, leased and written together.
//!
//! Runs as one task. It takes whatever lists are free, writes them, and gives the leases back; lists that
//! are busy, or whose write was not completed before the deadline, come back to the writer.

use super::settings::Parts;
use crate::lock::{Held, ListId, Lists, Ticket};
use crate::model::TargetId;
use crate::protocol::write::{NotWritten, send};
use crate::protocol::{Journaled, ListWrites};
use crate::sink::SinkError;
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// Writes of one list in the order of ticks, each with the number of the batch that it belongs to. Most lists
/// have one or two (a batch, and as many targets), which then take no allocation.
pub type ListBatches = SmallVec<[(u64, Journaled<ListWrites>); 2]>;

/// What a window writes to one list.
#[derive(Debug)]
pub struct ListWindow {
    pub list: ListId,
    pub ticket: Ticket,
    pub writes: ListBatches,
}

/// Takes writes off the front: at least one, and about `rows_max` rows.
pub fn take_front(queue: &mut ListBatches, rows_max: usize, ticks: &mut Ticks) -> ListBatches {
    let (mut rows, mut taken) = (0, 0);
    for (batch, write) in queue.iter() {
        if (taken > 0 && rows >= rows_max) || !ticks.admit(*batch) {
            break;
        }
        rows += write.get().len();
        taken += 1;
    }
    match taken {
        taken if taken < queue.len() => queue.drain(..taken).collect(),
        _ => std::mem::take(queue),
    }
}

/// The ticks of a window, by the numbers of their batches, as far as there is a bound.
pub struct Ticks {
    max: usize,
    batches: BTreeSet<u64>,
}

impl Ticks {
    /// Room for at least one.
    pub fn at_most(max: usize) -> Ticks {
        Ticks { max: max.max(1), batches: BTreeSet::new() }
    }

    /// Whether the tick of this batch is in the window, or has room there.
    fn admit(&mut self, batch: u64) -> bool {
        if self.max == usize::MAX {
            return true;
        }
        if self.are_enough() {
            return self.batches.contains(&batch);
        }
        self.batches.insert(batch);
        true
    }

    pub fn are_enough(&self) -> bool {
        self.batches.len() >= self.max
    }
}

/// Where the lists of a window ended up.
#[derive(Debug, Default)]
pub struct WindowDone {
    pub written: Vec<ListWindow>,
    /// Held by this process; a change of the in-process locks says when to ask again.
    pub busy: Vec<ListWindow>,
    /// Held by another program.
    pub busy_elsewhere: Vec<ListWindow>,
    /// The deadline came first; to be sent again.
    pub unwritten: Vec<ListWindow>,
    pub rows_written: u64,
    /// The last passing error, when something is unwritten.
    pub trouble: Option<SinkError>,
    /// Targets that were written to.
    pub accepted: Vec<TargetId>,
    /// Targets that were refused for a reason that lasts.
    pub refused: Vec<(TargetId, SinkError)>,
}

/// Leases, writes and releases.
pub async fn write_window(parts: &Parts, lists: Vec<ListWindow>) -> WindowDone {
    let wanted: Vec<(ListId, Ticket)> = lists.iter().map(|window| (window.list, window.ticket)).collect();
    let grant = parts.leases.acquire_any(&wanted).await;
    let mut done = WindowDone::default();
    let mut granted = Vec::with_capacity(lists.len());
    let (busy, elsewhere) = (Lists::from(grant.busy), Lists::from(grant.busy_elsewhere));
    for window in lists {
        if busy.contains(&window.list) {
            done.busy.push(window);
        } else if elsewhere.contains(&window.list) {
            done.busy_elsewhere.push(window);
        } else {
            granted.push(window);
        }
    }
    if let Some(held) = grant.held {
        write_granted(parts, held, granted, &mut done).await;
    }
    done
}

async fn write_granted(parts: &Parts, held: Held, granted: Vec<ListWindow>, done: &mut WindowDone) {
    let all = granted.iter().flat_map(|window| window.writes.iter().map(|(_, writes)| writes));
    let writes: Vec<&Journaled<ListWrites>> =
        all.filter(|writes| !parts.plan.is_parked(writes.get().target)).collect();
    match send(&*parts.sink, &held, &writes).await {
        Ok(sent) => {
            (done.rows_written, done.accepted) = (sent.rows, sent.accepted);
            done.written = granted;
        }
        Err(NotWritten::Deadline(trouble)) => {
            done.trouble = trouble;
            done.unwritten = granted;
        }
        Err(NotWritten::Refused { refused, accepted }) => {
            (done.refused, done.accepted) = (refused, accepted);
            done.unwritten = granted;
        }
    }
    held.release().await;
}
