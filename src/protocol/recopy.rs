//! Re-copy: what is to be written at a mark so that HBase shows what MySQL has. Pure.
//!
//! Where changes may have been missed, copying again is not enough: what was deleted meanwhile would stay. So both
//! sides are read, and at a mark `m` that was safe before the SELECT (I3):
//! - what HBase has and MySQL has not is deleted at `m`;
//! - what differs is written in full at `m`: each value a put, each NULL a marker, and a marker for each cell that the
//!   item has not;
//! - what is equal is not touched;
//! - a cell that is stamped above `m` is a later change, or not ours. It is left as it is, and said.
//!
//! A change that the SELECT did not see has a tick above `m`, and wins whenever it arrives.

use super::coalesce::{Entry, Last, by_list};
use super::{Journaled, ListWrites, SafeMark};
use crate::compare::{Difference, How, difference};
use crate::lock::ListId;
use crate::model::{Target, Tick};
use crate::sink::StoredRow;
use crate::sink::layout::{Address, ItemWrite};
use bytes::Bytes;

/// What becomes of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    pub act: Act,
    /// Something that differs is stamped above the mark, and stays.
    pub newer: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Act {
    #[default]
    Nothing,
    Delete,
    /// In full. `strays`: qualifiers of cells that HBase has and the item has not.
    Write {
        strays: Vec<Bytes>,
    },
}

/// Decides on one address: `expected` is MySQL's item there, `stored` what HBase shows there (in the wide layout the
/// row with that cell alone).
pub fn decide(expected: Option<&ItemWrite>, stored: Option<&StoredRow>, mark: Tick) -> Repair {
    let is_newer = |qualifier: &Bytes| {
        let cells = stored.map_or(&[][..], |row| &row.cells);
        cells.iter().any(|cell| cell.qualifier == *qualifier && cell.tick > mark)
    };
    match difference(expected, stored) {
        None => Repair::default(),
        Some(Difference::Missing) => Repair { act: Act::Write { strays: Vec::new() }, newer: false },
        Some(Difference::Extra) => {
            let cells = stored.map_or(&[][..], |row| &row.cells);
            let act = if cells.iter().any(|cell| cell.tick <= mark) { Act::Delete } else { Act::Nothing };
            Repair { act, newer: cells.iter().any(|cell| cell.tick > mark) }
        }
        Some(Difference::Different(cells)) => {
            let (newer, older): (Vec<_>, Vec<_>) =
                cells.into_iter().partition(|cell| cell.how != How::Absent && is_newer(&cell.qualifier));
            let is_named = |name: &Bytes| {
                expected.is_some_and(|expected| expected.nulls.iter().any(|null| null == name))
            };
            let unexpected = older.iter().filter(|cell| cell.how == How::Unexpected);
            let strays = unexpected.map(|cell| cell.qualifier.clone()).filter(|name| !is_named(name));
            let strays = strays.collect();
            let act = if older.is_empty() { Act::Nothing } else { Act::Write { strays } };
            Repair { act, newer: !newer.is_empty() }
        }
    }
}

/// What a re-copy writes to one target at one mark.
pub struct Repairs<'a> {
    target: &'a Target,
    mark: &'a SafeMark,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
}

impl<'a> Repairs<'a> {
    /// `mark` was safe before anything that is added was SELECTed (I3).
    pub fn new(target: &'a Target, mark: &'a SafeMark) -> Repairs<'a> {
        Repairs { target, mark, buffer: Vec::new(), entries: Vec::new() }
    }

    /// Takes in what becomes of an address of `list`. `expected` as for [`decide`].
    pub fn add(&mut self, list: ListId, address: &Address, expected: Option<&ItemWrite>, act: &Act) {
        let (last, row) = match (act, expected) {
            (Act::Nothing, _) | (Act::Write { .. }, None) => return,
            (Act::Delete, _) => (Last::Delete, address.pack_deleted(&mut self.buffer)),
            (Act::Write { strays }, Some(item)) => {
                (Last::Write, address.pack_written(item, strays, &mut self.buffer))
            }
        };
        self.entries.push(Entry { list, target: self.target.id, row, last, inserted_only: false });
    }

    /// The writes, stamped with the mark: by list, rows in key order.
    pub fn finish(mut self) -> Vec<Journaled<ListWrites>> {
        let buffer = &self.buffer;
        self.entries.sort_by(|a, b| {
            (a.list, a.row.key(buffer), a.row.at).cmp(&(b.list, b.row.key(buffer), b.row.at))
        });
        let writes = by_list(self.buffer, &self.entries, self.mark.tick());
        writes.into_iter().map(Journaled::with_proof).collect()
    }
}

#[cfg(test)]
#[path = "recopy_tests.rs"]
mod tests;
