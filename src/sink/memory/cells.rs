//! Single cells and counted rows of the double.

use super::family::{Family, MemoryRow};
use crate::model::Tick;
use crate::sink::cells::{
    self, COUNT, COUNT_TICK, CellNames, CellRange, CountChange, CountedRow, CountedWrite,
};
use crate::sink::{ScanRange, StoredCell, StoredRow};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

impl Family {
    pub fn scan_cells(&self, range: &CellRange) -> Vec<StoredRow> {
        let (mut rows, mut left) = (Vec::new(), range.limit);
        if range.is_empty() {
            return rows;
        }
        let start = if range.start.is_empty() { Bound::Unbounded } else { Bound::Included(&range.start) };
        let stop = if range.stop.is_empty() { Bound::Unbounded } else { Bound::Excluded(&range.stop) };
        for (key, row) in self.rows.range::<Bytes, _>((start, stop)) {
            let after = range.after.as_ref().filter(|_| *key == range.start);
            let cells: Vec<StoredCell> = row
                .visible()
                .filter(|cell| after.is_none_or(|after| cell.qualifier > *after))
                .map(|cell| if range.names_only { StoredCell { value: Bytes::new(), ..cell } } else { cell })
                .take(left)
                .collect();
            left -= cells.len();
            if !cells.is_empty() {
                rows.push(StoredRow { row: key.clone(), cells });
            }
            if left == 0 {
                break;
            }
        }
        rows
    }

    pub fn read_cells(&self, names: &CellNames) -> Option<StoredRow> {
        let row = self.rows.get(&names.row)?;
        let mut cells: Vec<StoredCell> = names.qualifiers.iter().filter_map(|name| row.cell(name)).collect();
        cells.sort_by(|a, b| a.qualifier.cmp(&b.qualifier));
        (!cells.is_empty()).then(|| StoredRow { row: names.row.clone(), cells })
    }

    pub fn scan_keys(&self, range: &ScanRange) -> Vec<Bytes> {
        self.scan(range).into_iter().map(|row| row.row).collect()
    }
}

impl MemoryRow {
    fn visible(&self) -> impl Iterator<Item = StoredCell> {
        self.cells.keys().filter_map(|qualifier| self.cell(qualifier))
    }

    fn cell(&self, qualifier: &Bytes) -> Option<StoredCell> {
        let (tick, value) = self.cells.get(qualifier)?;
        let cell = StoredCell { qualifier: qualifier.clone(), value: value.clone(), tick: *tick };
        self.shows(qualifier, *tick).then_some(cell)
    }

    fn put(&mut self, qualifier: &Bytes, tick: Tick, value: Bytes) {
        if self.cells.get(qualifier).map(|(newest, _)| *newest) <= Some(tick) {
            self.cells.insert(qualifier.clone(), (tick, value));
        }
    }

    fn delete(&mut self, qualifier: &Bytes, tick: Tick) {
        let marker = self.column_markers.entry(qualifier.clone()).or_insert(tick);
        *marker = tick.max(*marker);
    }
}

/// What the row of the family of counts says; no cells of items.
pub fn counted_row(counts: &Family, row: &Bytes) -> CountedRow {
    let number = |name: &'static [u8]| {
        let cell = counts.rows.get(row)?.cell(&Bytes::from_static(name))?;
        cells::count_number(&cell.value)
    };
    CountedRow {
        row: row.clone(),
        tick: number(COUNT_TICK).map(Tick),
        count: number(COUNT),
        present: Vec::new(),
    }
}

/// Writes to both families of a table, if `c:t` is as expected.
pub fn write_counted(
    families: &mut BTreeMap<String, Family>,
    items: &str,
    write: &CountedWrite,
) -> Option<bool> {
    if counted_row(families.get(cells::COUNTS_FAMILY)?, &write.row).tick != write.expected {
        return Some(false);
    }
    let row = families.get_mut(items)?.rows.entry(write.row.clone()).or_default();
    for qualifier in &write.delete_columns {
        row.delete(qualifier, write.tick);
    }
    for (qualifier, value) in &write.puts {
        row.put(qualifier, write.tick, value.clone());
    }
    let counts = families.get_mut(cells::COUNTS_FAMILY)?.rows.entry(write.row.clone()).or_default();
    counts.put(&Bytes::from_static(COUNT_TICK), write.tick, cells::count_bytes(write.tick.0));
    match write.count {
        CountChange::Keep => {}
        CountChange::Set(number) => {
            counts.put(&Bytes::from_static(COUNT), write.tick, cells::count_bytes(number));
        }
        CountChange::Remove => counts.delete(&Bytes::from_static(COUNT), write.tick),
    }
    Some(true)
}
