//! A state file gives back the room that it no longer needs, when it is opened for writing.
//!
//! redb writes every change into free pages, and makes the file longer where there are none. By itself it cuts off only
//! free pages at the end of the file. So a file that has grown once (HBase was away, and the journal had to hold much)
//! keeps its length for as long as any record lies near its end. Compaction moves such records to the front.
//!
//! It does so in durable commits of redb (`Database::compact` of redb 4.6), which are copy-on-write as all others, and cuts
//! the file only behind the commit that no longer needs its end. A crash in the middle leaves the last of these commits,
//! and each of them holds the same records.

use crate::isolation::caught;
use crate::store::StoreError;
use ::redb::Database;

/// A smaller file is left as it is, in bytes.
const BYTES_MIN: u64 = 16 << 20;

/// What a compaction did to the length of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// When it was opened.
    pub before_bytes: u64,
    /// When it was compacted.
    pub after_bytes: u64,
}

/// Compacts a file of [`BYTES_MIN`] or more of which at most half is in use. `database`: the only handle. `bytes`: how
/// long the file is; `None`: it cannot be seen now.
///
/// A compaction that fails (a full disk, say) loses nothing and is logged. After an I/O error redb refuses all work, so
/// the file is opened again then: it is as its last commit left it.
///
/// # Errors
/// Those of `open`, which is called only after a compaction that failed.
pub fn compact_if_wasteful(
    mut database: Database,
    bytes: impl Fn() -> Option<u64>,
    open: impl FnOnce() -> Result<Database, StoreError>,
) -> Result<(Database, Option<Compacted>), StoreError> {
    let Some(before_bytes) = bytes().filter(|bytes| *bytes >= BYTES_MIN) else {
        return Ok((database, None));
    };
    match caught(|| compact(&mut database, before_bytes)) {
        Ok(Ok(false)) => Ok((database, None)),
        Ok(Ok(true)) => {
            let compacted = bytes().map(|after_bytes| Compacted { before_bytes, after_bytes });
            Ok((database, compacted))
        }
        failed => {
            let reason = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => "redb failed unexpectedly".to_owned(),
            };
            tracing::warn!(reason, "the state file was not compacted, and is opened as it is");
            // it holds the lock
            drop(database);
            Ok((open()?, None))
        }
    }
}

/// `false`: more than half of it is in use.
fn compact(database: &mut Database, file_bytes: u64) -> Result<bool, ::redb::Error> {
    let used_bytes = used_bytes(database)?;
    if used_bytes * 2 > file_bytes {
        return Ok(false);
    }
    // a large one takes a while, and whoever waits for the start sees why
    tracing::info!(file_bytes, used_bytes, "compacting the state file");
    Ok(database.compact()?)
}

/// The bytes of all pages that hold something.
fn used_bytes(database: &Database) -> Result<u64, ::redb::Error> {
    let transaction = database.begin_write()?;
    let stats = transaction.stats()?;
    transaction.abort()?;
    Ok(stats.allocated_pages() * stats.page_size() as u64)
}

#[cfg(test)]
#[path = "compaction_tests.rs"]
mod tests;
