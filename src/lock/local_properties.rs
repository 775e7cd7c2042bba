//! The promises of the in-process locks, under random schedules of many claimants.

use super::local::{Claim, FairLocks, LocalCounts};
use super::{ListId, Ticket};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LISTS: u8 = 6;
const CLAIMANTS: usize = 5;

/// One claimant's next step: it asks (again), or releases what it holds.
#[derive(Clone, Debug)]
enum Step {
    Go { claimant: usize, wants: BTreeSet<u8> },
    GiveUp { claimant: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wants = prop::collection::btree_set(0..LISTS, 1..=LISTS as usize);
    let step = prop_oneof![
        9 => (0..CLAIMANTS, wants).prop_map(|(claimant, wants)| Step::Go { claimant, wants }),
        1 => (0..CLAIMANTS).prop_map(|claimant| Step::GiveUp { claimant }),
    ];
    prop::collection::vec(step, 1..200)
}

struct Claimant {
    claim: Claim,
    lists: Vec<ListId>,
    holds: bool,
}

#[derive(Default)]
struct World {
    locks: FairLocks,
    claimants: BTreeMap<usize, Claimant>,
    grants: usize,
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::GiveUp { claimant } => self.end(claimant),
            Step::Go { claimant, wants } => match self.claimants.get(&claimant) {
                Some(it) if it.holds => self.end(claimant),
                Some(_) => self.ask(claimant),
                None => {
                    let lists = wants.iter().map(|n| ListId::new(0, &[*n])).collect();
                    let claim = self.locks.claim();
                    self.claimants.insert(claimant, Claimant { claim, lists, holds: false });
                    self.ask(claimant);
                }
            },
        }
    }

    fn ask(&mut self, claimant: usize) {
        let it = &self.claimants[&claimant];
        let granted = self.locks.try_lock_all(it.claim.ticket(), &it.lists);
        assert!(granted || !self.must_be_granted(claimant), "refused without a reason");
        if granted {
            self.check_grant(claimant);
            self.grants += 1;
            self.claimants.get_mut(&claimant).expect("it asks").holds = true;
        }
    }

    /// Nobody else holds a list of it, and no earlier ticket waits for one (everybody here that does
    /// not hold has asked).
    fn check_grant(&self, claimant: usize) {
        let it = &self.claimants[&claimant];
        for other in self.rivals(claimant) {
            assert!(!other.holds, "two holders of one list");
            assert!(other.claim.ticket() > it.claim.ticket(), "an earlier ticket was overtaken");
        }
    }

    fn must_be_granted(&self, claimant: usize) -> bool {
        let ticket = self.claimants[&claimant].claim.ticket();
        self.rivals(claimant).all(|other| !other.holds && other.claim.ticket() > ticket)
    }

    /// Those that hold or want a list that the claimant wants.
    fn rivals(&self, claimant: usize) -> impl Iterator<Item = &Claimant> {
        let it = &self.claimants[&claimant];
        self.claimants
            .iter()
            .filter(move |(number, other)| {
                **number != claimant && other.lists.iter().any(|list| it.lists.contains(list))
            })
            .map(|(_, other)| other)
    }

    /// Releases or withdraws.
    fn end(&mut self, claimant: usize) {
        if let Some(it) = self.claimants.remove(&claimant)
            && it.holds
        {
            self.locks.unlock_all(&it.lists);
        }
    }

    fn end_holders(&mut self) {
        let holders: Vec<usize> = self.claimants.iter().filter(|(_, it)| it.holds).map(|(n, _)| *n).collect();
        holders.into_iter().for_each(|claimant| self.end(claimant));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_list_has_two_holders_nobody_is_overtaken_and_everybody_gets_through(steps in steps()) {
        let mut world = World::default();
        steps.into_iter().for_each(|step| world.step(step));
        // Whatever happened: once holders release, each round of asking serves the lowest ticket at least,
        // even if the latest asks first.
        while !world.claimants.is_empty() {
            world.end_holders();
            let waiting: Vec<usize> = world.claimants.keys().rev().copied().collect();
            let grants = world.grants;
            waiting.iter().for_each(|claimant| world.ask(*claimant));
            prop_assert!(waiting.is_empty() || world.grants > grants, "a deadlock");
        }
        let waits_total = world.locks.counts().waits_total;
        prop_assert_eq!(world.locks.counts(), LocalCounts { held: 0, queued: 0, waits_total });
    }
}

/// A list under continuous change by the tail is still backfilled: whoever holds when the chunk asks is
/// the last to go before it.
#[test]
fn a_chunk_of_busy_lists_waits_for_present_holders_only() {
    let locks = FairLocks::new();
    let lists: Vec<ListId> = (0..100u8).map(|n| ListId::new(0, &[n])).collect();
    let mut tail: BTreeMap<ListId, Ticket> = lists.iter().map(|list| (*list, locks.ticket())).collect();
    tail.iter().for_each(|(list, ticket)| assert!(locks.try_lock(*ticket, *list)));
    let chunk = locks.ticket();
    for (done, list) in lists.iter().enumerate() {
        assert!(!locks.try_lock_all(chunk, &lists), "{done} of them are released");
        locks.unlock_all(&[*list]);
        tail.insert(*list, locks.ticket());
        assert!(tail.iter().all(|(list, ticket)| *ticket < chunk || !locks.try_lock(*ticket, *list)));
    }
    assert!(locks.try_lock_all(chunk, &lists));
    locks.unlock_all(&lists);
    assert!(tail.iter().all(|(list, ticket)| locks.try_lock(*ticket, *list)), "and then the tail goes on");
}
