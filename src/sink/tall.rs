//! The tall layout: one HBase row per item.

use super::{SinkError, layout::ItemWrite};
use crate::model::{Mapping, Row, Target};
use bytes::Bytes;

pub fn row_key(_mapping: &Mapping, _target: &Target, _row: &Row) -> Result<Bytes, SinkError> {
    todo!()
}

pub fn item_write(_mapping: &Mapping, _target: &Target, _row: &Row) -> Result<ItemWrite, SinkError> {
    todo!()
}
