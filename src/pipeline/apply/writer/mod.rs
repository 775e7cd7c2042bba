//! The writer: owns what is journaled and not yet written, forms windows of it, and moves the positions
//! `written` and `checkpointed`.
//!
//! One list's writes go out in the order of their batches; different lists do not wait for each other.
//! `written` is the end of the longest run of batches without a gap (I5).

mod aside;
mod ledger;

use crate::lock::{Claim, ListId};
use crate::model::Tick;
use crate::pipeline::apply::ready::ReadyLists;
use crate::pipeline::apply::turns::Turns;
use crate::pipeline::apply::window::{
    ListWindow, ListWork, ListWorks, Ticks, WindowDone, take_front, weight, write_window,
};
use crate::pipeline::counts::Counts;
use crate::pipeline::life;
use crate::pipeline::parts::pace::WindowPace;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::Waiter;
use crate::pipeline::tail::journaling::{Ready, ReadyBatch};
use crate::pipeline::tail::sealed::Boundary;
use crate::pipeline::tail::watch::{Watched, Witnesses};
use crate::protocol::count::ListRecount;
use crate::protocol::{Journal, Journaled, ProtocolError, Recovered};
use crate::sink::Group;
use crate::status::{Awaited, Kind};
use crate::store::records::CheckpointRecord;
use aside::{Aside, Why, awaited};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How soon a list that another program holds is asked for again.
const ELSEWHERE_PAUSE: Duration = Duration::from_millis(100);
/// How soon a list of this process is asked for again at the latest.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// How soon a list whose write failed is sent again.
const TROUBLE_PAUSE: Duration = Duration::from_millis(200);
/// A window with this many rows takes no further region in: they make two calls.
const ENOUGH_ROWS: usize = 4_096;
/// Batches taken from the queue before windows are formed again.
const TAKE_TOGETHER: usize = 64;

pub struct Writer {
    parts: Parts,
    counts: Arc<Counts>,
    journal: Journal,
    lists: FxHashMap<ListId, ListQueue>,
    /// Lists with writes that may be asked for now.
    ready: ReadyLists,
    /// Lists that could not be written.
    aside: Vec<Aside>,
    windows: JoinSet<WindowDone>,
    /// Batches that are not written to the end, the first of them numbered `first_batch`.
    batches: VecDeque<BatchState>,
    first_batch: u64,
    /// Recounts that are not done, by their number. No checkpoint waits for them: what is left of them when the run
    /// ends is asked for again.
    recounts: FxHashMap<u64, RecountState>,
    next_recount: u64,
    turns: Turns,
    /// The last boundary that all before is written: what a checkpoint holds.
    written: CheckpointRecord,
    watched: Arc<Watched>,
    /// What the source may be known again by, once a look has proven it.
    witnesses: Witnesses,
    /// The highest tick of the batches in front that are written, beyond the last boundary too.
    written_tick: Tick,
    checkpoint_is_stale: bool,
    trouble_since: Option<Instant>,
    pace: WindowPace,
}

#[derive(Default)]
struct ListQueue {
    /// Of the list's rows.
    group: Group,
    works: ListWorks,
    /// Its place in the queue for the list, kept while it is refused.
    claim: Option<Claim>,
    in_flight: bool,
    /// Since when it could not be written.
    aside_since: Option<Instant>,
}

struct BatchState {
    /// Lists still to be written.
    left: usize,
    tick: Option<Tick>,
    boundary: Option<Boundary>,
    committed_micros: Vec<u64>,
    /// When it came out of the journal.
    taken_in: Instant,
    changes: u64,
    permit: Option<OwnedSemaphorePermit>,
}

struct RecountState {
    /// Lists still to be done.
    left: usize,
    reply: oneshot::Sender<()>,
}

impl Writer {
    pub fn new(parts: Parts, counts: Arc<Counts>, watched: Arc<Watched>, recovered: &Recovered) -> Writer {
        Writer {
            journal: Journal::new(parts.store.clone(), parts.source_name.clone()),
            pace: WindowPace::at_most(parts.settings.window_rows, parts.settings.writes_at_once),
            parts,
            counts,
            lists: FxHashMap::default(),
            ready: ReadyLists::default(),
            aside: Vec::new(),
            windows: JoinSet::new(),
            batches: VecDeque::new(),
            first_batch: 0,
            recounts: FxHashMap::default(),
            next_recount: 0,
            turns: Turns::default(),
            watched,
            witnesses: Witnesses::default(),
            written: recovered.checkpoint.clone(),
            written_tick: recovered.checkpoint.tick_high,
            checkpoint_is_stale: false,
            trouble_since: None,
        }
    }

    /// Writes until the journaling task is gone and all is written, or `stop` and the drain time are over.
    pub async fn write(
        mut self,
        ready: mpsc::Receiver<Ready>,
        stop: CancellationToken,
    ) -> Result<(), ProtocolError> {
        let outcome = self.run(ready, stop).await;
        self.windows.shutdown().await;
        // what is written stays written: keep it, but report the first error
        let kept = self.checkpoint().await;
        outcome.and(kept)
    }

    async fn run(
        &mut self,
        mut ready: mpsc::Receiver<Ready>,
        stop: CancellationToken,
    ) -> Result<(), ProtocolError> {
        let mut locks = self.parts.leases.subscribe();
        let mut next_checkpoint = Instant::now() + self.parts.settings.checkpoint_every;
        let (mut open, mut drain_until) = (true, None);
        loop {
            self.form_windows();
            if !open && self.batches.is_empty() {
                return Ok(());
            }
            let ask_again = self.aside.iter().map(|aside| aside.ask_again).min();
            // In this order: what is written makes room and ends turns, so it comes first. A stop is heard before anything new is
            // taken in, and the checkpoint is not put off by a queue that is never empty. Lists that are set aside come
            // last: asking for them again must not keep others waiting.
            tokio::select! { biased;
                Some(done) = self.windows.join_next(), if !self.windows.is_empty() => {
                    self.settle(done.expect("a window does not panic")).await?;
                }
                Some(lists) = self.turns.next_over(), if self.turns.any_under_way() => {
                    lists.into_iter().for_each(|list| self.go_on_with(list));
                }
                () = stop.cancelled(), if drain_until.is_none() => {
                    drain_until = Some(Instant::now() + self.parts.settings.drain_for);
                }
                () = sleep_until(drain_until.unwrap_or_else(Instant::now)), if drain_until.is_some() => {
                    tracing::info!(batches = self.batches.len(), "not everything sealed is written; it is after a restart");
                    return Ok(());
                }
                () = sleep_until(next_checkpoint) => {
                    self.checkpoint().await?;
                    next_checkpoint = Instant::now() + self.parts.settings.checkpoint_every;
                }
                item = ready.recv(), if open => match item {
                    Some(item) => {
                        self.take_in(item);
                        for _ in 1..TAKE_TOGETHER {
                            match ready.try_recv() {
                                Ok(item) => self.take_in(item),
                                Err(_) => break,
                            }
                        }
                    }
                    None => open = false,
                },
                () = locks.changed(), if self.aside.iter().any(|aside| aside.why == Why::HeldHere) => self.retry_aside(None),
                () = sleep_until(ask_again.unwrap_or_else(Instant::now)), if ask_again.is_some() => {
                    self.retry_aside(Some(Instant::now()));
                }
            }
        }
    }

    fn take_in(&mut self, item: Ready) {
        match item {
            Ready::Batch(batch) => self.take_in_batch(batch),
            Ready::Recount { lists, reply } => self.take_in_recount(lists, reply),
            Ready::Turn { mark, lists, reply } => {
                let tick = mark.get().tick;
                let number = self.turns.take_in(mark, lists.clone(), reply);
                lists.into_iter().for_each(|list| self.add(list, ListWork::Turn { number, tick }));
            }
            Ready::Advance(boundary) => self.take_in_advance(boundary),
        }
        self.move_written();
    }

    fn take_in_batch(&mut self, batch: ReadyBatch) {
        let number = self.first_batch + self.batches.len() as u64;
        self.batches.push_back(BatchState {
            left: batch.writes.len(),
            tick: Some(batch.tick),
            boundary: batch.boundary,
            committed_micros: batch.committed_micros,
            taken_in: Instant::now(),
            changes: batch.changes,
            permit: batch.permit,
        });
        if batch.writes.is_empty() {
            self.finish_one(number, 0);
        }
        for writes in batch.writes {
            self.add(writes.get().list, ListWork::Batch { number, writes });
        }
    }

    fn take_in_recount(&mut self, lists: Vec<Journaled<ListRecount>>, reply: oneshot::Sender<()>) {
        let number = self.next_recount;
        self.next_recount += 1;
        if lists.is_empty() {
            let _ = reply.send(()); // nobody waits for it when the run ends
            return;
        }
        self.recounts.insert(number, RecountState { left: lists.len(), reply });
        for recount in lists {
            self.add(recount.get().list, ListWork::Recount { number, recount });
        }
    }

    /// Puts work behind all that its list has.
    fn add(&mut self, list: ListId, work: ListWork) {
        let queue = self.lists.entry(list).or_default();
        if queue.works.is_empty() && !queue.in_flight {
            queue.group = work.group();
            self.ready.push(queue.group, list);
        }
        queue.works.push(work);
    }

    /// Starts windows while there is room and something to write.
    fn form_windows(&mut self) {
        while self.windows.len() < self.pace.windows() {
            let lists = self.take_window();
            if lists.is_empty() {
                return;
            }
            self.parts.progress.totals.windows.fetch_add(1, Relaxed);
            let (parts, counts, at_once) = (self.parts.clone(), self.counts.clone(), self.pace.at_once());
            self.windows.spawn(async move { write_window(&parts, &counts, lists, at_once).await });
        }
    }

    /// Takes what is ready: in a backlog the lists of one group, else all that is there.
    fn take_window(&mut self) -> Vec<ListWindow> {
        let rows_max = self.pace.rows();
        let counted_row = self.counts.counted_row(rows_max, self.parts.leases.expiry());
        let mut ticks = Ticks::at_most(self.parts.sink.ticks_max());
        let (mut rows, mut lists) = (0, Vec::new());
        while rows < rows_max.min(ENOUGH_ROWS)
            && !ticks.are_enough()
            && let Some(group) = self.ready.first_group()
        {
            while rows < rows_max
                && !ticks.are_enough()
                && let Some(list) = self.ready.pop(group)
            {
                let Some(window) = self.take_list(list, rows_max - rows, counted_row, &mut ticks) else {
                    continue;
                };
                rows +=
                    window.works.iter().map(|work| weight(&self.counts, work, counted_row)).sum::<usize>();
                lists.push(window);
            }
        }
        lists
    }

    /// Takes work of a list out of its queue: at least one batch's, about `rows_max` rows, and no more ticks than there
    /// is room for.
    fn take_list(
        &mut self,
        list: ListId,
        rows_max: usize,
        counted_row: usize,
        ticks: &mut Ticks,
    ) -> Option<ListWindow> {
        let (leases, counts) = (&self.parts.leases, &self.counts);
        let queue = self.lists.get_mut(&list)?;
        if let Some(ListWork::Turn { number, .. }) = queue.works.first() {
            let number = *number;
            queue.works.remove(0);
            queue.in_flight = true;
            self.turns.reached(number);
            return None;
        }
        let works = take_front(&mut queue.works, rows_max, ticks, |work| weight(counts, work, counted_row));
        if works.is_empty() {
            return None;
        }
        queue.in_flight = true;
        let ticket = queue.claim.get_or_insert_with(|| leases.claim()).ticket();
        Some(ListWindow { list, ticket, works })
    }

    async fn settle(&mut self, mut done: WindowDone) -> Result<(), ProtocolError> {
        let counts = &self.parts.progress.totals;
        counts.rows_written.fetch_add(done.rows_written, Relaxed);
        counts.lists_put_aside.fetch_add((done.busy.len() + done.busy_elsewhere.len()) as u64, Relaxed);
        self.parts.plan.written_to().accepted(done.accepted.drain(..));
        for (target, error) in std::mem::take(&mut done.refused) {
            life::refused(&self.parts, target, error.clone()).await?;
            done.trouble = Some(error);
        }
        self.note_pace(&done);
        self.note_trouble(&done)?;
        let written = done.written.iter().flat_map(|window| &window.works).chain(&done.taken);
        self.parts.recent.written(written.filter_map(ListWork::writes));
        for window in done.written {
            self.go_on_with(window.list);
            window.works.into_iter().for_each(|work| self.finish(work));
        }
        done.taken.into_iter().for_each(|work| self.finish(work));
        let now = Instant::now();
        self.put_aside(done.busy, now + BUSY_PAUSE, Why::HeldHere);
        self.put_aside(done.busy_elsewhere, now + ELSEWHERE_PAUSE, Why::HeldElsewhere);
        self.put_aside(done.unwritten, now + TROUBLE_PAUSE, Why::NotWritten);
        self.report_waits();
        self.move_written();
        Ok(())
    }

    fn finish(&mut self, work: ListWork) {
        match work {
            ListWork::Batch { number, .. } => self.finish_one(number, 1),
            ListWork::Recount { number, .. } => self.finish_recount(number),
            ListWork::Turn { .. } => {} // in no window
        }
    }

    /// What was under way in a list is done.
    fn go_on_with(&mut self, list: ListId) {
        let Some(queue) = self.lists.get_mut(&list) else { return };
        queue.in_flight = false;
        (queue.claim, queue.aside_since) = (None, None);
        if queue.works.is_empty() {
            self.lists.remove(&list);
        } else {
            self.ready.push(queue.group, list);
        }
    }

    fn finish_recount(&mut self, number: u64) {
        let Some(recount) = self.recounts.get_mut(&number) else { return };
        recount.left -= 1;
        if recount.left == 0
            && let Some(recount) = self.recounts.remove(&number)
        {
            let _ = recount.reply.send(()); // nobody waits for it when the run ends
        }
    }

    fn note_pace(&mut self, done: &WindowDone) {
        if !done.missed {
            return self.pace.ended(done.rows, done.took, self.parts.leases.expiry());
        }
        if !self.pace.is_slow() {
            let seconds = done.took.as_secs();
            tracing::info!(
                rows = done.rows,
                seconds,
                "a write took longer than its leases: the run sends smaller writes now"
            );
        }
        self.pace.missed();
    }

    fn note_trouble(&mut self, done: &WindowDone) -> Result<(), ProtocolError> {
        if done.rows_written > 0 {
            self.trouble_since = None;
            self.parts.progress.go_on(Waiter::Sink);
        }
        if done.unwritten.is_empty() {
            return Ok(());
        }
        self.parts.progress.totals.sink_retries.fetch_add(1, Relaxed);
        let Some(error) = &done.trouble else { return Ok(()) };
        let since = *self.trouble_since.get_or_insert_with(Instant::now);
        let awaited = Awaited::new(Kind::Hbase, error.to_string());
        self.parts.progress.wait_since(Waiter::Sink, since, awaited);
        tracing::warn!(%error, "the run sends the writes again with the same ticks");
        if since.elapsed() >= self.parts.settings.retry_for {
            let error =
                crate::sink::SinkError::Unavailable { gateway: String::new(), reason: error.to_string() };
            let cause = Box::new(ProtocolError::Sink(error));
            return Err(ProtocolError::GaveUp { seconds: since.elapsed().as_secs(), cause });
        }
        Ok(())
    }

    /// Puts writes back in front of their lists, so that the order of batches stays.
    fn put_aside(&mut self, windows: Vec<ListWindow>, ask_again: Instant, why: Why) {
        for window in windows {
            let queue = self.lists.entry(window.list).or_default();
            queue.in_flight = false;
            queue.works.insert_many(0, window.works);
            let since = *queue.aside_since.get_or_insert_with(Instant::now);
            self.aside.push(Aside { list: window.list, ask_again, why, since });
        }
    }

    /// Makes lists ready that are due at `now`, or those of this process when the locks changed.
    fn retry_aside(&mut self, now: Option<Instant>) {
        let due = |aside: &Aside| now.map_or(aside.why == Why::HeldHere, |now| aside.ask_again <= now);
        let (ready, later): (Vec<_>, Vec<_>) = self.aside.drain(..).partition(due);
        self.aside = later;
        for Aside { list, .. } in ready {
            let group = self.lists.get(&list).map_or(Group::default(), |queue| queue.group);
            self.ready.push(group, list);
        }
    }

    fn report_waits(&self) {
        let unanswered = self.parts.leases.unanswered();
        self.parts.progress.wait_for_all(Waiter::Lists, awaited(&self.aside, unanswered.as_deref()));
    }
}
