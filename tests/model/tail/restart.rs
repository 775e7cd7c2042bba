//! Processes that end and begin: identical replay, older positions, another server; and HBase's compactions.

use super::next::{Lives, Next, Step};
use super::state::{At, Batch, State, Store, Tail, Tailing, Zombie};
use crate::model::mechanism::Mechanism;
use crate::model::source::{Set, first};
use smallvec::SmallVec;

impl Tailing {
    pub fn restarts(&self, state: &State, tail: &Tail, next: &mut Next) {
        if state.left.restarts > 0 {
            let after = self.restarted(state, tail);
            if !state.flight.is_empty() {
                let nothing_sent = State { flight: SmallVec::new(), ..after.clone() };
                next.push((Step::Restart(Lives::NotEvenWrites), nothing_sent));
            }
            next.push((Step::Restart(Lives::Nothing), after));
            if self.setting.zombies && state.zombie.is_none() {
                self.zombies_left(state, tail, next);
            }
            if self.setting.replays {
                self.replays(state, tail, next);
            }
            if self.setting.failover && !state.other_server && self.same_transactions(state) {
                let mut after = self.opened_anew(state, tail, self.checkpointed(state, tail));
                after.other_server = true;
                next.push((Step::Failover, after));
            }
        }
        if state.left.compactions > 0 {
            let mut after = state.clone();
            after.left.compactions -= 1;
            after.hbase.compact(self.purged_below(state, tail));
            next.push((Step::Compact, after));
        }
    }

    fn zombies_left(&self, state: &State, tail: &Tail, next: &mut Next) {
        for (place, chunk) in state.chunks.iter().enumerate() {
            let lives_on = match chunk.at {
                At::Marked(mark) => Zombie::Copies(place, mark, None),
                At::Read(Some(mark), saw) => Zombie::Copies(place, mark, Some(saw)),
                _ => continue,
            };
            let after = State { zombie: Some(lives_on), ..self.restarted(state, tail) };
            next.push((Step::Restart(Lives::Chunk(place)), after));
        }
        let (base, cut, last_tick) = (tail.base, tail.cut, tail.last_tick);
        if usize::from(cut) < self.stream(state, base).len() {
            let zombie = Some(Zombie::Tails { base, cut, last_tick });
            next.push((Step::Restart(Lives::Tail), State { zombie, ..self.restarted(state, tail) }));
        }
    }

    /// What the journal holds above the checkpoint.
    fn entries<'a>(&self, state: &State, tail: &'a Tail) -> impl Iterator<Item = &'a Batch> + use<'a> {
        let checkpoint = state.store.checkpoint;
        tail.batches.iter().filter(move |batch| batch.journaled && batch.from >= checkpoint)
    }

    /// The highest tick that the store knows.
    fn highest(&self, state: &State, tail: &Tail) -> u8 {
        let marked = state.store.mark.map_or(0, |(tick, _)| tick);
        let entries = tail.batches.iter().filter(|batch| batch.journaled).map(|batch| batch.tick);
        entries.fold(state.store.tick_high.max(marked), u8::max)
    }

    fn checkpointed(&self, state: &State, tail: &Tail) -> Set {
        tail.base | self.transactions(state, tail.base, state.store.checkpoint, false)
    }

    /// Everything that the store says was sealed.
    fn sealed(&self, state: &State, tail: &Tail) -> Set {
        let to = self.entries(state, tail).map(|batch| batch.to).max().unwrap_or(state.store.checkpoint);
        let marked = state.store.mark.map_or(0, |(_, proof)| proof);
        tail.base | self.transactions(state, tail.base, to, self.off(Mechanism::HalfSealedInProof)) | marked
    }

    /// Another process begins from what the store holds; what its predecessor has sent stays under way.
    fn restarted(&self, state: &State, tail: &Tail) -> State {
        if let Some(ahead) = state.store.ahead {
            let mut after = self.opened_anew(state, tail, ahead);
            after.store.ahead = None;
            return after;
        }
        let mut after = state.clone();
        after.left.restarts -= 1;
        let again = |batch: &Batch| Batch { waiting: 0, written: 0, ..*batch };
        let mut batches: SmallVec<[Batch; 3]> = self.entries(state, tail).map(again).collect();
        if self.off(Mechanism::IdenticalReplay) {
            batches.clear();
        }
        let cut = batches.last().map_or(state.store.checkpoint, |batch| batch.to);
        let (last_tick, sealed) = (self.highest(state, tail), self.sealed(state, tail));
        after.tail = Some(Tail { base: tail.base, cut, last_tick, sealed, batches, mark: None, safe: None });
        forget_attempts(&mut after);
        after
    }

    /// The tail is opened at `base`, with new ticks for everything after it.
    fn opened_anew(&self, state: &State, tail: &Tail, base: Set) -> State {
        let mut after = state.clone();
        after.left.restarts = state.left.restarts.saturating_sub(1);
        let (last_tick, sealed) = (self.highest(state, tail), self.sealed(state, tail));
        after.store = Store { base, tick_high: last_tick, ..Store::default() };
        let batches = SmallVec::new();
        after.tail =
            Some(Tail { base, cut: 0, last_tick, sealed: sealed | base, batches, mark: None, safe: None });
        forget_attempts(&mut after);
        after
    }

    fn replays(&self, state: &State, tail: &Tail, next: &mut Next) {
        for from in self.older(state, tail) {
            next.push((Step::Replay(from), self.moved(state, tail, from)));
        }
    }

    /// Positions between two transactions that the checkpoint is past.
    fn older(&self, state: &State, tail: &Tail) -> Vec<Set> {
        let checkpointed = self.checkpointed(state, tail);
        let order = self.script().order(state.other_server);
        let positions =
            (0..order.len()).map(|count| order[..count].iter().map(|number| 1 << number).sum::<Set>());
        positions.filter(|from| from & !checkpointed == 0 && *from != checkpointed).collect()
    }

    fn moved(&self, state: &State, tail: &Tail, from: Set) -> State {
        let mut after = self.opened_anew(state, tail, from);
        if self.off(Mechanism::CheckpointMovesBack) {
            after.store.ahead = Some(self.checkpointed(state, tail));
        }
        after
    }

    /// What a person does: pauses the tail, moves it while it stands still, resumes it. The copy goes on meanwhile; a move
    /// begins its attempts again, and what was sent before stays under way.
    pub fn levers(&self, state: &State, tail: &Tail, next: &mut Next) {
        if !state.paused {
            if state.left.pauses > 0 {
                let mut after = State { paused: true, ..state.clone() };
                after.left.pauses -= 1;
                next.push((Step::Pause, after));
            }
            return;
        }
        for from in self.older(state, tail) {
            let mut after = self.moved(state, tail, from);
            after.left.restarts = state.left.restarts;
            // once each time, so that it comes to an end
            after.paused = false;
            next.push((Step::Move(from), after));
        }
        if self.setting.skips {
            self.skips(state, tail, next);
        }
        let mut after = State { paused: false, ..state.clone() };
        if self.off(Mechanism::ResumeBehindRead) {
            let own = after.tail.as_mut().expect("it is paused");
            (own.base, own.cut) = (own.sealed | state.executed, 0);
            own.sealed = own.base;
        }
        next.push((Step::Resume, after));
    }

    /// A paused tail is moved over one transaction, or over all that are committed and not written. One commit holds that, and
    /// that the list is left out until it joins again, to be copied anew.
    fn skips(&self, state: &State, tail: &Tail, next: &mut Next) {
        let checkpointed = self.checkpointed(state, tail);
        let missed = state.executed & !checkpointed;
        let each = (0..8).map(|number| missed & 1 << number);
        let gap = Some(missed).filter(|missed| missed.count_ones() > 1);
        for skipped in each.filter(|one| *one != 0).chain(gap) {
            let mut after = self.opened_anew(state, tail, checkpointed | skipped);
            after.left.restarts = state.left.restarts;
            after.paused = false;
            if !self.off(Mechanism::SkippedIsCopied) {
                (after.joined, after.skipped_at) = (None, Some(state.executed | tail.sealed));
                after.chunks.iter_mut().for_each(|chunk| chunk.at = At::Idle);
            }
            next.push((Step::Skip(skipped), after));
        }
    }

    /// Whether the other server has the same transactions in its binlog.
    fn same_transactions(&self, state: &State) -> bool {
        let order = self.script().order(true);
        let there: Set = order[..usize::from(state.published)].iter().map(|number| 1 << number).sum();
        there == first(state.published.into())
    }

    /// Markers below this tick are older than every write that could still arrive.
    fn purged_below(&self, state: &State, tail: &Tail) -> u8 {
        if self.off(Mechanism::MarkersOutlive) {
            return u8::MAX;
        }
        let flying = state.flight.iter().map(|request| request.tick);
        let chunks = state.chunks.iter().filter_map(|chunk| match chunk.at {
            At::Marked(mark) | At::Read(Some(mark), _) | At::Waits(mark, ..) => Some(mark),
            At::Idle | At::Read(None, _) | At::Done => None,
        });
        let is_copied = state.chunks.iter().all(|chunk| chunk.at == At::Done);
        let marks = tail.safe.into_iter().chain(tail.mark.map(|mark| mark.tick)).filter(|_| !is_copied);
        let zombie = state.zombie.iter().filter_map(|zombie| match zombie {
            Zombie::Copies(_, mark, _) => Some(*mark),
            Zombie::Tails { .. } => None,
        });
        let batches = tail.batches.iter().map(|batch| batch.tick);
        flying.chain(chunks).chain(marks).chain(zombie).chain(batches).min().unwrap_or(u8::MAX)
    }
}

/// Attempts end with their process; what is done is durable. A list whose re-copy is not done is parked as before.
fn forget_attempts(state: &mut State) {
    if state.skipped_at.is_some() && state.chunks.iter().any(|chunk| chunk.at != At::Done) {
        state.joined = None;
    }
    for chunk in state.chunks.iter_mut().filter(|chunk| chunk.at != At::Done) {
        chunk.at = At::Idle;
    }
}
