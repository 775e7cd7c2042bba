//! The background renewal of the mark (I3): takes one a second, waits until the source has passed it,
//! and publishes it for the backfill.

use crate::model::Reached;
use crate::pipeline::jobs::requests::MarkRequest;
use crate::pipeline::parts::patience;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{MarkSeen, Waiter};
use crate::protocol::mark::prove;
use crate::protocol::{Journaled, ProtocolError, SafeMark, UnprovenMark};
use crate::retry::{Patience, Pauses};
use crate::signal::{Listener, Signal};
use crate::status::{Awaited, Kind};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The newest safe mark, once there is one. Clones share it.
#[derive(Clone, Default)]
pub struct NewestMark {
    shared: Arc<Published>,
}

#[derive(Default)]
struct Published {
    mark: Mutex<Option<SafeMark>>,
    published: Signal,
}

impl NewestMark {
    pub fn get(&self) -> Option<SafeMark> {
        self.mark().clone()
    }

    /// Waits for the first mark; marks are only ever replaced by newer ones.
    pub async fn first(&self) -> SafeMark {
        let mut published: Listener = self.shared.published.listen();
        loop {
            if let Some(mark) = self.get() {
                return mark;
            }
            published.changed().await;
        }
    }

    fn publish(&self, mark: SafeMark) {
        *self.mark() = Some(mark);
        self.shared.published.raise();
    }

    fn mark(&self) -> MutexGuard<'_, Option<SafeMark>> {
        self.shared.mark.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Renews the mark until `stop`.
pub async fn renew(
    parts: &Parts,
    requests: mpsc::Sender<MarkRequest>,
    newest: NewestMark,
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
    newest: NewestMark,
) -> Result<(), ProtocolError> {
    loop {
        let Some(mark) = take(&requests).await else { return Ok(()) };
        let first = newest.get().is_none();
        let safe = wait_until_safe(parts, &mark, first).await?;
        parts.progress.set_mark(MarkSeen { tick: safe.tick(), taken_ms: safe.taken_ms() });
        parts.progress.go_on(Waiter::Mark);
        newest.publish(safe);
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
    let mut looks = Patience::for_ever(Pauses::OF_QUESTIONS);
    loop {
        let proven = || async { Ok(prove(mark, &*parts.source).await?) };
        let shows = |awaited| parts.progress.show(Waiter::Mark, awaited);
        match patience::tried(patience::with_one(parts), proven, shows).await? {
            Ok(safe) => return Ok(safe),
            Err(missing) if first => report_missing(parts, &missing),
            Err(_) => {}
        }
        looks.again().await;
    }
}

fn report_missing(parts: &Parts, missing: &Reached) {
    parts.progress.wait_for(Waiter::Mark, Awaited::new(Kind::SourceCommit, missing.to_string()));
}
