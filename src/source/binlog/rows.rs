//! A rows event whose row images are decoded where they are used: nothing is copied out of it before.

use super::cursor::Cursor;
use super::decode::DecodeError;
use super::plan::{self, RowsKind, TablePlan};
use crate::model::{ColumnValue, RowChangeRef};
use crate::source::SourceError;
use crate::source::place::BinlogPlace;
use mysql_common::binlog::events::Event;
use std::fmt;
use std::sync::Arc;

/// The row images of one rows event.
#[derive(Clone)]
pub struct RowsBlock {
    pub(super) event: Event,
    /// Where they begin in the event's data; beyond its end there are none.
    pub(super) at: usize,
    pub(super) kind: RowsKind,
    pub(super) plan: Arc<TablePlan>,
    /// `schema.table`, for messages.
    pub(super) table: Arc<str>,
    pub(super) place: BinlogPlace,
}

impl RowsBlock {
    /// Reads the changes, in binlog order.
    pub fn reader(&self) -> RowsReader<'_> {
        let images = self.event.data().get(self.at..).unwrap_or_default();
        RowsReader { block: self, cursor: Cursor::new(images), before: Vec::new(), after: Vec::new() }
    }
}

/// Decodes one change after the other into rows that it keeps.
pub struct RowsReader<'a> {
    block: &'a RowsBlock,
    cursor: Cursor<'a>,
    before: Vec<ColumnValue<'a>>,
    after: Vec<ColumnValue<'a>>,
}

impl RowsReader<'_> {
    /// The next change; `None` at the end.
    ///
    /// # Errors
    /// `NotUnderstood` for an image that does not decode; nothing behind it can be read.
    #[inline]
    pub fn next_change(&mut self) -> Result<Option<RowChangeRef<'_>>, SourceError> {
        if self.cursor.is_empty() {
            return Ok(None);
        }
        let (block, images) = (self.block, self.cursor);
        plan::next_change(&block.plan, block.kind, &mut self.cursor, &mut self.before, &mut self.after)
            .map_err(|error| block.undecodable(images, &error))?;
        let before = (block.kind != RowsKind::Insert).then_some(&*self.before);
        let after = (block.kind != RowsKind::Delete).then_some(&*self.after);
        Ok(Some(RowChangeRef { table: block.plan.table, before, after }))
    }
}

impl RowsBlock {
    #[cold]
    fn undecodable(&self, mut images: Cursor<'_>, error: &DecodeError) -> SourceError {
        // of an update, the first or the second image
        let named = self.plan.unreadable(&mut images).or_else(|| match self.kind {
            RowsKind::Update => self.plan.unreadable(&mut images),
            _ => None,
        });
        let reason = match named {
            Some((column, row, all)) => format!("column {column} of the row where {row}: {error}{all}"),
            None => error.to_string(),
        };
        SourceError::Undecodable {
            table: self.plan.table,
            name: self.table.to_string(),
            place: self.place.to_string(),
            reason,
        }
    }
}

/// Never the rows: values do not belong in logs.
impl fmt::Debug for RowsBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.event.data().len().saturating_sub(self.at);
        f.debug_struct("RowsBlock")
            .field("table", &self.table)
            .field("kind", &self.kind)
            .field("bytes", &bytes)
            .field("place", &self.place)
            .finish()
    }
}
