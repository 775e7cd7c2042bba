//! Coalescing: from the changes of one batch to what is written, by target address.
//!
//! Pure, and a function of the changes alone (I2). The rules (DESIGN section 3), each of which loses
//! data when dropped:
//! - by target address, never by source row: an update that changes list, item or order is a delete of the
//!   before-address and a full write of the after-address;
//! - every address mentioned is sent, a delete too of an item that the batch itself created, because a
//!   chunk may have read in between;
//! - an item that ends present is written in full, its NULL columns as markers, unless the batch saw nothing
//!   of the address but an insert;
//! - no row gets a family marker and a put: at equal timestamps the marker would win.

use super::plan::{Plan, list_of};
use super::{Journaled, ProtocolError, SafeMark};
use crate::failpoints::Failpoints;
use crate::lock::ListId;
use crate::model::{Mapping, Row, RowChange, Target, TargetId, Tick};
use crate::sink::layout::{self, ItemWrite};
use crate::sink::{RowWrite, SinkError};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// What one batch, or one chunk, writes to one list of one target. Rows in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListWrites {
    pub list: ListId,
    pub target: TargetId,
    pub rows: Vec<RowWrite>,
}

/// Collects the changes of one batch.
#[derive(Debug, Default)]
pub struct Coalescer {
    entries: FxHashMap<(TargetId, Bytes), Entry>,
    changes: u64,
    failpoints: Failpoints,
}

#[derive(Debug)]
struct Entry {
    list: ListId,
    last: Last,
    /// The batch saw nothing of this address but one insert, so nothing older can have cells that the
    /// insert does not overwrite, except below a marker.
    inserted_only: bool,
}

#[derive(Debug)]
enum Last {
    Delete,
    Write { puts: Vec<(Bytes, Bytes)>, nulls: Vec<Bytes>, marked: bool },
}

impl Coalescer {
    pub fn new(failpoints: Failpoints) -> Coalescer {
        Coalescer { failpoints, ..Coalescer::default() }
    }

    /// Changes taken in so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    pub fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// Takes in one change, in binlog order.
    ///
    /// # Errors
    /// A row that has no address (NULL or a zero date in a key).
    pub fn add(&mut self, plan: &Plan, change: &RowChange) -> Result<(), SinkError> {
        self.changes += 1;
        for mapping in plan.of_table(change.table) {
            let before = in_cohort(plan, mapping, change.before.as_ref())?;
            let after = in_cohort(plan, mapping, change.after.as_ref())?;
            for target in &mapping.targets {
                self.add_to_target(mapping, target, before, after, change.before.is_none())?;
            }
        }
        Ok(())
    }

    fn add_to_target(
        &mut self,
        mapping: &Mapping,
        target: &Target,
        before: Option<(ListId, &Row)>,
        after: Option<(ListId, &Row)>,
        is_insert: bool,
    ) -> Result<(), SinkError> {
        let after = match after {
            Some((list, row)) => Some((list, layout::item_write(mapping, target, row)?)),
            None => None,
        };
        if let Some((list, row)) = before {
            let address = layout::address(mapping, target, row)?;
            if after.as_ref().is_none_or(|(_, write)| write.row != address) {
                self.delete(target.id, address, list);
            }
        }
        if let Some((list, write)) = after {
            self.write(target.id, list, write, is_insert);
        }
        Ok(())
    }

    fn delete(&mut self, target: TargetId, address: Bytes, list: ListId) {
        let key = (target, address);
        if self.failpoints.insert_delete_cancels() && self.entries.get(&key).is_some_and(|e| e.inserted_only)
        {
            self.entries.remove(&key);
            return;
        }
        self.entries.insert(key, Entry { list, last: Last::Delete, inserted_only: false });
    }

    fn write(&mut self, target: TargetId, list: ListId, write: ItemWrite, is_insert: bool) {
        let key = (target, write.row);
        let marked = self.failpoints.family_marker_with_put()
            && self.entries.get(&key).is_some_and(|entry| matches!(entry.last, Last::Delete));
        let nulls = if self.failpoints.null_markers_dropped() { Vec::new() } else { write.nulls };
        let last = Last::Write { puts: write.puts, nulls, marked };
        let inserted_only = is_insert && !self.entries.contains_key(&key);
        self.entries.insert(key, Entry { list, last, inserted_only });
    }

    /// What the batch writes, at `tick`: by list and target, rows in key order.
    pub fn finish(self, tick: Tick) -> Vec<ListWrites> {
        let mut by_list: BTreeMap<(ListId, TargetId), Vec<RowWrite>> = BTreeMap::new();
        for ((target, row), entry) in self.entries {
            by_list.entry((entry.list, target)).or_default().push(row_write(row, tick, entry));
        }
        by_list
            .into_iter()
            .map(|((list, target), mut rows)| {
                rows.sort_unstable_by(|a, b| a.row.cmp(&b.row));
                ListWrites { list, target, rows }
            })
            .collect()
    }
}

fn row_write(row: Bytes, tick: Tick, entry: Entry) -> RowWrite {
    match entry.last {
        Last::Delete => {
            RowWrite { row, tick, delete_family: true, puts: Vec::new(), delete_columns: Vec::new() }
        }
        Last::Write { puts, nulls, marked } => {
            let delete_columns = if entry.inserted_only { Vec::new() } else { nulls };
            RowWrite { row, tick, delete_family: marked, puts, delete_columns }
        }
    }
}

fn in_cohort<'a>(
    plan: &Plan,
    mapping: &Mapping,
    row: Option<&'a Row>,
) -> Result<Option<(ListId, &'a Row)>, SinkError> {
    let Some(row) = row else { return Ok(None) };
    let (list, key) = list_of(mapping, row)?;
    Ok(plan.cohort().has(&key).then_some((list, row)))
}

/// What a chunk writes of the rows that it read, stamped with the mark (I3): each item in full, a NULL
/// column as an absent cell (a change that made it NULL later has a marker above the mark).
///
/// # Errors
/// A row that has no address.
pub fn snapshot_writes(
    mapping: &Mapping,
    target: &Target,
    rows: &[(ListId, Row)],
    mark: &SafeMark,
) -> Result<Vec<Journaled<ListWrites>>, ProtocolError> {
    let mut by_list: BTreeMap<ListId, Vec<RowWrite>> = BTreeMap::new();
    for (list, row) in rows {
        let write = layout::item_write(mapping, target, row).map_err(|cause| ProtocolError::Change {
            at: "the snapshot".into(),
            table: mapping.schema.name.to_string(),
            cause: Box::new(cause),
        })?;
        by_list.entry(*list).or_default().push(RowWrite {
            row: write.row,
            tick: mark.tick(),
            delete_family: false,
            puts: write.puts,
            delete_columns: Vec::new(),
        });
    }
    let covered = |(list, rows)| Journaled::with_proof(ListWrites { list, target: target.id, rows });
    Ok(by_list.into_iter().map(covered).collect())
}

#[cfg(test)]
#[path = "coalesce_tests.rs"]
mod tests;
