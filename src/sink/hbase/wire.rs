//! putMultiple and deleteMultiple in Thrift's binary protocol, straight from packed rows: what the generated
//! types would write, without building them.
//!
//! Binary protocol: a field is its type (1 byte), id (2) and value; a structure ends with a 0 byte; binary is a
//! length (4) and bytes; a list is the elements' type (1), their number (4) and the elements; numbers are
//! big-endian (Thrift's doc/specs/thrift-binary-protocol.md). Field ids are the IDL's (idl/hbase_thrift2.thrift).

use super::thrift::TDeleteType;

const STOP: u8 = 0;
const I32: u8 = 8;
const I64: u8 = 10;
const BINARY: u8 = 11;
const STRUCT: u8 = 12;
const LIST: u8 = 15;

/// The arguments of a call up to its mutations: the table, and a list whose length [`finish_call`] fills in.
pub fn call_head(table: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(table.len() + 16);
    binary(&mut head, 1, table);
    list(&mut head, 2, 0);
    head
}

/// Ends the arguments of a call whose head has `head_bytes` bytes.
pub fn finish_call(call: &mut Vec<u8>, head_bytes: usize, mutations: usize) {
    call[head_bytes - 4..head_bytes].copy_from_slice(&count(mutations));
    call.push(STOP);
}

/// A TPut of `cells` cells: qualifier, value, timestamp.
#[inline]
pub fn put<'a>(
    call: &mut Vec<u8>,
    row: &[u8],
    family: &[u8],
    cells: usize,
    puts: impl Iterator<Item = (&'a [u8], &'a [u8], i64)>,
) {
    binary(call, 1, row);
    list(call, 2, cells);
    for (qualifier, value, timestamp) in puts {
        binary(call, 1, family);
        binary(call, 2, qualifier);
        binary(call, 3, value);
        long(call, 4, timestamp);
        call.push(STOP);
    }
    call.push(STOP);
}

/// A TDelete with a DeleteFamily marker.
pub fn delete_family(call: &mut Vec<u8>, row: &[u8], family: &[u8], timestamp: i64) {
    binary(call, 1, row);
    list(call, 2, 1);
    binary(call, 1, family);
    long(call, 3, timestamp);
    call.push(STOP);
    delete_type(call, TDeleteType::DELETE_FAMILY);
}

/// A TDelete with DeleteColumns markers. The timestamp stands on each column: one above them would be ignored.
pub fn delete_columns<'a>(
    call: &mut Vec<u8>,
    row: &[u8],
    family: &[u8],
    columns: usize,
    markers: impl Iterator<Item = (&'a [u8], i64)>,
) {
    binary(call, 1, row);
    list(call, 2, columns);
    for (qualifier, timestamp) in markers {
        binary(call, 1, family);
        binary(call, 2, qualifier);
        long(call, 3, timestamp);
        call.push(STOP);
    }
    delete_type(call, TDeleteType::DELETE_COLUMNS);
}

fn delete_type(call: &mut Vec<u8>, delete_type: TDeleteType) {
    field(call, I32, 4);
    call.extend_from_slice(&delete_type.inner().to_be_bytes());
    call.push(STOP);
}

#[inline]
fn field(call: &mut Vec<u8>, field_type: u8, id: u8) {
    call.extend_from_slice(&[field_type, 0, id]);
}

#[inline]
fn binary(call: &mut Vec<u8>, id: u8, bytes: &[u8]) {
    field(call, BINARY, id);
    call.extend_from_slice(&count(bytes.len()));
    call.extend_from_slice(bytes);
}

#[inline]
fn long(call: &mut Vec<u8>, id: u8, number: i64) {
    field(call, I64, id);
    call.extend_from_slice(&number.to_be_bytes());
}

#[inline]
fn list(call: &mut Vec<u8>, id: u8, elements: usize) {
    field(call, LIST, id);
    call.push(STRUCT);
    call.extend_from_slice(&count(elements));
}

/// Lengths in a call: its size is bounded far below this type's.
fn count(length: usize) -> [u8; 4] {
    i32::try_from(length).expect("calls are split by size, and no value has 2 GiB").to_be_bytes()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
