//! What a reader of the sink sees, from one look to the next.

use super::super::schema::{EXTRA, NOTE, item_at};
use super::Books;
use futures::FutureExt;
use tailfill::model::{TargetId, Tick};
use tailfill::sink::layout::Address;
use tailfill::sink::{CellNames, ReadRows, StoredCell};
use tailfill::store::records::JournalRecord;

/// The newest version of a cell that a reader saw from the tail.
pub struct Seen {
    epoch: u64,
    version: u64,
    gone: bool,
}

impl Books {
    /// A reader looks at an item: within an epoch, no cell that the tail wrote goes back to an older version, or
    /// comes back after it was seen gone.
    pub(super) fn look(&mut self, target: TargetId, address: &Address) {
        let row = std::slice::from_ref(&address.row);
        let found = match &address.cell {
            None => self.sink.read(target, row).now_or_never(),
            Some(name) => {
                let names = [CellNames { row: address.row.clone(), qualifiers: vec![name.clone()] }];
                self.sink.read_cells(target, &names).now_or_never()
            }
        };
        let found = found.expect("the memory sink does not wait").expect("nor fails").remove(0);
        let cells = found.map(|found| found.cells).unwrap_or_default();
        if address.cell.is_some() {
            // the note; empty is NULL, which a copy may show before the tail has come to it
            let is_null = |cell: &&StoredCell| cell.value.is_empty();
            let by_copy = cells.first().filter(is_null).is_some_and(|cell| !self.is_of_batch(cell.tick));
            let cell = cells.first().filter(|cell| !is_null(cell));
            if !by_copy {
                self.look_at_cell(target, address, NOTE, cell);
            }
            return;
        }
        for (column, name) in [(NOTE, "note"), (EXTRA, "extra")] {
            let cell = cells.iter().find(|cell| cell.qualifier == name.as_bytes());
            self.look_at_cell(target, address, column, cell);
        }
    }

    pub(super) fn is_of_batch(&self, tick: Tick) -> bool {
        matches!(self.entries.get(&tick), Some(JournalRecord::Batch { .. }))
    }

    fn look_at_cell(
        &mut self,
        target: TargetId,
        address: &Address,
        column: usize,
        cell: Option<&StoredCell>,
    ) {
        let key = (target, address.clone(), column);
        let epoch = self.epoch.number;
        let Some(cell) = cell else {
            if let Some(seen) = self.seen.get_mut(&key) {
                seen.gone = true;
            }
            return;
        };
        if !self.is_of_batch(cell.tick) || cell.tick.0 <= self.epoch.above {
            return;
        }
        // a letter and a number, unless the row was misread
        let text = cell.value.get(1..).and_then(|text| std::str::from_utf8(text).ok());
        let Some(version) = text.and_then(|text| text.parse::<u64>().ok()) else {
            let (item, _) = item_at(&self.mapping, target, address);
            self.violation(format!("a reader of {item} ({target:?}) sees no version at {}", cell.tick));
            return;
        };
        if let Some(seen) = self.seen.insert(key, Seen { epoch, version, gone: false })
            && seen.epoch == epoch
            && (version < seen.version || (version == seen.version && seen.gone))
        {
            let (item, _) = item_at(&self.mapping, target, address);
            let (old, tick) = (seen.version, cell.tick);
            self.violation(format!(
                "a reader of {item} ({target:?}) sees version {version} at {tick} after {old}{}",
                if seen.gone { ", which was gone" } else { "" }
            ));
        }
    }
}
