//! Positions in the source's stream of changes.

use super::{Gtid, GtidSet};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A position in the binlog of one server, always between two transactions.
///
/// `gtids` is everything before it and is what a restart continues from; `file` and `offset` say
/// where that stood on `server_uuid` and serve people and the byte lag only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which kind of position this is, so that later kinds need no new file format.
    pub kind: PositionKind,
    pub server_uuid: String,
    pub gtids: GtidSet,
    pub file: String,
    pub offset: u64,
}

/// The kinds of source whose positions can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionKind {
    MysqlGtid,
}

/// A transaction, and when it was committed first, wherever that was. A GTID names a transaction only as long as its
/// server never starts its numbering again; the two together name it for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    pub gtid: Gtid,
    /// Microseconds since 1970 (`original_commit_timestamp`, which is the same on every server); never 0.
    pub original_micros: u64,
}

impl Witness {
    /// `None` where the source does not know the time (a transaction that came from a server before MySQL 8.0).
    pub fn of(gtid: &Gtid, original_micros: u64) -> Option<Witness> {
        (original_micros > 0).then(|| Witness { gtid: gtid.clone(), original_micros })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} (GTIDs {})", self.file, self.offset, self.gtids)
    }
}

/// A row of a transaction: the boundary of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    pub gtid: Gtid,
    /// The row's number in its transaction, from 0, counting rows of mapped tables only.
    pub row: u64,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} row {}", self.gtid, self.row)
    }
}
