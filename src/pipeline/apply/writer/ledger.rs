//! The ledger: which batches are written, how far `written` and the checkpoint may move, and when they do (I5).

use super::{BatchState, Writer};
use crate::failpoints::{KillPoint, kill_at};
use crate::model::{Position, Reached, Tick};
use crate::pipeline::progress::{RunPhase, RunPosition};
use crate::pipeline::tail::sealed::Boundary;
use crate::protocol::ProtocolError;
use crate::source::BinlogPlace;
use std::sync::atomic::Ordering::Relaxed;
use tokio::time::Instant;

impl Writer {
    /// Joins an advance that waits already, so that they do not pile up behind a batch that cannot be written.
    pub(super) fn take_in_advance(&mut self, boundary: Boundary) {
        if let Some(BatchState { tick: None, boundary: Some(waiting), .. }) = self.batches.back_mut() {
            waiting.transactions.union_with(&boundary.transactions);
            waiting.at = boundary.at;
            waiting.witness = boundary.witness.or(waiting.witness.take());
            return;
        }
        self.batches.push_back(BatchState {
            left: 0,
            tick: None,
            boundary: Some(boundary),
            committed_micros: Vec::new(),
            taken_in: Instant::now(),
            changes: 0,
            permit: None,
        });
    }

    pub(super) fn finish_one(&mut self, number: u64, lists: usize) {
        let index = number.checked_sub(self.first_batch).map(|index| index as usize);
        let Some(batch) = index.and_then(|index| self.batches.get_mut(index)) else { return };
        batch.left -= lists;
        if batch.left == 0 {
            batch.permit = None;
            self.parts.progress.totals.queued_rows.fetch_sub(batch.changes, Relaxed);
            let now = self.parts.clock.now_micros();
            self.parts.progress.written_at(now, &batch.committed_micros);
            if lists > 0 {
                self.parts.progress.tail_waited(batch.taken_in.elapsed());
            }
        }
    }

    /// Moves `written` over every batch in front that is written (I5).
    pub(super) fn move_written(&mut self) {
        let early = self.parts.settings.failpoints.checkpoint_before_write();
        while self.batches.front().is_some_and(|batch| batch.left == 0 || early) {
            let Some(batch) = self.batches.pop_front() else { return };
            self.first_batch += 1;
            self.pass_batch(batch);
        }
    }

    pub(super) fn pass_batch(&mut self, batch: BatchState) {
        self.written_tick = self.written_tick.max(batch.tick.unwrap_or(Tick(0)));
        self.parts.progress.passed(&batch.committed_micros);
        let Some(boundary) = batch.boundary else { return };
        let position = &mut self.written.position;
        position.reached.union_with(&boundary.transactions);
        place(position, &boundary.at);
        self.witnesses.add(boundary.witness.clone());
        self.written.tick_high = self.written.tick_high.max(self.written_tick);
        let replayed = &mut self.written.replaying_until;
        if !replayed.is_empty() && position.reached.contains_set(replayed) {
            *replayed = Reached::default();
            self.parts.progress.set_phase(RunPhase::Running);
        }
        self.checkpoint_is_stale = true;
        self.note_written(&boundary);
    }

    pub(super) fn note_written(&self, boundary: &Boundary) {
        let mut positions = self.parts.progress.positions();
        let written: &mut RunPosition = &mut positions.written;
        written.reached.union_with(&boundary.transactions);
        written.at = boundary.at.clone();
    }

    pub(super) async fn checkpoint(&mut self) -> Result<(), ProtocolError> {
        if let Some(proven) = self.witnesses.take_proven(|transaction| self.watched.proves(transaction)) {
            self.written.witness = Some(proven);
            self.checkpoint_is_stale = true;
        }
        if !self.checkpoint_is_stale {
            return Ok(());
        }
        if self.batches.is_empty() {
            kill_at(KillPoint::AllWritten);
        }
        self.journal.advance(&self.written).await?;
        self.checkpoint_is_stale = false;
        self.parts.progress.totals.checkpoints.fetch_add(1, Relaxed);
        self.parts.progress.set_checkpointed(&self.written.position);
        Ok(())
    }
}

fn place(position: &mut Position, at: &BinlogPlace) {
    if !at.file.is_empty() {
        position.file = at.file.to_string();
        position.offset = at.offset;
    }
}
