//! From writes to mutateRowsTs: one timestamp a call, and calls of bounded size.

use crate::sink::PackedWrite;
use crate::sink::hbase::request::{self, Bounds, ENVELOPE_BYTES};
use hbase_thrift::hbase::{BatchMutation, Mutation};
use std::collections::BTreeMap;

/// One call that writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    pub timestamp: i64,
    pub rows: Vec<BatchMutation>,
    /// The writes in it, of which several may share a row.
    pub writes: usize,
    /// What it takes on the wire.
    pub bytes: usize,
}

/// The calls that write `rows`, those of each tick within `bounds` in the order given; older ticks come first.
/// Consecutive writes of a tick to one row share a mutation.
pub fn calls(rows: &[PackedWrite<'_>], family: &[u8], bounds: Bounds) -> Result<Vec<Call>, String> {
    let mut ticks: BTreeMap<i64, Vec<Call>> = BTreeMap::new();
    for write in rows {
        let timestamp = request::timestamp(write.tick)?;
        request::check_row(write.row, write.puts(), family, bounds.cell_bytes)?;
        let mutations = mutations(write, family);
        if mutations.is_empty() {
            continue;
        }
        let bytes = wire_bytes(write.row, &mutations);
        request::check_frame(bytes, bounds)?;
        let calls = ticks.entry(timestamp).or_default();
        match calls.last_mut().filter(|call| call.has_room(bytes, bounds)) {
            Some(call) => call.add(write.row, mutations, bytes),
            None => {
                let rows = vec![BatchMutation::new(write.row.to_vec(), mutations)];
                calls.push(Call { timestamp, rows, writes: 1, bytes });
            }
        }
    }
    Ok(ticks.into_values().flatten().collect())
}

impl Call {
    fn has_room(&self, bytes: usize, bounds: Bounds) -> bool {
        self.writes < bounds.rows && self.bytes + bytes + ENVELOPE_BYTES <= bounds.bytes
    }

    fn add(&mut self, row: &[u8], mutations: Vec<Mutation>, bytes: usize) {
        self.writes += 1;
        self.bytes += bytes; // a little less where a row is shared
        match self.rows.last_mut() {
            Some(BatchMutation { row: Some(last), mutations: Some(all) }) if last == row => {
                all.extend(mutations)
            }
            _ => self.rows.push(BatchMutation::new(row.to_vec(), mutations)),
        }
    }
}

/// Markers and puts of one row. A family without a colon is the whole family; `f:` is its column without a name
/// (CellUtil.parseColumn in hbase-common).
fn mutations(write: &PackedWrite<'_>, family: &[u8]) -> Vec<Mutation> {
    let column = |qualifier: &[u8]| [family, b":", qualifier].concat();
    let marker = |column: Vec<u8>| Mutation::new(true, column, None, true);
    let whole = write.delete_family.then(|| marker(family.to_vec()));
    let columns = write.delete_columns().map(|qualifier| marker(column(qualifier)));
    let puts =
        write.puts().map(|(qualifier, value)| Mutation::new(false, column(qualifier), value.to_vec(), true));
    whole.into_iter().chain(columns).chain(puts).collect()
}

/// The size of a BatchMutation in the binary protocol.
fn wire_bytes(row: &[u8], mutations: &[Mutation]) -> usize {
    // A field's head has 3 bytes, a length 4; a list's element type 1; a flag 1; the end of a structure 1.
    let of = |field: &Option<Vec<u8>>| field.as_ref().map_or(0, |bytes| 7 + bytes.len());
    let one = |mutation: &Mutation| 4 + of(&mutation.column) + of(&mutation.value) + 4 + 1;
    7 + row.len() + 8 + mutations.iter().map(one).sum::<usize>() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tick;
    use crate::sink::{PackedRows, RowWrite};
    use thrift::protocol::TBinaryOutputProtocol;

    const BOUNDS: Bounds = Bounds { rows: 3, bytes: 4 << 20, hard: true, cell_bytes: 10 << 20 };

    fn put(row: &str, tick: u64, value: Vec<u8>) -> RowWrite {
        RowWrite {
            row: row.to_owned().into(),
            tick: Tick(tick),
            delete_family: false,
            puts: vec![("q".into(), value.into())],
            delete_columns: vec!["n".into()],
        }
    }

    fn split(writes: &[RowWrite], bounds: Bounds) -> Result<Vec<Call>, String> {
        calls(&PackedRows::of(writes).writes(), b"f", bounds)
    }

    fn shape(calls: &[Call]) -> Vec<(i64, usize)> {
        calls.iter().map(|call| (call.timestamp, call.rows.len())).collect()
    }

    #[test]
    fn each_tick_has_calls_of_its_own_within_the_bounds() {
        let mut writes: Vec<RowWrite> =
            (0..7).map(|row| put(&format!("r{row}"), 5 + row % 2, vec![])).collect();
        writes.push(RowWrite {
            delete_family: true,
            puts: vec![],
            delete_columns: vec![],
            ..put("r9", 5, vec![])
        });
        writes.push(RowWrite { puts: vec![], delete_columns: vec![], ..put("r8", 4, vec![]) });
        assert_eq!(shape(&split(&writes, BOUNDS).unwrap()), [(5, 3), (5, 2), (6, 3)]);
        let small = Bounds { bytes: ENVELOPE_BYTES + 100, ..BOUNDS };
        assert_eq!(shape(&split(&writes[..2], small).unwrap()), [(5, 1), (6, 1)]);
    }

    #[test]
    fn cells_of_one_row_and_tick_share_a_mutation() {
        let cell = |tick, name: &'static str| RowWrite {
            puts: vec![(name.into(), "v".into())],
            delete_columns: vec![],
            ..put("r", tick, vec![])
        };
        let writes = [cell(5, "a"), cell(6, "b"), cell(5, "c"), cell(5, "d"), cell(5, "e")];
        let calls = split(&writes, BOUNDS).unwrap();
        assert_eq!(shape(&calls), [(5, 1), (5, 1), (6, 1)], "three writes a call");
        assert_eq!(calls.iter().map(|call| call.writes).collect::<Vec<_>>(), [3, 1, 1]);
        assert_eq!(calls[0].rows[0].mutations.as_ref().unwrap().len(), 3);
    }

    #[test]
    fn the_size_is_that_on_the_wire() {
        let writes = [put("row", 5, vec![7; 300]), put("", 5, vec![])];
        let calls = split(&writes[..1], BOUNDS).unwrap();
        let mut wire = Vec::new();
        let mut protocol = TBinaryOutputProtocol::new(&mut wire, true);
        calls[0].rows[0].write_to_out_protocol(&mut protocol).unwrap();
        assert_eq!(calls[0].bytes, wire.len());
        assert!(split(&writes, BOUNDS).unwrap_err().contains("empty"));
    }

    #[test]
    fn what_hbase_or_the_gateway_cannot_take_is_an_error() {
        let long = put(&"k".repeat(40_000), 5, vec![]);
        assert!(split(&[long], BOUNDS).unwrap_err().contains("longer than HBase takes"));
        let large = [put("r", 5, vec![0; 3_000])];
        let cells = Bounds { cell_bytes: 2_000, ..BOUNDS };
        assert!(split(&large, cells).unwrap_err().contains("keyvalue.maxsize"));
        let frame = Bounds { bytes: 3_000, ..BOUNDS };
        assert!(split(&large, frame).unwrap_err().contains("max_frame_size_in_mb"));
        assert!(split(&large, Bounds { hard: false, ..frame }).is_ok());
        assert!(split(&[put("r", u64::MAX, vec![])], BOUNDS).is_err());
    }

    #[test]
    fn a_family_and_its_column_without_a_name_are_told_apart() {
        let whole =
            RowWrite { delete_family: true, puts: vec![], delete_columns: vec![], ..put("r", 5, vec![]) };
        let unnamed = RowWrite { puts: vec![], delete_columns: vec!["".into()], ..put("r", 5, vec![]) };
        let column = |write: RowWrite| {
            split(&[write], BOUNDS).unwrap()[0].rows[0].mutations.clone().unwrap()[0].column.clone()
        };
        assert_eq!((column(whole), column(unnamed)), (Some(b"f".to_vec()), Some(b"f:".to_vec())));
    }
}
