//! The row changes of one stream event, however they are kept.

use super::SourceError;
use super::binlog::rows::{RowsBlock, RowsReader};
use crate::model::{RowChange, RowChangeRef};

/// Consecutive row changes of one transaction.
#[derive(Clone, Debug)]
pub enum Changes {
    /// Decoded before (a source that is not a binlog).
    Owned(Vec<RowChange>),
    /// Decoded while they are read.
    Rows(RowsBlock),
}

impl From<Vec<RowChange>> for Changes {
    fn from(changes: Vec<RowChange>) -> Changes {
        Changes::Owned(changes)
    }
}

impl Changes {
    /// Gives the changes in binlog order; may be asked for again.
    pub fn reader(&self) -> ChangeReader<'_> {
        match self {
            Changes::Owned(changes) => ChangeReader::Owned(changes.iter()),
            Changes::Rows(block) => ChangeReader::Rows(block.reader()),
        }
    }

    /// All of them, with values of their own.
    pub fn to_vec(&self) -> Result<Vec<RowChange>, SourceError> {
        let (mut reader, mut changes) = (self.reader(), Vec::new());
        while let Some(change) = reader.next_change()? {
            changes.push(change.to_owned());
        }
        Ok(changes)
    }
}

/// Reads changes in binlog order. What it lends is valid until the next call.
pub enum ChangeReader<'a> {
    Owned(std::slice::Iter<'a, RowChange>),
    Rows(RowsReader<'a>),
}

impl ChangeReader<'_> {
    /// The next change; `None` at the end.
    ///
    /// # Errors
    /// `NotUnderstood` for a row that does not decode.
    #[inline]
    pub fn next_change(&mut self) -> Result<Option<RowChangeRef<'_>>, SourceError> {
        match self {
            ChangeReader::Owned(changes) => Ok(changes.next().map(RowChange::as_ref)),
            ChangeReader::Rows(rows) => rows.next_change(),
        }
    }
}
