//! What ends or delays the protocol.

use crate::advice;
use crate::error::{Disposition, Exit};
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::store::StoreError;

/// An error of the protocol or of one of the rooms below it.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Reading from MySQL failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Reading from HBase or writing to it failed; nothing is checkpointed past that.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The state could not be read or made durable; nothing is sent without it (I2).
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A change that has no place in HBase: where it stood, and why.
    #[error("HBase cannot take a row of {table} (read from {at})")]
    Change {
        /// The point in the binlog, or that the table was read to copy it.
        at: String,
        /// `schema.table`.
        table: String,
        /// Which column, and the rule that it breaks.
        #[source]
        cause: Box<SinkError>,
    },
    /// The journal covers a range that the source does not deliver as it was journaled.
    #[error("the journaled batch {tick} ({range}) cannot be cut again: {reason}")]
    CannotCut {
        /// That of the batch.
        tick: String,
        /// The first and the last row, as points in the binlog.
        range: String,
        /// Where journal and source differ.
        reason: String,
    },
    /// Passing errors went on for longer than the stated bound.
    #[error("gave up after {seconds} s of retries")]
    GaveUp {
        /// From the first failure.
        seconds: u64,
        /// The last failure.
        #[source]
        cause: Box<ProtocolError>,
    },
    /// The run has done what it was asked for, for the other targets.
    #[error("parked, so HBase misses changes: {targets}")]
    Parked {
        /// Their tables and families.
        targets: String,
        /// How to have them copied again.
        advice: String,
    },
    /// A gate of the run: nothing was written.
    #[error("{reason}")]
    Refused {
        /// Which rule stands against it.
        reason: String,
        /// What a person has to decide or to change.
        advice: String,
    },
}

impl ProtocolError {
    /// Whether it is about a row that stays as it is until a person changes it in MySQL: trying again, or ending the run,
    /// does not help.
    pub fn is_of_row(&self) -> bool {
        matches!(self, ProtocolError::Change { .. } | ProtocolError::Source(SourceError::Unreadable { .. }))
    }

    /// Of the room's error where there is one, so that one table decides.
    pub fn disposition(&self) -> Disposition {
        match self {
            ProtocolError::Source(error) => error.disposition(),
            ProtocolError::Sink(error) => error.disposition(),
            ProtocolError::Change { .. } | ProtocolError::GaveUp { .. } | ProtocolError::Parked { .. } => {
                Disposition::Halt(Exit::Failed)
            }
            ProtocolError::Store(StoreError::Locked { .. }) | ProtocolError::Refused { .. } => {
                Disposition::Halt(Exit::Refused)
            }
            ProtocolError::Store(_) => Disposition::Halt(Exit::Failed),
            ProtocolError::CannotCut { .. } => Disposition::Halt(Exit::Position),
        }
    }

    /// What a person should do; `None` where nothing can be said beyond the error.
    pub fn advice(&self) -> Option<&str> {
        match self {
            ProtocolError::Source(error) => error.advice(),
            ProtocolError::Sink(error) => error.advice(),
            ProtocolError::Change { cause, .. } => cause.advice(),
            ProtocolError::GaveUp { cause, .. } => cause.advice(),
            ProtocolError::Store(StoreError::Locked { .. }) => {
                Some("stop the other run, or use another state_dir")
            }
            ProtocolError::Store(StoreError::Missing { .. }) => Some(advice::init_creates_it()),
            ProtocolError::Store(StoreError::Io { .. }) => {
                Some("check that the disk of state_dir is not full, and that this user may write there")
            }
            ProtocolError::Store(StoreError::Damaged { .. } | StoreError::Record { .. }) => {
                Some("restore state_dir from a copy, or copy into fresh tables with a new state_dir")
            }
            ProtocolError::CannotCut { .. } => Some(advice::cut_anew()),
            ProtocolError::Parked { advice, .. } | ProtocolError::Refused { advice, .. } => Some(advice),
        }
    }
}
