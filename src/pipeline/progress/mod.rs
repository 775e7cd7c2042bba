//! What a run shows of itself while it works. Written by the tasks, read by status and the display.

pub mod lag;
mod waits;

pub use waits::{Waiter, ms_of, trouble};

use crate::model::{MappingId, Position, Reached, TargetId, Tick};
use crate::source::BinlogPlace;
use crate::status::{Awaited, Concern, Kind, Wait, Warning};
use crate::store::records::CountsState;
use lag::{Behind, Lag, Quantiles};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;
use waits::Waits;

/// The state of a run, shared by its tasks.
pub struct Progress {
    pub counts: Counts,
    positions: Mutex<Positions>,
    copies: Mutex<BTreeMap<TargetId, CopyProgress>>,
    /// Some copy is under way; beside `copies`, so that asking for each row takes no lock.
    copying: AtomicBool,
    waits: Mutex<Waits>,
    lag: Mutex<Lag>,
    phase: Mutex<Phase>,
    /// Nothing is tailed.
    only_copies: AtomicBool,
    mark: Mutex<Option<MarkSeen>>,
    /// The checkpoint's transactions, for those who wait for it.
    checkpointed: watch::Sender<Reached>,
}

/// Totals since the start of the process.
#[derive(Debug, Default)]
pub struct Counts {
    pub transactions: AtomicU64,
    pub inserts: AtomicU64,
    pub updates: AtomicU64,
    pub deletes: AtomicU64,
    /// Deletes that were tailed while a copy was under way: what a copy without a fence would lose.
    pub deletes_while_copying: AtomicU64,
    pub batches: AtomicU64,
    pub rows_written: AtomicU64,
    pub windows: AtomicU64,
    pub sink_retries: AtomicU64,
    pub source_reconnects: AtomicU64,
    pub lists_put_aside: AtomicU64,
    pub chunks_put_aside: AtomicU64,
    pub checkpoints: AtomicU64,
    /// Changes read and not yet written.
    pub queued_rows: AtomicU64,
    /// Ticks ahead of the clock, milliseconds (I6).
    pub tick_lead_ms: AtomicU64,
    /// The highest tick that was handed out, by this process or one before it.
    pub tick_high: AtomicU64,
}

impl Counts {
    pub fn changes(&self) -> u64 {
        self.inserts.load(Relaxed) + self.updates.load(Relaxed) + self.deletes.load(Relaxed)
    }
}

/// The four positions, never mixed.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    pub server_uuid: String,
    pub received: Place,
    pub sealed: Place,
    pub written: Place,
    pub checkpointed: Place,
}

/// A position, and where that is in the binlog's files.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub reached: Reached,
    pub at: BinlogPlace,
}

impl Place {
    pub fn of(position: &Position) -> Place {
        Place {
            reached: position.reached.clone(),
            at: BinlogPlace { file: position.file.as_str().into(), offset: position.offset },
        }
    }
}

/// How far one copy has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyProgress {
    pub mapping: u16,
    pub chunks_done: u64,
    /// Chunks whose bounds are known so far.
    pub chunks_known: u64,
    /// Whether the last chunk is known.
    pub all_known: bool,
    pub rows_done: u64,
    pub rows_estimated: u64,
    /// Rows that were copied by this process, for the rate.
    pub rows_here: u64,
    pub complete: bool,
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
pub enum Phase {
    #[default]
    Starting,
    /// Cutting journaled batches again, or replaying with new ticks: older states may show.
    Replaying,
    Running,
    /// History is copied, and nothing is tailed.
    Copying,
    Draining,
    Ended,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Replaying => "replaying",
            Phase::Running => "tailing",
            Phase::Copying => "copying",
            Phase::Draining => "draining",
            Phase::Ended => "ended",
        }
    }
}

/// The newest safe mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkSeen {
    pub tick: Tick,
    pub taken_ms: u64,
}

/// A reading of the lag.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LagReading {
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
            counts: Counts::default(),
            positions: Mutex::default(),
            copies: Mutex::default(),
            copying: AtomicBool::new(false),
            waits: Mutex::default(),
            lag: Mutex::default(),
            phase: Mutex::default(),
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

    pub fn set_checkpointed(&self, position: &Position) {
        self.positions().checkpointed = Place::of(position);
        self.checkpointed.send_replace(position.reached.clone());
    }

    /// The checkpoint as it moves.
    pub fn watch_checkpoint(&self) -> watch::Receiver<Reached> {
        self.checkpointed.subscribe()
    }

    pub fn phase(&self) -> Phase {
        *lock(&self.phase)
    }

    /// A run without a tail is never [`Phase::Running`], but [`Phase::Copying`].
    pub fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = match phase {
            Phase::Running if self.only_copies.load(Relaxed) => Phase::Copying,
            phase => phase,
        };
    }

    /// Nothing is tailed in this run.
    pub fn only_copies(&self) {
        self.only_copies.store(true, Relaxed);
    }

    pub fn mark(&self) -> Option<MarkSeen> {
        *lock(&self.mark)
    }

    pub fn set_mark(&self, mark: MarkSeen) {
        *lock(&self.mark) = Some(mark);
    }

    /// This is what somebody waits for, until [`Progress::go_on`].
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

    pub fn go_on(&self, waiter: Waiter) {
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

    /// Something is to be watched although nobody waits for it, until [`Progress::calm`].
    pub fn warn(&self, concern: Concern, detail: String) {
        lock(&self.waits).warn(concern, detail);
    }

    pub fn calm(&self, concern: Concern) {
        lock(&self.waits).calm(concern);
    }

    pub fn warnings(&self, now_ms: u64) -> Vec<Warning> {
        lock(&self.waits).warnings(now_ms)
    }

    pub fn copy(&self, target: TargetId, mapping: MappingId, change: impl FnOnce(&mut CopyProgress)) {
        let mut copies = lock(&self.copies);
        let copy = copies.entry(target).or_default();
        copy.mapping = mapping.0;
        change(copy);
        self.copying.store(copies.values().any(|copy| !copy.complete), Relaxed);
    }

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

    /// Takes in the commit times of transactions that `written` passes now.
    pub fn passed(&self, committed_micros: &[u64]) {
        lock(&self.lag).passed(committed_micros);
    }

    /// The source answered a look; see [`Lag::looked`].
    pub fn looked(&self, at_micros: u64, has: Reached, bytes: Option<u64>) {
        lock(&self.lag).looked(at_micros, has, bytes);
    }

    /// How far HBase is behind the source now.
    pub fn behind(&self, now_micros: u64) -> Behind {
        let (written, received) = {
            let positions = self.positions();
            (positions.written.reached.clone(), positions.received.reached.clone())
        };
        lock(&self.lag).behind(now_micros, &written, &received)
    }

    pub fn lag(&self, now_micros: u64) -> LagReading {
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
