//! What is asked of the sealer from the side: marks, turns at lists, and counts.

use super::Sealer;
use crate::pipeline::jobs::requests::{MarkRequest, RecountRequest, TurnRequest};
use crate::pipeline::tail::sealed::Sealed;
use crate::protocol::{ProtocolError, UnprovenMark};

impl Sealer<'_> {
    /// A mark: a tick between two batches, and everything sealed below it.
    pub(super) fn mark(&mut self) -> UnprovenMark {
        let taken_ms = self.parts.clock.now_ms();
        UnprovenMark { tick: self.take_tick(), proof: self.sealed.clone(), taken_ms }
    }

    pub(super) async fn take_mark(&mut self, reply: MarkRequest) {
        let mark = self.mark();
        self.pass(Sealed::Mark { mark, reply }).await;
    }

    /// A mark that is queued like a batch must lie above every batch before it in the queues. While journaled batches are
    /// cut again that is not so: their ticks are below every new one, and a counted row that had such a mark already
    /// would take them for done.
    pub(super) fn may_queue(&self) -> bool {
        self.replay.is_empty()
    }

    pub(super) async fn recount(&mut self, request: RecountRequest) {
        let mark = self.mark();
        let lists = request.recount.by_list(mark.tick);
        self.pass(Sealed::Recount { mark, lists, reply: request.reply }).await;
    }

    pub(super) async fn turn(&mut self, request: TurnRequest) -> Result<(), ProtocolError> {
        if request.whole && self.transaction.as_ref().is_some_and(|open| open.parted) {
            self.turns.push(request);
            return Ok(());
        }
        let TurnRequest { mut lists, cut, reply, .. } = request;
        if cut {
            self.cut().await?;
        }
        lists.sort_unstable();
        lists.dedup();
        let mark = self.mark();
        self.pass(Sealed::Turn { mark, lists, reply }).await;
        Ok(())
    }

    /// Seals what was taken in, in the middle of a transaction too.
    pub(super) async fn cut(&mut self) -> Result<(), ProtocolError> {
        match &mut self.transaction {
            None => self.hand_on().await,
            Some(open) if !self.batch.changes.is_empty() => {
                open.parted = true;
                self.seal(None).await
            }
            Some(_) => Ok(()),
        }
    }
}
