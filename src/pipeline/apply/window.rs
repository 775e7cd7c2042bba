//! A window: rows of several lists, batches and ticks, leased and written together.
//!
//! Runs as one task. It takes whatever lists are free, writes them, and gives the leases back; lists that
//! are busy, or whose write was not completed before the deadline, come back to the writer.

use crate::lock::{Held, ListId, Lists, Ticket};
use crate::model::{TargetId, Tick};
use crate::pipeline::counts::Counts;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::count::ListRecount;
use crate::protocol::counted::{Counted, Order};
use crate::protocol::write::{NotWritten, send};
use crate::protocol::{Journaled, ListWrites};
use crate::sink::{Group, SinkError};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// What is done to one list in the order of ticks. Most lists have one or two (a batch, and as many targets), which
/// then take no allocation.
pub type ListWorks = SmallVec<[ListWork; 2]>;

#[derive(Debug)]
pub enum ListWork {
    /// Of the batch with this number.
    Batch { number: u64, writes: Journaled<ListWrites> },
    /// Of the recount with this number.
    Recount { number: u64, recount: Journaled<ListRecount> },
    /// Somebody's turn, with this number. Never part of a window.
    Turn { number: u64, tick: Tick },
}

impl ListWork {
    /// `None`: it writes nothing by itself.
    pub fn target(&self) -> Option<TargetId> {
        match self {
            ListWork::Batch { writes, .. } => Some(writes.get().target),
            ListWork::Recount { recount, .. } => Some(recount.get().target),
            ListWork::Turn { .. } => None,
        }
    }

    /// What the tail writes with it.
    pub fn writes(&self) -> Option<&ListWrites> {
        match self {
            ListWork::Batch { writes, .. } => Some(writes.get()),
            ListWork::Recount { .. } | ListWork::Turn { .. } => None,
        }
    }

    pub fn tick(&self) -> Tick {
        match self {
            ListWork::Batch { writes, .. } => writes.get().tick(),
            ListWork::Recount { recount, .. } => recount.get().tick,
            ListWork::Turn { tick, .. } => *tick,
        }
    }

    /// The group of its rows.
    pub fn group(&self) -> Group {
        let group = match self {
            ListWork::Batch { writes, .. } => writes.get().rows().next().map(|row| row.group()),
            ListWork::Recount { recount, .. } => recount.get().rows.first().map(|row| Group::of_row(row)),
            ListWork::Turn { .. } => None,
        };
        group.unwrap_or_default()
    }
}

/// What a window does to one list.
#[derive(Debug)]
pub struct ListWindow {
    pub list: ListId,
    pub ticket: Ticket,
    pub works: ListWorks,
}

/// Takes work off the front up to somebody's turn: at least one batch's, about `rows_max` rows as `weight` has them, and
/// no more ticks than there is room for.
pub fn take_front(
    queue: &mut ListWorks,
    rows_max: usize,
    ticks: &mut Ticks,
    weight: impl Fn(&ListWork) -> usize,
) -> ListWorks {
    let (mut rows, mut taken) = (0, 0);
    for work in queue.iter() {
        let is_turn = matches!(work, ListWork::Turn { .. });
        if is_turn || (taken > 0 && rows >= rows_max) || !ticks.admit(work.tick()) {
            break;
        }
        rows += weight(work);
        taken += 1;
    }
    match taken {
        taken if taken < queue.len() => queue.drain(..taken).collect(),
        _ => std::mem::take(queue),
    }
}

/// What a window reckons with for some work: about as many rows as are written in its time, a counted one weighing
/// `counted_row`.
pub fn weight(counts: &Counts, work: &ListWork, counted_row: usize) -> usize {
    match work {
        ListWork::Batch { writes, .. } if counts.is_counted(writes.get().target) => {
            let (mut rows, mut last) = (0, &[][..]);
            for write in writes.get().rows() {
                rows += usize::from(write.row != last);
                last = write.row;
            }
            writes.get().len().max(rows * counted_row)
        }
        ListWork::Batch { writes, .. } => writes.get().len(),
        ListWork::Recount { recount, .. } => recount.get().rows.len() * counted_row,
        ListWork::Turn { .. } => 0,
    }
}

/// The ticks of a window, as far as there is a bound.
pub struct Ticks {
    max: usize,
    ticks: BTreeSet<Tick>,
}

impl Ticks {
    /// Room for at least one.
    pub fn at_most(max: usize) -> Ticks {
        Ticks { max: max.max(1), ticks: BTreeSet::new() }
    }

    /// Whether the tick is in the window, or has room there.
    fn admit(&mut self, tick: Tick) -> bool {
        if self.max == usize::MAX {
            return true;
        }
        if self.are_enough() {
            return self.ticks.contains(&tick);
        }
        self.ticks.insert(tick);
        true
    }

    pub fn are_enough(&self) -> bool {
        self.ticks.len() >= self.max
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
    /// Work of lists in `unwritten` that was acknowledged before, and is done.
    pub taken: Vec<ListWork>,
    /// How a window of `rows` plain rows went.
    pub rows: usize,
    pub missed: bool,
    pub took: Duration,
    pub rows_written: u64,
    /// The last passing error, when something is unwritten.
    pub trouble: Option<SinkError>,
    /// Targets that were written to.
    pub accepted: Vec<TargetId>,
    /// Targets that were refused for a reason that lasts.
    pub refused: Vec<(TargetId, SinkError)>,
}

/// Leases, writes and releases. At most `at_once` rows are asked for together.
pub async fn write_window(
    parts: &Parts,
    counts: &Counts,
    lists: Vec<ListWindow>,
    at_once: usize,
) -> WindowDone {
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
        write_granted(parts, counts, (&held, granted), at_once, &mut done).await;
        held.release().await;
    }
    done
}

/// Plain rows first, all in one go; then counted ones, row by row.
async fn write_granted(
    parts: &Parts,
    counts: &Counts,
    (held, granted): (&Held, Vec<ListWindow>),
    at_once: usize,
    done: &mut WindowDone,
) {
    let (mut plain, mut counted) = (Vec::new(), Vec::new());
    for work in granted.iter().flat_map(|window| &window.works) {
        match work {
            work if work.target().is_none_or(|target| parts.plan.is_parked(target)) => {}
            ListWork::Batch { writes, .. } if !counts.is_counted(writes.get().target) => plain.push(writes),
            ListWork::Batch { writes, .. } => counted.push(Order::Batch(writes)),
            ListWork::Recount { recount, .. } => counted.push(Order::Recount(recount)),
            ListWork::Turn { .. } => {}
        }
    }
    let (mut all_again, begun) = (false, Instant::now());
    done.rows = plain.iter().map(|writes| writes.get().len()).sum();
    let outcome = send(&*parts.sink, held, &plain, at_once).await;
    done.took = begun.elapsed();
    match outcome {
        Ok(sent) => (done.rows_written, done.accepted) = (sent.rows, sent.accepted),
        Err(NotWritten::Deadline { trouble, taken }) => {
            let is_taken = |work: &ListWork| match work {
                work if work.target().is_none_or(|target| parts.plan.is_parked(target)) => true,
                ListWork::Batch { writes, .. } => taken.holds(writes.get()),
                ListWork::Recount { .. } | ListWork::Turn { .. } => false,
            };
            (done.missed, done.trouble, done.rows_written) = (true, trouble, taken.rows);
            for ListWindow { list, ticket, works } in granted {
                let (taken, left): (ListWorks, ListWorks) = works.into_iter().partition(is_taken);
                match left.is_empty() {
                    true => done.written.push(ListWindow { list, ticket, works: taken }),
                    false => {
                        done.taken.extend(taken);
                        done.unwritten.push(ListWindow { list, ticket, works: left });
                    }
                }
            }
            return;
        }
        Err(NotWritten::Refused { refused, accepted }) => {
            (done.refused, done.accepted) = (refused, accepted);
            all_again = true;
        }
    }
    if !counted.is_empty() {
        let begun = Instant::now();
        let rows = counts.rows(parts, held);
        let ended: Counted = rows.carry_out(&counted, |target| counts.mode(target)).await;
        // what was done before teaches nothing about writes
        if ended.steps > 0 || !ended.unfinished.is_empty() {
            counts.pace.learn(ended.steps, begun.elapsed());
        }
        done.rows_written += ended.done;
        done.trouble = ended.trouble;
        done.accepted.extend(ended.accepted);
        done.refused.extend(ended.refused);
        let again = |window: &ListWindow| all_again || ended.unfinished.contains(&window.list);
        (done.unwritten, done.written) = granted.into_iter().partition(again);
    } else if all_again {
        done.unwritten = granted;
    } else {
        done.written = granted;
    }
}
