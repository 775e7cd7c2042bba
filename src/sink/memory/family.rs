//! A family of the double, with HBase's timestamp rules.

use crate::model::Tick;
use crate::sink::{PackedWrite, ScanRange, StoredCell, StoredRow};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

#[derive(Default)]
pub struct Family {
    pub settings: BTreeMap<String, String>,
    pub rows: BTreeMap<Bytes, MemoryRow>,
}

/// One row of a family. Of each cell only the newest version is kept: an older one is hidden by it, and
/// by every marker that hides the newest.
#[derive(Default)]
pub struct MemoryRow {
    pub family_marker: Option<Tick>,
    pub column_markers: BTreeMap<Bytes, Tick>,
    pub cells: BTreeMap<Bytes, (Tick, Bytes)>,
}

impl Family {
    pub(super) fn write(&mut self, write: &PackedWrite<'_>) {
        let row = self.rows.entry(Bytes::copy_from_slice(write.row)).or_default();
        if write.delete_family {
            row.family_marker = row.family_marker.max(Some(write.tick));
        }
        for qualifier in write.delete_columns() {
            let marker = row.column_markers.entry(Bytes::copy_from_slice(qualifier)).or_insert(write.tick);
            *marker = write.tick.max(*marker);
        }
        for (qualifier, value) in write.puts() {
            let newest = row.cells.get(qualifier).map(|(tick, _)| *tick);
            if newest <= Some(write.tick) {
                let cell = (write.tick, Bytes::copy_from_slice(value));
                row.cells.insert(Bytes::copy_from_slice(qualifier), cell);
            }
        }
    }

    pub(super) fn read(&self, key: &Bytes) -> Option<StoredRow> {
        let row = self.rows.get(key)?;
        let visible = row.cells.iter().filter(|(qualifier, (tick, _))| row.shows(qualifier, *tick));
        let cells: Vec<StoredCell> = visible
            .map(|(qualifier, (tick, value))| StoredCell {
                qualifier: qualifier.clone(),
                value: value.clone(),
                tick: *tick,
            })
            .collect();
        (!cells.is_empty()).then(|| StoredRow { row: key.clone(), cells })
    }

    pub(super) fn scan(&self, range: &ScanRange) -> Vec<StoredRow> {
        let bound = |key: &Bytes, bounded: fn(Bytes) -> Bound<Bytes>| {
            if key.is_empty() { Bound::Unbounded } else { bounded(key.clone()) }
        };
        let start = bound(&range.start, Bound::Included);
        let stop = bound(&range.stop, Bound::Excluded);
        if range.is_empty() {
            return Vec::new();
        }
        let read = |(key, _): (&Bytes, &MemoryRow)| self.read(key);
        if range.reversed {
            self.rows.range((stop, start)).rev().filter_map(read).take(range.limit).collect()
        } else {
            self.rows.range((start, stop)).filter_map(read).take(range.limit).collect()
        }
    }
}

impl MemoryRow {
    pub(super) fn shows(&self, qualifier: &Bytes, tick: Tick) -> bool {
        let marker = self.family_marker.max(self.column_markers.get(qualifier).copied());
        Some(tick) > marker
    }

    pub(super) fn compact(&mut self, purged: Tick) -> u64 {
        let mut cells = std::mem::take(&mut self.cells);
        cells.retain(|qualifier, (tick, _)| self.shows(qualifier, *tick));
        let before = self.markers();
        self.column_markers.retain(|_, tick| *tick >= purged);
        self.family_marker = self.family_marker.filter(|tick| *tick >= purged);
        self.cells = cells;
        (before - self.markers()) as u64
    }

    pub(super) fn markers(&self) -> usize {
        self.column_markers.len() + usize::from(self.family_marker.is_some())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.markers() == 0
    }
}
