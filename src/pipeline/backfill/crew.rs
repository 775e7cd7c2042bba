//! The workers of a copy: as many as the limits say, also when they say something else later.

use crate::pipeline::backfill::marks::NewestMark;
use crate::pipeline::backfill::worker;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Copies everything that is left, then returns; stops early at `stop`, after the parts under way. `tails`: a tail goes on
/// beside. Workers that are too many by a later limit wait; those that lack are started.
pub async fn work(
    parts: &Parts,
    tails: bool,
    copies: Vec<Arc<Copy>>,
    marks: NewestMark,
    stop: CancellationToken,
) -> Result<(), ProtocolError> {
    let mut workers = JoinSet::new();
    let (mut started, mut failed) = (0, None);
    let stop = stop.child_token();
    let mut limits = parts.throttle.listen();
    loop {
        while started < parts.throttle.limits().workers && !stop.is_cancelled() {
            let (parts, copies, marks, stop) = (parts.clone(), copies.clone(), marks.clone(), stop.clone());
            let number = started;
            workers.spawn(async move { worker::work(&parts, (number, tails), copies, marks, stop).await });
            started += 1;
        }
        tokio::select! { biased;
            ended = workers.join_next() => match ended {
                None => return failed.map_or(Ok(()), Err),
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    failed.get_or_insert(error);
                    // the others end their parts, which gives their leases back
                    stop.cancel();
                }
                Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            },
            () = limits.changed(), if !stop.is_cancelled() => {}
        }
    }
}
