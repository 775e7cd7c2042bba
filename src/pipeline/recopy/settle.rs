//! Settling: what does not look equal is read again in a turn of its lists, and mended where it still differs
//! ([`super::mending`]).

use super::mending::{AT_ONCE, Attempt, Mending};
use super::target::{AtTarget, Suspect};
use crate::compare::Reading;
use crate::lock::{Claim, Held, ListId};
use crate::protocol::ProtocolError;
use crate::status::{Awaited, Kind};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Turns after which something that is always stamped above the mark is given up.
const ROUNDS: usize = 3;
/// Pause before the next turn.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a turn waits for lists of this process.
const WAIT_FOR_LISTS: Duration = Duration::from_secs(2);

/// Collects suspects of one target, and settles them many at once.
pub struct Settling<'a> {
    at: &'a AtTarget<'a>,
    mending: Mending<'a>,
    pending: Vec<Suspect>,
    /// How many are settled under one lease: fewer where that has run out.
    at_once: usize,
}

impl<'a> Settling<'a> {
    pub fn new(at: &'a AtTarget<'a>) -> Settling<'a> {
        Settling { at, mending: Mending::new(at), pending: Vec::new(), at_once: AT_ONCE }
    }

    /// Takes suspects in, and settles them when there are many.
    pub async fn add(&mut self, suspects: impl IntoIterator<Item = Suspect>) -> Result<(), ProtocolError> {
        self.pending.extend(suspects);
        while self.pending.len() >= AT_ONCE {
            let part = self.pending.drain(..AT_ONCE).collect();
            self.settle(part).await?;
        }
        Ok(())
    }

    /// Settles what is left.
    pub async fn finish(&mut self) -> Result<(), ProtocolError> {
        let rest = std::mem::take(&mut self.pending);
        self.settle(rest).await
    }

    async fn settle(&mut self, suspects: Vec<Suspect>) -> Result<(), ProtocolError> {
        let mut left = suspects;
        while !left.is_empty() {
            let rest = left.split_off(self.at_once.min(left.len()));
            let mut slow = self.settle_together(left).await?;
            slow.extend(rest);
            left = slow;
        }
        Ok(())
    }

    /// Settles these, but for those that it gives back because they are too many for one lease.
    async fn settle_together(&mut self, mut suspects: Vec<Suspect>) -> Result<Vec<Suspect>, ProtocolError> {
        let (mut patience, mut rounds) = (self.at.job.patience(), 0);
        while !suspects.is_empty() {
            match self.attempt(&suspects).await {
                Ok(Attempt::Done { newer, busy }) => {
                    rounds += 1;
                    suspects = busy;
                    if rounds < ROUNDS && !self.at.job.dry_run {
                        suspects.extend(newer);
                    } else {
                        let count = newer.len() as u64;
                        self.at.job.report(self.at.copy.target.id, |report| report.newer += count);
                    }
                }
                Ok(Attempt::Slow) => {
                    self.at.job.set_waiting(Awaited::many(Kind::Items, suspects.len()));
                    if suspects.len() > 1 {
                        self.at_once = suspects.len() / 2;
                        return Ok(suspects);
                    }
                }
                Ok(Attempt::Again(None)) => {}
                Ok(Attempt::Again(Some(error))) => {
                    self.at.job.wait_after(&mut patience, error.into()).await?
                }
                Err(error) => self.at.job.wait_after(&mut patience, error).await?,
            }
            if !suspects.is_empty() {
                sleep(PAUSE).await;
            }
        }
        self.at.job.set_not_waiting();
        Ok(suspects)
    }

    /// Takes a turn and leases, and mends what differs at the turn's mark, in those lists whose leases are free.
    async fn attempt(&mut self, suspects: &[Suspect]) -> Result<Attempt, ProtocolError> {
        let lists: BTreeSet<ListId> = suspects.iter().map(|one| one.list).collect();
        let lists: Vec<ListId> = lists.into_iter().collect();
        let (turn, mark) = self.at.job.turn(lists.clone(), false).await?;
        // withdrawn with the turn: a ticket that is queued on lists keeps the tail off them, and so the next turn away
        let claim = self.at.job.parts.leases.claim();
        let Some(held) = self.lease(&lists, &claim).await else { return Ok(Attempt::Again(None)) };
        let (free, busy): (Vec<Suspect>, Vec<Suspect>) =
            suspects.iter().cloned().partition(|one| held.lists().contains(&one.list));
        // I3: the mark was safe before the SELECT below opens its read view
        let outcome = self.mending.under_lease(&free, &held, &mark).await;
        held.release().await;
        drop(turn);
        outcome.map(|outcome| match outcome {
            Attempt::Done { newer, .. } => Attempt::Done { newer, busy },
            again => again,
        })
    }

    /// The leases of those lists that are free; `None`: of none.
    async fn lease(&mut self, lists: &[ListId], claim: &Claim) -> Option<Held> {
        let leases = &self.at.job.parts.leases;
        let wanted: Vec<_> = lists.iter().map(|list| (*list, claim.ticket())).collect();
        let mut locks = leases.subscribe();
        let until = Instant::now() + WAIT_FOR_LISTS;
        loop {
            let grant = leases.acquire_any(&wanted).await;
            if grant.held.is_some() {
                self.at.job.set_not_waiting();
                return grant.held;
            }
            let (here, elsewhere) = (grant.busy.len(), grant.busy_elsewhere.len());
            self.at.job.set_waiting_for_lists(here, elsewhere, leases.unanswered().as_deref());
            let left = until.saturating_duration_since(Instant::now());
            if elsewhere > 0 || timeout(left, locks.changed()).await.is_err() {
                return None;
            }
        }
    }
}
