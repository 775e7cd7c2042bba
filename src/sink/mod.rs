//! The sink: HBase tables, and how a row becomes row keys and cells.
//!
//! Promises: `apply` is idempotent and order-free by tick (the highest timestamp wins; at equal
//! timestamps a delete marker beats a put); bytes as docs/formats.md says.
//! Refuses to know: where rows come from, leases, when a write may be sent
//! (only `protocol::write` calls [`Sink::write`]).

use crate::model::{Target, TargetId};
use async_trait::async_trait;
use bytes::Bytes;

pub(crate) mod answer;
pub(crate) mod cells;
pub(crate) mod condition;
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
pub mod null;
pub(crate) mod number;
mod packed;
pub(crate) mod parts;
mod print;
pub(crate) mod rows;
mod stored;
pub(crate) mod tall;
pub mod wide;

pub use cells::{CellNames, CellRange, CountChange, CountedRow, CountedWrite};
pub use error::SinkError;
pub use rows::{PackedRows, PackedWrite, RowBlock};
pub use stored::{RowWrite, ScanRange, StoredCell, StoredRow};

/// The longest row key that HBase takes, in bytes (Java's `Short.MAX_VALUE`).
pub const ROW_KEY_BYTES_MAX: usize = 32_767;

impl ScanRange {
    /// One row, with pages of so many rows or cells.
    pub fn of_row(row: &Bytes, limit: usize) -> ScanRange {
        ScanRange { start: row.clone(), stop: cells::next_row(row), reversed: false, limit }
    }

    /// The rest of this range once `last`, its last row read so far, has been seen.
    pub fn after(&self, last: &[u8]) -> ScanRange {
        let start = if self.reversed { closest_before(last) } else { [last, &[0]].concat() };
        // No key lies below the single byte 00, and an empty start would mean unbounded.
        let limit = if start.is_empty() { 0 } else { self.limit };
        ScanRange { start: start.into(), limit, ..self.clone() }
    }

    /// The rest of this range once so many rows were read as its beginning; `None`: they were all of it.
    pub fn rest(&self, rows: usize, last: Option<&Bytes>) -> Option<ScanRange> {
        let rest = self.after(last.filter(|_| rows >= self.limit)?);
        (!rest.is_empty()).then_some(rest)
    }

    /// Whether no row can lie in it.
    pub fn is_empty(&self) -> bool {
        let bounded = !self.start.is_empty() && !self.stop.is_empty();
        let crossed = if self.reversed { self.start <= self.stop } else { self.start >= self.stop };
        self.limit == 0 || (bounded && crossed)
    }
}

/// The greatest possible row key below `row`: without its last byte if that is 00, else with that byte one
/// less and filled up with FF to the greatest length.
fn closest_before(row: &[u8]) -> Vec<u8> {
    let Some((&last, head)) = row.split_last() else { return Vec::new() };
    let mut before = head.to_vec();
    if last > 0 {
        before.push(last - 1);
        before.resize(ROW_KEY_BYTES_MAX, 0xff);
    }
    before
}

/// The table attribute that holds the id of the run which created the table.
pub const RUN_ATTRIBUTE: &str = "tailfill.run";
/// The table attribute that no two tables share, also where one of them was dropped and made again.
pub const TABLE_ATTRIBUTE: &str = "tailfill.table";

/// A new value of [`TABLE_ATTRIBUTE`].
fn new_table_id(run_id: &str) -> String {
    format!("{run_id}-{:016x}", rand::random::<u64>())
}

/// Whether a table that exists has the target's family among its own.
fn require_family<'a>(
    target: &Target,
    mut families: impl Iterator<Item = &'a String>,
) -> Result<(), SinkError> {
    if families.any(|family| *family == target.family) {
        return Ok(());
    }
    Err(SinkError::Missing {
        table: target.table.clone(),
        family: target.family.clone(),
        reason: "the table exists without this family; add the family in the HBase shell, or drop the table"
            .into(),
    })
}

/// What is known of an HBase table's family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableState {
    /// HBase has no table of this name.
    Missing,
    /// The table exists; it may be disabled.
    Present {
        /// Family settings as the gateway returns them (`VERSIONS`, `hbase.hstore.time.to.purge.deletes` ...),
        /// `None` when the table lacks the family.
        family: Option<std::collections::BTreeMap<String, String>>,
        /// Table attributes. `None` where the gateway does not tell them (Thrift1); of a family it then tells
        /// `VERSIONS`, `TTL` and the like, and nothing of the purge delay or the new version behaviour.
        attributes: Option<std::collections::BTreeMap<String, String>>,
        /// All families of the table, also those of other targets.
        families: Vec<String>,
    },
}

impl TableState {
    /// Whether the table is there, with each family that a target needs.
    pub fn has_families_of(&self, target: &Target) -> bool {
        let TableState::Present { family: Some(_), families, .. } = self else { return false };
        !target.counted || families.iter().any(|family| family == cells::COUNTS_FAMILY)
    }
}

/// What was read from the servers so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCount {
    /// Answers that came; each is one round trip.
    pub calls: u64,
    /// Rows; one that came in several pieces counts for each of them.
    pub rows: u64,
    /// Cells of these rows.
    pub cells: u64,
}

/// A store with HBase's timestamp rules. Targets are registered when the sink is built, so that a
/// [`TargetId`] names table and family.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Writes rows of one target: markers first, then puts. Not atomic over rows: after an error
    /// any part may have been applied, or may still be, and the answer is to send the same again.
    ///
    /// # Errors
    /// `Unavailable` is passing; everything else needs a person.
    async fn write(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError>;

    /// Reads rows by key, in the order asked for; `None` where there is none.
    async fn read(&self, target: TargetId, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError>;

    /// Reads up to `range.limit` rows in key order. To go on, call again with `start` just after
    /// (or, reversed, just before) the last row.
    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError>;

    /// Reads up to `range.limit` cells in the order of row keys and, in a row, of qualifiers. Rows with no cell in the
    /// range are left out, and the last one may be cut: go on with [`CellRange::behind`] its last cell.
    async fn scan_cells(&self, target: TargetId, range: &CellRange) -> Result<Vec<StoredRow>, SinkError>;

    /// Reads single cells, row by row in the order asked for; `None` for a row that has none of them.
    async fn read_cells(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError>;

    /// Reads the keys of up to `range.limit` rows that have a cell in the target's family.
    async fn scan_keys(&self, target: TargetId, range: &ScanRange) -> Result<Vec<Bytes>, SinkError>;

    /// Reads up to `range.limit` rows of the family of counts (`c`) in the table of `target`.
    async fn scan_counts(&self, target: TargetId, range: &ScanRange) -> Result<Vec<CountedRow>, SinkError>;

    /// Reads what counted rows say of themselves and which of the named cells they have, each row in one Get, in the
    /// order asked for.
    async fn read_counted(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError>;

    /// Writes to one counted row, all or nothing (checkAndMutate on `c:t`); `false`: `c:t` is not as expected, and
    /// nothing was written. After an error it may have been applied, or may still be: read again, and compare
    /// `c:t` with the tick.
    async fn write_counted(&self, target: TargetId, write: &CountedWrite) -> Result<bool, SinkError>;

    /// The state of a target's table.
    async fn describe(&self, target: TargetId) -> Result<TableState, SinkError>;

    /// Creates the table of `target` as DESIGN section 5 says (pre-split on the salt, row bloom filter,
    /// FAST_DIFF, VERSIONS 1, `purge_deletes_ms`, `run_id` as the attribute `tailfill.run`).
    /// Succeeds when it exists already.
    async fn create(&self, target: &Target, run_id: &str, purge_deletes_ms: u64) -> Result<(), SinkError>;

    /// HBase's own clock, milliseconds since 1970, seen through a cell that HBase stamped in the
    /// target's table: (before the call by our clock is the caller's business).
    async fn server_clock_ms(&self, target: TargetId) -> Result<u64, SinkError>;

    /// What was read by now; `None` for a sink that does not count it. Never waits.
    fn read_count(&self) -> Option<ReadCount> {
        None
    }

    /// How many ticks one write should have at most: few where each tick costs a call. What is queued in more ticks
    /// than can be written within a lease would be given up and sent again for ever.
    fn ticks_max(&self) -> usize {
        usize::MAX
    }
}
