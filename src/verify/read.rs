//! Reading both sides. A call that fails in passing is repeated, because a comparison of a large table
//! outlives a server's restart.

use super::{Meter, VerifyError};
use crate::error::Disposition;
use crate::model::{Mapping, Row, TableId, TargetId, Value};
use crate::sink::hbase::PROBE_ROW;
use crate::sink::{ScanRange, Sink, StoredRow};
use crate::source::{KeyRange, Snapshot, Source, SourceError};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long a call is repeated.
struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    fn new(retry_for: Duration) -> Patience {
        Patience { deadline: Instant::now() + retry_for, pause: PAUSE_FIRST }
    }

    /// Waits a while and says to try again, unless repeating is of no use (any more).
    async fn again(&mut self, disposition: Disposition, error: &(dyn std::error::Error + Sync)) -> bool {
        if disposition != Disposition::Retry || Instant::now() + self.pause > self.deadline {
            return false;
        }
        tracing::warn!(%error, "reading again");
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }
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

    /// The rows after `after` up to `rows` of them, and the key to go on from (`None`: that was all).
    pub async fn chunk(
        &mut self,
        mapping: &Mapping,
        after: Option<Vec<Value>>,
        rows: u32,
    ) -> Result<(Vec<Row>, Option<Vec<Value>>), VerifyError> {
        let table: TableId = mapping.table;
        let up_to =
            self.ask(async |snapshot| snapshot.chunk_end(table, after.as_deref(), rows).await).await?;
        let range = KeyRange { after, up_to };
        let found = self.ask(async |snapshot| snapshot.rows(mapping, &range).await).await?;
        Meter::count(&self.meter.source_rows, found.len());
        Ok((found, range.up_to))
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
        Meter::count(&self.meter.source_rows, found.len());
        Ok(found)
    }

    async fn ask<T>(
        &mut self,
        mut call: impl AsyncFnMut(&mut dyn Snapshot) -> Result<T, SourceError>,
    ) -> Result<T, VerifyError> {
        let mut patience = Patience::new(self.retry_for);
        loop {
            let done = match self.open().await {
                Ok(snapshot) => call(snapshot).await,
                Err(error) => Err(error),
            };
            match done {
                Err(error) if patience.again(error.disposition(), &error).await => self.snapshot = None,
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

/// Reads of HBase.
#[derive(Clone, Copy)]
pub struct SinkReader<'a> {
    sink: &'a dyn Sink,
    retry_for: Duration,
    meter: &'a Meter,
}

impl<'a> SinkReader<'a> {
    pub fn new(sink: &'a dyn Sink, retry_for: Duration, meter: &'a Meter) -> SinkReader<'a> {
        SinkReader { sink, retry_for, meter }
    }

    /// Rows by key, in the order asked for.
    pub async fn read(
        &self,
        target: TargetId,
        keys: &[Bytes],
    ) -> Result<Vec<Option<StoredRow>>, VerifyError> {
        let mut patience = Patience::new(self.retry_for);
        let found = loop {
            match self.sink.read(target, keys).await {
                Err(error) if patience.again(error.disposition(), &error).await => {}
                done => break done?,
            }
        };
        Meter::count(&self.meter.sink_rows, found.len());
        Ok(found)
    }

    /// The first rows of `range`, without the one that our clock probe leaves for a moment.
    pub async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<ScanPage, VerifyError> {
        let mut patience = Patience::new(self.retry_for);
        let mut rows = loop {
            match self.sink.scan(target, range).await {
                Err(error) if patience.again(error.disposition(), &error).await => {}
                done => break done?,
            }
        };
        let rest =
            (rows.len() >= range.limit).then(|| rows.last().map(|last| range.after(&last.row))).flatten();
        rows.retain(|row| row.row != PROBE_ROW);
        Meter::count(&self.meter.sink_rows, rows.len());
        Ok(ScanPage { rows, rest })
    }
}

/// Some rows of a scan, and what is left of it.
pub struct ScanPage {
    pub rows: Vec<StoredRow>,
    pub rest: Option<ScanRange>,
}
