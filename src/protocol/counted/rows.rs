//! What counted rows are read and written with, and what one window does to one of them.

use super::long::LongRows;
use super::retry::{Retry, Stop};
use crate::failpoints::Failpoints;
use crate::lock::{Held, ListId};
use crate::model::{TargetId, Tick};
use crate::protocol::Plan;
use crate::protocol::count::{RowWork, WorkKind};
use crate::sink::{CellNames, CountedRow, Sink, SinkError};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one window does to one row, in tick order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowQueue {
    pub list: ListId,
    pub target: TargetId,
    pub row: Bytes,
    pub works: Vec<RowWork>,
}

/// What counted rows are written with.
pub struct CountedRows<'a> {
    /// Must know `c:n` and `c:t` (checkAndMutate).
    pub sink: &'a dyn Sink,
    /// Covers every list of the orders.
    pub held: &'a Held,
    /// What was counted so far in rows that take more than one go.
    pub long: &'a LongRows,
    /// The highest tick that was handed out by now.
    pub highest: &'a AtomicU64,
    /// Says which targets are counted, and whether their copies are complete.
    pub plan: &'a Plan,
    /// Tests turn mechanisms of counting off.
    pub failpoints: Failpoints,
}

impl RowQueue {
    /// The row and the items that are touched in it.
    pub(super) fn names(&self) -> CellNames {
        let touched = |work: &RowWork| match &work.what {
            WorkKind::Batch { puts, delete_columns } => {
                puts.iter().map(|(name, _)| name).chain(delete_columns).cloned().collect()
            }
            WorkKind::Count | WorkKind::Forget => Vec::new(),
        };
        let names: BTreeSet<Bytes> = self.works.iter().flat_map(touched).collect();
        CellNames { row: self.row.clone(), qualifiers: names.into_iter().collect() }
    }
}

impl CountedRows<'_> {
    pub(super) fn highest(&self) -> Tick {
        Tick(self.highest.load(Relaxed))
    }

    pub(super) fn table(&self, target: TargetId) -> String {
        self.plan.target(target).map_or_else(String::new, |(_, target)| target.table.clone())
    }

    /// Reads rows; passing errors are tried again as long as the lease lasts.
    pub(super) async fn read(
        &self,
        target: TargetId,
        names: &[CellNames],
        retry: &mut Retry,
    ) -> Result<Vec<CountedRow>, Stop> {
        loop {
            let Some(found) = retry.attempt(self.held, self.sink.read_counted(target, names)).await? else {
                continue;
            };
            let are_of_these = found.len() == names.len()
                && found.iter().zip(names).all(|(found, names)| found.row == names.row);
            if are_of_these {
                return Ok(found);
            }
            let reason = "answers about other rows than were asked for".into();
            retry.after(SinkError::Unavailable { gateway: String::new(), reason }).await?;
        }
    }
}
