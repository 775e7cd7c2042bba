//! A sink that follows a script: a fate for each write, in order, and one for all that come later.

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tailfill::model::{Target, TargetId};
use tailfill::sink::memory::MemorySink;
use tailfill::sink::{
    CellNames, CellRange, CountedRow, CountedWrite, PackedRows, PackedWrite, ReadCounts, ReadRows, RowWrite,
    ScanRange, SinkError, StoredRow, TableState, Tables, WriteRows,
};
use tokio::time::{Instant, sleep};

/// What becomes of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    #[default]
    Pass,
    /// Fails and does nothing.
    FailBefore,
    /// The work is done, the reply is lost.
    FailAfter,
    /// Fails, and lands so much later all the same.
    Late(Duration),
    /// Refused for a reason that does not pass.
    Fatal,
}

/// A write as the pipeline asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub target: TargetId,
    pub rows: Vec<RowWrite>,
}

pub struct Gateway {
    sink: MemorySink,
    script: Mutex<Script>,
    landed_late: Arc<AtomicU64>,
    /// The line to HBase: whoever has it sends some rows.
    line: tokio::sync::Mutex<()>,
}

/// Rows that one write sends before others get their turn.
const SLICE: usize = 50;

#[derive(Default)]
struct Script {
    ticks_max: Option<usize>,
    fates: VecDeque<Fate>,
    afterwards: Fate,
    /// Of these targets every write is refused.
    closed: BTreeSet<TargetId>,
    sent: Vec<Sent>,
    first_sent: Option<Instant>,
    counted_fates: VecDeque<Fate>,
    counted_afterwards: Fate,
    counted: Vec<CountedWrite>,
    /// How long it takes to read cells one by one.
    scan_takes: Duration,
    scans: u64,
    /// How long a scan of row keys takes.
    key_scan_takes: Duration,
    /// How long it takes to read one item by its address.
    item_takes: Duration,
    clock_off_ms: i64,
    clock_probes: u64,
    rows_a_second: Option<u32>,
}

impl Gateway {
    pub fn new(sink: MemorySink) -> Gateway {
        Gateway { sink, script: Mutex::default(), landed_late: Arc::default(), line: Default::default() }
    }

    /// How often HBase's clock was read, each time by a write.
    pub fn clock_probes(&self) -> u64 {
        self.script().clock_probes
    }

    /// HBase's clock is that far ahead of ours from now on.
    pub fn clock_is_off(&self, seconds: i64) {
        self.script().clock_off_ms = seconds * 1_000;
    }

    /// The next writes go like this, and those after them pass.
    pub fn next_writes(&self, fates: impl IntoIterator<Item = Fate>) {
        let mut script = self.script();
        script.fates = fates.into_iter().collect();
        script.afterwards = Fate::Pass;
    }

    /// From now on all writes go like this.
    pub fn all_writes(&self, fate: Fate) {
        let mut script = self.script();
        script.fates.clear();
        script.afterwards = fate;
    }

    /// The next counted writes go like this, and those after them like `afterwards`.
    pub fn next_counted(&self, fates: impl IntoIterator<Item = Fate>, afterwards: Fate) {
        let mut script = self.script();
        script.counted_fates = fates.into_iter().collect();
        script.counted_afterwards = afterwards;
    }

    /// Every counted write since the last call, in the order of asking.
    pub fn take_counted(&self) -> Vec<CountedWrite> {
        std::mem::take(&mut self.script().counted)
    }

    /// From now on it takes so long to read cells one by one.
    pub fn scans_take(&self, time: Duration) {
        self.script().scan_takes = time;
    }

    /// Scans of row keys take so long from now on.
    pub fn key_scans_take(&self, time: Duration) {
        self.script().key_scan_takes = time;
    }

    /// Reads of items by their addresses take so long for each from now on.
    pub fn items_take(&self, time: Duration) {
        self.script().item_takes = time;
    }

    /// Writes of all callers together take that long from now on, and share the line fairly.
    pub fn takes_rows(&self, a_second: u32) {
        self.script().rows_a_second = Some(a_second);
    }

    async fn pass(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError> {
        let Some(speed) = self.script().rows_a_second else { return self.sink.write(target, rows).await };
        for slice in rows.chunks(SLICE) {
            let _line = self.line.lock().await;
            sleep(Duration::from_secs(slice.len() as u64) / speed).await;
            self.sink.write(target, slice).await?;
        }
        Ok(())
    }

    async fn take_time(&self, items: usize) {
        let takes = self.script().item_takes * items as u32;
        sleep(takes).await;
    }

    /// Scans of single cells so far.
    pub fn scans(&self) -> u64 {
        self.script().scans
    }

    /// Says from now on that a write should have at most so many ticks.
    pub fn wants_ticks(&self, ticks_max: usize) {
        self.script().ticks_max = Some(ticks_max);
    }

    /// From now on every write to these targets, and to no others, is refused.
    pub fn close(&self, targets: impl IntoIterator<Item = TargetId>) {
        self.script().closed = targets.into_iter().collect();
    }

    /// Every write since the last call, in the order of asking.
    pub fn take_sent(&self) -> Vec<Sent> {
        let mut script = self.script();
        script.first_sent = None;
        std::mem::take(&mut script.sent)
    }

    /// When the first of the writes since the last [`Gateway::take_sent`] was asked for.
    pub fn first_sent(&self) -> Option<Instant> {
        self.script().first_sent
    }

    /// Writes that were reported as failed and landed all the same, later.
    pub fn landed_late(&self) -> u64 {
        self.landed_late.load(SeqCst)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("nothing panics while it is held")
    }

    fn land_later(&self, after: Duration, sent: Sent) {
        let (sink, landed) = (self.sink.clone(), self.landed_late.clone());
        tokio::spawn(async move {
            sleep(after).await;
            sink.write(sent.target, &PackedRows::of(&sent.rows).writes())
                .await
                .expect("the memory sink takes our writes");
            landed.fetch_add(1, SeqCst);
        });
    }
}

fn unavailable() -> SinkError {
    SinkError::Unavailable { gateway: "scripted".into(), reason: "connection reset".into() }
}

fn refused() -> SinkError {
    let (what, reason) = ("puts".into(), "AccessDeniedException".into());
    SinkError::Refused { gateway: "scripted".into(), what, reason }
}

#[async_trait]
impl ReadRows for Gateway {
    async fn read(&self, target: TargetId, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        self.take_time(keys.len()).await;
        self.sink.read(target, keys).await
    }

    async fn read_cells(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError> {
        self.take_time(wanted.iter().map(|names| names.qualifiers.len()).sum()).await;
        self.sink.read_cells(target, wanted).await
    }

    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError> {
        self.sink.scan(target, range).await
    }

    async fn scan_cells(&self, target: TargetId, range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        let takes = {
            let mut script = self.script();
            script.scans += 1;
            script.scan_takes
        };
        sleep(takes).await;
        self.sink.scan_cells(target, range).await
    }

    async fn scan_keys(&self, target: TargetId, range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        let takes = self.script().key_scan_takes;
        sleep(takes).await;
        self.sink.scan_keys(target, range).await
    }
}

#[async_trait]
impl ReadCounts for Gateway {
    async fn scan_counts(&self, target: TargetId, range: &ScanRange) -> Result<Vec<CountedRow>, SinkError> {
        self.sink.scan_counts(target, range).await
    }

    async fn read_counted(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError> {
        self.sink.read_counted(target, wanted).await
    }
}

#[async_trait]
impl WriteRows for Gateway {
    async fn write(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError> {
        let sent = Sent { target, rows: rows.iter().map(PackedWrite::unpack).collect() };
        let fate = {
            let mut script = self.script();
            script.sent.push(sent.clone());
            script.first_sent.get_or_insert_with(Instant::now);
            match script.closed.contains(&target) {
                true => Fate::Fatal,
                false => script.fates.pop_front().unwrap_or(script.afterwards),
            }
        };
        sleep(Duration::from_millis(2)).await;
        match fate {
            Fate::Pass => self.pass(target, rows).await,
            Fate::FailBefore => Err(unavailable()),
            Fate::FailAfter => {
                self.sink.write(target, rows).await?;
                Err(unavailable())
            }
            Fate::Late(after) => {
                self.land_later(after, sent);
                Err(unavailable())
            }
            Fate::Fatal => Err(refused()),
        }
    }

    async fn write_counted(&self, target: TargetId, write: &CountedWrite) -> Result<bool, SinkError> {
        let fate = {
            let mut script = self.script();
            script.counted.push(write.clone());
            match script.closed.contains(&target) {
                true => Fate::Fatal,
                false => script.counted_fates.pop_front().unwrap_or(script.counted_afterwards),
            }
        };
        sleep(Duration::from_millis(2)).await;
        match fate {
            Fate::Pass => self.sink.write_counted(target, write).await,
            Fate::FailBefore => Err(unavailable()),
            Fate::FailAfter => {
                self.sink.write_counted(target, write).await?;
                Err(unavailable())
            }
            Fate::Late(after) => {
                let (sink, landed, write) = (self.sink.clone(), self.landed_late.clone(), write.clone());
                tokio::spawn(async move {
                    sleep(after).await;
                    sink.write_counted(target, &write).await.expect("the memory sink takes our writes");
                    landed.fetch_add(1, SeqCst);
                });
                Err(unavailable())
            }
            Fate::Fatal => Err(refused()),
        }
    }

    fn ticks_max(&self) -> usize {
        self.script().ticks_max.unwrap_or(usize::MAX)
    }
}

#[async_trait]
impl Tables for Gateway {
    async fn describe(&self, target: TargetId) -> Result<TableState, SinkError> {
        self.sink.describe(target).await
    }

    async fn create(&self, target: &Target, run_id: &str, purge_deletes_ms: u64) -> Result<(), SinkError> {
        self.sink.create(target, run_id, purge_deletes_ms).await
    }

    async fn server_clock_ms(&self, target: TargetId) -> Result<u64, SinkError> {
        self.script().clock_probes += 1;
        let clock = self.sink.server_clock_ms(target).await?;
        Ok(clock.saturating_add_signed(self.script().clock_off_ms))
    }
}
