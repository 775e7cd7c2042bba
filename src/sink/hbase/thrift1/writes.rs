//! From writes to mutateRowsTs: one timestamp a call, and calls of bounded size.

use super::calls::{Batch, ROW_BYTES, mutation};
use crate::sink::PackedWrite;
use crate::sink::hbase::request::{self, Bounds, ENVELOPE_BYTES, TableFamily};
use std::collections::BTreeMap;

/// One call that writes.
#[derive(Debug)]
pub struct Call {
    pub timestamp: i64,
    pub batch: Batch,
    /// The writes in it, of which several may share a row.
    pub writes: usize,
    /// What they take on the wire; a little less where a row is shared.
    bytes: usize,
}

/// The calls that write `rows`, those of each tick within `bounds` in the order given; older ticks come first.
/// Consecutive writes of a tick to one row share a mutation.
pub fn calls(rows: &[PackedWrite<'_>], place: &TableFamily<'_>, bounds: Bounds) -> Result<Vec<Call>, String> {
    let mut ticks: BTreeMap<i64, Vec<Call>> = BTreeMap::new();
    let mut mutations = Vec::new();
    for write in rows {
        let timestamp = request::timestamp(write.tick)?;
        request::check_row(write.row, write.puts(), place.family, bounds.cell_bytes)?;
        mutations.clear();
        let count = add_mutations(&mut mutations, write, place.family);
        if count == 0 {
            continue;
        }
        let bytes = ROW_BYTES + write.row.len() + mutations.len();
        request::check_frame(bytes, bounds)?;
        let calls = ticks.entry(timestamp).or_default();
        if !calls.last().is_some_and(|call| call.has_room(bytes, bounds)) {
            calls.push(Call { timestamp, batch: Batch::new(place.table), writes: 0, bytes: 0 });
        }
        let call = calls.last_mut().expect("there is one with room");
        call.batch.add(write.row, count, &mutations);
        call.writes += 1;
        call.bytes += bytes;
    }
    Ok(ticks.into_values().flatten().collect())
}

impl Call {
    fn has_room(&self, bytes: usize, bounds: Bounds) -> bool {
        self.writes < bounds.rows && self.bytes + bytes + ENVELOPE_BYTES <= bounds.bytes
    }
}

/// Markers and puts of one row; how many they are. A family without a colon is the whole family; `f:` is its column
/// without a name (CellUtil.parseColumn in hbase-common).
fn add_mutations(to: &mut Vec<u8>, write: &PackedWrite<'_>, family: &[u8]) -> usize {
    let mut column = [family, b":"].concat();
    let mut count = 0;
    let mut add = |name: &[u8], value: Option<&[u8]>| {
        mutation(to, name, value);
        count += 1;
    };
    if write.delete_family {
        add(family, None);
    }
    let markers = write.delete_columns().map(|qualifier| (qualifier, None));
    for (qualifier, value) in markers.chain(write.puts().map(|(name, value)| (name, Some(value)))) {
        column.truncate(family.len() + 1);
        column.extend_from_slice(qualifier);
        add(&column, value);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tick;
    use crate::sink::{PackedRows, RowWrite};

    const BOUNDS: Bounds = Bounds { rows: 3, bytes: 4 << 20, hard: true, cell_bytes: 10 << 20 };
    const TO: TableFamily<'static> = TableFamily { table: b"t", family: b"f" };

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
        calls(&PackedRows::of(writes).writes(), &TO, bounds)
    }

    /// The timestamp of each call, and its rows.
    fn shape(calls: &[Call]) -> Vec<(i64, usize)> {
        calls.iter().map(|call| (call.timestamp, call.batch.rows())).collect()
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
    }

    #[test]
    fn the_size_is_that_on_the_wire() {
        let writes = [put("row", 5, vec![7; 300]), put("", 5, vec![])];
        let call = split(&writes[..1], BOUNDS).unwrap().remove(0);
        let (bytes, empty) = (call.bytes, Batch::new(TO.table).mutate_rows_at(5));
        assert_eq!(bytes + empty.arguments().len(), call.batch.mutate_rows_at(5).arguments().len());
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
        let written = |write: RowWrite| {
            let call = split(&[write], BOUNDS).unwrap().remove(0);
            call.batch.mutate_rows_at(5).arguments().to_vec()
        };
        let expected = |name: &[u8]| {
            let (mut batch, mut marker) = (Batch::new(TO.table), Vec::new());
            mutation(&mut marker, name, None);
            batch.add(b"r", 1, &marker);
            batch.mutate_rows_at(5).arguments().to_vec()
        };
        assert_eq!((written(whole), written(unnamed)), (expected(b"f"), expected(b"f:")));
    }
}
