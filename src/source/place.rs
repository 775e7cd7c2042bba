//! Places in a binlog.

use std::sync::Arc;

/// A place in the files of one server's binlog, for people and for the byte lag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BinlogPlace {
    /// Without a folder (`binlog.000042`).
    pub file: Arc<str>,
    /// Bytes from the beginning of the file.
    pub offset: u64,
}

impl std::fmt::Display for BinlogPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl BinlogPlace {
    /// Binlog files are numbered, so that a longer name is a later one.
    pub fn is_at_or_past(&self, end: &BinlogPlace) -> bool {
        let order = |place: &BinlogPlace| (place.file.len(), place.file.clone(), place.offset);
        order(self) >= order(end)
    }
}
