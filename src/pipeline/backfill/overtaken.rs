//! A SELECT reads the table of now, and the tail is behind it. What a statement did to the table may fail a SELECT before
//! the tail comes there and parks the table's targets.

use crate::error::Disposition;
use crate::model::TargetId;
use crate::pipeline::parts::patience::retried;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::Waiter;
use crate::protocol::ProtocolError;
use crate::status::{Awaited, Kind};

/// Whether an error of a SELECT can come of what a statement did to its table.
pub fn may_be(parts: &Parts, error: &ProtocolError) -> bool {
    !parts.settings.failpoints.overtaken_select_ends()
        && matches!(error, ProtocolError::Source(cause) if cause.disposition() != Disposition::Retry)
}

/// Waits until the tail has passed everything that is committed now. Whether the target is parked by then.
pub async fn is_parked(parts: &Parts, target: TargetId, waiter: Waiter) -> Result<bool, ProtocolError> {
    if parts.source.definitions().is_none() {
        return Ok(parts.plan.is_parked(target));
    }
    let executed = retried(parts, waiter, || async move { Ok(parts.source.executed().await?) }).await?;
    let mut checkpoint = parts.progress.watch_checkpoint();
    parts.progress.wait_for(waiter, Awaited::new(Kind::Tail, "what changed the table"));
    tokio::select! { biased;
        () = parts.plan.written_to().until(async || parts.plan.is_parked(target)) => {}
        _ = checkpoint.wait_for(|checkpoint| checkpoint.contains_set(&executed)) => {}
    }
    parts.progress.go_on(waiter);
    Ok(parts.plan.is_parked(target))
}
