//! The count pass: brings the rows of a counted target from "not counted yet" to their counts, and keeps nobody waiting.
//!
//! A count is right as long as only writes that compare `c:t` change which items are there. A chunk's do not compare.
//! So nothing is counted before
//! 1. the copy is complete, and no chunk can be read any more whose rows could still be sent: those of this process have
//!    ended, and those of a process before it are too late ([`crate::pipeline::copies::fence`]);
//! 2. the tail has written everything that the source's binlog held at a moment after that. The binlog, not the executed
//!    set: a SELECT may show what is not in that set yet.
//!
//! Then every row that a late chunk could bring is either there or behind its delete, for good. Now `Counting` is made
//! durable, and whoever writes a row from then on leaves it counted. Writes that began before may still leave a row
//! uncounted, so the walk over all rows begins when everything sealed up to then is written. It asks for the count of each
//! row that has none; that takes its place in the row's list like a batch, at a mark of its own. `Counted` is made
//! durable after a walk that found nothing to do.
//!
//! Counts that are there from before (a target that was not counted for a while; a pilot's) are taken away first, by the
//! same walk.

use crate::failpoints::{KillPoint, kill_at};
use crate::lock::ListId;
use crate::model::{Reached, Work};
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::copies::fence::FENCE;
use crate::pipeline::counts::Counts;
use crate::pipeline::counts::walk::{self, Page};
use crate::pipeline::jobs::requests;
use crate::pipeline::jobs::requests::RecountRequest;
use crate::pipeline::parts::patience;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::Waiter;
use crate::protocol::ProtocolError;
use crate::protocol::count::{Recount, Recounting};
use crate::retry::{Patience, Pauses};
use crate::sink::layout::Codec;
use crate::status::{Awaited, Kind};
use crate::store::StoreError;
use crate::store::records::CountsState;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// Counts the rows of every counted target, one target after the other; returns when all are counted, or at `stop`.
pub async fn count(
    parts: &Parts,
    copies: Vec<Arc<Copy>>,
    counts: Arc<Counts>,
    requests: mpsc::Sender<RecountRequest>,
    stop: CancellationToken,
) -> Result<(), ProtocolError> {
    let lacks =
        |copy: &&Arc<Copy>| copy.target.counted && counts.state(copy.target.id) != CountsState::Counted;
    let all = async {
        let mut targets = parts.plan.written_to().listen();
        while copies.iter().any(|copy| lacks(&copy)) {
            for copy in copies.iter().filter(lacks) {
                let pass = Pass { parts, copy, counts: &counts, requests: &requests };
                let goes_on = tokio::select! { biased;
                    () = until_parked(parts, copy) => true,
                    counted = pass.run() => counted?,
                };
                if !goes_on {
                    return Ok(()); // the sealer or the writer is gone: its error is the one to report
                }
            }
            // a parked target that a re-copy brings back has its rows to be counted
            targets.changed().await;
        }
        Ok(())
    };
    tokio::select! { biased;
        () = stop.cancelled() => Ok(()),
        ended = all => ended,
    }
}

async fn until_parked(parts: &Parts, copy: &Copy) {
    parts.plan.written_to().until(async || parts.plan.is_parked(copy.target.id)).await;
    parts.progress.go_on(Waiter::Counts);
}

/// Counting one target.
struct Pass<'a> {
    parts: &'a Parts,
    copy: &'a Copy,
    counts: &'a Counts,
    requests: &'a mpsc::Sender<RecountRequest>,
}

impl Pass<'_> {
    /// `false`: nobody answers any more.
    async fn run(&self) -> Result<bool, ProtocolError> {
        let target = self.copy.target.id;
        if self.counts.state(target) == CountsState::Uncounted {
            if !self.parts.settings.failpoints.count_pass_before_caught_up() {
                self.nothing_can_come().await?;
            }
            self.parts.progress.go_on(Waiter::Counts);
            if !self.walk_until_nothing_is_found(Recounting::Forget).await? {
                return Ok(false);
            }
            self.counts.set(self.parts, self.copy, CountsState::Counting).await?;
        }
        if self.counts.state(target) == CountsState::Counting {
            let sealed = self.parts.progress.positions().sealed.reached.clone();
            self.written(&sealed).await?;
            if !self.walk_until_nothing_is_found(Recounting::Count).await? {
                return Ok(false);
            }
            kill_at(KillPoint::CountsUnnoted);
            self.counts.set(self.parts, self.copy, CountsState::Counted).await?;
        }
        Ok(true)
    }

    /// Waits until no chunk can change what is there any more.
    async fn nothing_can_come(&self) -> Result<(), ProtocolError> {
        self.parts.plan.written_to().until(|| self.copy.complete()).await;
        let off = self.parts.settings.failpoints;
        if self.copy.had_predecessor && !off.count_beside_zombies() {
            self.wait_for(Awaited::new(Kind::EarlierLeases, ""));
            sleep_until(self.counts.began + FENCE + self.parts.leases.expiry()).await;
        }
        let parts = self.parts;
        let end = self.tried(|| async { Ok(parts.source.binlog_end().await?) }).await?;
        self.wait_for(Awaited::new(Kind::Tail, "the end of the copy"));
        let mut looks = Patience::for_ever(Pauses::OF_LOOKS);
        let received = loop {
            {
                let positions = parts.progress.positions();
                if positions.received.at.is_at_or_past(&end) {
                    break positions.received.reached.clone();
                }
            }
            looks.again().await;
        };
        self.written(&received).await
    }

    /// Waits until these transactions are written.
    async fn written(&self, wanted: &Reached) -> Result<(), ProtocolError> {
        let mut checkpoint = self.parts.progress.watch_checkpoint();
        let reached = checkpoint.wait_for(|checkpoint| checkpoint.contains_set(wanted)).await.is_ok();
        if !reached {
            let reason = "the checkpoint is not watched any more".into();
            return Err(StoreError::Record { reason }.into());
        }
        Ok(())
    }

    async fn walk_until_nothing_is_found(&self, what: Recounting) -> Result<bool, ProtocolError> {
        loop {
            match self.walk(what).await? {
                Some(0) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    /// Walks over all rows, and has done what there is to do. The number of rows that it was done for; `None` when
    /// nobody answers any more.
    async fn walk(&self, what: Recounting) -> Result<Option<u64>, ProtocolError> {
        self.show(|counts| (counts.rows_walked, counts.walks) = (0, counts.walks + 1));
        let (mut next, mut rows) = (Some(Bytes::new()), 0);
        while let Some(start) = next {
            let (levers, progress) = (&self.parts.levers, &self.parts.progress);
            levers.until_running(Work::Backfill, Waiter::Counts, progress).await;
            // a walk holds nothing between two pages: the recount of one has ended (I8)
            let rows_max = self.parts.settings.count_rows.max(1) as u64;
            let permit = self.parts.throttle.permit(rows_max, Waiter::Counts, progress).await;
            let page = self.page(&start).await?;
            let walked = page.rows() as u64;
            permit.used(walked);
            next = page.next.clone();
            let found = self.of_cohort(match what {
                Recounting::Count => page.uncounted,
                Recounting::Forget => page.counted,
            });
            let asked = found.len() as u64;
            if asked > 0 && !self.request_recount(what, found).await {
                return Ok(None);
            }
            rows += asked;
            self.show(|counts| {
                counts.rows_walked += walked;
                counts.rows_done += if what == Recounting::Count { asked } else { 0 };
            });
        }
        Ok(Some(rows))
    }

    async fn page(&self, start: &Bytes) -> Result<Page, ProtocolError> {
        let (sink, target, limit) =
            (&*self.parts.sink, self.copy.target.id, self.parts.settings.count_rows.max(1));
        self.tried(|| async { Ok(walk::page(sink, target, start, limit).await?) }).await
    }

    /// Repeats something whose errors may pass, within the stated bound.
    async fn tried<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ProtocolError>
    where
        F: Future<Output = Result<T, ProtocolError>>,
    {
        let table = &self.copy.target.table;
        let shows = |awaited: Option<Awaited>| {
            self.parts.progress.show(Waiter::Counts, awaited.map(|awaited| awaited.of(table)));
        };
        patience::tried(patience::with_one(self.parts), attempt, shows).await
    }

    /// The rows of lists that take part, with these lists.
    fn of_cohort(&self, rows: Vec<Bytes>) -> Vec<(ListId, Bytes)> {
        let Copy { mapping, target, .. } = self.copy;
        let codec = Codec::of(mapping, target);
        let cohort = self.parts.plan.cohort();
        let list = |row: &Bytes| {
            let key = codec.split_row(row)?.list.list_key;
            cohort.has(mapping, key).then(|| ListId::new(mapping.id.0, key))
        };
        rows.into_iter().filter_map(|row| Some((list(&row)?, row))).collect()
    }

    /// Waits until it is done; `false` when nobody answers any more.
    async fn request_recount(&self, what: Recounting, rows: Vec<(ListId, Bytes)>) -> bool {
        let recount = Recount { target: self.copy.target.id, what, rows };
        requests::recount(self.requests, recount).await
    }

    fn show(&self, change: impl FnOnce(&mut crate::pipeline::progress::CountsProgress)) {
        self.parts.progress.copy(self.copy.target.id, self.copy.mapping.id, |copy| change(&mut copy.counts));
    }

    fn wait_for(&self, awaited: Awaited) {
        self.parts.progress.wait_for(Waiter::Counts, awaited.of(&self.copy.target.table));
    }
}
