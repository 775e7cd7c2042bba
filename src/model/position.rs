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
