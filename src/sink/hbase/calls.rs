//! The calls of a Thrift2 gateway: how each is written, and what of its reply is read.
//!
//! Names, types and field ids are facts of the wire (hbase-thrift, thrift2/hbase.thrift in HBase 2.5). Fields that are not
//! used are left out: a Thrift reader skips what it does not know, and a writer need not send what is optional.

use super::thrift::kind::{BINARY, BOOLEAN, INT, LIST, LONG, STRUCTURE};
use super::thrift::write::{binary, boolean, end, int, structure, structures};
use super::thrift::{Error, Reader, Request};
use super::wire::{self, Column};
use bytes::Bytes;

/// Cells of one row to read. No columns would mean all of them.
#[derive(Debug)]
pub struct Get<'a> {
    pub row: &'a [u8],
    pub columns: Vec<Column<'a>>,
}

/// Rows of a family to read.
#[derive(Debug, Default)]
pub struct Scan<'a> {
    /// Empty bounds are none.
    pub start: &'a [u8],
    pub stop: &'a [u8],
    pub family: &'a [u8],
    /// Results at most.
    pub rows: i32,
    /// In the filter language of HBase's reference guide ("Filter Language").
    pub filter: Option<Bytes>,
    /// Cells of one result at most; a row with more comes in several results.
    pub batch: Option<i32>,
    pub reversed: Option<bool>,
    /// Tells HBase beforehand that no more than `rows` will be asked for.
    pub limited: bool,
}

/// A row as read (TResult): without key and cells if it does not exist.
#[derive(Debug, Default)]
pub struct Found {
    pub row: Option<Bytes>,
    pub cells: Vec<FoundCell>,
}

#[derive(Debug, Default)]
pub struct FoundCell {
    pub family: Bytes,
    pub qualifier: Bytes,
    pub value: Bytes,
    pub timestamp: Option<i64>,
}

/// `gets` is not empty.
pub fn get_multiple(table: &[u8], gets: &[Get<'_>]) -> Request<Vec<Found>> {
    let mut call = wire::call_head(table);
    let head = call.len();
    for get in gets {
        binary(&mut call, 1, get.row);
        structures(&mut call, 2, get.columns.len());
        get.columns.iter().for_each(|column| wire::column(&mut call, column));
        end(&mut call);
    }
    wire::finish_call(&mut call, head, gets.len());
    Request::new("getMultiple", call, LIST, results)
}

/// Stateless: a scanner is opened, read and closed by the gateway.
pub fn scanner_results(table: &[u8], scan: &Scan<'_>) -> Request<Vec<Found>> {
    let mut call = Vec::new();
    binary(&mut call, 1, table);
    structure(&mut call, 2);
    for (id, bound) in [(1, scan.start), (2, scan.stop)] {
        if !bound.is_empty() {
            binary(&mut call, id, bound);
        }
    }
    structures(&mut call, 3, 1);
    wire::column(&mut call, &Column::whole(scan.family));
    int(&mut call, 4, scan.rows);
    if let Some(filter) = &scan.filter {
        binary(&mut call, 7, filter);
    }
    if let Some(batch) = scan.batch {
        int(&mut call, 8, batch);
    }
    if let Some(reversed) = scan.reversed {
        boolean(&mut call, 11, reversed);
    }
    if scan.limited {
        int(&mut call, 15, scan.rows);
    }
    end(&mut call);
    int(&mut call, 3, scan.rows);
    end(&mut call);
    Request::new("getScannerResults", call, LIST, results)
}

pub fn put_multiple(arguments: impl Into<Bytes>) -> Request<()> {
    Request::to_do("putMultiple", arguments)
}

/// It answers with the deletes that failed, of which there are none: HBase fails the call then.
pub fn delete_multiple(arguments: impl Into<Bytes>) -> Request<()> {
    Request::to_do("deleteMultiple", arguments)
}

/// A cell that must be as expected, and what is written to its row then.
pub struct Condition<'a> {
    pub table: &'a [u8],
    pub row: &'a [u8],
    pub family: &'a [u8],
    pub qualifier: &'a [u8],
    /// Empty means absent; a missing value would be a NullPointerException there.
    pub expected: &'a [u8],
}

/// checkAndMutate with EQUAL: false when the cell is not as expected, and nothing was done. A TDelete and a TPut, each if
/// there is one.
pub fn check_and_mutate(
    condition: &Condition<'_>,
    delete: Option<&[u8]>,
    put: Option<&[u8]>,
) -> Request<bool> {
    const EQUAL: i32 = 2;
    let mut call = Vec::new();
    let names = [condition.table, condition.row, condition.family, condition.qualifier];
    (1..).zip(names).for_each(|(id, name)| binary(&mut call, id, name));
    int(&mut call, 5, EQUAL);
    binary(&mut call, 6, condition.expected);
    structure(&mut call, 7);
    binary(&mut call, 1, condition.row);
    structures(&mut call, 2, delete.iter().chain(&put).count());
    for (id, mutation) in [(2, delete), (1, put)] {
        if let Some(mutation) = mutation {
            structure(&mut call, id);
            call.extend_from_slice(mutation);
            end(&mut call);
        }
    }
    end(&mut call);
    end(&mut call);
    Request::new("checkAndMutate", call, BOOLEAN, Reader::boolean)
}

/// A TThriftServerType: 1 or 2. Both interfaces have this call alike.
pub fn server_type() -> Request<i32> {
    Request::new("getThriftServerType", Bytes::from_static(&[0]), INT, Reader::int)
}

fn results(reader: &mut Reader) -> Result<Vec<Found>, Error> {
    reader.list(STRUCTURE, result)
}

fn result(reader: &mut Reader) -> Result<Found, Error> {
    let mut found = Found::default();
    while let Some(field) = reader.field()? {
        match field {
            (1, BINARY) => found.row = Some(reader.binary()?),
            (2, LIST) => found.cells = reader.list(STRUCTURE, cell)?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    Ok(found)
}

fn cell(reader: &mut Reader) -> Result<FoundCell, Error> {
    let mut timestamp = None;
    let mut parts = [const { None }; 3];
    while let Some(field) = reader.field()? {
        match field {
            (id @ 1..=3, BINARY) => parts[id as usize - 1] = Some(reader.binary()?),
            (4, LONG) => timestamp = Some(reader.long()?),
            (_, kind) => reader.skip(kind)?,
        }
    }
    let [Some(family), Some(qualifier), Some(value)] = parts else {
        return Err(Error::Protocol("it sent a cell without family, name or value"));
    };
    Ok(FoundCell { family, qualifier, value, timestamp })
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
