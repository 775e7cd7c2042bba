//! Key parts and cell values, to the byte (docs/formats.md).

use super::SinkError;
use crate::model::{Mapping, Row, Value};

pub fn key_parts(_mapping: &Mapping, _columns: &[usize], _row: &Row) -> Result<Vec<u8>, SinkError> {
    todo!()
}

pub fn key_parts_of(_mapping: &Mapping, _columns: &[usize], _values: &[Value]) -> Result<Vec<u8>, SinkError> {
    todo!()
}
