//! Which targets of a run are written to, and what a lasting refusal means.
//!
//! HBase may refuse one target (its table is gone) or everything (a right was taken away). Only the first is a reason to
//! park: so a target that was refused is parked once another one was written to since, and a run whose every
//! target is refused ends instead, with nothing parked and nothing lost.

use crate::model::{TargetId, Tick};
use crate::signal::{Listener, Signal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The targets of a run, shared by its tasks.
#[derive(Debug, Default)]
pub struct Targets {
    /// By target; beside `state`, so that asking for each row takes no lock.
    parked: Box<[AtomicBool]>,
    state: Mutex<State>,
    changed: Signal,
}

#[derive(Debug, Default)]
struct State {
    active: BTreeSet<TargetId>,
    /// Counts what happens, so that one can tell what came after what.
    now: u64,
    /// When a target was last written to.
    accepted: BTreeMap<TargetId, u64>,
    /// Since when a target is refused.
    refused: BTreeMap<TargetId, u64>,
    /// When a target was parked by this process, or was found parked.
    parked_at: BTreeMap<TargetId, Instant>,
    /// Of a target that joined while others were tailed: a tick below which it may have missed changes.
    tailed_since: BTreeMap<TargetId, Tick>,
}

/// What to do about a target that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Others are written to.
    Park,
    /// Nothing is written to any more: the run ends with the error.
    End,
    /// Not known yet: to be tried again.
    Wait,
}

impl Targets {
    pub fn of(targets: impl IntoIterator<Item = TargetId>) -> Targets {
        let active: BTreeSet<TargetId> = targets.into_iter().collect();
        let count = active.last().map_or(0, |last| usize::from(last.0) + 1);
        let parked = (0..count).map(|_| AtomicBool::new(false)).collect();
        Targets { parked, state: Mutex::new(State { active, ..State::default() }), changed: Signal::new() }
    }

    pub fn is_parked(&self, target: TargetId) -> bool {
        self.parked.get(usize::from(target.0)).is_some_and(|parked| parked.load(Relaxed))
    }

    /// How many are written to.
    pub fn active(&self) -> usize {
        self.state().active.len()
    }

    /// From now on nothing is written to the target. That must be durable already.
    pub fn park(&self, target: TargetId) {
        {
            let mut state = self.state();
            state.active.remove(&target);
            state.parked_at.insert(target, Instant::now());
        }
        if let Some(parked) = self.parked.get(usize::from(target.0)) {
            parked.store(true, Relaxed);
        }
        self.changed.raise();
    }

    /// From now on the target gets every change that is sealed. What it missed before, somebody has to mend at a mark
    /// that is taken after this. Until [`Targets::tailed_since`] is known, no mark may be used for it.
    pub fn join(&self, target: TargetId) {
        {
            let mut state = self.state();
            state.active.insert(target);
            state.refused.remove(&target);
            state.tailed_since.insert(target, Tick(u64::MAX));
        }
        if let Some(parked) = self.parked.get(usize::from(target.0)) {
            parked.store(false, Relaxed);
        }
        self.changed.raise();
    }

    /// Says that a target's copy or its counts have come further.
    pub fn goes_on(&self) {
        self.changed.raise();
    }

    /// Hears when a target was parked, has joined, or has come further.
    pub fn listen(&self) -> Listener {
        self.changed.listen()
    }

    /// Waits until something is so; asks now, and whenever a target was parked, has joined, or has come further.
    pub async fn until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) {
        let mut changed = self.listen();
        while !is_so().await {
            changed.changed().await;
        }
    }

    /// Notes a mark that was taken after the target joined: it and those above it may be used.
    pub fn joined_before(&self, target: TargetId, mark: Tick) {
        self.state().tailed_since.insert(target, mark);
    }

    /// Whether a mark was taken while the target was tailed already.
    pub fn may_use(&self, target: TargetId, mark: Tick) -> bool {
        self.state().tailed_since.get(&target).is_none_or(|since| mark >= *since)
    }

    /// When this process parked the target, or found it parked.
    pub fn parked_at(&self, target: TargetId) -> Option<Instant> {
        self.state().parked_at.get(&target).copied()
    }

    /// Notes that targets were written to.
    pub fn accepted(&self, targets: impl IntoIterator<Item = TargetId>) {
        let mut state = self.state();
        state.now += 1;
        let now = state.now;
        for target in targets {
            state.accepted.insert(target, now);
            state.refused.remove(&target);
        }
    }

    /// Notes that a target was refused for a reason that lasts.
    pub fn refused(&self, target: TargetId) -> Verdict {
        let mut state = self.state();
        state.now += 1;
        let now = state.now;
        let since = *state.refused.entry(target).or_insert(now);
        let others = || state.active.iter().filter(|other| **other != target);
        if others().any(|other| state.accepted.get(other).is_some_and(|at| *at > since)) {
            Verdict::Park
        } else if others().all(|other| state.refused.contains_key(other)) {
            Verdict::End
        } else {
            Verdict::Wait
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // no method panics between two changes that belong together
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TargetId = TargetId(0);
    const B: TargetId = TargetId(1);

    #[test]
    fn a_target_is_parked_once_another_was_written_to_since() {
        let targets = Targets::of([A, B]);
        targets.accepted([A, B]);
        assert_eq!(targets.refused(A), Verdict::Wait, "B was written to before that");
        targets.accepted([B]);
        assert_eq!(targets.refused(A), Verdict::Park);
        targets.park(A);
        assert!(targets.is_parked(A) && !targets.is_parked(B));
        assert_eq!((targets.active(), targets.refused(B)), (1, Verdict::End), "B is the last one");
    }

    #[test]
    fn a_run_whose_every_target_is_refused_ends() {
        let targets = Targets::of([A, B]);
        assert_eq!((targets.refused(A), targets.refused(B)), (Verdict::Wait, Verdict::End));
        assert!(!targets.is_parked(A));
    }

    #[test]
    fn a_target_that_is_written_to_again_is_no_longer_refused() {
        let targets = Targets::of([A, B]);
        assert_eq!(targets.refused(A), Verdict::Wait);
        targets.accepted([A]);
        assert_eq!((targets.refused(B), targets.refused(A)), (Verdict::Wait, Verdict::End));
    }
}
