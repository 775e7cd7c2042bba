//! HBase as the models see it: its timestamp rules on a handful of addresses.
//!
//! `tests::it_shows_what_the_double_shows` holds it to the double that contract tests hold to the real one.

use smallvec::SmallVec;

/// Columns of an item.
pub const COLUMNS: usize = 2;

/// What is done to one address at one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    pub address: u8,
    pub delete_family: bool,
    pub markers: [bool; COLUMNS],
    pub puts: [Option<u8>; COLUMNS],
    /// The last change that it reflects, from 1: what a reader may not see go back.
    pub version: u8,
}

/// One row. Ticks are 0 where there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Row {
    family_marker: u8,
    markers: [u8; COLUMNS],
    /// Of each cell the newest version: tick, value.
    cells: [(u8, u8); COLUMNS],
    /// The tail's newest write that has landed: tick, version; and the newest version that was ever so.
    shown: (u8, u8),
    newest_shown: u8,
}

impl Row {
    fn marker(&self, column: usize) -> u8 {
        self.family_marker.max(self.markers[column])
    }

    fn cell(&self, column: usize) -> Option<u8> {
        let (tick, value) = self.cells[column];
        (tick > self.marker(column)).then_some(value)
    }

    fn apply(&mut self, tick: u8, op: &Op) {
        if op.delete_family {
            self.family_marker = self.family_marker.max(tick);
        }
        for column in 0..COLUMNS {
            if op.markers[column] {
                self.markers[column] = self.markers[column].max(tick);
            }
            if let Some(value) = op.puts[column]
                && tick >= self.cells[column].0
            {
                self.cells[column] = (tick, value);
            }
        }
    }
}

/// What an item shows: its cells; `None` where it has none.
pub type Cells = Option<[Option<u8>; COLUMNS]>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hbase {
    rows: SmallVec<[Row; 4]>,
}

impl Hbase {
    pub fn of(addresses: usize) -> Hbase {
        Hbase { rows: SmallVec::from_elem(Row::default(), addresses) }
    }

    pub fn apply(&mut self, tick: u8, ops: &[Op]) {
        for op in ops {
            self.rows[usize::from(op.address)].apply(tick, op);
        }
    }

    /// Applies a batch of the tail. Whether a reader sees an address go back by it.
    pub fn apply_watched(&mut self, tick: u8, ops: &[Op]) -> bool {
        self.apply(tick, ops);
        let mut goes_back = false;
        for op in ops {
            let row = &mut self.rows[usize::from(op.address)];
            row.shown = row.shown.max((tick, op.version));
            goes_back |= row.shown.1 < row.newest_shown;
            row.newest_shown = row.newest_shown.max(row.shown.1);
        }
        goes_back
    }

    pub fn read(&self, address: usize) -> Cells {
        let cells = std::array::from_fn(|column| self.rows[address].cell(column));
        cells.iter().any(Option::is_some).then_some(cells)
    }

    /// Whether all of this has landed, or something newer hides that.
    pub fn has(&self, tick: u8, ops: &[Op]) -> bool {
        ops.iter().all(|op| {
            let row = &self.rows[usize::from(op.address)];
            (0..COLUMNS).all(|column| {
                let is_there = row.marker(column).max(row.cells[column].0) >= tick;
                is_there || !(op.delete_family || op.markers[column] || op.puts[column].is_some())
            })
        })
    }

    /// The highest tick of what is visible of an item; 0 where it is not there.
    pub fn newest_tick(&self, address: usize) -> u8 {
        let row = &self.rows[address];
        (0..COLUMNS)
            .filter(|column| row.cell(*column).is_some())
            .map(|column| row.cells[column].0)
            .max()
            .unwrap_or(0)
    }

    /// A major compaction: hidden cells go, and with them the markers below `purged_below`.
    pub fn compact(&mut self, purged_below: u8) {
        for row in &mut self.rows {
            for column in 0..COLUMNS {
                if row.cell(column).is_none() {
                    row.cells[column] = (0, 0);
                }
                if row.markers[column] < purged_below {
                    row.markers[column] = 0;
                }
            }
            if row.family_marker < purged_below {
                row.family_marker = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::schema;
    use bytes::Bytes;
    use futures::FutureExt;
    use proptest::prelude::*;
    use std::sync::Arc;
    use tailfill::clock::SteadyClock;
    use tailfill::model::Tick;
    use tailfill::sink::memory::MemorySink;
    use tailfill::sink::{PackedRows, ReadRows, RowWrite, WriteRows};

    const NAMES: [&str; COLUMNS] = ["a", "b"];

    fn written(tick: u8, op: &Op) -> RowWrite {
        let puts = NAMES
            .iter()
            .zip(op.puts)
            .filter_map(|(name, value)| Some((Bytes::from(*name), Bytes::from(vec![value?]))));
        let markers = NAMES.iter().zip(op.markers).filter(|(_, marked)| *marked);
        RowWrite {
            row: "row".into(),
            tick: Tick(tick.into()),
            delete_family: op.delete_family,
            puts: puts.collect(),
            delete_columns: markers.map(|(name, _)| Bytes::from(*name)).collect(),
        }
    }

    fn an_op() -> impl Strategy<Value = (u8, Op)> {
        let puts = [proptest::option::of(1u8..9), proptest::option::of(1u8..9)];
        (1u8..7, any::<bool>(), any::<[bool; 2]>(), puts, any::<bool>()).prop_map(
            |(tick, delete_family, markers, puts, deletes)| {
                let puts = if deletes { [None; 2] } else { puts };
                (tick, Op { address: 0, delete_family: delete_family && deletes, markers, puts, version: 0 })
            },
        )
    }

    proptest! {
        #[test]
        fn it_shows_what_the_double_shows(ops in proptest::collection::vec(an_op(), 1..12), compacted in 0usize..12) {
            let mapping = schema::mapping(false, None);
            let target = &mapping.targets[0];
            let double = MemorySink::with_tables(&mapping.targets, Arc::new(SteadyClock::start()));
            let mut hbase = Hbase::of(1);
            for (index, (tick, op)) in ops.iter().enumerate() {
                if index == compacted {
                    double.compact_markers();
                    hbase.compact(u8::MAX);
                }
                let rows = [written(*tick, op)];
                let rows = PackedRows::of(&rows);
                double.write(target.id, &rows.writes()).now_or_never().unwrap().unwrap();
                hbase.apply(*tick, &[*op]);
                let found = double.read(target.id, &["row".into()]).now_or_never().unwrap().unwrap().remove(0);
                let cells = found.map(|row| {
                    NAMES.map(|name| Some(row.cells.iter().find(|cell| cell.qualifier == name)?.value[0]))
                });
                prop_assert_eq!(hbase.read(0), cells);
            }
        }
    }
}
