//! Fields of arguments, appended to a buffer.

use super::kind::{BINARY, BOOLEAN, INT, LIST, LONG, MAP, STOP, STRUCTURE};

#[inline]
pub fn binary(call: &mut Vec<u8>, id: u8, bytes: &[u8]) {
    field(call, BINARY, id);
    value(call, bytes);
}

#[inline]
pub fn long(call: &mut Vec<u8>, id: u8, number: i64) {
    field(call, LONG, id);
    call.extend_from_slice(&number.to_be_bytes());
}

pub fn int(call: &mut Vec<u8>, id: u8, number: i32) {
    field(call, INT, id);
    call.extend_from_slice(&number.to_be_bytes());
}

#[inline]
pub fn boolean(call: &mut Vec<u8>, id: u8, is_true: bool) {
    field(call, BOOLEAN, id);
    call.push(u8::from(is_true));
}

/// The head of a structure: its fields follow, and [`end`].
pub fn structure(call: &mut Vec<u8>, id: u8) {
    field(call, STRUCTURE, id);
}

/// The end of a structure, also of the arguments.
#[inline]
pub fn end(call: &mut Vec<u8>) {
    call.push(STOP);
}

/// The head of a list of so many structures; its last four bytes are their number.
#[inline]
pub fn structures(call: &mut Vec<u8>, id: u8, count: usize) {
    field(call, LIST, id);
    call.push(STRUCTURE);
    call.extend_from_slice(&length(count));
}

pub fn binaries<'a>(call: &mut Vec<u8>, id: u8, values: impl ExactSizeIterator<Item = &'a [u8]>) {
    field(call, LIST, id);
    call.push(BINARY);
    call.extend_from_slice(&length(values.len()));
    values.for_each(|bytes| value(call, bytes));
}

/// A map from binary to binary.
pub fn map<'a>(call: &mut Vec<u8>, id: u8, pairs: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>) {
    field(call, MAP, id);
    call.extend_from_slice(&[BINARY, BINARY]);
    call.extend_from_slice(&length(pairs.len()));
    for (key, content) in pairs {
        value(call, key);
        value(call, content);
    }
}

#[inline]
fn field(call: &mut Vec<u8>, kind: u8, id: u8) {
    call.extend_from_slice(&[kind, 0, id]);
}

#[inline]
fn value(call: &mut Vec<u8>, bytes: &[u8]) {
    call.extend_from_slice(&length(bytes.len()));
    call.extend_from_slice(bytes);
}

/// Lengths in a call: its size is bounded far below this type's.
#[inline]
pub fn length(length: usize) -> [u8; 4] {
    i32::try_from(length).expect("calls are split by size, and no value has 2 GiB").to_be_bytes()
}
