//! The leases of a part. The tail goes first: a part takes what is free now, and its pieces with busy lists are put off,
//! so that nobody waits for lists that the copy does not hold. Only a piece that was put off several times stands in the
//! queue for its lists, alone, so that a list that is never at rest is copied too
//! (docs/decisions/0015-the-copy-stands-in-no-queue.md).

use crate::lock::{Claim, Held, ListId};
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::copies::span::Part;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::Waiter;
use crate::status::{Awaited, Kind};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a worker waits for busy lists of this process before it takes another part.
const WAIT_FOR_LISTS: Duration = Duration::from_secs(2);
/// How long a worker waits before it asks again for lists that another program holds.
const ELSEWHERE_PAUSE: Duration = Duration::from_millis(100);
/// How long a worker waits at most before it takes another part, when nothing of this one was free.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Takes the leases of those pieces whose lists are free now; the others are put off. `None`: of none.
pub async fn take_free(parts: &Parts, copy: &Copy, part: &mut Part) -> Option<Held> {
    let mut locks = parts.leases.subscribe();
    let lists: Vec<Vec<ListId>> =
        part.pieces.iter().map(|piece| piece.lists.iter().copied().collect()).collect();
    let (held, granted) = parts.leases.acquire_free(&lists).await;
    if granted.contains(&false) {
        parts.progress.totals.chunks_put_aside.fetch_add(1, Relaxed);
        copy.spans().put_off(part, &granted);
    }
    if held.is_none() {
        let _ = timeout(BUSY_PAUSE, locks.changed()).await;
    }
    held
}

/// Takes all leases or none; waits a while for lists of this process, holding nothing.
pub async fn wait_for_all(
    parts: &Parts,
    number: usize,
    lists: &BTreeSet<ListId>,
    claim: &Claim,
    stop: &CancellationToken,
) -> Option<Held> {
    let wanted: Vec<ListId> = lists.iter().copied().collect();
    let mut locks = parts.leases.subscribe();
    let until = Instant::now() + WAIT_FOR_LISTS;
    loop {
        let busy = match parts.leases.acquire_all(&wanted, claim.ticket()).await {
            Ok(held) => {
                parts.progress.go_on(Waiter::Backfill(number));
                return Some(held);
            }
            Err(busy) => busy,
        };
        parts.progress.totals.chunks_put_aside.fetch_add(1, Relaxed);
        let awaited = match busy.elsewhere.len() {
            0 => {
                let among = format!("some of {} lists that it copies together", busy.local.len());
                Awaited::new(Kind::ListsHere, among)
            }
            elsewhere => Awaited::leases(elsewhere, parts.leases.unanswered().as_deref()),
        };
        parts.progress.wait_for(Waiter::Backfill(number), awaited);
        if !busy.elsewhere.is_empty() {
            sleep(ELSEWHERE_PAUSE).await;
            return None;
        }
        let left = until.saturating_duration_since(Instant::now());
        tokio::select! { biased;
            () = stop.cancelled() => return None,
            changed = timeout(left, locks.changed()) => if changed.is_err() { return None },
        }
    }
}
