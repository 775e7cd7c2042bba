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

//!
//! Rows of a batch are packed in one buffer ([`RowBlock`]): an address is looked up by its bytes in there, so that
//! a change costs no allocation of its own.

use super::journaled::Journaled;
use super::list_writes::ListWrites;
use super::mark::SafeMark;
use super::plan::{Cohort, Plan};
use crate::failpoints::Failpoints;
use crate::lock::ListId;
use crate::model::{ColumnValue, Mapping, RowChangeRef, Target, TargetId, Tick};
use crate::sink::layout::{self, Codec};
use crate::sink::rows::{Packed, RowBlock};
use crate::sink::{SinkError, limits};
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use std::sync::Arc;

/// Collects the changes of one batch.
#[derive(Debug, Default)]
pub struct Coalescer {
    /// Row keys and cells, one row behind the other; what a later change of the same address made void stays.
    buffer: Vec<u8>,
    entries: Vec<Entry>,
    /// Places in `entries`, by target and row key.
    by_address: HashTable<u32>,
    changes: u64,
    failpoints: Failpoints,
}

/// One address: its last operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) list: ListId,
    pub(super) target: TargetId,
    pub(super) row: Packed,
    pub(super) last: Last,
    /// The batch saw nothing of this address but one insert, so nothing older can have cells that the
    /// insert does not overwrite, except below a marker.
    pub(super) inserted_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Delete,
    Write,
    /// With a switch of tests on: taken back, as if it had never been.
    Cancelled,
}

impl Coalescer {
    /// Takes nothing in yet. `failpoints`: tests can turn the coalescing off.
    pub fn new(failpoints: Failpoints) -> Coalescer {
        Coalescer { failpoints, ..Coalescer::default() }
    }

    /// Changes taken in so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes of keys and cells taken in so far.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// Takes in one change, in binlog order. Targets that it has no place in (NULL or a zero date in a key, a value that
    /// has no form) come back, each with the reason; they got nothing of it, all others everything.
    pub fn add(&mut self, plan: &Plan, change: RowChangeRef<'_>) -> Vec<(TargetId, SinkError)> {
        self.changes += 1;
        let mut refused = Vec::new();
        for mapping in plan.of_table(change.table) {
            // what HBase cannot have needs no delete
            let before = self.in_cohort(plan, mapping, change.before).unwrap_or(None);
            let lists = self.in_cohort(plan, mapping, change.after).map(|after| (before, after));
            for target in mapping.targets.iter().filter(|target| !plan.is_parked(target.id)) {
                let added = lists
                    .clone()
                    .and_then(|images| self.add_to_target(mapping, target, images, change.before.is_none()));
                if let Err(error) = added {
                    let row = change.after.or(change.before).unwrap_or(&[]);
                    refused.push((target.id, limits::named(mapping, row, error)));
                }
            }
        }
        refused
    }

    /// The row and its list, if that takes part.
    fn in_cohort<'a>(
        &mut self,
        plan: &Plan,
        mapping: &Mapping,
        row: Option<&'a [ColumnValue<'a>]>,
    ) -> Result<Option<InList<'a>>, SinkError> {
        let Some(row) = row else { return Ok(None) };
        let scratch_at = self.buffer.len();
        if let Err(error) = layout::push_list_key(mapping, row, &mut self.buffer) {
            self.buffer.truncate(scratch_at);
            // the lists of a pilot all have one
            return if matches!(plan.cohort(), Cohort::All) { Err(error) } else { Ok(None) };
        }
        let key = &self.buffer[scratch_at..];
        let takes_part = plan.cohort().has(mapping, key);
        let list = ListId::new(mapping.id.0, key);
        self.buffer.truncate(scratch_at);
        Ok(takes_part.then_some((list, row)))
    }

    fn add_to_target(
        &mut self,
        mapping: &Mapping,
        target: &Target,
        (before, after): (Option<InList<'_>>, Option<InList<'_>>),
        is_insert: bool,
    ) -> Result<(), SinkError> {
        let codec = Codec::of(mapping, target);
        let after = match after {
            Some((list, row)) => Some((list, codec.pack_item(row, &mut self.buffer)?)),
            None => None,
        };
        if let Some((list, row)) = before
            && let Some(address) = codec.pack_deleted(row, &mut self.buffer)
        {
            let buffer = &self.buffer;
            let same = |(_, after): &(ListId, Packed)| after.address(buffer) == address.address(buffer);
            if after.as_ref().is_some_and(same) {
                self.buffer.truncate(address.at);
            } else {
                self.note(Entry {
                    list,
                    target: target.id,
                    row: address,
                    last: Last::Delete,
                    inserted_only: false,
                });
            }
        }
        if let Some((list, row)) = after {
            self.note(Entry { list, target: target.id, row, last: Last::Write, inserted_only: is_insert });
        }
        Ok(())
    }

    /// Makes `entry` the last operation of its address.
    fn note(&mut self, mut entry: Entry) {
        let (buffer, entries) = (&self.buffer, &mut self.entries);
        let address = entry.row.address(buffer);
        let same = |place: &u32| {
            let other = &entries[*place as usize];
            other.target == entry.target && other.row.address(buffer) == address
        };
        let hash = address_hash(entry.target, address);
        if let Some(place) = self.by_address.find(hash, same) {
            let known = &mut entries[*place as usize];
            if known.last == Last::Cancelled {
                *known = entry;
                return;
            }
            if self.failpoints.insert_delete_cancels() && entry.last == Last::Delete && known.inserted_only {
                known.last = Last::Cancelled;
                return;
            }
            let passed_through = entry.last == Last::Delete && known.last == Last::Write;
            if self.failpoints.passed_through_dropped() && passed_through {
                known.last = Last::Cancelled;
                return;
            }
            entry.row.delete_family = self.failpoints.family_marker_with_put()
                && !entry.row.is_cell()
                && known.last == Last::Delete
                && entry.last == Last::Write;
            entry.inserted_only = false;
            *known = entry;
            return;
        }
        let place = u32::try_from(entries.len()).expect("a batch has far fewer addresses");
        entries.push(entry);
        let rehash = |place: &u32| {
            let other = &entries[*place as usize];
            address_hash(other.target, other.row.address(buffer))
        };
        self.by_address.insert_unique(hash, place, rehash);
    }

    /// What the batch writes, at `tick`: by list and target, rows in key order.
    pub fn finish(mut self, tick: Tick) -> Vec<ListWrites> {
        let nulls = !self.failpoints.null_markers_dropped();
        self.entries.retain_mut(|entry| {
            match entry.last {
                Last::Delete => entry.row.delete(),
                Last::Write => entry.row.markers = nulls && !entry.inserted_only,
                Last::Cancelled => return false,
            }
            true
        });
        let buffer = &self.buffer;
        self.entries.sort_unstable_by(|a, b| {
            (a.list, a.target, a.row.address(buffer)).cmp(&(b.list, b.target, b.row.address(buffer)))
        });
        by_list(self.buffer, &self.entries, tick)
    }
}

/// A row and the list that it lies in.
type InList<'a> = (ListId, &'a [ColumnValue<'a>]);

fn address_hash(target: TargetId, address: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u16(target.0);
    hasher.write(address);
    hasher.finish()
}

/// Cuts entries that are sorted by list and target.
pub(super) fn by_list(buffer: Vec<u8>, entries: &[Entry], tick: Tick) -> Vec<ListWrites> {
    let block = RowBlock::new(buffer, entries.iter().map(|entry| entry.row).collect(), tick);
    let block = Arc::new(block);
    let mut from = 0;
    let groups = entries.chunk_by(|a, b| (a.list, a.target) == (b.list, b.target));
    groups
        .map(|group| {
            let places = from..from + group.len();
            from = places.end;
            ListWrites { list: group[0].list, target: group[0].target, block: block.clone(), places }
        })
        .collect()
}

/// What a copy writes of the rows that it reads: each item in full, a NULL column as an absent cell (a change that
/// made it NULL later has a marker above the mark).
pub struct SnapshotRows<'a> {
    mapping: &'a Mapping,
    target: &'a Target,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
}

impl<'a> SnapshotRows<'a> {
    /// `rows_about`: how many are expected.
    pub fn new(mapping: &'a Mapping, target: &'a Target, rows_about: usize) -> SnapshotRows<'a> {
        let (buffer, entries) = (Vec::with_capacity(rows_about * ITEM_BYTES), Vec::with_capacity(rows_about));
        SnapshotRows { mapping, target, buffer, entries }
    }

    /// Takes in a row of `list`.
    ///
    /// # Errors
    /// A row that has no address.
    pub fn add(&mut self, list: ListId, row: &[ColumnValue<'_>]) -> Result<(), SinkError> {
        let packed = Codec::of(self.mapping, self.target).pack_item(row, &mut self.buffer);
        let row = packed.map_err(|error| limits::named(self.mapping, row, error))?;
        self.entries.push(Entry {
            list,
            target: self.target.id,
            row,
            last: Last::Write,
            inserted_only: true,
        });
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The lists of the rows.
    pub fn lists(&self) -> impl Iterator<Item = ListId> {
        self.entries.iter().map(|entry| entry.list)
    }

    /// The writes, stamped with the mark (I3).
    pub fn finish(mut self, mark: &SafeMark) -> Vec<Journaled<ListWrites>> {
        self.entries.sort_by_key(|entry| entry.list);
        by_list(self.buffer, &self.entries, mark.tick()).into_iter().map(Journaled::with_proof).collect()
    }
}

/// Room for most items.
const ITEM_BYTES: usize = 128;

#[cfg(test)]
#[path = "coalesce_tests.rs"]
mod tests;
