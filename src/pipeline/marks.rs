//! The background renewal of the mark (I3): takes one a second, waits until the source has passed it,
//! and publishes it for the backfill.

use super::progress::{MarkSeen, Waiter};
use super::seal::MarkRequest;
use super::settings::Parts;
use crate::error::Disposition;
use crate::model::GtidSet;
use crate::protocol::mark::prove;
use crate::protocol::{Journaled, ProtocolError, SafeMark, UnprovenMark};
use crate::source::SourceError;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The newest safe mark, once there is one.
pub type NewestMark = watch::Receiver<Option<SafeMark>>;

const LOOK_AGAIN: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Renews the mark until `stop`.
pub async fn renew(
    parts: &Parts,
    requests: mpsc::Sender<MarkRequest>,
    newest: watch::Sender<Option<SafeMark>>,
    stop: CancellationToken,
) -> Result<(), ProtocolError> {
    tokio::select! { biased;
        () = stop.cancelled() => Ok(()),
        ended = renew_for_ever(parts, requests, newest) => ended,
    }
}

async fn renew_for_ever(
    parts: &Parts,
    requests: mpsc::Sender<MarkRequest>,
    newest: watch::Sender<Option<SafeMark>>,
) -> Result<(), ProtocolError> {
    loop {
        let Some(mark) = take(&requests).await else { return Ok(()) };
        let first = newest.borrow().is_none();
        let safe = wait_until_safe(parts, &mark, first).await?;
        parts.progress.set_mark(MarkSeen { tick: safe.tick(), taken_ms: safe.taken_ms() });
        parts.progress.go_on(Waiter::Mark);
        newest.send_replace(Some(safe));
        sleep(parts.settings.mark_every).await;
    }
}

async fn take(requests: &mpsc::Sender<MarkRequest>) -> Option<Journaled<UnprovenMark>> {
    let (reply, answer) = oneshot::channel();
    requests.send(reply).await.ok()?;
    answer.await.ok()
}

async fn wait_until_safe(
    parts: &Parts,
    mark: &Journaled<UnprovenMark>,
    first: bool,
) -> Result<SafeMark, ProtocolError> {
    #[cfg(feature = "failpoints")]
    {
        let off = parts.settings.failpoints;
        if off.chunk_uses_newest_tick() || (off.start_from_binlog_status() && first) {
            return Ok(crate::protocol::mark::pretend_safe(mark.get().tick, mark.get().taken_ms));
        }
    }
    let begin = Instant::now();
    let mut pause = LOOK_AGAIN;
    loop {
        match parts.source.executed().await {
            Ok(executed) => match prove(mark, &executed) {
                Some(safe) => return Ok(safe),
                None if first => say_what_is_missing(parts, &mark.get().proof.minus(&executed)),
                None => {}
            },
            Err(error) => bounded(parts, begin, error)?,
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn say_what_is_missing(parts: &Parts, missing: &GtidSet) {
    let reason = format!("backfill: a safe mark; the source has not committed {missing} yet");
    parts.progress.wait_for(Waiter::Mark, reason);
}

fn bounded(parts: &Parts, begin: Instant, error: SourceError) -> Result<(), ProtocolError> {
    if error.disposition() != Disposition::Retry {
        return Err(error.into());
    }
    if begin.elapsed() >= parts.settings.retry_for {
        let cause = Box::new(ProtocolError::Source(error));
        return Err(ProtocolError::GaveUp { seconds: begin.elapsed().as_secs(), cause });
    }
    parts.progress.wait_for(Waiter::Mark, format!("a mark: {error}"));
    Ok(())
}
