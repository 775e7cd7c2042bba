//! Writing to counted rows: one row after the other's work in tick order, many rows side by side.
//!
//! Each step of a row is one write that is made only where `c:t` still is what was read (`count` decides on it). One
//! that is refused, or whose reply was lost, is decided on anew from a new read: where it had landed, `c:t` says so.
//! Nothing is sent after the deadline of the lease (I4); what is not finished then is done again under the next one, and
//! what is done already is passed over.

use super::count::{CountMode, ListRecount, RowWork, WorkKind};
use super::{Journaled, ListWrites};
use crate::lock::ListId;
use crate::model::TargetId;
use crate::sink::{CellNames, PackedWrite, SinkError};
use bytes::Bytes;
use futures::{StreamExt, stream};
use retry::{Retry, Stop};
use row::Row;
use rows::RowQueue;
use std::collections::{BTreeMap, BTreeSet};

mod long;
mod retry;
mod row;
mod rows;

pub use long::LongRows;
pub use rows::CountedRows;

/// Rows that are read together.
const ROWS_TOGETHER: usize = 256;
/// Rows of a window that are written side by side; the sink has its own bound of calls.
const ROWS_AT_ONCE: usize = 32;

/// What is done to a list, in tick order.
#[derive(Clone, Copy, Debug)]
pub enum Order<'a> {
    /// The list's part of a batch.
    Batch(&'a Journaled<ListWrites>),
    /// Counts of the list's rows.
    Recount(&'a Journaled<ListRecount>),
}

/// What became of the counted rows of a window.
#[derive(Debug, Default)]
pub struct Counted {
    /// Items written, and counts set or taken away.
    pub done: u64,
    /// Writes that were made: what one tick does to one row.
    pub steps: u64,
    /// Lists with a row that was not finished before the deadline: to be done again, in whole.
    pub unfinished: BTreeSet<ListId>,
    /// The last passing error, when something is unfinished.
    pub trouble: Option<SinkError>,
    /// Targets that were written to.
    pub accepted: BTreeSet<TargetId>,
    /// Targets that were refused for a reason that lasts.
    pub refused: BTreeMap<TargetId, SinkError>,
}

impl CountedRows<'_> {
    /// Carries `orders` out: of each list in tick order. `mode` of each target, as it was when this began.
    pub async fn carry_out(&self, orders: &[Order<'_>], mode: impl Fn(TargetId) -> CountMode) -> Counted {
        let mut counted = Counted::default();
        let mut queues = by_row(orders);
        debug_assert!(
            queues.iter().all(|queue| self.held.lists().contains(&queue.list)),
            "I4: a write goes out under the lease of its list"
        );
        while !queues.is_empty() {
            let target = queues[0].target;
            let together =
                queues.iter().take(ROWS_TOGETHER).take_while(|queue| queue.target == target).count();
            let group: Vec<RowQueue> = queues.drain(..together).collect();
            if counted.refused.contains_key(&target) {
                counted.unfinished.extend(group.iter().map(|queue| queue.list));
            } else {
                self.group(group, mode(target), &mut counted).await;
            }
        }
        counted
    }

    /// Rows of one target.
    async fn group(&self, group: Vec<RowQueue>, mode: CountMode, counted: &mut Counted) {
        let target = group[0].target;
        let names: Vec<CellNames> = group.iter().map(RowQueue::names).collect();
        let mut retry = Retry::default();
        let found = match self.read(target, &names, &mut retry).await {
            Ok(found) => found,
            Err(stop) => {
                let lists = group.iter().map(|queue| queue.list);
                return counted.stopped(target, stop, retry.trouble, lists);
            }
        };
        let rows = group.into_iter().zip(names).zip(found);
        let ends = rows.map(|((queue, names), found)| Row::new(self, mode, queue, names, found).work_off());
        let mut ends = stream::iter(ends).buffer_unordered(ROWS_AT_ONCE);
        while let Some(end) = ends.next().await {
            counted.done += end.done;
            if end.done > 0 {
                counted.accepted.insert(target);
            }
            counted.steps += end.steps;
            if let Err(stop) = end.outcome {
                counted.stopped(target, stop, end.trouble, [end.list]);
            }
        }
    }
}

impl Counted {
    fn stopped(
        &mut self,
        target: TargetId,
        stop: Stop,
        trouble: Option<SinkError>,
        lists: impl IntoIterator<Item = ListId>,
    ) {
        self.unfinished.extend(lists);
        self.trouble = trouble.or(self.trouble.take());
        if let Stop::Refused(error) = stop {
            self.refused.entry(target).or_insert(error);
        }
    }
}

/// The work of some orders by row, targets one after the other.
fn by_row(orders: &[Order<'_>]) -> Vec<RowQueue> {
    let mut queues: BTreeMap<(TargetId, Bytes), RowQueue> = BTreeMap::new();
    let mut add = |list: ListId, target: TargetId, row: Bytes, work: RowWork| {
        let queue = queues.entry((target, row.clone()));
        let works = &mut queue.or_insert_with(|| RowQueue { list, target, row, works: Vec::new() }).works;
        debug_assert!(
            works.last().is_none_or(|last| last.tick < work.tick),
            "a list's works go in tick order"
        );
        works.push(work);
    };
    for order in orders {
        match order {
            Order::Batch(writes) => {
                let writes = writes.get();
                let rows: Vec<PackedWrite<'_>> = writes.rows().collect();
                // those of one row follow each other
                for cells in rows.chunk_by(|a, b| a.row == b.row) {
                    add(writes.list, writes.target, Bytes::copy_from_slice(cells[0].row), batch_work(cells));
                }
            }
            Order::Recount(recount) => {
                let recount = recount.get();
                recount.rows.iter().for_each(|row| {
                    add(recount.list, recount.target, row.clone(), recount.work());
                });
            }
        }
    }
    queues.into_values().collect()
}

/// What a batch does to one row: its last operation on each of these cells.
fn batch_work(cells: &[PackedWrite<'_>]) -> RowWork {
    let copy = Bytes::copy_from_slice;
    let puts = cells.iter().flat_map(PackedWrite::puts).map(|(name, value)| (copy(name), copy(value)));
    let delete_columns = cells.iter().flat_map(PackedWrite::delete_columns).map(copy);
    let what = WorkKind::Batch { puts: puts.collect(), delete_columns: delete_columns.collect() };
    RowWork { tick: cells[0].tick, what }
}
