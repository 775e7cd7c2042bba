//! Positions in the source's stream of changes.

use super::{Reached, TransactionId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A position in the binlog of one server, always between two transactions.
///
/// `reached` is everything before it and is what a restart continues from; `file` and `offset` say
/// where that stood on `server_uuid` and serve people and the byte lag only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The server whose binlog has `file`.
    pub server_uuid: String,
    /// Every transaction before the position, and no other.
    pub reached: Reached,
    /// Without a folder (`binlog.000042`).
    pub file: String,
    /// Bytes from the beginning of the file.
    pub offset: u64,
}

/// A transaction, and when it was committed first, wherever that was. A name holds only as long as its
/// server never starts its numbering again; the two together name it for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// As the source has it.
    pub transaction: TransactionId,
    /// Microseconds since 1970 (`original_commit_timestamp`, which is the same on every server); never 0.
    pub original_micros: u64,
}

impl Witness {
    /// `None` where the source does not know the time (a transaction that came from a server before MySQL 8.0).
    pub fn of(transaction: &TransactionId, original_micros: u64) -> Option<Witness> {
        (original_micros > 0).then(|| Witness { transaction: transaction.clone(), original_micros })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file.is_empty() {
            true => write!(f, "GTIDs {}", self.reached), // as a person gave it
            false => write!(f, "{}:{} (GTIDs {})", self.file, self.offset, self.reached),
        }
    }
}

/// A row of a transaction: the boundary of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The one that the row is in.
    pub transaction: TransactionId,
    /// The row's number in its transaction, from 0, counting rows of mapped tables only.
    pub row: u64,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} row {}", self.transaction, self.row)
    }
}
