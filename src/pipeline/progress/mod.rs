//! What a run shows of itself while it works. Written by the tasks, read by status and the display.

pub(crate) mod lag;
mod waits;

pub(crate) use waits::{Waiter, ms_of, trouble};

use crate::model::{MappingId, Position, Reached, TargetId, Tick};
use crate::source::BinlogPlace;
use crate::status::{Awaited, Concern, ContinuousStatus, Kind, Wait, Warning};
use crate::store::records::CountsState;
use hdrhistogram::Histogram;
use lag::{Behind, Lag, Quantiles};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use waits::Waits;

/// The state of a run, shared by its tasks.
pub struct Progress {
    /// Added to without a lock.
    pub totals: Totals,
    positions: Mutex<Positions>,
    copies: Mutex<BTreeMap<TargetId, CopyProgress>>,
    /// Some copy is under way; beside `copies`, so that asking for each row takes no lock.
    copying: AtomicBool,
    waits: Mutex<Waits>,
    lag: Mutex<Lag>,
    /// From the journal to HBase, microseconds, since somebody took them.
    tail_waits: Mutex<Histogram<u64>>,
    phase: Mutex<RunPhase>,
    /// How often the phase was set.
    phases: AtomicU64,
    /// Of the continuous verification; `None`: there is none.
    verified: Mutex<Option<ContinuousStatus>>,
    /// Nothing is tailed.
    only_copies: AtomicBool,
    mark: Mutex<Option<MarkSeen>>,
    /// The checkpoint's transactions, for those who wait for it.
    checkpointed: watch::Sender<Reached>,
}

/// Totals since the start of the process.
#[derive(Debug, Default)]
pub struct Totals {
    /// Read to their end, also those without a change of a mapped table.
    pub transactions: AtomicU64,
    /// Tailed, as MySQL logged them.
    pub inserts: AtomicU64,
    /// Tailed, as MySQL logged them.
    pub updates: AtomicU64,
    /// Tailed, as MySQL logged them.
    pub deletes: AtomicU64,
    /// Deletes that were tailed while a copy was under way: what a copy without a fence would lose.
    pub deletes_while_copying: AtomicU64,
    /// Sealed with a tick.
    pub batches: AtomicU64,
    /// HBase rows that the tail wrote; a row that was sent again counts once more.
    pub rows_written: AtomicU64,
    /// Groups of rows that the tail sent.
    pub windows: AtomicU64,
    /// Windows that were sent again after a passing error.
    pub sink_retries: AtomicU64,
    /// Streams that were opened again after a passing error.
    pub source_reconnects: AtomicU64,
    /// Lists that others leased when the tail wanted to write them.
    pub lists_put_aside: AtomicU64,
    /// Parts of chunks whose lists others leased.
    pub chunks_put_aside: AtomicU64,
    /// Made durable.
    pub checkpoints: AtomicU64,
    /// Changes read and not yet written.
    pub queued_rows: AtomicU64,
    /// Ticks ahead of the clock, milliseconds (I6).
    pub tick_lead_ms: AtomicU64,
    /// The highest tick that was handed out, by this process or one before it.
    pub tick_high: AtomicU64,
}

impl Totals {
    /// Inserts, updates and deletes together.
    pub fn changes(&self) -> u64 {
        self.inserts.load(Relaxed) + self.updates.load(Relaxed) + self.deletes.load(Relaxed)
    }
}

/// The four positions, never mixed.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    /// Of the server that is tailed; empty until the run has asked.
    pub server_uuid: String,
    /// The stream has read up to here.
    pub received: RunPosition,
    /// Up to here everything is in a batch with a tick.
    pub sealed: RunPosition,
    /// Up to here every target has everything.
    pub written: RunPosition,
    /// Durable; a restart goes on from here.
    pub checkpointed: RunPosition,
}

/// A position, and where that is in the binlog's files.
#[derive(Clone, Debug, Default)]
pub struct RunPosition {
    /// Every transaction before the place.
    pub reached: Reached,
    /// For the byte lag, and for people.
    pub at: BinlogPlace,
}

impl RunPosition {
    pub(crate) fn of(position: &Position) -> RunPosition {
        RunPosition {
            reached: position.reached.clone(),
            at: BinlogPlace { file: position.file.as_str().into(), offset: position.offset },
        }
    }
}

/// How far one copy has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyProgress {
    /// [`MappingId`].
    pub mapping: u16,
    /// Every row of them is written, durably noted.
    pub chunks_done: u64,
    /// Chunks whose bounds are known so far.
    pub chunks_known: u64,
    /// Whether the last chunk is known.
    pub all_known: bool,
    /// Rows of these chunks.
    pub rows_done: u64,
    /// By MySQL's statistics; 0 until asked.
    pub rows_estimated: u64,
    /// Rows that were copied by this process, for the rate.
    pub rows_here: u64,
    /// Every chunk is done.
    pub complete: bool,
    /// Of a counted target.
    pub counts: CountsProgress,
}

/// How far the counts of one target have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountsProgress {
    /// `None`: the target is not counted.
    pub state: Option<CountsState>,
    /// Walks over all rows that were begun by this process.
    pub walks: u64,
    /// Rows that the present walk has passed.
    pub rows_walked: u64,
    /// Rows that walks of this process have counted.
    pub rows_done: u64,
}

/// What the run is doing as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunPhase {
    /// Decides where to go on; writes nothing.
    #[default]
    Starting,
    /// Cutting journaled batches again, or replaying with new ticks: older states may show.
    Replaying,
    /// Tails, and copies what is not copied yet.
    Running,
    /// History is copied, and nothing is tailed.
    Copying,
    /// Finishes what is under way; takes nothing new.
    Draining,
    /// No task is left.
    Ended,
}

impl RunPhase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            RunPhase::Starting => "starting",
            RunPhase::Replaying => "replaying",
            RunPhase::Running => "tailing",
            RunPhase::Copying => "copying",
            RunPhase::Draining => "draining",
            RunPhase::Ended => "ended",
        }
    }
}

/// The newest safe mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkSeen {
    /// What chunks write with now.
    pub tick: Tick,
    /// Milliseconds since 1970, by our clock.
    pub taken_ms: u64,
}

/// A reading of the lag.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LagReading {
    pub behind: Behind,
    /// From commit in MySQL to written in HBase.
    pub over_the_run: Quantiles,
    pub last_minute: Quantiles,
    pub last_ten_minutes: Quantiles,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Default for Progress {
    fn default() -> Progress {
        Progress {
            totals: Totals::default(),
            positions: Mutex::default(),
            copies: Mutex::default(),
            copying: AtomicBool::new(false),
            waits: Mutex::default(),
            lag: Mutex::default(),
            // two digits: it grows as the longest wait asks for
            tail_waits: Mutex::new(Histogram::new(2).expect("two digits are valid")),
            phase: Mutex::default(),
            phases: AtomicU64::new(0),
            verified: Mutex::default(),
            only_copies: AtomicBool::new(false),
            mark: Mutex::default(),
            checkpointed: watch::Sender::new(Reached::default()),
        }
    }
}

impl Progress {
    /// Reads or changes the positions; hold it for as short as that takes.
    pub fn positions(&self) -> MutexGuard<'_, Positions> {
        lock(&self.positions)
    }

    pub(crate) fn set_checkpointed(&self, position: &Position) {
        self.positions().checkpointed = RunPosition::of(position);
        self.checkpointed.send_replace(position.reached.clone());
    }

    /// The checkpoint as it moves.
    pub fn watch_checkpoint(&self) -> watch::Receiver<Reached> {
        self.checkpointed.subscribe()
    }

    pub(crate) fn phase(&self) -> RunPhase {
        *lock(&self.phase)
    }

    /// The tasks begin again, at `at` if the tail was moved there: what they had queued, waited for and marked is over, and
    /// nobody takes what was written before for what is written behind that.
    pub(crate) fn begin_again(&self, at: Option<&Position>) {
        if let Some(at) = at {
            let mut positions = self.positions();
            (positions.received, positions.written) = (RunPosition::of(at), RunPosition::of(at));
            drop(positions);
            self.set_checkpointed(at);
        }
        self.totals.queued_rows.store(0, Relaxed);
        lock(&self.waits).forget();
        *lock(&self.mark) = None;
        self.set_phase(RunPhase::Starting);
    }

    /// A run without a tail is never [`RunPhase::Running`], but [`RunPhase::Copying`].
    pub fn set_phase(&self, phase: RunPhase) {
        self.phases.fetch_add(1, Relaxed);
        *lock(&self.phase) = match phase {
            RunPhase::Running if self.only_copies.load(Relaxed) => RunPhase::Copying,
            phase => phase,
        };
    }

    /// Another number after each change of the phase: where it is the same, no older state was shown in between.
    pub(crate) fn phases(&self) -> u64 {
        self.phases.load(Relaxed)
    }

    /// What the continuous verification shows.
    pub(crate) fn show_verified(&self, status: ContinuousStatus) {
        *lock(&self.verified) = Some(status);
    }

    /// The same; `None`: there is none.
    pub fn verified(&self) -> Option<ContinuousStatus> {
        lock(&self.verified).clone()
    }

    /// Nothing is tailed in this run.
    pub fn only_copies(&self) {
        self.only_copies.store(true, Relaxed);
    }

    /// `None` until the first mark was proven.
    pub fn mark(&self) -> Option<MarkSeen> {
        *lock(&self.mark)
    }

    pub(crate) fn set_mark(&self, mark: MarkSeen) {
        *lock(&self.mark) = Some(mark);
    }

    /// This is what somebody waits for, until `go_on`.
    pub fn wait_for(&self, waiter: Waiter, awaited: Awaited) {
        lock(&self.waits).set(waiter, [(awaited, None)]);
    }

    /// The same, since a moment that is known.
    pub fn wait_since(&self, waiter: Waiter, since: Instant, awaited: Awaited) {
        lock(&self.waits).set(waiter, [(awaited, Some(since))]);
    }

    /// The same for several things at once, each since a moment.
    pub fn wait_for_all(
        &self,
        waiter: Waiter,
        awaited: impl IntoIterator<Item = (Awaited, Option<Instant>)>,
    ) {
        lock(&self.waits).set(waiter, awaited);
    }

    pub(crate) fn go_on(&self, waiter: Waiter) {
        lock(&self.waits).take(waiter);
    }

    /// What somebody waits for, or that nothing is.
    pub fn show(&self, waiter: Waiter, awaited: Option<Awaited>) {
        match awaited {
            Some(awaited) => self.wait_for(waiter, awaited),
            None => self.go_on(waiter),
        }
    }

    /// Whether somebody waits for this.
    pub fn is_waited_for(&self, kind: Kind) -> bool {
        lock(&self.waits).is_waited_for(kind)
    }

    /// Every wait; `now_ms` is now, milliseconds since 1970.
    pub fn waits(&self, now_ms: u64) -> Vec<Wait> {
        lock(&self.waits).waits(now_ms)
    }

    /// Something is to be watched although nobody waits for it, until `calm`.
    pub fn warn(&self, concern: Concern, detail: String) {
        lock(&self.waits).warn(concern, detail);
    }

    pub(crate) fn calm(&self, concern: Concern) {
        lock(&self.waits).calm(concern);
    }

    /// What a person should look at, with its age at `now_ms` (milliseconds since 1970).
    pub fn warnings(&self, now_ms: u64) -> Vec<Warning> {
        lock(&self.waits).warnings(now_ms)
    }

    pub(crate) fn copy(&self, target: TargetId, mapping: MappingId, change: impl FnOnce(&mut CopyProgress)) {
        let mut copies = lock(&self.copies);
        let copy = copies.entry(target).or_default();
        copy.mapping = mapping.0;
        change(copy);
        self.copying.store(copies.values().any(|copy| !copy.complete), Relaxed);
    }

    /// Rows that this run has copied into a target.
    pub fn rows_copied(&self, target: TargetId) -> u64 {
        lock(&self.copies).get(&target).map_or(0, |copy| copy.rows_here)
    }

    /// How far each copy is.
    pub fn copies(&self) -> BTreeMap<TargetId, CopyProgress> {
        lock(&self.copies).clone()
    }

    /// Whether some copy is under way.
    pub fn copying(&self) -> bool {
        self.copying.load(Relaxed)
    }

    /// Takes in the commit times of transactions that are written now.
    pub fn written_at(&self, now_micros: u64, committed_micros: &[u64]) {
        lock(&self.lag).written(now_micros, committed_micros);
    }

    /// A batch of the tail was written so long after it came out of the journal.
    pub fn tail_waited(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        lock(&self.tail_waits).record(micros).ok(); // it grows
    }

    /// How long half of the batches have waited since the last call, at most; `None`: there were none.
    pub fn take_tail_wait(&self) -> Option<Duration> {
        let mut waits = lock(&self.tail_waits);
        let median = (!waits.is_empty()).then(|| waits.value_at_quantile(0.5));
        waits.reset();
        median.map(Duration::from_micros)
    }

    /// Takes in the commit times of transactions that `written` passes now.
    pub fn passed(&self, committed_micros: &[u64]) {
        lock(&self.lag).passed(committed_micros);
    }

    /// The source answered a look; see `Lag::looked`.
    pub fn source_answered(&self, at_micros: u64, has: Reached, bytes: Option<u64>) {
        lock(&self.lag).source_answered(at_micros, has, bytes);
    }

    /// The same from one who does not know how many bytes that are.
    pub fn source_has(&self, at_micros: u64, has: Reached) {
        let mut lag = lock(&self.lag);
        let bytes = lag.bytes();
        lag.source_answered(at_micros, has, bytes);
    }

    /// How far HBase is behind the source now.
    pub fn behind(&self, now_micros: u64) -> Behind {
        let (written, received) = {
            let positions = self.positions();
            (positions.written.reached.clone(), positions.received.reached.clone())
        };
        lock(&self.lag).behind(now_micros, &written, &received)
    }

    pub(crate) fn lag(&self, now_micros: u64) -> LagReading {
        let behind = self.behind(now_micros);
        let lag = lock(&self.lag);
        LagReading {
            behind,
            over_the_run: lag.over_the_run(),
            last_minute: lag.last_minute(now_micros),
            last_ten_minutes: lag.last_ten_minutes(now_micros),
        }
    }

    /// Commit to written in the last minute.
    pub fn last_minute(&self, now_micros: u64) -> Quantiles {
        lock(&self.lag).last_minute(now_micros)
    }

    /// Commit to written since the run began.
    pub fn over_the_run(&self) -> Quantiles {
        lock(&self.lag).over_the_run()
    }
}
