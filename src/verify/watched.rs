//! A double of HBase that remembers how much was asked for at once, and lets others work in between.

use crate::model::TargetId;
use crate::sink::memory::MemorySink;
use crate::sink::{
    CellNames, CellRange, CountedRow, ReadCounts, ReadRows, ReadTotals, ScanRange, SinkError, StoredRow,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// The double. Clones are handles.
#[derive(Clone)]
pub struct Watched {
    /// The double as it is.
    pub sink: MemorySink,
    asked: Arc<Asked>,
    hooks: Arc<Mutex<VecDeque<Hook>>>,
    /// Each with the table and the row that it waits for.
    after_cells: Arc<Mutex<Vec<(TargetId, Bytes, Hook)>>>,
}

type Hook = Box<dyn FnOnce() + Send>;

/// The most that one call asked for.
#[derive(Default)]
struct Asked {
    cells: AtomicUsize,
    rows: AtomicUsize,
    whole_rows: AtomicUsize,
}

impl Watched {
    pub fn new(sink: MemorySink) -> Watched {
        Watched { sink, asked: Arc::default(), hooks: Arc::default(), after_cells: Arc::default() }
    }

    /// Runs `hook` before the next read of counted rows that no earlier hook takes.
    pub fn before_counts(&self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.lock().unwrap().push_back(Box::new(hook));
    }

    /// Runs `hook` after the next scan that comes upon cells of a row, which no earlier hook takes.
    pub fn after_cells(&self, target: TargetId, row: Bytes, hook: impl FnOnce() + Send + 'static) {
        self.after_cells.lock().unwrap().push((target, row, Box::new(hook)));
    }

    /// Cells of one call, and rows.
    pub fn most_cells(&self) -> usize {
        self.asked.cells.load(Relaxed)
    }

    pub fn most_rows(&self) -> usize {
        self.asked.rows.load(Relaxed)
    }

    /// Rows that were asked for with all their cells.
    pub fn whole_rows(&self) -> usize {
        self.asked.whole_rows.load(Relaxed)
    }

    fn asked_cells(&self, wanted: &[CellNames]) {
        self.asked.cells.fetch_max(wanted.iter().map(|names| names.qualifiers.len()).sum(), Relaxed);
        self.asked.rows.fetch_max(wanted.len(), Relaxed);
    }
}

#[async_trait]
impl ReadRows for Watched {
    async fn read(&self, target: TargetId, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        self.asked.whole_rows.fetch_add(keys.len(), Relaxed);
        self.sink.read(target, keys).await
    }

    async fn read_cells(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError> {
        self.asked_cells(wanted);
        self.sink.read_cells(target, wanted).await
    }

    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError> {
        self.asked.whole_rows.fetch_add(range.limit, Relaxed);
        self.sink.scan(target, range).await
    }

    async fn scan_cells(&self, target: TargetId, range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        self.asked.cells.fetch_max(range.limit, Relaxed);
        let found = self.sink.scan_cells(target, range).await?;
        let hook = {
            let mut hooks = self.after_cells.lock().unwrap();
            let at =
                hooks.iter().position(|(of, row, _)| *of == target && found.iter().any(|f| f.row == row));
            at.map(|at| hooks.remove(at).2)
        };
        hook.into_iter().for_each(|hook| hook());
        Ok(found)
    }

    async fn scan_keys(&self, target: TargetId, range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        self.asked.rows.fetch_max(range.limit, Relaxed);
        self.sink.scan_keys(target, range).await
    }

    fn read_totals(&self) -> Option<ReadTotals> {
        self.sink.read_totals()
    }
}

#[async_trait]
impl ReadCounts for Watched {
    async fn scan_counts(&self, target: TargetId, range: &ScanRange) -> Result<Vec<CountedRow>, SinkError> {
        self.asked.rows.fetch_max(range.limit, Relaxed);
        self.sink.scan_counts(target, range).await
    }

    async fn read_counted(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError> {
        let hook = self.hooks.lock().unwrap().pop_front();
        hook.into_iter().for_each(|hook| hook());
        self.asked_cells(wanted);
        self.sink.read_counted(target, wanted).await
    }
}
