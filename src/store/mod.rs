//! The state store: journal, checkpoint, chunks, life cycle, counts.
//!
//! Promises: a commit is all or nothing and durable when it returns; a commit whose expectations
//! do not hold changes nothing (compare-and-set); one owner at a time.
//! Refuses to know: what the records mean beyond their bytes (`records` does).

use async_trait::async_trait;

mod commit;
pub mod memory;
mod meter;
pub mod records;
pub mod redb;

pub use commit::{Commit, Outcome, Put, Space, StoreError};
pub use meter::CommitCounts;

/// A durable map with compare-and-set.
#[async_trait]
pub trait Store: Send + Sync {
    /// The bytes of one record, as of the newest commit; `None`: there is none.
    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every record of a space whose key begins with `prefix`, in key order.
    async fn list(&self, space: Space, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>;

    /// Applies the deletes, then the puts. Durable when it returns. Cancelling it leaves it
    /// either made or not made.
    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError>;

    /// What commits cost so far.
    fn counts(&self) -> CommitCounts;

    /// How long the file of the store is; `None`: it has none, or it cannot be seen now.
    fn file_bytes(&self) -> Option<u64> {
        None
    }
}
