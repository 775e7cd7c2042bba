//! The locks in front of Memcache: one holder per list in this process, fair between claimants.

use super::ListId;
use crate::signal::{Listener, Signal};
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// A claimant's place in every queue: lower numbers go first. A claimant keeps its ticket over
/// all retries of one claim, and draws a new one for its next claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// In-process locks, one per list, handed out in ticket order. Clones share the same locks.
///
/// Nothing here waits: a claim is granted at once or queued, and the claimant asks again after
/// [`FairLocks::subscribe`] reported a change:
///
/// ```text
/// let mut changes = locks.subscribe();          // before asking: no change is missed
/// while !locks.try_lock_all(ticket, &lists) {
///     changes.changed().await;
/// }
/// ```
///
/// # Why everybody gets through
/// Queues are ordered by ticket, and a free list goes to nobody but the first of its queue, or, if
/// nobody queues, to whoever asks. Consider the lowest ticket T that waits. It is the first of every
/// queue that it stands in, so from now on no other claimant can take a list that T waits for. The
/// present holders of these lists do not wait for anything (a claim is all or nothing, and what is
/// held is written and released), so they release, and T's next try is granted. Then the next lowest
/// ticket is the lowest, and so on; tickets rise, so at most those claims that drew a lower ticket
/// go before a given one. Two duties follow for callers: to release what is held without waiting
/// for other lists, and to ask again or [`FairLocks::withdraw_everywhere`], because a queued ticket reserves its
/// place. [`Claim`] withdraws when it is dropped.
///
/// A simulation replays exactly: the map of lists is only looked up in, never walked, and the rest is
/// ordered. A list that nobody holds or waits for has no entry.
///
/// A call takes one lock however many lists it names; drawing a ticket takes none, nor does the end of a
/// claim while nobody waits for anything.
#[derive(Clone, Default)]
pub struct FairLocks {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    last_ticket: AtomicU64,
    /// As [`State::queued`]; beside the state, so that a claim which never waited ends without its lock.
    queued: AtomicUsize,
    state: Mutex<State>,
    changes: Signal,
}

#[derive(Default)]
struct State {
    lists: FxHashMap<ListId, Standing>,
    /// Where each waiting ticket is queued; the reverse of the queues in `lists`.
    places: BTreeMap<Ticket, BTreeSet<ListId>>,
    held: usize,
    /// Places in all queues.
    queued: usize,
    waits: u64,
}

/// How a list stands.
#[derive(Default)]
struct Standing {
    holder: Option<Ticket>,
    queue: BTreeSet<Ticket>,
}

impl Standing {
    fn is_available(&self, ticket: Ticket) -> bool {
        self.holder.is_none() && self.queue.first().is_none_or(|first| *first >= ticket)
    }
}

/// How the locks stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalCounts {
    /// Lists that are held now.
    pub held: usize,
    /// Places taken in queues now (a ticket that waits for three lists has three).
    pub queued: usize,
    /// Places ever taken in queues.
    pub waits_total: u64,
}

impl FairLocks {
    pub fn new() -> FairLocks {
        FairLocks::default()
    }

    /// The next ticket; each is higher than all before.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.shared.last_ticket.fetch_add(1, Relaxed) + 1)
    }

    /// A new ticket that leaves its queues when the value is dropped.
    pub fn claim(&self) -> Claim {
        Claim { locks: self.clone(), ticket: self.ticket() }
    }

    /// Takes the list if it is free and no earlier ticket waits for it; otherwise queues the ticket
    /// on it, so that later tickets cannot overtake. Not re-entrant: a list that the ticket holds
    /// already is refused, and nothing is queued.
    #[cfg(test)]
    pub fn try_lock(&self, ticket: Ticket, list: ListId) -> bool {
        self.with(|state| state.try_lock_all(ticket, &[list]))
    }

    /// `try_lock` for each, in order, under one lock: those that were taken, and the lists that
    /// were not.
    pub(super) fn try_lock_each(&self, wanted: &[(ListId, Ticket)]) -> (Vec<(ListId, Ticket)>, Vec<ListId>) {
        let (mut taken, mut busy) = (Vec::with_capacity(wanted.len()), Vec::new());
        self.with(|state| {
            for &(list, ticket) in wanted {
                match state.try_lock(ticket, list) {
                    true => taken.push((list, ticket)),
                    false => busy.push(list),
                }
            }
        });
        (taken, busy)
    }

    /// Takes all lists or none. When one of them is not available the ticket is queued on every one,
    /// the available ones too, so that it comes to be the first of all its queues (see the type's
    /// argument). A list named twice counts once; an empty claim is granted.
    pub fn try_lock_all(&self, ticket: Ticket, lists: &[ListId]) -> bool {
        self.with(|state| state.try_lock_all(ticket, lists))
    }

    /// Takes of each group all its lists or none, and says which. A list that was taken for an earlier group is free to a
    /// later one. Queues on nothing: what is refused stays free to others.
    pub(super) fn try_lock_groups(&self, ticket: Ticket, groups: &[Vec<ListId>]) -> Vec<bool> {
        self.with(|state| groups.iter().map(|group| state.try_lock_group(ticket, group)).collect())
    }

    /// Gives lists back, with one notification. A list that is not held is left alone.
    pub fn unlock_all(&self, lists: &[ListId]) {
        if !lists.is_empty() {
            let someone_waits = self.with(|state| state.unlock_all(lists));
            self.notify_if(someone_waits);
        }
    }

    /// Gives lists back, and leaves the ticket in their queues in the same instant: nobody later can
    /// take them in between.
    pub(super) fn unlock_and_queue(&self, claims: &[(ListId, Ticket)]) {
        self.with(|state| {
            for &(list, ticket) in claims {
                state.unlock_all(&[list]);
                state.enqueue(ticket, list);
            }
        });
        self.notify_if(!claims.is_empty());
    }

    /// Takes the ticket out of all queues. What it holds stays held.
    pub fn withdraw_everywhere(&self, ticket: Ticket) {
        // What the caller itself queued is seen here, whatever other threads do meanwhile.
        if self.shared.queued.load(Relaxed) == 0 {
            return;
        }
        let someone_waits = self.with(|state| {
            let places: Vec<ListId> = state.places.get(&ticket).into_iter().flatten().copied().collect();
            state.dequeue_all(ticket, &places)
        });
        self.notify_if(someone_waits);
    }

    /// Hears whenever a list that someone waits for may have become available.
    /// Subscribe before asking; then `changed()` misses nothing that happens after the refusal.
    pub fn subscribe(&self) -> Listener {
        self.shared.changes.listen()
    }

    pub fn counts(&self) -> LocalCounts {
        let state = self.state();
        LocalCounts { held: state.held, queued: state.queued, waits_total: state.waits }
    }

    fn notify_if(&self, someone_waits: bool) {
        if someone_waits {
            self.shared.changes.raise();
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let done = work(&mut state);
        self.shared.queued.store(state.queued, Relaxed);
        done
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No method panics between two changes that belong together, so a poisoned state is whole.
        self.shared.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn try_lock(&mut self, ticket: Ticket, list: ListId) -> bool {
        let entry = self.lists.entry(list).or_default();
        if !entry.is_available(ticket) {
            self.enqueue(ticket, list);
            return false;
        }
        entry.holder = Some(ticket);
        self.held += 1;
        if !entry.queue.is_empty() {
            self.dequeue(ticket, list);
        }
        true
    }

    fn try_lock_all(&mut self, ticket: Ticket, lists: &[ListId]) -> bool {
        if lists.iter().all(|list| self.lists.get(list).is_none_or(|entry| entry.is_available(ticket))) {
            // a list named twice is refused the second time, and not queued on
            lists.iter().for_each(|list| _ = self.try_lock(ticket, *list));
            return true;
        }
        lists.iter().for_each(|list| self.enqueue(ticket, *list));
        false
    }

    fn try_lock_group(&mut self, ticket: Ticket, lists: &[ListId]) -> bool {
        let is_free = |entry: &Standing| entry.holder == Some(ticket) || entry.is_available(ticket);
        let are_free = lists.iter().all(|list| self.lists.get(list).is_none_or(is_free));
        if are_free {
            // one that the ticket has already is refused, and not queued on
            lists.iter().for_each(|list| _ = self.try_lock(ticket, *list));
        }
        are_free
    }

    fn enqueue(&mut self, ticket: Ticket, list: ListId) {
        let entry = self.lists.entry(list).or_default();
        if entry.holder != Some(ticket) && entry.queue.insert(ticket) {
            self.places.entry(ticket).or_default().insert(list);
            self.queued += 1;
            self.waits += 1;
        }
    }

    /// Whether others wait for the list now.
    fn dequeue(&mut self, ticket: Ticket, list: ListId) -> bool {
        let Some(entry) = self.lists.get_mut(&list) else { return false };
        if !entry.queue.remove(&ticket) {
            return false;
        }
        self.queued -= 1;
        let others_wait = !entry.queue.is_empty();
        if let Some(places) = self.places.get_mut(&ticket) {
            places.remove(&list);
            if places.is_empty() {
                self.places.remove(&ticket);
            }
        }
        self.forget_if_unused(list);
        others_wait
    }

    fn dequeue_all(&mut self, ticket: Ticket, lists: &[ListId]) -> bool {
        lists.iter().fold(false, |waiting, list| self.dequeue(ticket, *list) | waiting)
    }

    /// Whether someone waits for one of the lists.
    fn unlock_all(&mut self, lists: &[ListId]) -> bool {
        let mut someone_waits = false;
        for list in lists {
            let Entry::Occupied(mut place) = self.lists.entry(*list) else { continue };
            if place.get_mut().holder.take().is_none() {
                continue;
            }
            self.held -= 1;
            match place.get().queue.is_empty() {
                true => _ = place.remove(),
                false => someone_waits = true,
            }
        }
        someone_waits
    }

    fn forget_if_unused(&mut self, list: ListId) {
        if self.lists.get(&list).is_some_and(|entry| entry.holder.is_none() && entry.queue.is_empty()) {
            self.lists.remove(&list);
        }
    }
}

/// A ticket that leaves its queues when this is dropped, so that an aborted task does not keep the
/// lists that it waited for reserved.
pub struct Claim {
    locks: FairLocks,
    ticket: Ticket,
}

impl Claim {
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.locks.withdraw_everywhere(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(n: u8) -> ListId {
        ListId::new(0, &[n])
    }

    #[test]
    fn a_list_has_one_holder() {
        let locks = FairLocks::new();
        let (first, second) = (locks.ticket(), locks.ticket());
        assert!(locks.try_lock(first, list(1)));
        assert!(!locks.try_lock(second, list(1)));
        assert!(!locks.try_lock(first, list(1)), "not re-entrant");
        locks.unlock_all(&[list(1)]);
        assert!(locks.try_lock(second, list(1)));
    }

    #[test]
    fn a_later_ticket_does_not_overtake_one_that_waits() {
        let locks = FairLocks::new();
        let (holder, backfill, tail) = (locks.ticket(), locks.ticket(), locks.ticket());
        assert!(locks.try_lock(holder, list(1)));
        assert!(!locks.try_lock(backfill, list(1)));
        locks.unlock_all(&[list(1)]);
        assert!(!locks.try_lock(tail, list(1)), "the backfill was first");
        assert!(locks.try_lock(backfill, list(1)));
        locks.unlock_all(&[list(1)]);
        assert!(locks.try_lock(tail, list(1)));
    }

    #[test]
    fn an_earlier_ticket_goes_before_a_later_one_that_queued_first() {
        let locks = FairLocks::new();
        let (holder, early, late) = (locks.ticket(), locks.ticket(), locks.ticket());
        assert!(locks.try_lock(holder, list(1)));
        assert!(!locks.try_lock(late, list(1)));
        assert!(!locks.try_lock(early, list(1)));
        locks.unlock_all(&[list(1)]);
        assert!(!locks.try_lock(late, list(1)));
        assert!(locks.try_lock(early, list(1)));
    }

    #[test]
    fn all_or_nothing_holds_nothing_and_queues_on_every_list() {
        let locks = FairLocks::new();
        let (holder, chunk, tail) = (locks.ticket(), locks.ticket(), locks.ticket());
        assert!(locks.try_lock(holder, list(1)));
        assert!(!locks.try_lock_all(chunk, &[list(1), list(2), list(2)]));
        assert_eq!(locks.counts(), LocalCounts { held: 1, queued: 2, waits_total: 2 });
        assert!(!locks.try_lock(tail, list(2)), "free, but the chunk waits for it");
        locks.unlock_all(&[list(1)]);
        assert!(locks.try_lock_all(chunk, &[list(1), list(2), list(2)]));
        assert_eq!(locks.counts().held, 2);
    }

    #[test]
    fn groups_take_what_is_free_whole_and_reserve_nothing() {
        let locks = FairLocks::new();
        let (holder, copy, tail) = (locks.ticket(), locks.ticket(), locks.ticket());
        assert!(locks.try_lock(holder, list(1)));
        let groups = [vec![list(2)], vec![list(1), list(3)], vec![list(2), list(4)]];
        assert_eq!(locks.try_lock_groups(copy, &groups), [true, false, true]);
        assert_eq!(locks.counts(), LocalCounts { held: 3, queued: 0, waits_total: 0 });
        assert!(locks.try_lock(tail, list(3)), "nobody holds it, and the copy does not wait for it");
        assert!(!locks.try_lock(tail, list(4)));
        locks.unlock_all(&[list(1), list(4)]);
        assert_eq!(
            locks.try_lock_groups(locks.ticket(), &[vec![list(4)], vec![list(1)]]),
            [false, true],
            "tail waits"
        );
    }

    #[test]
    fn a_dropped_claim_leaves_its_queues() {
        let locks = FairLocks::new();
        let holder = locks.ticket();
        assert!(locks.try_lock(holder, list(1)));
        let claim = locks.claim();
        let tail = locks.ticket();
        assert!(!locks.try_lock_all(claim.ticket(), &[list(1), list(2)]));
        assert!(!locks.try_lock(tail, list(2)));
        drop(claim);
        assert!(locks.try_lock(tail, list(2)));
    }

    #[test]
    fn what_nobody_uses_is_forgotten() {
        let locks = FairLocks::new();
        let (a, b) = (locks.ticket(), locks.ticket());
        assert!(locks.try_lock_all(a, &[list(1), list(2)]));
        assert!(!locks.try_lock(b, list(1)));
        locks.withdraw_everywhere(b);
        locks.unlock_all(&[list(1), list(2), list(3)]);
        let state = locks.state();
        assert!(state.lists.is_empty() && state.places.is_empty());
        assert_eq!(state.held, 0);
    }

    #[tokio::test]
    async fn no_release_between_the_refusal_and_the_wait_is_missed() {
        let locks = FairLocks::new();
        let (a, b) = (locks.ticket(), locks.ticket());
        assert!(locks.try_lock(a, list(1)));
        let mut changes = locks.subscribe();
        assert!(!locks.try_lock(b, list(1)));
        locks.unlock_all(&[list(1)]);
        changes.changed().await;
        assert!(locks.try_lock(b, list(1)));
    }
}
