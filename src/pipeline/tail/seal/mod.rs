//! The sealer: cuts the stream of changes into batches, gives them ticks, and takes marks.
//!
//! A new batch ends at the end of a transaction, when it is large or old enough; a transaction larger
//! than a batch is cut into parts, and its end is the end of a batch too, so that the checkpoint finds a
//! place between transactions that is also one between batches. While journaled batches are to be
//! replayed, the journal's entries say where to cut, and nothing else (I2).

mod left_out;
mod replay;
mod requests;

use crate::model::{Point, Reached, RowChangeRef, TableId, TargetId, Tick, TransactionId, Witness};
use crate::pipeline::jobs::requests::{Requests, TurnRequest};
use crate::pipeline::life;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{Positions, RunPhase};
use crate::pipeline::tail::sealed::{Boundary, Sealed, SealedBatch};
use crate::protocol::{Coalescer, Entry, Plan, ProtocolError, Recovered, Replay, Ticks};
use crate::source::{BinlogPlace, Changes, StreamEvent};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

/// Bytes of encoded rows at which a batch is sealed, whatever `batch_rows` says.
const BATCH_BYTES: usize = 4 << 20;
/// A row of up to this many bytes takes one place of `queue_rows`.
const ROW_BYTES: u64 = 512;

/// Events taken in before other tasks of the thread get their turn.
const EVENTS_AT_ONCE: usize = 64;

/// What a change asks for besides being taken in.
enum Then {
    GoOn,
    /// A part of a transaction is a batch of its own.
    Seal,
    /// The batch that the journal cuts here.
    SealReplay,
}

/// Changes by kind.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    inserts: u64,
    updates: u64,
    deletes: u64,
}

impl Kinds {
    fn add(&mut self, change: &RowChangeRef<'_>) {
        match (change.before, change.after) {
            (None, _) => self.inserts += 1,
            (Some(_), Some(_)) => self.updates += 1,
            (Some(_), None) => self.deletes += 1,
        }
    }
}

/// Cuts batches until the events end, or it is dropped: what is not sealed was not journaled, and is read again.
pub async fn seal(
    parts: &Parts,
    recovered: Recovered,
    events: mpsc::Receiver<StreamEvent>,
    requests: Requests,
    out: mpsc::Sender<Sealed>,
) -> Result<(), ProtocolError> {
    Sealer::new(parts, recovered, out).run(events, requests).await
}

struct Sealer<'a> {
    parts: &'a Parts,
    plan: Arc<Plan>,
    ticks: Ticks,
    out: mpsc::Sender<Sealed>,
    room: Arc<Semaphore>,
    /// Batches to cut again, in order.
    replay: VecDeque<Replay>,
    /// Everything sealed so far: a mark's proof.
    sealed: Reached,
    batch: Building,
    transaction: Option<Transaction>,
    /// Transactions that ended since the last boundary was handed on.
    ended: Boundary,
    /// When what is waiting is handed on.
    due: Option<Instant>,
    /// Turns that wait for the end of a transaction of which a part is sealed.
    turns: Vec<TurnRequest>,
    /// Targets that the last change has no place in.
    refused: Vec<(TargetId, ProtocolError)>,
    /// Tables that were parked in this process, with the transaction in which that begins: its rows are enumerated up to
    /// there, at every attempt to read it.
    left_out: BTreeMap<TableId, TransactionId>,
}

/// The batch that is being filled.
#[derive(Default)]
struct Building {
    changes: Coalescer,
    from: Option<Point>,
    to: Option<Point>,
    transactions: Reached,
    committed_micros: Vec<u64>,
    /// Of the transaction of `to`.
    original_micros: u64,
}

/// The transaction that is being read.
struct Transaction {
    id: TransactionId,
    committed_micros: u64,
    original_micros: u64,
    /// Changes taken in, over all attempts to read it.
    rows: u64,
    /// Changes to pass over: taken in before the connection broke.
    skip: u64,
    /// A part of it is sealed already.
    parted: bool,
}

impl<'a> Sealer<'a> {
    fn new(parts: &'a Parts, recovered: Recovered, out: mpsc::Sender<Sealed>) -> Sealer<'a> {
        let off = parts.settings.failpoints.replay_takes_new_ticks();
        let replay = if off { Vec::new() } else { recovered.replay };
        parts.progress.totals.tick_high.store(recovered.last_tick.0, Relaxed);
        Sealer {
            parts,
            plan: parts.plan.clone(),
            ticks: Ticks::above(recovered.last_tick, parts.clock.clone()),
            out,
            room: Arc::new(Semaphore::new(parts.settings.queue_rows as usize)),
            replay: replay.into(),
            sealed: recovered.sealed,
            batch: Building::new(parts),
            transaction: None,
            ended: Boundary::default(),
            due: None,
            turns: Vec::new(),
            refused: Vec::new(),
            left_out: BTreeMap::new(),
        }
    }

    async fn run(
        mut self,
        mut events: mpsc::Receiver<StreamEvent>,
        mut requests: Requests,
    ) -> Result<(), ProtocolError> {
        loop {
            self.take_what_is_there(&mut events, &requests).await?;
            let due = self.due.unwrap_or_else(Instant::now);
            tokio::select! { biased;
                Some(reply) = requests.marks.recv() => self.take_mark(reply).await,
                Some(request) = requests.recounts.recv(), if self.may_queue() => self.recount(request).await,
                Some(request) = requests.turns.recv(), if self.may_queue() => self.turn(request).await?,
                () = sleep_until(due), if self.due.is_some() && self.may_hand_on() => self.hand_on().await?,
                event = events.recv() => match event {
                    Some(event) => self.take_in(event).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Takes in what waits, until something else is to be done: in a backlog, a timer for each event would cost
    /// more than the event.
    async fn take_what_is_there(
        &mut self,
        events: &mut mpsc::Receiver<StreamEvent>,
        requests: &Requests,
    ) -> Result<(), ProtocolError> {
        for _ in 0..EVENTS_AT_ONCE {
            let due = self.due.is_some_and(|due| self.may_hand_on() && due <= Instant::now());
            let queued = !requests.recounts.is_empty() || !requests.turns.is_empty();
            let asked = !requests.marks.is_empty() || (self.may_queue() && queued);
            if due || asked {
                break;
            }
            let Ok(event) = events.try_recv() else { break };
            self.take_in(event).await?;
        }
        Ok(())
    }

    async fn take_in(&mut self, event: StreamEvent) -> Result<(), ProtocolError> {
        match event {
            StreamEvent::Begin { transaction, committed_micros, original_micros } => {
                self.begin(transaction, committed_micros, original_micros)
            }
            StreamEvent::Changes(changes) => self.changes(&changes).await,
            StreamEvent::End { transaction, place } => self.end(transaction, place).await,
            StreamEvent::Parked { table, parking } => self.park(table, *parking).await,
            StreamEvent::Defined { table, since, .. } => {
                self.define(table, since);
                Ok(())
            }
            StreamEvent::Heartbeat { .. } | StreamEvent::Waits { .. } => Ok(()),
        }
    }

    /// A transaction that was read in part before a reconnect comes again from its beginning.
    fn begin(
        &mut self,
        id: TransactionId,
        committed_micros: u64,
        original_micros: u64,
    ) -> Result<(), ProtocolError> {
        let begun =
            |id| Transaction { id, committed_micros, original_micros, rows: 0, skip: 0, parted: false };
        self.transaction = match self.transaction.take() {
            None => Some(begun(id)),
            Some(open) if open.id == id => {
                // what is left out of it begins at its place again
                self.left_out.retain(|_, since| *since != id);
                Some(Transaction { skip: open.rows, ..open })
            }
            Some(open) => {
                return Err(self.not_understood(format!("{id} begins before {} has ended", open.id)));
            }
        };
        Ok(())
    }

    async fn changes(&mut self, changes: &Changes) -> Result<(), ProtocolError> {
        let mut reader = changes.reader();
        let mut kinds = Kinds::default();
        loop {
            let then = match reader.next_change() {
                Ok(None) => break,
                Ok(Some(change)) if self.is_left_out(change.table) => continue,
                Ok(Some(change)) => self.change(change, &mut kinds)?,
                Err(error) => {
                    self.undecodable(error).await?;
                    break;
                }
            };
            if !self.refused.is_empty() {
                life::park(self.parts, std::mem::take(&mut self.refused)).await?;
            }
            match then {
                Then::GoOn => {}
                Then::Seal => {
                    self.transaction.as_mut().expect("a change has a transaction").parted = true;
                    self.seal(None).await?;
                }
                Then::SealReplay => self.seal_replay().await?,
            }
        }
        self.count(kinds);
        Ok(())
    }

    /// Takes one change in, and says what its place in the stream asks for.
    fn change(&mut self, change: RowChangeRef<'_>, kinds: &mut Kinds) -> Result<Then, ProtocolError> {
        if !self.plan.takes_part(change) {
            return Ok(Then::GoOn);
        }
        let Some(transaction) = &mut self.transaction else {
            return Err(self.not_understood("a row change outside a transaction".into()));
        };
        if transaction.skip > 0 {
            transaction.skip -= 1;
            return Ok(Then::GoOn);
        }
        let row = transaction.rows;
        transaction.rows += 1;
        kinds.add(&change);
        self.fill(row, change)
    }

    /// `row`: the change's number in the open transaction.
    fn fill(&mut self, row: u64, change: RowChangeRef<'_>) -> Result<Then, ProtocolError> {
        let Transaction { id, original_micros, .. } =
            self.transaction.as_ref().expect("a change has a transaction");
        if self.batch.from.is_none() {
            let point = Point { transaction: id.clone(), row };
            self.check_replay_begins(&point)?;
            self.batch.from = Some(point);
            self.due = Some(Instant::now() + self.parts.settings.batch_wait);
        }
        match &mut self.batch.to {
            Some(to) if to.transaction == *id => to.row = row,
            to => {
                self.batch.transactions.insert(id);
                self.batch.original_micros = *original_micros;
                *to = Some(Point { transaction: id.clone(), row });
            }
        }
        for (target, cause) in self.batch.changes.add(&self.plan, change) {
            let at = format!("the binlog at {}", Point { transaction: id.clone(), row });
            let table = self.table_name(change.table);
            self.refused.push((target, ProtocolError::Change { at, table, cause: Box::new(cause) }));
        }
        if self.replay.is_empty() {
            return Ok(if self.batch_is_full() { Then::Seal } else { Then::GoOn });
        }
        self.replay_goes_on()
    }

    fn batch_is_full(&self) -> bool {
        let changes = &self.batch.changes;
        changes.changes() >= self.parts.settings.batch_rows || changes.bytes() >= BATCH_BYTES
    }

    async fn end(&mut self, id: TransactionId, place: BinlogPlace) -> Result<(), ProtocolError> {
        let Some(transaction) = self.transaction.take_if(|open| open.id == id) else {
            return Err(self.not_understood(format!("{id} ends without having begun")));
        };
        if transaction.skip > 0 {
            let reason = format!("MySQL sent {id} again with {} fewer changes", transaction.skip);
            return Err(self.not_understood(reason));
        }
        self.check_replay_goes_on(&id)?;
        self.pass_over_what_is_left_out(&id);
        if transaction.rows > 0 {
            self.batch.committed_micros.push(transaction.committed_micros);
        }
        self.parts.progress.totals.transactions.fetch_add(1, Relaxed);
        self.ended.transactions.insert(&id);
        self.ended.at = place;
        self.ended.witness = Witness::of(&id, transaction.original_micros).or(self.ended.witness.take());
        if self.due.is_none() {
            self.wait_from_now();
        }
        if self.replay.is_empty() && (self.batch_is_full() || transaction.parted) {
            self.hand_on().await?;
        }
        if self.may_queue() {
            for request in std::mem::take(&mut self.turns) {
                self.turn(request).await?;
            }
        }
        Ok(())
    }

    fn wait_from_now(&mut self) {
        self.due = Some(Instant::now() + self.parts.settings.batch_wait);
    }

    /// Between transactions, and not in the middle of a batch that the journal cuts.
    fn may_hand_on(&self) -> bool {
        self.transaction.is_none() && (self.replay.is_empty() || self.batch.changes.is_empty())
    }

    /// Hands on what is waiting: a batch that ends here, or the mere fact that transactions ended.
    async fn hand_on(&mut self) -> Result<(), ProtocolError> {
        self.due = None;
        let boundary = std::mem::take(&mut self.ended);
        if !self.batch.changes.is_empty() {
            return self.seal(Some(boundary)).await;
        }
        self.sealed.union_with(&boundary.transactions);
        self.note_sealed(&boundary.transactions, Some(&boundary.at));
        self.pass(Sealed::Advance(boundary)).await;
        Ok(())
    }

    /// Seals a new batch: a tick, an entry for the journal, and the writes.
    async fn seal(&mut self, boundary: Option<Boundary>) -> Result<(), ProtocolError> {
        let batch = std::mem::replace(&mut self.batch, Building::new(self.parts));
        let (Some(from), Some(to)) = (batch.from.clone(), batch.to.clone()) else { return Ok(()) };
        let tick = self.take_tick();
        let original_micros = batch.original_micros;
        let entry = Entry::Batch { from, to, transactions: batch.transactions.clone(), original_micros };
        self.emit(batch, tick, Some(entry), boundary).await
    }

    async fn emit(
        &mut self,
        batch: Building,
        tick: Tick,
        entry: Option<Entry>,
        boundary: Option<Boundary>,
    ) -> Result<(), ProtocolError> {
        if boundary.is_some() || self.transaction.is_some() {
            self.due = None;
        }
        self.sealed.union_with(&batch.transactions);
        self.note_sealed(&batch.transactions, None);
        if let Some(boundary) = &boundary {
            self.sealed.union_with(&boundary.transactions);
            self.note_sealed(&boundary.transactions, Some(&boundary.at));
        }
        let changes = batch.changes.changes();
        self.parts.progress.totals.batches.fetch_add(1, Relaxed);
        let permit = self.make_room(changes, batch.changes.bytes()).await;
        let writes = batch.changes.finish(tick);
        let committed_micros = batch.committed_micros;
        let sealed = SealedBatch { tick, entry, writes, boundary, committed_micros, permit, changes };
        self.pass(Sealed::Batch(Box::new(sealed))).await;
        Ok(())
    }

    /// Waits until the changes fit into what may be read and not yet written. Long rows count for several.
    async fn make_room(&self, changes: u64, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let weight = changes.max(bytes as u64 / ROW_BYTES);
        let wanted = u32::try_from(weight).unwrap_or(u32::MAX).min(self.parts.settings.queue_rows);
        self.parts.progress.totals.queued_rows.fetch_add(changes, Relaxed);
        self.room.clone().acquire_many_owned(wanted).await.ok()
    }

    async fn pass(&self, sealed: Sealed) {
        // the other side is gone only when the run ends, and its error is the one to report
        let _ = self.out.send(sealed).await;
    }

    fn take_tick(&mut self) -> Tick {
        let (tick, counts) = (self.ticks.take(), &self.parts.progress.totals);
        counts.tick_lead_ms.store(self.ticks.lead_ms(), Relaxed);
        counts.tick_high.store(tick.0, Relaxed);
        tick
    }

    fn table_name(&self, table: TableId) -> String {
        self.plan.of_table(table).next().map_or_else(String::new, |m| m.schema.name.to_string())
    }

    fn count(&self, kinds: Kinds) {
        let counts = &self.parts.progress.totals;
        counts.inserts.fetch_add(kinds.inserts, Relaxed);
        counts.updates.fetch_add(kinds.updates, Relaxed);
        counts.deletes.fetch_add(kinds.deletes, Relaxed);
        if self.parts.progress.copying() {
            counts.deletes_while_copying.fetch_add(kinds.deletes, Relaxed);
        }
    }

    fn note_sealed(&self, transactions: &Reached, at: Option<&BinlogPlace>) {
        let mut positions: std::sync::MutexGuard<'_, Positions> = self.parts.progress.positions();
        positions.sealed.reached.union_with(transactions);
        if let Some(at) = at {
            positions.sealed.at = at.clone();
        }
        drop(positions);
        if self.parts.progress.phase() == RunPhase::Starting {
            self.parts.progress.set_phase(RunPhase::Running);
        }
    }

    /// The end of the last transaction that was read whole: a file and an offset, or else what lies before.
    fn last_place(&self) -> String {
        let sealed = self.parts.progress.positions().sealed.clone();
        let known = [&self.ended.at, &sealed.at].into_iter().find(|at| !at.file.is_empty());
        known.map_or_else(|| format!("the binlog behind {}", sealed.reached), ToString::to_string)
    }

    fn not_understood(&self, reason: String) -> ProtocolError {
        crate::source::SourceError::NotUnderstood {
            position: self.last_place(),
            reason,
            advice: "MySQL's binlog stream is not consistent: run again; if the error stays, report it"
                .into(),
        }
        .into()
    }
}

impl Building {
    fn new(parts: &Parts) -> Building {
        Building { changes: Coalescer::new(parts.settings.failpoints), ..Building::default() }
    }
}
