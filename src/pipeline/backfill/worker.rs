//! The backfill: workers that copy parts of spans, each under the leases of its lists, stamped with a mark that
//! was safe before its SELECT.
//!
//! A part is: take the leases of its lists (`leasing`), take the newest safe mark, SELECT, write, release. With the
//! last part of a span the end of the span's chunks is made durable. Nothing waits while it holds a lease.

mod trouble;

use crate::failpoints::{KillPoint, kill_at};
use crate::lock::{Held, ListId};
use crate::model::{Value, Work};
use crate::pipeline::backfill::absence;
use crate::pipeline::backfill::leasing;
use crate::pipeline::backfill::marks::NewestMark;
use crate::pipeline::backfill::planning;
use crate::pipeline::copies::chunks;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::copies::span::{Part, Piece, PieceRows, SpanDone};
use crate::pipeline::parts::patience;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::Waiter;
use crate::pipeline::throttle::Permit;
use crate::protocol::coalesce::SnapshotRows;
use crate::protocol::write::{NotWritten, send};
use crate::protocol::{Journaled, ListWrites, ProtocolError, SafeMark};
use crate::retry::Patience;
use crate::sink::{SinkError, layout, limits};
use crate::source::{Snapshot, SourceError, Wanted};
use crate::status::{Awaited, Kind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long an idle worker waits at most before it looks whether there is a part to take.
const IDLE_PAUSE: Duration = Duration::from_millis(50);
/// How often lists may turn up in a part between reading its list keys and its rows.
const LIST_ROUNDS: usize = 8;
/// How often a part may outlast its leases.
const DEADLINES_MAX: u32 = 10;

/// Copies everything that is left, then returns; stops early at `stop`, after the part under way. `tails`: a tail goes on
/// beside.
pub async fn work(
    parts: &Parts,
    (number, tails): (usize, bool),
    copies: Vec<Arc<Copy>>,
    marks: NewestMark,
    stop: CancellationToken,
) -> Result<(), ProtocolError> {
    let waiting = parts.progress.mark().is_none();
    if waiting {
        parts.progress.wait_for(Waiter::Backfill(number), Awaited::new(Kind::Mark, ""));
    }
    tokio::select! { biased;
        () = stop.cancelled() => return Ok(()),
        _ = marks.first() => {}
    }
    parts.progress.go_on(Waiter::Backfill(number));
    let (snapshot, patience, read_again) = (None, patience::with_a_task(parts), false);
    let stopped = stop.clone();
    let mut worker = Worker { parts, number, tails, marks, stop, snapshot, patience, read_again };
    let mut targets = parts.plan.written_to().listen();
    loop {
        for copy in &copies {
            while !stopped.is_cancelled() && !parts.plan.is_parked(copy.target.id) && !copy.complete().await {
                let permit = tokio::select! { biased;
                    () = stopped.cancelled() => return Ok(()),
                    permit = worker.until_permitted() => permit,
                };
                tokio::select! { biased;
                    () = stopped_for(&stopped, parts.settings.drain_for) => return Ok(()),
                    outcome = worker.copy_one(copy, permit) => match outcome {
                        Ok(()) => worker.end_trouble(),
                        Err(error) => worker.park_or_retry(copy, error).await?,
                    }
                }
            }
        }
        if all_complete(&copies).await {
            return Ok(());
        }
        // a parked target that a re-copy brings back has its chunks left
        tokio::select! { biased;
            () = stopped.cancelled() => return Ok(()),
            () = targets.changed() => {}
        }
    }
}

async fn all_complete(copies: &[Arc<Copy>]) -> bool {
    for copy in copies {
        if !copy.complete().await {
            return false;
        }
    }
    true
}

/// The part under way at a stop is finished within the drain time, so that its leases are given back: left to
/// expire they would keep the tail's last writes, and the next run, off their lists.
async fn stopped_for(stop: &CancellationToken, drain: Duration) {
    stop.cancelled().await;
    sleep(drain).await;
}

struct Worker<'a> {
    parts: &'a Parts,
    number: usize,
    tails: bool,
    marks: NewestMark,
    stop: CancellationToken,
    snapshot: Option<Box<dyn Snapshot>>,
    patience: Patience,
    /// The last attempt met a row that cannot be read, and the tail has come since to what was committed then.
    read_again: bool,
}

/// What became of an attempt at a part.
enum Attempt {
    Copied {
        rows: u64,
    },
    /// Busy lists; nothing is lost.
    Again,
    /// No piece of it is left: all were put off.
    PutOff,
    /// The leases ran out before all was written: fewer lists at once are taken.
    Slow,
}

impl Worker<'_> {
    /// Takes a part and copies it; plans ahead before that, or waits a moment when there is nothing to take.
    async fn copy_one(&mut self, copy: &Copy, permit: Permit) -> Result<(), ProtocolError> {
        let mut changed = copy.changed.listen();
        self.plan_ahead(copy).await?;
        let most = self.parts.throttle.part_rows_max();
        let most = copy.rows_by_size.get().map_or(most, |rows| most.min(*rows));
        copy.pace().bind(most as usize);
        let rows_max = self.parts.throttle.part_rows(copy.pace().rows() as u64);
        let Some(mut part) = copy.spans().take(rows_max) else {
            let _ = timeout(IDLE_PAUSE, changed.changed()).await;
            return Ok(());
        };
        if self.parts.settings.failpoints.chunk_done_before_write() {
            self.finish(copy, &part, 0).await?;
            return self.attempt(copy, &mut part).await.map(|_| ());
        }
        let mut failed = None;
        for _ in 0..DEADLINES_MAX {
            match self.attempt(copy, &mut part).await {
                Ok(Attempt::Copied { rows }) => {
                    permit.used(rows);
                    return self.finish(copy, &part, rows).await;
                }
                Ok(Attempt::Slow) => {
                    copy.pace().missed();
                    break;
                }
                Ok(Attempt::PutOff) => break,
                Ok(Attempt::Again) if self.stop.is_cancelled() || self.is_paused() => break,
                Ok(Attempt::Again) => {}
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let done = copy.spans().give_back(part);
        copy.changed.raise();
        if let Some(done) = done {
            self.done(copy, done).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    fn is_paused(&self) -> bool {
        self.parts.levers.is_paused(Work::Backfill)
    }

    /// Waits until this worker is one of those that are to work, the backfill is not paused, and its pace lets it read. It
    /// holds nothing meanwhile: no part and no lease (I8), and no connection while it may take long.
    async fn until_permitted(&mut self) -> Permit {
        let Parts { throttle, levers, progress, .. } = self.parts;
        let waiter = Waiter::Backfill(self.number);
        loop {
            let mut changed = throttle.listen();
            if self.number >= throttle.workers() {
                self.snapshot = None;
                changed.changed().await;
                continue;
            }
            if self.is_paused() || throttle.is_shut() {
                self.snapshot = None;
            }
            levers.until_running(Work::Backfill, waiter, progress).await;
            let rows = throttle.part_rows(u64::from(throttle.part_rows_max()));
            if self.parts.settings.failpoints.permit_under_leases() {
                return throttle.unasked();
            }
            let permit = throttle.permit(rows, waiter, progress).await;
            // it may have waited for long
            if !self.is_paused() && self.number < throttle.workers() {
                return permit;
            }
        }
    }

    /// Plans the next span when few parts are left and nobody else does.
    async fn plan_ahead(&mut self, copy: &Copy) -> Result<(), ProtocolError> {
        let Ok(_planning) = copy.planning.try_lock() else { return Ok(()) };
        if !planning::is_wanted(copy).await {
            return Ok(());
        }
        let (settings, wanted) = (self.parts.settings.clone(), self.parts.throttle.limits().chunk_rows);
        let snapshot = self.snapshot().await?;
        let rows = planning::chunk_rows(copy, &mut **snapshot, wanted).await?;
        let chunks = planning::next_chunks(copy, &mut **snapshot, &settings, rows).await?;
        let pieces = planning::pieces(copy, &chunks, &mut **snapshot, u64::from(rows)).await;
        let done = match pieces {
            Ok(pieces) => copy.spans().add(chunks, pieces),
            Err(error) => {
                copy.chunks.lock().await.give_back(chunks);
                return Err(error);
            }
        };
        copy.changed.raise();
        copy.show(self.parts).await;
        match done {
            Some(done) => self.done(copy, done).await,
            None => Ok(()),
        }
    }

    async fn attempt(&mut self, copy: &Copy, part: &mut Part) -> Result<Attempt, ProtocolError> {
        let off = self.parts.settings.failpoints;
        let (mut lists, mut waits) =
            (part.lists(), part.waits() || off.parts_wait_for_all() || off.chunk_done_before_write());
        for _ in 0..LIST_ROUNDS {
            let claim = self.parts.leases.claim();
            let held = match waits {
                true => leasing::wait_for_all(self.parts, self.number, &lists, &claim, &self.stop).await,
                false => leasing::take_free(self.parts, copy, part).await,
            };
            let Some(held) = held else {
                return Ok(if part.pieces.is_empty() { Attempt::PutOff } else { Attempt::Again });
            };
            if off.permit_under_leases() {
                let (rows, waiter) = (part.rows(), Waiter::Backfill(self.number));
                drop(self.parts.throttle.permit(rows, waiter, &self.parts.progress).await);
            }
            let unfenced = off.count_pass_before_caught_up() || off.count_beside_zombies();
            if let Some(fence) = copy.fence.as_ref().filter(|_| !unfenced)
                && let Err(error) = fence.hold().await
            {
                held.release().await;
                return Err(error.into());
            }
            // I3: the mark was safe before the SELECT below opens its read view
            let mark = self.newest_mark()?;
            if !self.parts.plan.written_to().may_use(copy.target.id, mark.tick()) {
                // the target joined after it was taken: the SELECT may miss a change that the target did not get
                held.release().await;
                sleep(self.parts.settings.mark_every).await;
                return Ok(Attempt::Again);
            }
            let rows = match self.rows(copy, part).await {
                Ok(rows) => rows,
                Err(error) => {
                    held.release().await;
                    return Err(error);
                }
            };
            let joined: BTreeSet<ListId> = rows.lists().filter(|list| !held.lists().contains(list)).collect();
            if joined.is_empty() {
                kill_at(KillPoint::ChunkRead);
                return self.write(copy, held, rows, &mark).await;
            }
            // rows of lists that joined the range since: put back, and taken with their leases
            held.release().await;
            if !std::mem::replace(&mut waits, true) {
                lists = part.lists(); // without what was put off
            }
            lists.extend(joined);
        }
        Ok(Attempt::Again)
    }

    /// SELECTs the rows of a part.
    async fn rows<'c>(&mut self, copy: &'c Copy, part: &Part) -> Result<SnapshotRows<'c>, ProtocolError> {
        let (mapping, snapshot) = (&copy.mapping, self.snapshot().await?);
        let mut found = SnapshotRows::new(mapping, &copy.target, part.rows() as usize);
        let mut refused = None;
        for pieces in part.pieces.chunk_by(Piece::reads_with) {
            let keys: Vec<&[Value]> = pieces.iter().filter_map(Piece::list_key).collect();
            let (wanted, whole_range) = match &pieces[0].what {
                PieceRows::OfList { range, .. } => (Wanted::OfLists { range, lists: &keys }, false),
                PieceRows::Range(range) => (Wanted::Range(range), true),
                PieceRows::List { key, range } => (Wanted::List { key, range }, false),
            };
            let lists: BTreeSet<ListId> = pieces.iter().flat_map(|piece| &piece.lists).copied().collect();
            let mut memory = ListMemory::default();
            let mut take = |row: &[Value]| {
                let list = memory.list_of(copy, row).map_err(|error| limits::named(mapping, row, error));
                let added = list.and_then(|list| match list {
                    // another spelling of a list that was asked for is in a piece of its own
                    Some(list) if whole_range || lists.contains(&list) => found.add(list, row),
                    _ => Ok(()),
                });
                if let Err(cause) = added {
                    refused.get_or_insert(cause);
                }
            };
            snapshot.each_row(mapping, wanted, &mut take).await?;
        }
        if let Some(cause) = refused {
            return Err(copy.refused(cause));
        }
        let there: BTreeSet<ListId> = found.lists().collect();
        let missed: Vec<&Piece> =
            part.pieces.iter().filter(|piece| piece.is_list() && piece.lists.is_disjoint(&there)).collect();
        absence::lists_are_gone(&*self.parts.source, copy, &missed).await?;
        Ok(found)
    }

    fn newest_mark(&self) -> Result<SafeMark, ProtocolError> {
        let mark = self.marks.get();
        let Some(mark) = mark else {
            unreachable!("a worker starts once there is a mark, and marks are only replaced")
        };
        let age_ms = self.parts.clock.now_ms().saturating_sub(mark.taken_ms());
        if u128::from(age_ms) > self.parts.settings.mark_age_max.as_millis() {
            return Err(ProtocolError::Refused {
                reason: format!(
                    "the newest safe mark is {} h old, more than half the purge delay",
                    age_ms / 3_600_000
                ),
                advice:
                    "for that long, MySQL has not committed a transaction that its binlog shows: find the \
                     session that waits in its COMMIT (SHOW PROCESSLIST)"
                        .into(),
            });
        }
        Ok(mark)
    }

    async fn write(
        &mut self,
        copy: &Copy,
        held: Held,
        rows: SnapshotRows<'_>,
        mark: &SafeMark,
    ) -> Result<Attempt, ProtocolError> {
        let count = rows.len() as u64;
        let writes = rows.finish(mark);
        let writes: Vec<&Journaled<ListWrites>> = writes.iter().collect();
        #[cfg(feature = "failpoints")]
        if crate::failpoints::is_armed(KillPoint::ChunkPartlyWritten) && writes.len() > 1 {
            let half = send(&*self.parts.sink, &held, &writes[..writes.len() / 2], usize::MAX).await;
            if half.is_ok() {
                kill_at(KillPoint::ChunkPartlyWritten);
            }
        }
        let begun = Instant::now();
        let outcome = send(&*self.parts.sink, &held, &writes, usize::MAX).await;
        let took = begun.elapsed();
        held.release().await;
        match outcome {
            Ok(sent) => {
                self.parts.plan.written_to().accepted(sent.accepted);
                copy.pace().ended(count as usize, took, self.parts.leases.expiry());
                Ok(Attempt::Copied { rows: count })
            }
            Err(NotWritten::Refused { refused, .. }) => match refused.into_iter().next() {
                Some((_, error)) => Err(error.into()),
                None => Ok(Attempt::Again),
            },
            Err(NotWritten::Deadline { trouble: Some(error), .. }) => {
                copy.pace().missed();
                Err(error.into())
            }
            Err(NotWritten::Deadline { trouble: None, .. }) => Ok(Attempt::Slow),
        }
    }

    async fn finish(&mut self, copy: &Copy, part: &Part, rows: u64) -> Result<(), ProtocolError> {
        self.parts.progress.copy(copy.target.id, copy.mapping.id, |copy| copy.rows_here += rows);
        let done = copy.spans().finish(part, rows);
        copy.changed.raise();
        match done {
            Some(done) => self.done(copy, done).await,
            None => Ok(()),
        }
    }

    async fn done(&mut self, copy: &Copy, span: SpanDone) -> Result<(), ProtocolError> {
        let records = copy.chunks.lock().await.done_records(&span.chunks, span.rows);
        // I8: chunks count as done after their rows are acknowledged, never before
        kill_at(KillPoint::ChunkWritten);
        chunks::put(&self.parts.store, &records).await?;
        kill_at(KillPoint::ChunkNoted);
        copy.chunks.lock().await.note_done(span.chunks.len(), span.rows);
        copy.show(self.parts).await;
        Ok(())
    }

    async fn snapshot(&mut self) -> Result<&mut Box<dyn Snapshot>, SourceError> {
        if self.snapshot.is_none() {
            self.snapshot = Some(self.parts.source.snapshot().await?);
        }
        Ok(self.snapshot.as_mut().expect("just set"))
    }
}

/// The list of the last row: rows of one list come together, and naming a list takes a SHA-256.
#[derive(Default)]
struct ListMemory {
    last: Option<(Vec<u8>, Option<ListId>)>,
    key: Vec<u8>,
}

impl ListMemory {
    /// `None`: the copy does not bring it.
    fn list_of(&mut self, copy: &Copy, row: &[Value]) -> Result<Option<ListId>, SinkError> {
        let mapping = &copy.mapping;
        self.key.clear();
        match layout::push_list_key(mapping, row, &mut self.key) {
            Err(error) if copy.brings_all() => return Err(error),
            Err(_) => return Ok(None),
            Ok(()) => {}
        }
        if let Some((key, list)) = &self.last
            && *key == self.key
        {
            return Ok(*list);
        }
        let list = copy.brings(&self.key).then(|| ListId::new(mapping.id.0, &self.key));
        self.last = Some((self.key.clone(), list));
        Ok(list)
    }
}
