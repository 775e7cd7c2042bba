//! Leases: the in-process lock of a list, and the `add` in Memcache behind it.

use super::inner::{Inner, LeaseOptions, OnLoss, Stopwatch, Totals, add};
use super::local::{Claim, FairLocks, LocalCounts, Ticket};
use super::reach::{Added, Outage, Reach};
use super::{Held, KeyNames, LeaseServer, ListId, Lists, Predecessor, Token};
use crate::clock::Entropy;
use crate::signal::Listener;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// The answer to [`Leases::acquire_any`]; each wanted list stands in one of the three.
#[derive(Debug, Default)]
pub struct Grant {
    pub held: Option<Held>,
    /// Lists that this process holds or others of it wait for; the ticket is queued on them.
    pub busy: Vec<ListId>,
    /// Lists that another program holds, or (with [`OnLoss::Wait`]) that nobody can say anything
    /// about; the ticket is queued on them. [`Leases::subscribe`] does not report these: ask again
    /// after a while.
    pub busy_elsewhere: Vec<ListId>,
}

/// Why [`Leases::acquire_all`] granted nothing. As for `Grant`, where the ticket stays queued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Not all lists were free in this process (all that were asked for are queued on).
    pub local: Vec<ListId>,
    /// The lists that other programs hold.
    pub elsewhere: Vec<ListId>,
}

/// How leases stand, for status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// Lists granted.
    pub acquired_total: u64,
    /// Lists refused because this process holds them.
    pub busy_local_total: u64,
    /// Lists refused because another program holds them.
    pub busy_elsewhere_total: u64,
    /// Leases that were no longer there, or another's, when they were released.
    pub lost_total: u64,
    /// Lists granted without the lease server, because it was away.
    pub degraded_total: u64,
    /// Times that the lease server went away.
    pub outages_total: u64,
    /// Lists given back to the lease server that were still ours: with [`LeaseCounts::acquired_total`], the
    /// pairs.
    pub released_total: u64,
    /// Round trips to the lease server, answered or not: one for an acquisition, two for a release. Parts of
    /// a call that travel side by side are one.
    pub round_trips_total: u64,
    /// Nanoseconds that callers spent in calls of [`Leases`] and [`Held`], summed over callers side by side.
    pub waited_nanos_total: u64,
    /// Nanoseconds from asking for leases that were granted to the end of their holding, its release
    /// included, summed likewise. Of this time, `waited_nanos_total` is what leases cost; but waits that
    /// ended without a grant are in that alone.
    pub holding_nanos_total: u64,
    pub local: LocalCounts,
}

/// Hands out the lists of all mappings. Clones share everything.
///
/// Nothing waits for a lock, in here or while holding: what is not free is reported, queued by
/// ticket, and asked for again. Cancelling an acquisition gives back what it took (leases whose reply
/// was lost are released by a later call, also those whose request comes late, or expire). All time is tokio's, all randomness the
/// given entropy's.
#[derive(Clone)]
pub struct Leases {
    inner: Arc<Inner>,
}

impl Leases {
    /// `server`: `None` when no other program takes part (`kind = "local"`). `names`: the mappings'
    /// names by [`ListId::mapping`]; asking for a list of a mapping without a name panics. `owner`: the
    /// state's id, of which one process runs at a time; tokens are `OWNER:BOOT:RANDOM`, the latter two 16 hex
    /// digits each, and what earlier processes of the owner left behind is taken over.
    pub fn new(
        server: Option<Arc<dyn LeaseServer>>,
        names: Vec<String>,
        options: LeaseOptions,
        entropy: Arc<dyn Entropy>,
        owner: String,
    ) -> Leases {
        let names = KeyNames::new(names);
        let reach = server.map(|server| Reach::new(server, names, options.expiry, options.reply_timeout));
        let (locks, totals) = (FairLocks::new(), Totals::default());
        let predecessor = Predecessor { owner, boot: format!("{:016x}", entropy.next_u64()) };
        let predecessors_until = Instant::now() + options.expiry + options.margin;
        let inner = Inner { locks, reach, options, entropy, predecessor, predecessors_until, totals };
        Leases { inner: Arc::new(inner) }
    }

    /// A ticket higher than all before it.
    pub fn ticket(&self) -> Ticket {
        self.inner.locks.ticket()
    }

    /// A new ticket that leaves its queues when the value is dropped.
    pub fn claim(&self) -> Claim {
        self.inner.locks.claim()
    }

    /// Hears whenever a list that someone waits for may have become available. Subscribe before asking; then
    /// `changed()` misses nothing that happens after the refusal.
    pub fn subscribe(&self) -> Listener {
        self.inner.locks.subscribe()
    }

    /// How long a lease stands at the longest.
    pub fn expiry(&self) -> Duration {
        self.inner.options.expiry
    }

    /// Since when the lease server has been away, while it is.
    pub fn outage(&self) -> Option<Outage> {
        self.inner.reach.as_ref().and_then(Reach::outage)
    }

    /// The same where lists are granted without it meanwhile.
    pub fn degraded(&self) -> Option<Outage> {
        self.outage().filter(|_| self.inner.options.on_loss == OnLoss::Degrade)
    }

    /// Why lists are refused although nobody is known to hold them; `None`: the lease server answers, or they are granted
    /// without it.
    pub fn unanswered(&self) -> Option<String> {
        self.outage().filter(|_| self.inner.options.on_loss == OnLoss::Wait).map(|outage| outage.reason)
    }

    /// Totals since the start, and what is held now; the sum of all clones.
    pub fn counts(&self) -> LeaseCounts {
        let totals = &self.inner.totals;
        LeaseCounts {
            acquired_total: totals.acquired.load(Relaxed),
            busy_local_total: totals.busy_local.load(Relaxed),
            busy_elsewhere_total: totals.busy_elsewhere.load(Relaxed),
            lost_total: totals.lost.load(Relaxed),
            degraded_total: totals.degraded.load(Relaxed),
            outages_total: self.inner.reach.as_ref().map_or(0, Reach::outages_total),
            released_total: totals.released.load(Relaxed),
            round_trips_total: self.inner.reach.as_ref().map_or(0, Reach::round_trips_total),
            waited_nanos_total: totals.waited_nanos.load(Relaxed),
            holding_nanos_total: totals.holding_nanos.load(Relaxed),
            local: self.inner.locks.counts(),
        }
    }

    /// Takes whatever of the wanted lists is free now, in one round trip. For the tail: lists of one
    /// batch are independent of each other, so each brings a ticket of its own.
    ///
    /// A list that is not granted keeps its ticket's place, also while another program holds it, so
    /// that a later batch cannot overtake an earlier one of the same list.
    pub async fn acquire_any(&self, wanted: &[(ListId, Ticket)]) -> Grant {
        let watch = Stopwatch::start(&self.inner.totals.waited_nanos);
        self.inner.release_strays().await;
        let (taken, busy) = self.inner.locks.try_lock_each(wanted);
        let mut grant = Grant { busy, ..Grant::default() };
        add(&self.inner.totals.busy_local, grant.busy.len());
        let mut claim = LocalClaim::of(&self.inner, taken);
        if claim.lists.is_empty() {
            return grant;
        }
        let asked = self.inner.request(&claim.lists).await;
        grant.busy_elsewhere = claim.refuse(&asked.refused);
        if !claim.lists.is_empty() {
            grant.held = Some(claim.hold(asked, watch.since));
        }
        grant
    }

    /// Takes all lists or none. For a chunk.
    ///
    /// # Errors
    /// [`Busy`] when one is not free. Nothing is held then; the ticket stays queued on every list when
    /// one is not free in this process, else on those that another program holds.
    pub async fn acquire_all(&self, lists: &[ListId], ticket: Ticket) -> Result<Held, Busy> {
        let watch = Stopwatch::start(&self.inner.totals.waited_nanos);
        self.inner.release_strays().await;
        let distinct = Lists::from(lists.to_vec());
        if !self.inner.locks.try_lock_all(ticket, &distinct) {
            add(&self.inner.totals.busy_local, distinct.len());
            return Err(Busy { local: distinct.to_vec(), elsewhere: Vec::new() });
        }
        let mut claim = LocalClaim::of(&self.inner, distinct.iter().map(|list| (*list, ticket)).collect());
        let asked = self.inner.request(&distinct).await;
        if asked.refused.is_empty() {
            return Ok(claim.hold(asked, watch.since));
        }
        let elsewhere = claim.refuse(&asked.refused);
        self.inner.release(&claim.leave(), asked.token).await;
        Err(Busy { local: Vec::new(), elsewhere })
    }

    /// Takes those groups of which all lists are free now, and says which: for a part of the copy, whose pieces are
    /// independent of each other. Nothing is queued on, so nobody waits for what this claimant does not hold.
    pub async fn acquire_free(&self, groups: &[Vec<ListId>]) -> (Option<Held>, Vec<bool>) {
        let watch = Stopwatch::start(&self.inner.totals.waited_nanos);
        self.inner.release_strays().await;
        let ticket = self.ticket();
        let mut granted = self.inner.locks.try_lock_groups(ticket, groups);
        let refused = granted.iter().zip(groups).filter(|(granted, _)| !**granted);
        add(&self.inner.totals.busy_local, refused.map(|(_, group)| group.len()).sum());
        let taken = lists_of(groups, &granted);
        if taken.is_empty() {
            return (None, granted);
        }
        let mut claim = LocalClaim::of(&self.inner, taken.iter().map(|list| (*list, ticket)).collect());
        let asked = self.inner.request(&taken).await;
        if !asked.refused.is_empty() {
            let refused: Vec<ListId> = asked.refused.iter().map(|at| taken[*at]).collect();
            add(&self.inner.totals.busy_elsewhere, refused.len());
            let is_refused = |group: &Vec<ListId>| group.iter().any(|list| refused.contains(list));
            granted.iter_mut().zip(groups).for_each(|(granted, group)| *granted &= !is_refused(group));
            let surplus = claim.keep(&lists_of(groups, &granted));
            let (refused, ours) = surplus.into_iter().partition::<Vec<_>, _>(|list| refused.contains(list));
            self.inner.locks.unlock_all(&refused);
            self.inner.release(&ours, asked.token.clone()).await;
        }
        let held = (!claim.lists.is_empty()).then(|| claim.hold(asked, watch.since));
        (held, granted)
    }
}

/// The lists of those groups that are granted.
fn lists_of(groups: &[Vec<ListId>], granted: &[bool]) -> Lists {
    let of = groups.iter().zip(granted).filter(|(_, granted)| **granted).flat_map(|(group, _)| group);
    Lists::from(of.copied().collect::<Vec<_>>())
}

/// The server's answer about lists whose in-process locks are held.
struct Asked {
    deadline: Instant,
    token: Option<Token>,
    /// Which of the lists, by their places, rising.
    refused: Vec<usize>,
    degraded: bool,
}

impl Inner {
    async fn release_strays(&self) {
        if let Some(reach) = &self.reach {
            reach.release_strays().await;
        }
    }

    async fn request(&self, lists: &[ListId]) -> Asked {
        // I4: counted from before the request, because the server starts to count when it gets it.
        let deadline = Instant::now() + self.options.expiry.saturating_sub(self.options.margin);
        let mut asked = Asked { deadline, token: None, refused: Vec::new(), degraded: false };
        let Some(reach) = &self.reach else { return asked };
        if lists.is_empty() {
            return asked;
        }
        let token = self.token();
        match reach.add(lists, &token).await {
            Added::Answered(ours) => {
                asked.refused =
                    ours.iter().enumerate().filter(|(_, ours)| !**ours).map(|(at, _)| at).collect();
                self.take_over(reach, lists, &mut asked.refused, &token).await;
                self.take_late(reach, lists, &mut asked.refused, &token).await;
                asked.token = Some(token);
            }
            Added::Unknown if self.options.on_loss == OnLoss::Degrade => {
                (asked.token, asked.degraded) = (Some(token), true);
            }
            Added::NotAsked if self.options.on_loss == OnLoss::Degrade => asked.degraded = true,
            Added::Unknown => {
                reach.leave_stray(lists.to_vec(), token);
                asked.refused = (0..lists.len()).collect();
            }
            Added::NotAsked => asked.refused = (0..lists.len()).collect(),
        }
        asked
    }

    /// Takes what processes of this state that are dead left behind off `refused`.
    async fn take_over(&self, reach: &Reach, lists: &[ListId], refused: &mut Vec<usize>, token: &Token) {
        if refused.is_empty() || Instant::now() >= self.predecessors_until {
            return;
        }
        let standing: Vec<ListId> = refused.iter().map(|at| lists[*at]).collect();
        if let Some(taken) = reach.take_over(&standing, &self.predecessor, token).await {
            let mut taken = taken.into_iter();
            refused.retain(|_| !taken.next().unwrap_or(false));
        }
    }

    /// Takes what a late request of this process blocks off `refused`.
    async fn take_late(&self, reach: &Reach, lists: &[ListId], refused: &mut Vec<usize>, token: &Token) {
        let standing: Vec<ListId> = refused.iter().map(|at| lists[*at]).collect();
        let freed = reach.release_late(&standing).await;
        if freed.is_empty() {
            return;
        }
        match reach.add(&freed, token).await {
            Added::Answered(ours) => {
                let taken = |list| freed.iter().zip(&ours).any(|(freed, ours)| *freed == list && *ours);
                refused.retain(|at| !taken(lists[*at]));
            }
            Added::Unknown => reach.leave_stray(freed, token.clone()),
            Added::NotAsked => (),
        }
    }

    fn token(&self) -> Token {
        let Predecessor { owner, boot } = &self.predecessor;
        Token(format!("{owner}:{boot}:{:016x}", self.entropy.next_u64()))
    }
}

/// In-process locks that are held while the server is asked; freed when that is cancelled.
struct LocalClaim<'a> {
    inner: &'a Arc<Inner>,
    lists: Vec<ListId>,
    /// With which each of the lists was taken.
    tickets: Vec<Ticket>,
}

impl<'a> LocalClaim<'a> {
    fn of(inner: &'a Arc<Inner>, taken: Vec<(ListId, Ticket)>) -> LocalClaim<'a> {
        let (lists, tickets) = taken.into_iter().unzip();
        LocalClaim { inner, lists, tickets }
    }

    /// Gives the in-process locks in the places `refused` back, keeping the tickets' places in the queues.
    fn refuse(&mut self, refused: &[usize]) -> Vec<ListId> {
        if refused.is_empty() {
            return Vec::new();
        }
        let back: Vec<(ListId, Ticket)> =
            refused.iter().map(|at| (self.lists[*at], self.tickets[*at])).collect();
        let mut at = 0;
        let mut refused = refused.iter().peekable();
        self.lists.retain(|_| {
            at += 1;
            refused.next_if(|refused| **refused == at - 1).is_none()
        });
        self.inner.locks.unlock_and_queue(&back);
        add(&self.inner.totals.busy_elsewhere, back.len());
        back.into_iter().map(|(list, _)| list).collect()
    }

    /// Leaves the locks of all lists but these to the caller.
    fn keep(&mut self, kept: &Lists) -> Vec<ListId> {
        let all = self.lists.drain(..).zip(self.tickets.drain(..));
        let (kept, left): (Vec<_>, Vec<_>) = all.partition(|(list, _)| kept.contains(list));
        (self.lists, self.tickets) = kept.into_iter().unzip();
        left.into_iter().map(|(list, _)| list).collect()
    }

    fn hold(mut self, asked: Asked, asked_at: Instant) -> Held {
        let lists = Lists::from(self.leave());
        add(&self.inner.totals.acquired, lists.len());
        if asked.degraded {
            add(&self.inner.totals.degraded, lists.len());
        }
        Held::new(self.inner.clone(), lists, asked_at, asked.deadline, asked.token)
    }

    /// Leaves the locks that are left to the caller.
    fn leave(&mut self) -> Vec<ListId> {
        std::mem::take(&mut self.lists)
    }
}

impl Drop for LocalClaim<'_> {
    fn drop(&mut self) {
        self.inner.locks.unlock_all(&self.lists);
    }
}
