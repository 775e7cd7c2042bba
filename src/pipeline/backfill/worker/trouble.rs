//! What a worker does after an error: it parks the target, tries again, or ends.

use super::Worker;
use crate::error::Disposition;
use crate::pipeline::backfill::overtaken;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::life;
use crate::pipeline::parts::patience;
use crate::pipeline::progress::{Waiter, trouble};
use crate::protocol::ProtocolError;
use crate::sink::SinkError;
use tokio::time::sleep;

impl Worker<'_> {
    pub(super) fn end_trouble(&mut self) {
        self.read_again = false;
        if self.patience.since().is_some() {
            self.patience.worked();
            self.parts.progress.go_on(Waiter::Backfill(self.number));
        }
    }

    /// Parks the target where the error is about it and lasts.
    pub(super) async fn park_or_retry(
        &mut self,
        copy: &Copy,
        error: ProtocolError,
    ) -> Result<(), ProtocolError> {
        match error {
            error if error.is_of_row() => {
                self.snapshot = None;
                // a row may be unreadable for what a statement did to its table: then that is what the parking says, or
                // the next connection knows the labels that it appended
                let may_be = self.tails && !self.read_again && overtaken::may_be(self.parts, &error);
                if may_be {
                    self.read_again = !self.is_overtaken(copy).await?;
                    return Ok(());
                }
                life::park(self.parts, vec![(copy.target.id, error)]).await
            }
            ProtocolError::Sink(cause) if cause.disposition() != Disposition::Retry => {
                life::refused(self.parts, copy.target.id, cause.clone()).await?;
                if self.parts.plan.is_parked(copy.target.id) {
                    return Ok(());
                }
                let reason = cause.to_string();
                self.retry_or_end(SinkError::Unavailable { gateway: String::new(), reason }.into()).await
            }
            error if self.tails && overtaken::may_be(self.parts, &error) => {
                self.parked_or_end(copy, error).await
            }
            error => self.retry_or_end(error).await,
        }
    }

    /// Ends, unless the tail parks the target for what a statement has done to its table.
    async fn parked_or_end(&mut self, copy: &Copy, error: ProtocolError) -> Result<(), ProtocolError> {
        self.snapshot = None;
        tracing::warn!(%error, "the backfill cannot read the table: if the tail meets a statement that explains \
         it, the target is parked; else the run ends");
        if self.is_overtaken(copy).await? { Ok(()) } else { Err(error) }
    }

    /// Waits for the tail to come to what is committed now. Whether it has parked the target by then, or the run stops.
    async fn is_overtaken(&mut self, copy: &Copy) -> Result<bool, ProtocolError> {
        tokio::select! { biased;
            () = self.stop.cancelled() => Ok(true),
            parked = overtaken::is_parked(self.parts, copy.target.id, Waiter::Backfill(self.number)) => parked,
        }
    }

    /// Waits before a passing error's retry; ends with any other, and when it lasts too long.
    async fn retry_or_end(&mut self, error: ProtocolError) -> Result<(), ProtocolError> {
        self.snapshot = None;
        let (error, pause) = patience::pause_after(&mut self.patience, error)?;
        tracing::warn!(%error, "a part is tried again");
        if let Some(since) = self.patience.since() {
            self.parts.progress.wait_since(Waiter::Backfill(self.number), since, trouble(&error));
        }
        sleep(pause).await;
        Ok(())
    }
}
