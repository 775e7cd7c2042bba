//! The backfill: workers that copy chunks, each under the leases of its lists, stamped with a mark that was
//! safe before its SELECT.
//!
//! A chunk is: read its distinct list keys, take their leases, take the newest safe mark, SELECT, write,
//! release, make its end durable. Nothing waits while it holds a lease: a chunk whose lists are busy holds
//! none and is tried again.

use super::chunks::{self, Chunk, ChunkRange, Chunks};
use super::marks::NewestMark;
use super::progress::Waiter;
use super::settings::Parts;
use crate::error::Disposition;
use crate::lock::{Claim, Held, ListId};
use crate::model::{Mapping, Row, Target};
use crate::protocol::coalesce::snapshot_writes;
use crate::protocol::plan::{Cohort, list_of};
use crate::protocol::write::{NotWritten, send};
use crate::protocol::{Journaled, ListWrites, ProtocolError, SafeMark};
use crate::source::{Snapshot, SourceError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a worker waits for busy lists of this process before it takes another chunk.
const WAIT_FOR_LISTS: Duration = Duration::from_secs(2);
/// How long a worker waits before it asks again for lists that another program holds.
const ELSEWHERE_PAUSE: Duration = Duration::from_millis(100);
/// How long an idle worker waits before it looks whether a chunk was given back.
const IDLE_PAUSE: Duration = Duration::from_millis(50);
/// How often lists may turn up in a chunk between reading its list keys and its rows.
const LIST_ROUNDS: usize = 8;
/// How often a chunk may outlast its leases.
const DEADLINES_MAX: u32 = 10;

/// One copy: a mapping into a target.
pub struct Copy {
    pub mapping: Mapping,
    pub target: Target,
    pub chunks: Mutex<Chunks>,
}

/// Reads the copies of a plan from the store.
pub async fn load_copies(parts: &Parts) -> Result<Vec<Arc<Copy>>, ProtocolError> {
    let mut copies = Vec::new();
    for (mapping, target) in parts.plan.targets() {
        let key = Chunks::copy_key(&parts.source_name, &parts.plan, mapping, target);
        let chunks = Chunks::load(parts.store.clone(), key, parts.plan.cohort()).await?;
        let copy = Copy { mapping: mapping.clone(), target: target.clone(), chunks: Mutex::new(chunks) };
        copy.show(parts).await;
        copies.push(Arc::new(copy));
    }
    Ok(copies)
}

impl Copy {
    pub async fn complete(&self) -> bool {
        self.chunks.lock().await.complete()
    }

    async fn show(&self, parts: &Parts) {
        let chunks = self.chunks.lock().await;
        let (done, known, rows) = chunks.counts();
        parts.progress.copy(self.target.id, self.mapping.id, |copy| {
            (copy.chunks_done, copy.chunks_known, copy.rows_done) = (done, known, rows);
            copy.all_known = chunks.all_planned();
            copy.complete = chunks.complete();
        });
    }
}

/// Copies everything that is left, then returns; stops early at `stop`, after the chunk under way.
pub async fn work(
    parts: &Parts,
    number: usize,
    copies: Vec<Arc<Copy>>,
    marks: NewestMark,
    stop: CancellationToken,
) -> Result<(), ProtocolError> {
    let waiting = parts.progress.mark().is_none();
    if waiting {
        parts.progress.wait_for(Waiter::Mark, "backfill: the first safe mark");
    }
    tokio::select! { biased;
        () = stop.cancelled() => return Ok(()),
        _ = marks.first() => {}
    }
    parts.progress.go_on(Waiter::Mark);
    let (snapshot, trouble_since, pause) = (None, None, IDLE_PAUSE);
    let stopped = stop.clone();
    let mut worker = Worker { parts, number, marks, stop, snapshot, trouble_since, pause };
    for copy in &copies {
        while !stopped.is_cancelled() && !copy.complete().await {
            tokio::select! { biased;
                () = stopped_for(&stopped, parts.settings.drain_for) => return Ok(()),
                outcome = worker.copy_one(copy) => match outcome {
                    Ok(()) => (worker.trouble_since, worker.pause) = (None, IDLE_PAUSE),
                    Err(error) => worker.retry_or_end(error).await?,
                }
            }
        }
    }
    Ok(())
}

/// The chunk under way at a stop is finished within the drain time, so that its leases are given back: left to
/// expire they would keep the tail's last writes, and the next run, off their lists.
async fn stopped_for(stop: &CancellationToken, drain: Duration) {
    stop.cancelled().await;
    sleep(drain).await;
}

struct Worker<'a> {
    parts: &'a Parts,
    number: usize,
    marks: NewestMark,
    stop: CancellationToken,
    snapshot: Option<Box<dyn Snapshot>>,
    trouble_since: Option<Instant>,
    pause: Duration,
}

/// What became of an attempt at a chunk.
enum Attempt {
    Copied {
        rows: u64,
    },
    /// Busy lists, or leases that ran out; nothing is lost.
    Again,
}

impl Worker<'_> {
    /// Takes a chunk, plans one if none waits, and copies it; waits a moment when there is nothing to take.
    async fn copy_one(&mut self, copy: &Copy) -> Result<(), ProtocolError> {
        let Some(chunk) = self.take(copy).await? else {
            sleep(IDLE_PAUSE).await;
            return Ok(());
        };
        let mut taken = Taken { copy, chunk: Some(chunk) };
        for _ in 0..DEADLINES_MAX {
            let chunk = taken.chunk.as_ref().expect("it is given back only at the end");
            match self.attempt(copy, chunk).await {
                Ok(Attempt::Copied { rows }) => return self.done(copy, &mut taken, rows).await,
                Ok(Attempt::Again) if self.stop.is_cancelled() => break,
                Ok(Attempt::Again) => {}
                Err(error) => {
                    taken.give_back().await;
                    return Err(error);
                }
            }
        }
        taken.give_back().await;
        Ok(())
    }

    async fn take(&mut self, copy: &Copy) -> Result<Option<Chunk>, ProtocolError> {
        let mut chunks = copy.chunks.lock().await;
        if let Some(chunk) = chunks.take() {
            return Ok(Some(chunk));
        }
        let Some(after) = chunks.to_plan() else { return Ok(None) };
        let (table, rows) = (copy.mapping.table, self.parts.settings.chunk_rows);
        let up_to = self.snapshot().await?.chunk_end(table, after, rows).await?;
        chunks.plan(up_to).await?;
        Ok(chunks.take())
    }

    async fn attempt(&mut self, copy: &Copy, chunk: &Chunk) -> Result<Attempt, ProtocolError> {
        let mut lists = self.lists(copy, chunk).await?;
        for _ in 0..LIST_ROUNDS {
            let claim = self.parts.leases.claim();
            let Some(held) = self.lease(&lists, &claim).await else { return Ok(Attempt::Again) };
            // I3: the mark was safe before the SELECT below opens its read view
            let mark = self.newest_mark()?;
            let rows = self.rows(copy, chunk).await?;
            let seen: BTreeSet<ListId> = rows.iter().map(|(list, _)| *list).collect();
            if seen.iter().all(|list| held.lists().contains(list)) {
                return self.write(copy, held, &rows, &mark).await;
            }
            // rows of lists that joined the range since: put back, and taken with their leases
            held.release().await;
            lists.extend(seen);
        }
        Ok(Attempt::Again)
    }

    /// The lists of a chunk, read before their leases are taken.
    async fn lists(&mut self, copy: &Copy, chunk: &Chunk) -> Result<BTreeSet<ListId>, ProtocolError> {
        let mapping = &copy.mapping;
        let keys = match &chunk.what {
            ChunkRange::Keys(range) => self.snapshot().await?.list_keys(mapping, range).await?,
            ChunkRange::List(key) => {
                let bytes = crate::sink::layout::list_key_of(mapping, key)?;
                return Ok([ListId::new(mapping.id.0, &bytes)].into());
            }
        };
        keys.iter().map(|row| Ok(self.list_of(copy, row)?.0)).collect()
    }

    fn list_of(&self, copy: &Copy, row: &Row) -> Result<(ListId, Vec<u8>), ProtocolError> {
        list_of(&copy.mapping, row).map_err(|cause| ProtocolError::Change {
            at: "the snapshot".into(),
            table: copy.mapping.schema.name.to_string(),
            cause: Box::new(cause),
        })
    }

    async fn rows(&mut self, copy: &Copy, chunk: &Chunk) -> Result<Vec<(ListId, Row)>, ProtocolError> {
        let mapping = &copy.mapping;
        let snapshot = self.snapshot().await?;
        let rows = match &chunk.what {
            ChunkRange::Keys(range) => snapshot.rows(mapping, range).await?,
            ChunkRange::List(key) => snapshot.list(mapping, key).await?,
        };
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let (list, key) = self.list_of(copy, &row)?;
            if self.in_cohort(&key) {
                found.push((list, row));
            }
        }
        Ok(found)
    }

    fn in_cohort(&self, list_key: &[u8]) -> bool {
        match self.parts.plan.cohort() {
            Cohort::All => true,
            only => only.has(list_key),
        }
    }

    /// Takes all leases or none; waits a while for lists of this process, holding nothing.
    async fn lease(&mut self, lists: &BTreeSet<ListId>, claim: &Claim) -> Option<Held> {
        let wanted: Vec<ListId> = lists.iter().copied().collect();
        let mut locks = self.parts.leases.subscribe();
        let until = Instant::now() + WAIT_FOR_LISTS;
        loop {
            let busy = match self.parts.leases.acquire_all(&wanted, claim.ticket()).await {
                Ok(held) => {
                    self.parts.progress.go_on(Waiter::Backfill(self.number));
                    return Some(held);
                }
                Err(busy) => busy,
            };
            self.parts.progress.counts.chunks_put_aside.fetch_add(1, Relaxed);
            self.say_busy(busy.local.len(), busy.elsewhere.len());
            if !busy.elsewhere.is_empty() {
                sleep(ELSEWHERE_PAUSE).await;
                return None;
            }
            let left = until.saturating_duration_since(Instant::now());
            tokio::select! { biased;
                () = self.stop.cancelled() => return None,
                changed = timeout(left, locks.changed()) => if changed.is_err() { return None },
            }
        }
    }

    fn say_busy(&self, local: usize, elsewhere: usize) {
        let reason = if elsewhere > 0 {
            format!("backfill: {elsewhere} lists of a chunk that another program holds")
        } else {
            format!("backfill: some of the {local} lists of a chunk, which this run is writing")
        };
        self.parts.progress.wait_for(Waiter::Backfill(self.number), reason);
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
                advice: "the source has not committed what its binlog shows for that long: look at it".into(),
            });
        }
        Ok(mark)
    }

    async fn write(
        &mut self,
        copy: &Copy,
        held: Held,
        rows: &[(ListId, Row)],
        mark: &SafeMark,
    ) -> Result<Attempt, ProtocolError> {
        let writes = snapshot_writes(&copy.mapping, &copy.target, rows, mark)?;
        let writes: Vec<&Journaled<ListWrites>> = writes.iter().collect();
        let outcome = send(&*self.parts.sink, &held, &writes).await;
        held.release().await;
        match outcome {
            Ok(_) => Ok(Attempt::Copied { rows: rows.len() as u64 }),
            Err(NotWritten::Fatal(error)) => Err(error.into()),
            Err(NotWritten::Deadline(Some(error))) => Err(error.into()),
            Err(NotWritten::Deadline(None)) => Ok(Attempt::Again),
        }
    }

    async fn done(&mut self, copy: &Copy, taken: &mut Taken<'_>, rows: u64) -> Result<(), ProtocolError> {
        let chunk = taken.chunk.as_ref().expect("it is given back only at the end");
        let (key, record) = copy.chunks.lock().await.done_record(chunk, rows);
        // I8: a chunk counts as done after its rows are acknowledged, never before
        chunks::put(&self.parts.store, key, &record).await?;
        taken.chunk = None;
        copy.chunks.lock().await.note_done(rows);
        self.parts.progress.copy(copy.target.id, copy.mapping.id, |copy| copy.rows_here += rows);
        copy.show(self.parts).await;
        Ok(())
    }

    async fn snapshot(&mut self) -> Result<&mut Box<dyn Snapshot>, SourceError> {
        if self.snapshot.is_none() {
            self.snapshot = Some(self.parts.source.snapshot().await?);
        }
        Ok(self.snapshot.as_mut().expect("just set"))
    }

    /// Waits before a passing error's retry; ends with any other, and when it lasts too long.
    async fn retry_or_end(&mut self, error: ProtocolError) -> Result<(), ProtocolError> {
        self.snapshot = None;
        if error.disposition() != Disposition::Retry {
            return Err(error);
        }
        let since = *self.trouble_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.parts.settings.retry_for {
            return Err(ProtocolError::GaveUp { seconds: since.elapsed().as_secs(), cause: Box::new(error) });
        }
        tracing::warn!(%error, "a chunk is tried again");
        self.parts
            .progress
            .wait_for(Waiter::Backfill(self.number), format!("backfill: {error}; tried again"));
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
        self.parts.progress.go_on(Waiter::Backfill(self.number));
        Ok(())
    }
}

/// A chunk that a worker has taken; given back when it is not copied.
struct Taken<'a> {
    copy: &'a Copy,
    chunk: Option<Chunk>,
}

impl Taken<'_> {
    async fn give_back(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.copy.chunks.lock().await.give_back(chunk);
        }
    }
}
