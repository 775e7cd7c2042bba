//! What MySQL, the tail, its journal and its marks can do next.

use super::state::{At, Batch, Left, Mark, Request, State, Store, Tail, Tailing};
use crate::model::explorer::World;
use crate::model::hbase::Hbase;
use crate::model::mechanism::Mechanism;
use crate::model::production::{LISTS, tick_after};
use crate::model::sayings::difference;
use crate::model::source::{Set, has};
use smallvec::SmallVec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Publish(usize),
    Commit(usize),
    /// `gtid_executed` shows it.
    Show(usize),
    Start,
    Join,
    Seal(u8),
    Journal,
    /// A batch, by its place; and a list.
    Send(usize, u8),
    TimeOut(usize, u8),
    /// A request, by its place.
    Land(usize, Answer),
    TakeMark,
    MarkIsSafe,
    Checkpoint(usize),
    ChunkMark(usize),
    ChunkSelect(usize),
    ChunkSend(usize),
    ChunkTimeOut(usize),
    ZombieSelect,
    ZombieSend,
    ZombieSeals(u8),
    ZombieIsRefused,
    Restart(Lives),
    Replay(Set),
    Pause,
    /// A tail that stands still is moved to an older position.
    Move(Set),
    /// It is moved over these, which it never reads.
    Skip(Set),
    Resume,
    Failover,
    Compact,
}

/// What lives on of a process that is thought dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lives {
    Nothing,
    /// And of what it has sent nothing arrives.
    NotEvenWrites,
    Chunk(usize),
    Tail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Arrives,
    IsLost,
    NobodyWaits,
}

pub type Next = Vec<(Step, State)>;

impl World for Tailing {
    type State = State;
    type Step = Step;

    fn begin(&self) -> State {
        let setting = &self.setting;
        let hbase = match setting.chunks.is_empty() {
            true => self.production.copied(self.script()),
            false => Hbase::of(self.production.addresses.len()),
        };
        let mut begin = State {
            published: 0,
            committed: 0,
            executed: 0,
            other_server: false,
            hbase,
            flight: SmallVec::new(),
            tail: None,
            store: Store::default(),
            chunks: setting
                .chunks
                .iter()
                .map(|_| super::state::Chunk { at: At::Idle, again: setting.again })
                .collect(),
            paused: false,
            zombie: None,
            joined: setting.skips.then_some(0),
            skipped_at: None,
            left: Left {
                marks: setting.marks,
                restarts: setting.restarts,
                pauses: setting.pauses,
                losses: setting.losses,
                compactions: setting.compactions,
            },
            goes_back: false,
            broken: None,
        };
        if !setting.starts_late {
            self.start(&mut begin, 0);
        }
        begin
    }

    fn next(&self, state: &State, next: &mut Next) {
        self.mysql(state, next);
        match &state.tail {
            None => {
                if let Some(base) = self.start_set(state) {
                    let mut after = state.clone();
                    self.start(&mut after, base);
                    next.push((Step::Start, after));
                }
            }
            Some(tail) => {
                self.tail(state, tail, next);
                self.marks(state, tail, next);
                self.copying(state, tail, next);
                self.restarts(state, tail, next);
                self.levers(state, tail, next);
            }
        }
        self.zombie(state, next);
        self.landing(state, next);
    }

    fn wrong(&self, state: &State) -> Option<String> {
        if let Some(broken) = state.broken
            && self.setting.off.is_none()
        {
            return Some(broken.to_owned());
        }
        if state.goes_back && self.setting.reader {
            return Some("A reader of HBase sees an older state than before.".to_owned());
        }
        if !self.is_over(state) {
            return None;
        }
        difference(self.script(), &self.production, &state.hbase)
    }

    fn is_over(&self, state: &State) -> bool {
        let all = self.script().all();
        let Some(tail) = &state.tail else { return false };
        !state.paused
            && self.published(state) == all
            && state.committed == all
            && (state.executed == all || !self.setting.set_lags)
            && usize::from(tail.cut) == self.stream(state, tail.base).len()
            && tail.batches.iter().all(Batch::is_written)
            && state.chunks.iter().all(|chunk| chunk.at == At::Done)
            && state.flight.is_empty()
            && (state.joined.is_some() || self.setting.joins.is_none())
    }

    fn tell(&self, before: &State, step: Step) -> String {
        self.say(before, step)
    }
}

impl Tailing {
    fn mysql(&self, state: &State, next: &mut Next) {
        let order = self.script().order(state.other_server);
        if let Some(number) = order.get(usize::from(state.published))
            && self.needs[*number] & !state.committed == 0
        {
            next.push((Step::Publish(*number), State { published: state.published + 1, ..state.clone() }));
        }
        let waiting =
            order[..usize::from(state.published)].iter().filter(|number| !has(state.committed, **number));
        for number in waiting.take(if self.setting.unordered { usize::MAX } else { 1 }) {
            let mut after = State { committed: state.committed | 1 << number, ..state.clone() };
            if !self.setting.set_lags {
                after.executed = after.committed;
            }
            next.push((Step::Commit(*number), after));
        }
        for number in order.iter().filter(|number| has(state.committed & !state.executed, **number)) {
            next.push((
                Step::Show(*number),
                State { executed: state.executed | 1 << number, ..state.clone() },
            ));
        }
    }

    /// Where a first start begins; none while the executed set has a hole.
    fn start_set(&self, state: &State) -> Option<Set> {
        if self.off(Mechanism::StartFromExecuted) {
            return Some(self.published(state));
        }
        let has_hole = (state.executed + 1) & state.executed != 0;
        (!has_hole || self.off(Mechanism::StartWithoutHole)).then_some(state.executed)
    }

    /// Opens the tail; the first mark is the start itself.
    fn start(&self, state: &mut State, base: Set) {
        let tick = tick_after(if self.setting.chunks.is_empty() { 1 } else { 0 });
        state.store = Store { base, mark: Some((tick, base)), ..Store::default() };
        let is_safe = self.off(Mechanism::StartFromExecuted) || self.production.proves(base, state.executed);
        state.tail = Some(Tail {
            base,
            cut: 0,
            last_tick: tick,
            sealed: base,
            batches: SmallVec::new(),
            mark: None,
            safe: is_safe.then_some(tick),
        });
    }

    /// The changes that are in the binlog and not sealed.
    pub fn readable<'a>(&'a self, state: &State, base: Set, cut: u8) -> &'a [u8] {
        let published = self.published(state);
        let rest = &self.stream(state, base)[usize::from(cut)..];
        let readable = |change: &&u8| has(published, self.production.transaction_of(usize::from(**change)));
        &rest[..rest.iter().take_while(readable).count()]
    }

    fn tail(&self, state: &State, tail: &Tail, next: &mut Next) {
        let all = self.readable(state, tail.base, tail.cut);
        let readable = if state.paused { &[][..] } else { all };
        for count in 1..=readable.len().min(self.setting.batch.into()) {
            next.push((Step::Seal(count as u8), self.seal(state, tail, &readable[..count])));
        }
        if tail.batches.iter().any(|batch| !batch.journaled) || tail.mark.is_some_and(|mark| !mark.journaled)
        {
            let mut after = state.clone();
            let own = after.tail.as_mut().expect("it runs");
            own.batches.iter_mut().for_each(|batch| batch.journaled = true);
            if let Some(mark) = &mut own.mark {
                mark.journaled = true;
                after.store.mark = Some((mark.tick, mark.proof));
            }
            next.push((Step::Journal, after));
        }
        for (place, batch) in tail.batches.iter().enumerate() {
            for list in (0..LISTS as u8).filter(|list| batch.lists & !batch.written & (1 << list) != 0) {
                self.sending(state, (place, batch), list, next);
            }
        }
        if self.is_reopened() {
            self.checkpoints(state, tail, next);
        }
        let read = tail.base | self.transactions(state, tail.base, tail.cut, true);
        let passed = state.skipped_at.is_none_or(|before| before & !read == 0);
        let may_join = passed || self.off(Mechanism::RecopyBehindTail);
        if self.setting.joins.is_some() && state.joined.is_none() && may_join {
            next.push((Step::Join, State { joined: Some(tail.last_tick), ..state.clone() }));
        }
    }

    fn seal(&self, state: &State, tail: &Tail, changes: &[u8]) -> State {
        let mut after = state.clone();
        let content = self.production.batch(changes);
        let not_tailed = match (self.setting.joins, state.joined) {
            (Some(list), None) => 1 << list,
            _ => 0,
        };
        let lists = self.production.lists_of(content) & !not_tailed;
        let own = after.tail.as_mut().expect("it runs");
        let tick = tick_after(tail.last_tick);
        if state.flight.iter().any(|request| request.tick >= tick) {
            after.broken = Some("I1: a tick is given out that is not above all that are in use.");
        }
        let at_once = !self.in_steps();
        let to = tail.cut + changes.len() as u8;
        let waiting = if at_once { lists } else { 0 };
        if at_once {
            send(&mut after.flight, lists, Request { tick, content, list: 0, of_tail: true });
        }
        let batch =
            Batch { tick, from: tail.cut, to, content, journaled: at_once, lists, waiting, written: 0 };
        (own.cut, own.last_tick) = (to, tick);
        own.sealed |= self.transactions(state, tail.base, to, self.off(Mechanism::HalfSealedInProof));
        own.batches.push(batch);
        forget_written(own, !self.is_reopened());
        after
    }

    fn sending(&self, state: &State, (place, batch): (usize, &Batch), list: u8, next: &mut Next) {
        let bit = 1 << list;
        let mut after = state.clone();
        let own = &mut after.tail.as_mut().expect("it runs").batches[place];
        if batch.waiting & bit != 0 {
            if state.left.losses > 0 {
                own.waiting &= !bit;
                after.left.losses -= 1;
                next.push((Step::TimeOut(place, list), after));
            }
            return;
        }
        let request = Request { tick: batch.tick, content: batch.content, list, of_tail: true };
        let under_way = state.flight.iter().filter(|other| **other == request).count();
        if (batch.journaled || self.off(Mechanism::JournalFirst)) && under_way < 2 {
            own.waiting |= bit;
            send(&mut after.flight, bit, request);
            next.push((Step::Send(place, list), after));
        }
    }

    fn checkpoints(&self, state: &State, tail: &Tail, next: &mut Next) {
        let passable = |batch: &&Batch| match self.off(Mechanism::CheckpointAfterWrite) {
            true => batch.journaled,
            false => batch.is_written(),
        };
        let count = tail.batches.iter().take_while(passable).count();
        let mut ends = (1..=count).filter(|count| {
            let to = tail.batches[count - 1].to;
            to > state.store.checkpoint && self.is_boundary(state, tail.base, to)
        });
        // the furthest; a shorter step is one that was made before a later batch was written
        let Some(count) = ends.next_back() else { return };
        let mut after = state.clone();
        let passed = &tail.batches[..count];
        for batch in passed {
            let has_landed = |list: usize| {
                self.production
                    .with(batch.content, |written| state.hbase.has(batch.tick, &written.by_list[list]))
            };
            let lists = (0..LISTS).filter(|list| batch.lists & (1 << list) != 0);
            if self.setting.compactions == 0 && !lists.into_iter().all(has_landed) {
                after.broken = Some("I5: the checkpoint passes a batch that is not written.");
            }
        }
        let store = &mut after.store;
        store.checkpoint = passed[count - 1].to;
        store.tick_high = passed.iter().map(|batch| batch.tick).fold(store.tick_high, u8::max);
        store.mark = store.mark.filter(|(tick, _)| *tick > store.tick_high);
        let mut place = 0;
        after.tail.as_mut().expect("it runs").batches.retain(|batch| {
            place += 1;
            place > count || !batch.is_written()
        });
        next.push((Step::Checkpoint(count), after));
    }

    fn marks(&self, state: &State, tail: &Tail, next: &mut Next) {
        let Some(mark) = tail.mark else {
            if state.left.marks > 0 && !state.chunks.is_empty() {
                let mut after = state.clone();
                after.left.marks -= 1;
                let own = after.tail.as_mut().expect("it runs");
                own.last_tick = tick_after(tail.last_tick);
                let (tick, proof) = (own.last_tick, tail.sealed);
                own.mark = Some(Mark { tick, proof, journaled: !self.in_steps() });
                next.push((Step::TakeMark, after));
            }
            return;
        };
        let is_safe = self.off(Mechanism::SafeMark) || self.production.proves(mark.proof, state.executed);
        if mark.journaled && is_safe {
            let mut after = state.clone();
            let own = after.tail.as_mut().expect("it runs");
            (own.safe, own.mark) = (Some(mark.tick), None);
            next.push((Step::MarkIsSafe, after));
        }
    }

    fn landing(&self, state: &State, next: &mut Next) {
        for place in 0..state.flight.len() {
            if place > 0 && state.flight[place] == state.flight[place - 1] {
                continue;
            }
            let mut after = state.clone();
            let request = after.flight.remove(place);
            let bit = 1u8 << request.list;
            let goes_back = self.production.with(request.content, |written| {
                let ops = &written.by_list[usize::from(request.list)];
                match request.of_tail && self.setting.reader {
                    true => after.hbase.apply_watched(request.tick, ops),
                    false => {
                        after.hbase.apply(request.tick, ops);
                        false
                    }
                }
            });
            after.goes_back |= goes_back;
            let waits_for = |batch: &Batch| {
                (batch.tick, batch.content) == (request.tick, request.content) && batch.waiting & bit != 0
            };
            let batches = state.tail.as_ref().map_or(&[][..], |tail| &tail.batches);
            let batch = batches.iter().position(|batch| request.of_tail && waits_for(batch));
            if let Some(batch) = batch {
                if state.left.losses > 0 {
                    let mut lost = after.clone();
                    lost.left.losses -= 1;
                    lost.tail.as_mut().expect("it waits").batches[batch].waiting &= !bit;
                    next.push((Step::Land(place, Answer::IsLost), lost));
                }
                let own = after.tail.as_mut().expect("it waits");
                own.batches[batch].waiting &= !bit;
                own.batches[batch].written |= bit;
                forget_written(own, !self.is_reopened());
                next.push((Step::Land(place, Answer::Arrives), after));
            } else {
                self.chunk_landing(state, after, (place, request), next);
            }
        }
    }
}

/// Sends to each of these lists.
pub fn send(flight: &mut SmallVec<[Request; 4]>, lists: u8, request: Request) {
    let to = (0..LISTS as u8).filter(|list| lists & (1 << list) != 0);
    flight.extend(to.map(|list| Request { list, ..request }));
    flight.sort_unstable();
}

/// What is written and needed no more: where nothing is opened again, all of it.
fn forget_written(tail: &mut Tail, all: bool) {
    if all {
        tail.batches.retain(|batch| !batch.is_written());
    }
}
