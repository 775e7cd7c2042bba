//! The sink: HBase tables, and how a row becomes row keys and cells.
//!
//! Promises: a write is idempotent and order-free by tick (the highest timestamp wins; at equal
//! timestamps a delete marker beats a put); bytes as docs/formats.md says.
//! Refuses to know: where rows come from, leases, when a write may be sent
//! (only `protocol::write` calls [`WriteRows`]).
//!
//! What a sink does is four traits, so that who only reads cannot write. Targets are registered when a sink is built, so
//! that a [`TargetId`] names table and family.

use crate::model::{Target, TargetId};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

pub(crate) mod answer;
pub(crate) mod cells;
pub(crate) mod condition;
pub(crate) mod decode;
pub mod encode;
mod error;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod formats_tests;
pub mod hbase;
pub mod layout;
pub(crate) mod limits;
pub mod memory;
mod meters;
pub mod null;
pub(crate) mod number;
mod packed;
pub(crate) mod parts;
mod print;
mod range;
pub(crate) mod rows;
mod stored;
mod tables;
pub(crate) mod tall;
pub mod wide;

pub use cells::{CellNames, CellRange, CountChange, CountedRow, CountedWrite};
pub use error::SinkError;
pub use meters::ReadTotals;
pub use range::{ROW_KEY_BYTES_MAX, ScanRange};
pub use rows::{Group, PackedRows, PackedWrite, RowBlock};
pub use stored::{RowWrite, StoredCell, StoredRow};
pub use tables::{RUN_ATTRIBUTE, TABLE_ATTRIBUTE, TableState};

use tables::{new_table_id, require_family};

/// Looks up rows and cells, and walks them.
#[async_trait]
pub trait ReadRows: Send + Sync {
    /// Reads rows by key, in the order asked for; `None` where there is none.
    async fn read(&self, target: TargetId, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError>;

    /// Reads single cells, row by row in the order asked for; `None` for a row that has none of them.
    async fn read_cells(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError>;

    /// Reads up to `range.limit` rows in key order; fewer only where the range ends. To go on, call again with
    /// [`ScanRange::after`] the last row.
    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError>;

    /// Reads up to `range.limit` cells in the order of row keys and, in a row, of qualifiers; fewer only where the range
    /// ends. Rows with no cell in the range are left out, and the last one may be cut: go on with
    /// [`CellRange::behind`] its last cell.
    async fn scan_cells(&self, target: TargetId, range: &CellRange) -> Result<Vec<StoredRow>, SinkError>;

    /// Reads the keys of up to `range.limit` rows that have a cell in the target's family; fewer only where the range
    /// ends.
    async fn scan_keys(&self, target: TargetId, range: &ScanRange) -> Result<Vec<Bytes>, SinkError>;

    /// What was read by now; `None` for a sink that does not count it. Never waits.
    fn read_totals(&self) -> Option<ReadTotals> {
        None
    }
}

/// Reads what counted rows say of themselves, besides their items.
#[async_trait]
pub trait ReadCounts: ReadRows {
    /// Reads up to `range.limit` rows of the family of counts ([`cells::COUNTS_FAMILY`]) in the table of `target`; fewer
    /// only where the range ends.
    async fn scan_counts(&self, target: TargetId, range: &ScanRange) -> Result<Vec<CountedRow>, SinkError>;

    /// Reads what counted rows say of themselves and which of the named cells they have, each row in one Get, in the
    /// order asked for.
    async fn read_counted(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError>;
}

/// Writes rows at their ticks.
#[async_trait]
pub trait WriteRows: Send + Sync {
    /// Writes rows of one target: markers first, then puts. Not atomic over rows: after an error
    /// any part may have been applied, or may still be, and the answer is to send the same again.
    ///
    /// # Errors
    /// `Unavailable` is passing; everything else needs a person.
    async fn write(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError>;

    /// Writes to one counted row, all or nothing (checkAndMutate on `c:t`); `false`: `c:t` is not as expected, and
    /// nothing was written. After an error it may have been applied, or may still be: read again, and compare
    /// `c:t` with the tick.
    async fn write_counted(&self, target: TargetId, write: &CountedWrite) -> Result<bool, SinkError>;

    /// How many ticks one write should have at most: few where each tick costs a call. What is queued in more ticks
    /// than can be written within a lease would be given up and sent again for ever.
    fn ticks_max(&self) -> usize {
        usize::MAX
    }

    /// The 99th percentile of the time that calls with rows took in the last seconds; `None`: there was none, or nobody
    /// measures. Never waits.
    fn write_p99(&self) -> Option<Duration> {
        None
    }
}

/// The tables of targets, and the clock of the server that stamps what is written there.
#[async_trait]
pub trait Tables: Send + Sync {
    /// The state of a target's table.
    async fn describe(&self, target: TargetId) -> Result<TableState, SinkError>;

    /// Creates the table of `target` as DESIGN section 5 says (pre-split on the salt, row bloom filter,
    /// FAST_DIFF, VERSIONS 1, `purge_deletes_ms`, `run_id` as the attribute `tailfill.run`).
    /// Succeeds when it exists already.
    async fn create(&self, target: &Target, run_id: &str, purge_deletes_ms: u64) -> Result<(), SinkError>;

    /// HBase's own clock, milliseconds since 1970, seen through a cell that HBase stamped in the
    /// target's table: (before the call by our clock is the caller's business).
    async fn server_clock_ms(&self, target: TargetId) -> Result<u64, SinkError>;
}

/// A store with HBase's timestamp rules, with all that it does.
pub trait Sink: ReadCounts + WriteRows + Tables {}

impl<T: ReadCounts + WriteRows + Tables> Sink for T {}
