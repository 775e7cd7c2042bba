//! What is written to one list of one target at one tick.

use crate::lock::ListId;
use crate::model::{TargetId, Tick};
use crate::sink::layout::Address;
use crate::sink::rows::{PackedWrite, RowBlock};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// What one batch, or one chunk, writes to one list of one target: some rows of its block, in key order. In the wide
/// layout a row is one item's cell, and rows with one key follow each other.
#[derive(Clone, Debug)]
pub struct ListWrites {
    /// Every row is of this list, and needs its lease.
    pub list: ListId,
    /// Every row goes there.
    pub target: TargetId,
    pub(super) block: Arc<RowBlock>,
    pub(super) places: Range<usize>,
}

impl ListWrites {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Never so in a batch that a [`Coalescer`](super::Coalescer) gave.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn tick(&self) -> Tick {
        self.block.tick()
    }

    /// Where the item lies that the `nth` of its rows is of.
    pub(crate) fn address(&self, nth: usize) -> Address {
        let (row, cell) = self.block.address(self.places.start + nth);
        Address { row: Bytes::copy_from_slice(row), cell: cell.map(Bytes::copy_from_slice) }
    }

    /// In the order of row keys; lent from the block that the whole batch shares.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = PackedWrite<'_>> {
        self.block.writes(self.places.clone())
    }
}
