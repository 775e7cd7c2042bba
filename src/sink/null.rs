//! A sink that keeps nothing and counts: for `run --dry-run`.

use super::{
    CellNames, CellRange, CountedRow, CountedWrite, PackedWrite, ReadCounts, ReadRows, ScanRange, SinkError,
    StoredRow, TableState, Tables, WriteRows,
};
use crate::model::{Target, TargetId};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Takes every write and forgets it.
#[derive(Debug, Default)]
pub struct NullSink {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl NullSink {
    /// Rows that would have been written.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    /// Bytes of row keys, qualifiers and values that would have been sent.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

fn nothing_here(what: &str) -> SinkError {
    SinkError::Refused {
        gateway: "none (dry run)".into(),
        what: what.into(),
        reason: "nothing is kept".into(),
    }
}

#[async_trait]
impl ReadRows for NullSink {
    async fn read(&self, _target: TargetId, _keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        Err(nothing_here("a read"))
    }

    async fn read_cells(
        &self,
        _target: TargetId,
        _wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError> {
        Err(nothing_here("a read"))
    }

    async fn scan(&self, _target: TargetId, _range: &ScanRange) -> Result<Vec<StoredRow>, SinkError> {
        Err(nothing_here("a scan"))
    }

    /// As for the other reads that counts need: what a dry run writes to is empty.
    async fn scan_cells(&self, _target: TargetId, _range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        Ok(Vec::new())
    }

    async fn scan_keys(&self, _target: TargetId, _range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl ReadCounts for NullSink {
    async fn scan_counts(&self, _target: TargetId, _range: &ScanRange) -> Result<Vec<CountedRow>, SinkError> {
        Ok(Vec::new())
    }

    async fn read_counted(
        &self,
        _target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError> {
        let empty = |names: &CellNames| CountedRow { row: names.row.clone(), ..CountedRow::default() };
        Ok(wanted.iter().map(empty).collect())
    }
}

#[async_trait]
impl WriteRows for NullSink {
    async fn write(&self, _target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError> {
        let bytes = |row: &PackedWrite<'_>| {
            let puts: usize = row.puts().map(|(qualifier, value)| qualifier.len() + value.len()).sum();
            row.row.len() + puts + row.delete_columns().map(<[u8]>::len).sum::<usize>()
        };
        self.rows.fetch_add(rows.len() as u64, Relaxed);
        self.bytes.fetch_add(rows.iter().map(bytes).sum::<usize>() as u64, Relaxed);
        Ok(())
    }

    async fn write_counted(&self, _target: TargetId, write: &CountedWrite) -> Result<bool, SinkError> {
        let puts: usize = write.puts.iter().map(|(qualifier, value)| qualifier.len() + value.len()).sum();
        let bytes = write.row.len() + puts + write.delete_columns.iter().map(Bytes::len).sum::<usize>();
        self.rows.fetch_add((write.puts.len() + write.delete_columns.len()) as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        Ok(true)
    }
}

#[async_trait]
impl Tables for NullSink {
    async fn describe(&self, _target: TargetId) -> Result<TableState, SinkError> {
        // there, and that is all that is known of it
        Ok(TableState::Present { family: Some(BTreeMap::new()), attributes: None, families: Vec::new() })
    }

    async fn create(&self, _target: &Target, _run_id: &str, _purge_ms: u64) -> Result<(), SinkError> {
        Err(nothing_here("a table creation"))
    }

    async fn server_clock_ms(&self, _target: TargetId) -> Result<u64, SinkError> {
        Err(nothing_here("a clock"))
    }
}
