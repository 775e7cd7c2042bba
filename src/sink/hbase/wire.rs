//! The arguments of putMultiple and deleteMultiple, straight from packed rows: no structures are built on the way.
//!
//! Field ids are those of HBase's own IDL (hbase-thrift, thrift2/hbase.thrift), as in [`calls`](super::calls).

use super::thrift::write::{self, binary, end, int, length, long, structures};

/// A family, or one column of it. In a delete, `timestamp` is the marker's.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    pub family: &'a [u8],
    pub qualifier: Option<&'a [u8]>,
    pub timestamp: Option<i64>,
}

impl<'a> Column<'a> {
    /// All columns of a family.
    pub fn whole(family: &'a [u8]) -> Column<'a> {
        Column { family, qualifier: None, timestamp: None }
    }
}

/// A cell to put; without a timestamp it gets HBase's own.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    pub family: &'a [u8],
    pub qualifier: &'a [u8],
    pub value: &'a [u8],
    pub timestamp: Option<i64>,
}

/// Which cells a marker covers. Absent on the wire means DELETE_COLUMNS, also where a whole family is named.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Marker {
    Columns = 1,
    Family = 2,
}

/// The arguments of a call up to its mutations: the table, and a list whose length [`finish_call`] fills in.
pub fn call_head(table: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(table.len() + 16);
    binary(&mut head, 1, table);
    structures(&mut head, 2, 0);
    head
}

/// Ends the arguments of a call whose head has `head_bytes` bytes.
pub fn finish_call(call: &mut Vec<u8>, head_bytes: usize, mutations: usize) {
    call[head_bytes - 4..head_bytes].copy_from_slice(&length(mutations));
    end(call);
}

/// A TPut of `cells` cells.
#[inline]
pub fn put<'a>(call: &mut Vec<u8>, row: &[u8], cells: usize, puts: impl Iterator<Item = Cell<'a>>) {
    begin_put(call, row, cells, puts);
    end(call);
}

/// A TPut of one cell that vanishes by itself after `life_ms` milliseconds.
pub fn put_for_a_while(call: &mut Vec<u8>, row: &[u8], cell: Cell<'_>, life_ms: u64) {
    begin_put(call, row, 1, [cell].into_iter());
    write::map(call, 5, [(LIFE, &life_ms.to_be_bytes()[..])].into_iter());
    end(call);
}

/// The attribute of a put that ends its cells: milliseconds, 8 bytes, big-endian.
pub const LIFE: &[u8] = b"_ttl";

#[inline]
fn begin_put<'a>(call: &mut Vec<u8>, row: &[u8], cells: usize, puts: impl Iterator<Item = Cell<'a>>) {
    binary(call, 1, row);
    structures(call, 2, cells);
    for cell in puts {
        binary(call, 1, cell.family);
        binary(call, 2, cell.qualifier);
        binary(call, 3, cell.value);
        if let Some(timestamp) = cell.timestamp {
            long(call, 4, timestamp);
        }
        end(call);
    }
}

/// A TDelete with `columns` markers. The timestamp stands on each column: one above them would be ignored.
#[inline]
pub fn delete<'a>(
    call: &mut Vec<u8>,
    row: &[u8],
    marker: Marker,
    columns: usize,
    marked: impl Iterator<Item = Column<'a>>,
) {
    binary(call, 1, row);
    structures(call, 2, columns);
    marked.for_each(|marked| column(call, &marked));
    int(call, 4, marker as i32);
    end(call);
}

/// A TColumn.
#[inline]
pub fn column(call: &mut Vec<u8>, column: &Column<'_>) {
    binary(call, 1, column.family);
    if let Some(qualifier) = column.qualifier {
        binary(call, 2, qualifier);
    }
    if let Some(timestamp) = column.timestamp {
        long(call, 3, timestamp);
    }
    end(call);
}
