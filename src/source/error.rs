//! What can go wrong with a source, split by consequence.

use super::named::{self, KeyCell};
use crate::advice;
use crate::error::{Disposition, Exit};
use crate::model::{Mapping, TableId, TableName, Value};

/// An error of the source. Never holds row values.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The server is away, or a connection broke: passing.
    #[error("mysql at {address}: {reason}")]
    Unavailable {
        /// `host:port`.
        address: String,
        /// In the words of the system or the server, with the server's error number.
        reason: String,
    },
    /// Another session keeps a table from being read: passing. `by` names it.
    #[error("mysql at {address}: table {table} is locked by another session: {by}")]
    Locked {
        /// `host:port`.
        address: String,
        /// The one that the statement waits for.
        table: TableName,
        /// Session, user and statement, where the server shows them to us.
        by: String,
    },
    /// The user or password was refused.
    #[error("mysql at {address} refused the login of {user}: {reason}")]
    LoginRefused {
        /// `host:port`.
        address: String,
        /// Of `source.url`.
        user: String,
        /// In the server's words.
        reason: String,
    },
    /// A statement failed for a reason that repeating will not mend (a missing grant, a missing table).
    #[error("mysql refused {what}: {reason}")]
    Refused {
        /// What was asked for (`the server's settings`).
        what: String,
        /// In the server's words, with its error number.
        reason: String,
    },
    /// The database, table or column that a mapping names is not there, or not usable.
    #[error("{table}: {reason}")]
    Schema {
        /// As the mapping names it.
        table: TableName,
        /// Which column, and what about it.
        reason: String,
        /// What to change in the configuration or in MySQL.
        advice: String,
    },
    /// A row that has no value for a column. `row` names it by its key columns.
    #[error("{table}: column {column} of the row where {row} cannot be read: {reason}")]
    Unreadable {
        /// `schema.table`.
        table: String,
        /// The first one that has no value.
        column: String,
        /// A condition over key columns that finds the row in MySQL.
        row: String,
        /// Never holds the cell.
        reason: String,
    },
    /// In one read view, a scan shows a row that a look-up by its key does not find.
    #[error(
        "{table}: a scan shows a row where {row}, and a look-up by that key in the same read view finds none"
    )]
    Contradiction {
        /// Its index and its rows disagree.
        table: TableName,
        /// A condition over key columns.
        row: String,
    },
    /// The stream cannot be continued: purged, or the source lost transactions that were read.
    #[error("MySQL cannot continue from this position: {reason}")]
    PositionLost {
        /// What is gone, in the words of the server where it gave some.
        reason: String,
        /// How to go on, and what must be copied again.
        advice: String,
    },
    /// A row of a mapped table does not decode: nothing behind it in its table can be read.
    #[error("at {place}: a row of {name} does not decode: {reason}")]
    Undecodable {
        /// The one to leave out from here on.
        table: TableId,
        /// `schema.table`.
        name: String,
        /// Where its event stands in the binlog.
        place: String,
        /// Which column, and the row by its key columns where these do decode.
        reason: String,
    },
    /// The binlog holds something that is not understood, or must not be skipped (I9).
    #[error("at {position}: {reason}")]
    NotUnderstood {
        /// The GTID, or the event's place in the binlog.
        position: String,
        /// What stands there.
        reason: String,
        /// What a person can do about this event.
        advice: String,
    },
}

impl SourceError {
    /// A row of `mapping` with these values in `columns`.
    pub fn contradiction(mapping: &Mapping, columns: &[usize], values: &[Value]) -> SourceError {
        let cells =
            columns.iter().zip(values).map(|(column, value)| (*column, KeyCell::Value(value.clone())));
        let row = named::condition(&mapping.schema, cells);
        SourceError::Contradiction { table: mapping.schema.name.clone(), row }
    }

    /// What a run does about it; the table is in this function alone.
    pub fn disposition(&self) -> Disposition {
        match self {
            SourceError::Unavailable { .. } | SourceError::Locked { .. } => Disposition::Retry,
            SourceError::LoginRefused { .. }
            | SourceError::NotUnderstood { .. }
            | SourceError::Undecodable { .. }
            | SourceError::Unreadable { .. }
            | SourceError::Contradiction { .. } => Disposition::Halt(Exit::Failed),
            SourceError::Refused { .. } | SourceError::Schema { .. } => Disposition::Halt(Exit::Refused),
            SourceError::PositionLost { .. } => Disposition::Halt(Exit::Position),
        }
    }

    /// Whether somebody has locked what a statement needs (ER_LOCK_WAIT_TIMEOUT).
    pub fn is_lock_wait(&self) -> bool {
        match self {
            SourceError::Locked { .. } => true,
            SourceError::Unavailable { reason, .. } => reason.ends_with("(error 1205)"),
            _ => false,
        }
    }

    /// What the operator can do.
    pub fn advice(&self) -> Option<&str> {
        match self {
            SourceError::Unavailable { .. } => {
                Some("check that the server is up, and host and port of source.url")
            }
            SourceError::Locked { .. } => Some(advice::table_lock()),
            SourceError::LoginRefused { .. } => Some(
                "check the user of source.url, its password (source.password_file or password_env), and from which \
                 hosts it may come; an account with REQUIRE SSL needs source.tls = \"required\"",
            ),
            SourceError::Refused { .. } => Some(advice::check()),
            SourceError::Unreadable { .. } => Some(
                "give the column a text that MySQL can convert to utf8mb4 and back, or delete the row; then run the same \
                 command again",
            ),
            SourceError::Undecodable { .. } => Some(advice::see_status()),
            SourceError::Contradiction { .. } => Some(
                "MySQL's look-ups cannot be trusted in this table: run CHECK TABLE in MySQL, and ALTER TABLE ... FORCE where it \
                 finds a damaged index; if it finds nothing, report this",
            ),
            SourceError::Schema { advice, .. }
            | SourceError::PositionLost { advice, .. }
            | SourceError::NotUnderstood { advice, .. } => Some(advice),
        }
    }
}
