//! The calls of a Thrift1 gateway: how each is written, and what of its reply is read.
//!
//! Names, types and field ids are facts of the wire (hbase-thrift, thrift/Hbase.thrift in HBase 2.5). A column is named
//! `family:qualifier`. Most calls end with a map of attributes, which a gateway does not take for absent.

use crate::sink::hbase::calls::{Found, FoundCell, Scan};
use crate::sink::hbase::thrift::kind::{BINARY, INT, LIST, LONG, MAP, STRUCTURE};
use crate::sink::hbase::thrift::write::{
    self, binaries, binary, boolean, end, int, long, structure, structures,
};
use crate::sink::hbase::thrift::{Error, Reader, Request};
use bytes::Bytes;

/// A Mutation: a marker, or a cell with its value.
pub fn mutation(call: &mut Vec<u8>, column: &[u8], value: Option<&[u8]>) {
    boolean(call, 1, value.is_none());
    binary(call, 2, column);
    if let Some(value) = value {
        binary(call, 3, value);
    }
    boolean(call, 4, true); // to the write-ahead log
    end(call);
}

/// BatchMutations of `mutateRows` and `mutateRowsTs`.
#[derive(Debug)]
pub struct Batch {
    call: Vec<u8>,
    /// Where the rows begin, behind their number.
    head: usize,
    rows: usize,
    /// The end of `call` is the row that was added last: where its key is, and where its number of mutations.
    last: Last,
}

#[derive(Debug, Default)]
struct Last {
    key: std::ops::Range<usize>,
    count_at: usize,
    mutations: usize,
}

/// What a row takes in a batch beside its key and mutations.
pub const ROW_BYTES: usize = 16;

impl Batch {
    pub fn new(table: &[u8]) -> Batch {
        let mut call = Vec::new();
        binary(&mut call, 1, table);
        structures(&mut call, 2, 0);
        Batch { head: call.len(), call, rows: 0, last: Last::default() }
    }

    /// Adds so many mutations, as [`mutation`] writes them. Those of one row share a BatchMutation if they come one after
    /// the other.
    pub fn add(&mut self, row: &[u8], count: usize, mutations: &[u8]) {
        if self.rows > 0 && self.call[self.last.key.clone()] == *row {
            self.call.pop(); // the end of the row
        } else {
            binary(&mut self.call, 1, row);
            let to = self.call.len();
            structures(&mut self.call, 2, 0);
            self.last = Last { key: to - row.len()..to, count_at: self.call.len() - 4, mutations: 0 };
            self.rows += 1;
        }
        self.call.extend_from_slice(mutations);
        end(&mut self.call);
        self.last.mutations += count;
        let at = self.last.count_at;
        self.call[at..at + 4].copy_from_slice(&write::length(self.last.mutations));
    }

    #[cfg(test)]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// All at `timestamp`.
    pub fn mutate_rows_at(mut self, timestamp: i64) -> Request<()> {
        self.count_rows();
        long(&mut self.call, 3, timestamp);
        no_attributes(&mut self.call, 4);
        Request::to_do("mutateRowsTs", self.call)
    }

    /// At HBase's own time, with attributes.
    pub fn mutate_rows(mut self, attribute: Option<(&[u8], &[u8])>) -> Request<()> {
        self.count_rows();
        write::map(&mut self.call, 3, attribute.into_iter());
        end(&mut self.call);
        Request::to_do("mutateRows", self.call)
    }

    fn count_rows(&mut self) {
        self.call[self.head - 4..self.head].copy_from_slice(&write::length(self.rows));
    }
}

/// Rows that exist, in the order asked for.
pub fn get_rows(table: &[u8], keys: &[Bytes], family: &[u8]) -> Request<Vec<Found>> {
    let mut call = Vec::new();
    binary(&mut call, 1, table);
    binaries(&mut call, 2, keys.iter().map(|key| &key[..]));
    binaries(&mut call, 3, [family].into_iter());
    no_attributes(&mut call, 4);
    Request::new("getRowsWithColumns", call, LIST, rows)
}

/// The row, if it has any of these columns.
pub fn get_row(table: &[u8], row: &[u8], columns: &[Vec<u8>]) -> Request<Vec<Found>> {
    let mut call = Vec::new();
    binary(&mut call, 1, table);
    binary(&mut call, 2, row);
    binaries(&mut call, 3, columns.iter().map(|column| &column[..]));
    no_attributes(&mut call, 4);
    Request::new("getRowWithColumns", call, LIST, rows)
}

/// Opens a scanner, which lives in its gateway. `scan.limited` is nothing that this interface knows.
pub fn scanner_open(table: &[u8], scan: &Scan<'_>) -> Request<i32> {
    let mut call = Vec::new();
    binary(&mut call, 1, table);
    structure(&mut call, 2);
    for (id, bound) in [(1, scan.start), (2, scan.stop)] {
        if !bound.is_empty() {
            binary(&mut call, id, bound);
        }
    }
    binaries(&mut call, 4, [scan.family].into_iter());
    int(&mut call, 5, scan.rows);
    if let Some(filter) = &scan.filter {
        binary(&mut call, 6, filter);
    }
    if let Some(batch) = scan.batch {
        int(&mut call, 7, batch);
    }
    boolean(&mut call, 8, true); // cells in order
    boolean(&mut call, 9, scan.reversed.unwrap_or(false));
    end(&mut call);
    no_attributes(&mut call, 3);
    Request::new("scannerOpenWithScan", call, INT, Reader::int)
}

/// The next results of a scanner.
pub fn scanner_list(scanner: i32, results: i32) -> Request<Vec<Found>> {
    let mut call = Vec::new();
    int(&mut call, 1, scanner);
    int(&mut call, 2, results);
    end(&mut call);
    Request::new("scannerGetList", call, LIST, rows)
}

pub fn scanner_close(scanner: i32) -> Request<()> {
    let mut call = Vec::new();
    int(&mut call, 1, scanner);
    end(&mut call);
    Request::to_do("scannerClose", call)
}

/// An empty map, and the end of the arguments.
fn no_attributes(call: &mut Vec<u8>, id: u8) {
    write::map(call, id, [].into_iter());
    end(call);
}

/// TRowResults. The qualifier of each cell is its whole name, and it has no family.
fn rows(reader: &mut Reader) -> Result<Vec<Found>, Error> {
    reader.list(STRUCTURE, row)
}

/// A get answers with a map (field 2), a scan with a list (field 3) if asked to.
fn row(reader: &mut Reader) -> Result<Found, Error> {
    let mut found = Found::default();
    while let Some(field) = reader.field()? {
        match field {
            (1, BINARY) => found.row = Some(reader.binary()?),
            (2, MAP) => {
                let cells = reader.map(STRUCTURE, cell)?;
                found.cells =
                    cells.into_iter().map(|(qualifier, cell)| FoundCell { qualifier, ..cell }).collect();
            }
            (3, LIST) => found.cells = reader.list(STRUCTURE, column)?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    Ok(found)
}

fn column(reader: &mut Reader) -> Result<FoundCell, Error> {
    let (mut name, mut content) = (None, None);
    while let Some(field) = reader.field()? {
        match field {
            (1, BINARY) => name = Some(reader.binary()?),
            (2, STRUCTURE) => content = Some(cell(reader)?),
            (_, kind) => reader.skip(kind)?,
        }
    }
    match (name, content) {
        (Some(qualifier), Some(cell)) => Ok(FoundCell { qualifier, ..cell }),
        _ => Err(Error::Protocol("it sent a cell without name or content")),
    }
}

fn cell(reader: &mut Reader) -> Result<FoundCell, Error> {
    let mut cell = FoundCell::default();
    while let Some(field) = reader.field()? {
        match field {
            (1, BINARY) => cell.value = reader.binary()?,
            (2, LONG) => cell.timestamp = Some(reader.long()?),
            (_, kind) => reader.skip(kind)?,
        }
    }
    Ok(cell)
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
