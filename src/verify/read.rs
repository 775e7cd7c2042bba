//! Reading both sides. A call that fails in passing is repeated, because a comparison of a large table
//! outlives a server's restart.

use super::found::{Found, look_up, tall_item, wide_items};
use super::{Meter, VerifyError};
use crate::error::Disposition;
use crate::model::{Mapping, Row, TableId, Target, TargetId, Value};
use crate::retry::{Patience, Pauses};
use crate::sink::layout::Address;
use crate::sink::{CellNames, CellRange, CountedRow, ScanRange, Sink, SinkError, StoredRow};
use crate::source::{EachRow, KeyRange, Snapshot, Source, SourceError, Wanted};
use std::time::Duration;
use tokio::time::sleep;

/// Waits a while and says to try again, unless repeating is of no use (any more).
async fn again(
    patience: &mut Patience,
    disposition: Disposition,
    error: &(dyn std::error::Error + Sync),
) -> bool {
    let Ok(pause) = patience.after(disposition) else { return false };
    tracing::warn!(%error, "reading again");
    sleep(pause).await;
    true
}

/// SELECTs, on a connection that is opened again when it breaks.
pub struct SourceReader<'a> {
    source: &'a dyn Source,
    snapshot: Option<Box<dyn Snapshot>>,
    retry_for: Duration,
    meter: &'a Meter,
}

impl<'a> SourceReader<'a> {
    pub fn new(source: &'a dyn Source, retry_for: Duration, meter: &'a Meter) -> SourceReader<'a> {
        SourceReader { source, snapshot: None, retry_for, meter }
    }

    /// The rows after `after` up to `rows` of them, and their range (whose end is `None` when that was all).
    pub async fn chunk(
        &mut self,
        mapping: &Mapping,
        after: Option<Vec<Value>>,
        rows: u32,
    ) -> Result<(Vec<Row>, KeyRange), VerifyError> {
        let table: TableId = mapping.table;
        let up_to =
            self.ask(async |snapshot| snapshot.chunk_end(table, after.as_deref(), rows).await).await?;
        let range = KeyRange { after, up_to };
        let found = self.ask(async |snapshot| snapshot.rows(mapping, &range).await).await?;
        Meter::count(&self.meter.source_items, found.len());
        Ok((found, range))
    }

    /// The rows with these list and item keys, possibly with others whose keys look alike.
    pub async fn items(
        &mut self,
        mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, VerifyError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.ask(async |snapshot| snapshot.items(mapping, wanted).await).await?;
        Meter::count(&self.meter.source_items, found.len());
        Ok(found)
    }

    /// How many rows a table has, by a count of its own.
    pub async fn count(&mut self, table: TableId) -> Result<u64, VerifyError> {
        self.ask(async |snapshot| snapshot.count_rows(table).await).await
    }

    /// The rows of `range` in the view that was opened; `None` when the view is gone.
    pub async fn rows_in_view(
        &mut self,
        mapping: &Mapping,
        range: &KeyRange,
    ) -> Result<Option<Vec<Row>>, VerifyError> {
        let Some(snapshot) = &mut self.snapshot else { return Ok(None) };
        match snapshot.rows(mapping, range).await {
            Err(error) if error.disposition() == Disposition::Retry => {
                tracing::warn!(%error, "a read view was lost");
                self.snapshot = None;
                Ok(None)
            }
            done => Ok(Some(done?)),
        }
    }

    /// Opens the read view that [`SourceReader::each_in_view`] sees.
    pub async fn hold_view(&mut self) -> Result<(), VerifyError> {
        self.ask(async |snapshot| snapshot.hold_view().await).await
    }

    /// Lends the rows of some lists, as they are in the view that was opened, to `take`, possibly with those of lists
    /// whose keys look alike. `false` when the view is gone; `take` may have seen some rows then.
    pub async fn each_in_view(
        &mut self,
        mapping: &Mapping,
        lists: &[&[Value]],
        chunk_rows: u32,
        take: &mut EachRow<'_>,
    ) -> Result<bool, VerifyError> {
        let Some(snapshot) = &mut self.snapshot else { return Ok(false) };
        match each_of_lists(&mut **snapshot, mapping, lists, chunk_rows, take).await {
            Err(error) if error.disposition() == Disposition::Retry => {
                tracing::warn!(%error, "a read view was lost");
                self.snapshot = None;
                Ok(false)
            }
            done => Ok(done.map(|()| true)?),
        }
    }

    async fn ask<T>(
        &mut self,
        mut call: impl AsyncFnMut(&mut dyn Snapshot) -> Result<T, SourceError>,
    ) -> Result<T, VerifyError> {
        let mut patience = Patience::with_one(self.retry_for, Pauses::OF_A_CONNECTION);
        loop {
            let done = match self.open().await {
                Ok(snapshot) => call(snapshot).await,
                Err(error) => Err(error),
            };
            match done {
                Err(error) if again(&mut patience, error.disposition(), &error).await => self.snapshot = None,
                done => return Ok(done?),
            }
        }
    }

    async fn open(&mut self) -> Result<&mut dyn Snapshot, SourceError> {
        if self.snapshot.is_none() {
            self.snapshot = Some(self.source.snapshot().await?);
        }
        Ok(&mut **self.snapshot.as_mut().expect("it was opened above"))
    }
}

/// By the index that begins with the list key; where there is none, the table is read in chunks.
async fn each_of_lists(
    snapshot: &mut dyn Snapshot,
    mapping: &Mapping,
    lists: &[&[Value]],
    chunk_rows: u32,
    take: &mut EachRow<'_>,
) -> Result<(), SourceError> {
    let mut range = KeyRange::default();
    if mapping.list_key_leads() {
        return snapshot.each_row(mapping, Wanted::OfLists { range: &range, lists }, take).await;
    }
    if mapping.list_key_leads_a_unique_key() {
        for list in lists {
            snapshot.each_row(mapping, Wanted::List { key: list, range: &range }, take).await?;
        }
        return Ok(());
    }
    loop {
        range.up_to = snapshot.chunk_end(mapping.table, range.after.as_deref(), chunk_rows).await?;
        snapshot.each_row(mapping, Wanted::OfLists { range: &range, lists }, take).await?;
        if range.up_to.is_none() {
            return Ok(());
        }
        range.after = range.up_to.take();
    }
}

/// Reads of HBase.
#[derive(Clone, Copy)]
pub struct SinkReader<'a> {
    sink: &'a dyn Sink,
    retry_for: Duration,
    meter: &'a Meter,
}

/// Some of a scan, and what is left of it.
pub struct Page<T, R> {
    pub found: Vec<T>,
    pub rest: Option<R>,
}

impl<'a> SinkReader<'a> {
    pub fn new(sink: &'a dyn Sink, retry_for: Duration, meter: &'a Meter) -> SinkReader<'a> {
        SinkReader { sink, retry_for, meter }
    }

    /// Items by address, in the order asked for.
    pub async fn items(
        &self,
        target: &Target,
        addresses: &[Address],
    ) -> Result<Vec<Option<StoredRow>>, VerifyError> {
        let found = self.ask(|| look_up(self.sink, target, addresses)).await?;
        Meter::count(&self.meter.sink_items, found.len());
        Ok(found)
    }

    /// The first rows of `range`.
    pub async fn scan(
        &self,
        target: TargetId,
        range: &ScanRange,
    ) -> Result<Page<Found, ScanRange>, VerifyError> {
        let rows = self.ask(|| self.sink.scan(target, range)).await?;
        let last = rows.last().filter(|_| rows.len() >= range.limit);
        let rest = last.map(|last| range.after(&last.row));
        Meter::count(&self.meter.sink_items, rows.len());
        Ok(Page { found: rows.into_iter().map(tall_item).collect(), rest })
    }

    /// The first cells of `range`.
    pub async fn scan_cells(
        &self,
        target: TargetId,
        range: &CellRange,
    ) -> Result<Page<Found, CellRange>, VerifyError> {
        let rows = self.ask(|| self.sink.scan_cells(target, range)).await?;
        let rest = range.rest(&rows);
        let found: Vec<Found> = rows.into_iter().flat_map(wide_items).collect();
        Meter::count(&self.meter.sink_items, found.len());
        Ok(Page { found, rest })
    }

    /// What the first counted rows of `range` say of themselves.
    pub async fn scan_counts(
        &self,
        target: TargetId,
        range: &ScanRange,
    ) -> Result<Page<CountedRow, ScanRange>, VerifyError> {
        let found = self.ask(|| self.sink.scan_counts(target, range)).await?;
        let last = found.last().filter(|_| found.len() >= range.limit);
        let rest = last.map(|last| range.after(&last.row));
        Ok(Page { found, rest })
    }

    /// What counted rows say of themselves, and which of the named cells they have.
    pub async fn counted(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, VerifyError> {
        self.ask(|| self.sink.read_counted(target, wanted)).await
    }

    async fn ask<T, F>(&self, call: impl Fn() -> F) -> Result<T, VerifyError>
    where
        F: Future<Output = Result<T, SinkError>>,
    {
        let mut patience = Patience::with_one(self.retry_for, Pauses::OF_A_CONNECTION);
        loop {
            match call().await {
                Err(error) if again(&mut patience, error.disposition(), &error).await => {}
                done => return Ok(done?),
            }
        }
    }
}
