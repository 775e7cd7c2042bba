//! What is wrong in HBase: items that are missing, other values, stray cells, items that MySQL has not.

use super::scenario::Scenario;
use super::shape::FOLLOWS;
use bytes::Bytes;
use std::time::{SystemTime, UNIX_EPOCH};
use tailfill::model::{TargetId, Tick};
use tailfill::sink::{PackedRows, ReadRows, RowWrite, ScanRange, StoredRow, WriteRows};

fn now() -> Tick {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    Tick(since.as_millis() as u64)
}

/// The same key of another item, which MySQL has not: the last part is a number of eight bytes.
fn stranger(key: &[u8], number: u64) -> Bytes {
    let (head, _) = key.split_at(key.len() - 8);
    [head, &(u64::MAX / 2 + number).to_be_bytes()].concat().into()
}

/// A number of eight bytes at the end of a key, one higher: another segment of the same list.
fn next_segment(key: &[u8]) -> Bytes {
    let (head, last) = key.split_at(key.len() - 8);
    let number = u64::from_be_bytes(last.try_into().expect("eight bytes"));
    [head, &(number + 1).to_be_bytes()].concat().into()
}

/// Writes behind tailfill's back, as somebody would whose clock is right.
struct Corruption {
    tick: Tick,
    /// Whether the last part of every key is a number of eight bytes, so that other keys can be made.
    strangers: bool,
    writes: Vec<RowWrite>,
}

impl Corruption {
    fn put(&mut self, row: &Bytes, puts: Vec<(Bytes, Bytes)>) {
        let (row, tick) = (row.clone(), self.tick);
        self.writes.push(RowWrite { row, tick, delete_family: false, puts, delete_columns: vec![] });
    }

    fn delete(&mut self, row: &Bytes, cell: Option<&Bytes>) {
        let (row, tick, delete_columns) = (row.clone(), self.tick, cell.into_iter().cloned().collect());
        self.writes.push(RowWrite { row, tick, delete_family: cell.is_none(), puts: vec![], delete_columns });
    }

    /// Of tall rows: some are missing, some have another value, a stray cell, a value instead of NULL; and items that
    /// MySQL has not.
    fn of_rows(&mut self, rows: &[StoredRow]) {
        for (number, row) in (0..).zip(rows.iter().step_by((rows.len() / 40).max(1))) {
            let first = &row.cells[0];
            match number % 5 {
                0 => self.delete(&row.row, None),
                1 => self.put(&row.row, vec![(first.qualifier.clone(), "another value".into())]),
                2 => self.put(&row.row, vec![("stray".into(), "none of ours".into())]),
                _ if self.strangers => self
                    .put(&stranger(&row.row, number), vec![(first.qualifier.clone(), first.value.clone())]),
                _ => {}
            }
        }
    }

    /// Of cells in wide rows, the same; and in `segments` cells in a row of another one.
    fn of_cells(&mut self, rows: &[StoredRow], segments: bool) {
        let cells: Vec<_> =
            rows.iter().flat_map(|row| row.cells.iter().map(|cell| (row.row.clone(), cell))).collect();
        for (number, (row, cell)) in (0..).zip(cells.iter().step_by((cells.len() / 40).max(1))) {
            match number % 5 {
                0 => self.delete(row, Some(&cell.qualifier)),
                1 => self.put(row, vec![(cell.qualifier.clone(), "another value".into())]),
                2 if segments && self.strangers => {
                    self.put(&next_segment(row), vec![(cell.qualifier.clone(), cell.value.clone())]);
                }
                _ if self.strangers => {
                    self.put(row, vec![(stranger(&cell.qualifier, number), cell.value.clone())]);
                }
                _ => {}
            }
        }
    }
}

/// Corrupts every target in every way that its keys allow; returns how much was written by target.
pub async fn corrupt(scenario: &Scenario) -> Vec<usize> {
    let (sink, everything) =
        (scenario.hbase().await, ScanRange { limit: usize::MAX, ..ScanRange::default() });
    let (mut planted, strangers) = (Vec::new(), scenario.shape.table == FOLLOWS.table);
    for target in 0..scenario.targets() {
        let id = TargetId(target as u16);
        let rows = sink.scan(id, &everything).await.expect("it can be scanned");
        let mut corruption = Corruption { tick: now(), strangers, writes: Vec::new() };
        match scenario.lists[0].targets[target].wide {
            false => corruption.of_rows(&rows),
            true => corruption.of_cells(&rows, scenario.lists[0].targets[target].segment.is_some()),
        }
        sink.write(id, &PackedRows::of(&corruption.writes).writes()).await.expect("it can be written");
        planted.push(corruption.writes.len());
    }
    planted
}
