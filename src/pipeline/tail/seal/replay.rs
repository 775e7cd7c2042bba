//! Batches that the journal cuts: where they begin and end, and that they hold what they held.

use super::{Building, Sealer, Then};
use crate::model::{Point, TransactionId};
use crate::protocol::{ProtocolError, Replay};

impl Sealer<'_> {
    pub(super) fn check_replay_begins(&self, point: &Point) -> Result<(), ProtocolError> {
        match self.replay.front() {
            Some(next) if next.from != *point => {
                Err(cannot_cut(next, format!("MySQL sends {point} where the batch begins")))
            }
            _ => Ok(()),
        }
    }

    /// The transaction that a journaled batch ends in must bring the row that it ends with, unless that is left out; else
    /// the batch would wait for it for ever, and take everything else in.
    pub(super) fn check_replay_goes_on(&self, ended: &TransactionId) -> Result<(), ProtocolError> {
        let none_came = self.batch.from.is_none()
            && self
                .plan
                .mappings()
                .iter()
                .any(|mapping| self.parts.definitions.parking(&mapping.schema.name).is_some());
        match self.replay.front() {
            Some(next) if !none_came && next.to.transaction == *ended => {
                Err(cannot_cut(next, format!("MySQL sends {ended} without the row that ends the batch")))
            }
            _ => Ok(()),
        }
    }

    /// Drops the journaled batches that end with a transaction of which no row came: all of theirs are left out now, of
    /// tables that are parked. Nothing would ever cut them.
    pub(super) fn pass_over_what_is_left_out(&mut self, ended: &TransactionId) {
        while let Some(next) = self.replay.front().filter(|next| next.to.transaction == *ended) {
            tracing::warn!(tick = %next.tick, from = %next.from, to = %next.to, "the run skips a journaled batch: \
             all its rows are of parked tables");
            self.replay.pop_front();
        }
    }

    pub(super) fn replay_goes_on(&self) -> Result<Then, ProtocolError> {
        match self.replay.front() {
            Some(next) if self.batch.to.as_ref() == Some(&next.to) => {
                if self.batch.transactions != next.transactions {
                    // the same ends, and something else between them: another server's order
                    return Err(cannot_cut(
                        next,
                        format!("MySQL sends rows of {} in this range now", self.batch.transactions),
                    ));
                }
                Ok(Then::SealReplay)
            }
            _ => Ok(Then::GoOn),
        }
    }

    /// Seals the batch that the journal's next entry says.
    pub(super) async fn seal_replay(&mut self) -> Result<(), ProtocolError> {
        let Some(Replay { tick, .. }) = self.replay.pop_front() else { return Ok(()) };
        if self.replay.is_empty() {
            tracing::info!("all journaled batches are cut again");
            // the rest of this transaction ends a batch, so that the next boundary is one of batches
            self.transaction.as_mut().expect("a change has a transaction").parted = true;
        }
        let batch = std::mem::replace(&mut self.batch, Building::new(self.parts));
        self.emit(batch, tick, None, None).await?;
        self.wait_from_now();
        Ok(())
    }
}

fn cannot_cut(next: &Replay, reason: String) -> ProtocolError {
    ProtocolError::CannotCut {
        tick: next.tick.to_string(),
        range: format!("{} to {}", next.from, next.to),
        reason,
    }
}
