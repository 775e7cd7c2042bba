//! Re-copy: a list that missed changes, older writes that still hang somewhere, and a comparison under a fresh mark.
//!
//! A target is written, then parked (or a gap is accepted), then tailed again, at any moment. Writes from before may be on
//! their way, and whoever holds a lease from before may send more until its deadline. The gateway lets a write go when its
//! time-out is over. The re-copy takes a mark, waits for the late-write horizon, SELECTs, reads HBase, and sends what differs.

use super::explorer::World;
use super::hbase::Hbase;
use super::mechanism::Mechanism;
use super::production::{Content, Production, tick_after};
use super::sayings::{difference, say_committed, say_ops, say_published, say_set};
use super::source::{ItemRow, Script, Set, first, publishable, uncommitted};
use smallvec::SmallVec;

#[derive(Clone, Debug, Default)]
pub struct Setting {
    pub script: Script,
    pub off: Option<Mechanism>,
    pub marks: u8,
    /// How often a person moves the tail to the beginning.
    pub moves: u8,
}

pub struct Recopying {
    pub setting: Setting,
    production: Production,
    needs: Vec<Set>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    published: u8,
    committed: Set,
    hbase: Hbase,
    /// How many transactions are sealed; each is a batch.
    sealed: u8,
    last_tick: u8,
    target: Target,
    /// Batches that are not sent, and writes that have not landed.
    unsent: SmallVec<[Write; 2]>,
    flight: SmallVec<[Write; 3]>,
    /// Somebody from before the gap may still send.
    older_lease: bool,
    mark: Option<(u8, Set)>,
    safe: Option<u8>,
    marks: u8,
    moves: u8,
    /// So many transactions were sealed before the tail was moved: until it has passed them, nothing is compared.
    replaying: u8,
    recopy: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Target {
    Written,
    /// Changes are missed.
    Parked,
    /// Since this tick.
    TailedAgain(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Write {
    tick: u8,
    content: Content,
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Of {
    /// The tail before the gap, after it, and the re-copy.
    Before,
    After,
    Recopy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Idle,
    Marked(u8),
    Read(u8, Set),
    Waits,
    Done,
}

#[derive(Clone, Copy, Debug)]
pub enum Step {
    Publish(usize),
    Commit(usize),
    Seal,
    Send(usize),
    Land(usize),
    /// The gateway gives a write up.
    Drop(usize),
    Park,
    LeaseEnds,
    TailAgain,
    Move,
    TakeMark,
    MarkIsSafe,
    Begin,
    Select,
    Compare,
}

type Next = Vec<(Step, State)>;

impl Recopying {
    pub fn of(setting: Setting) -> Recopying {
        let production = Production::new(&setting.script, None);
        let needs = setting.script.all_needs();
        Recopying { setting, production, needs }
    }

    fn off(&self, mechanism: Mechanism) -> bool {
        self.setting.off == Some(mechanism)
    }

    fn batch(&self, transaction: usize) -> Content {
        self.production.batch(&self.setting.script.changes_of(transaction))
    }

    fn mysql(&self, state: &State, next: &mut Next) {
        if let Some(number) = publishable(&self.needs, state.published, state.committed) {
            next.push((Step::Publish(number), State { published: state.published + 1, ..state.clone() }));
        }
        if let Some(number) = uncommitted(state.published, state.committed).next() {
            next.push((
                Step::Commit(number),
                State { committed: state.committed | 1 << number, ..state.clone() },
            ));
        }
    }

    fn tail(&self, state: &State, next: &mut Next) {
        if state.sealed < state.published {
            let mut after = state.clone();
            after.last_tick = tick_after(state.last_tick);
            let (tick, content) = (after.last_tick, self.batch(state.sealed.into()));
            match state.target {
                Target::Written => after.unsent.push(Write { tick, content, of: Of::Before }),
                Target::Parked => {}
                Target::TailedAgain(_) => after.unsent.push(Write { tick, content, of: Of::After }),
            }
            after.sealed += 1;
            next.push((Step::Seal, after));
        }
        match state.target {
            Target::Written => next.push((Step::Park, State { target: Target::Parked, ..state.clone() })),
            Target::Parked => {
                let target = Target::TailedAgain(state.last_tick);
                next.push((Step::TailAgain, State { target, ..state.clone() }));
            }
            Target::TailedAgain(_) => {}
        }
        for place in 0..state.unsent.len() {
            let mut after = state.clone();
            let write = after.unsent.remove(place);
            after.flight.push(write);
            after.flight.sort_unstable();
            next.push((Step::Send(place), after));
        }
        if state.older_lease && state.target != Target::Written {
            let mut after = State { older_lease: false, ..state.clone() };
            after.unsent.retain(|write| write.of != Of::Before);
            next.push((Step::LeaseEnds, after));
        }
    }

    /// The tasks end and begin again: nothing that was sealed is sent any more, what was sent stays under way, a target that was
    /// not whole is parked again, and its re-copy has to begin again.
    fn moves(&self, state: &State, next: &mut Next) {
        if state.moves == 0 || state.sealed == 0 {
            return;
        }
        let mut after = state.clone();
        (after.moves, after.sealed) = (state.moves - 1, 0);
        after.replaying = state.replaying.max(state.sealed);
        after.unsent.clear();
        after.flight.iter_mut().for_each(|write| write.of = Of::Before);
        after.flight.sort_unstable();
        // those of the pass that ends may still send until their deadline
        (after.mark, after.safe, after.marks) = (None, None, self.setting.marks);
        if state.recopy != At::Done {
            after.recopy = At::Idle;
            if let Target::TailedAgain(_) = state.target {
                after.target = Target::Parked;
            }
        }
        next.push((Step::Move, after));
    }

    fn marks(&self, state: &State, next: &mut Next) {
        let Some((tick, proof)) = state.mark else {
            if state.marks > 0 {
                let last_tick = tick_after(state.last_tick);
                let mark = Some((last_tick, first(state.sealed.max(state.replaying).into())));
                next.push((
                    Step::TakeMark,
                    State { last_tick, mark, marks: state.marks - 1, ..state.clone() },
                ));
            }
            return;
        };
        if self.production.proves(proof, state.committed) {
            next.push((Step::MarkIsSafe, State { safe: Some(tick), mark: None, ..state.clone() }));
        }
    }

    fn recopy(&self, state: &State, next: &mut Next) {
        match state.recopy {
            At::Idle => {
                let (Target::TailedAgain(since), Some(mark)) = (state.target, state.safe) else { return };
                let is_fresh = mark > since || self.off(Mechanism::RecopyUnderFreshMark);
                let is_past_horizon = self.nothing_older(state) || self.off(Mechanism::LateWriteHorizon);
                if is_fresh && is_past_horizon && state.sealed >= state.replaying {
                    next.push((Step::Begin, State { recopy: At::Marked(mark), ..state.clone() }));
                }
            }
            At::Marked(mark) => {
                next.push((Step::Select, State { recopy: At::Read(mark, state.committed), ..state.clone() }));
            }
            At::Read(mark, saw) => {
                let mut after = state.clone();
                after.recopy = match self.repair(state, mark, saw) {
                    None => At::Done,
                    Some(content) => {
                        after.flight.push(Write { tick: mark, content, of: Of::Recopy });
                        after.flight.sort_unstable();
                        At::Waits
                    }
                };
                next.push((Step::Compare, after));
            }
            At::Waits | At::Done => {}
        }
    }

    fn nothing_older(&self, state: &State) -> bool {
        !state.older_lease && state.flight.iter().all(|write| write.of != Of::Before)
    }

    /// What differs, unless HBase has it from above the mark.
    fn repair(&self, state: &State, mark: u8, saw: Set) -> Option<Content> {
        let rows = self.setting.script.rows_after(saw);
        let (mut extras, mut in_full): (Vec<ItemRow>, Vec<ItemRow>) = (Vec::new(), Vec::new());
        for (address, place) in self.production.addresses.iter().enumerate() {
            let (wanted, found) = (self.production.wanted(&rows, address), state.hbase.read(address));
            if wanted == found || state.hbase.newest_tick(address) > mark {
                continue;
            }
            let row = rows.iter().find(|row| usize::from(self.production.address_of(row)) == address);
            match row {
                Some(row) => in_full.push(*row),
                None if self.off(Mechanism::ExtrasDeleted) => {}
                None => extras.push(*place),
            }
        }
        (!extras.is_empty() || !in_full.is_empty()).then(|| self.production.repair(extras, in_full))
    }

    fn landing(&self, state: &State, next: &mut Next) {
        for place in 0..state.flight.len() {
            let mut dropped = state.clone();
            let write = dropped.flight.remove(place);
            let mut after = dropped.clone();
            self.production.with(write.content, |written| after.hbase.apply(write.tick, &written.by_list[0]));
            if write.of == Of::Recopy {
                after.recopy = At::Done;
            }
            next.push((Step::Land(place), after));
            // the gap is why it need not arrive
            if write.of == Of::Before && state.target != Target::Written {
                next.push((Step::Drop(place), dropped));
            }
        }
    }
}

impl World for Recopying {
    type State = State;
    type Step = Step;

    fn begin(&self) -> State {
        let hbase = self.production.copied(&self.setting.script);
        State {
            published: 0,
            committed: 0,
            hbase,
            sealed: 0,
            last_tick: 1,
            target: Target::Written,
            unsent: SmallVec::new(),
            flight: SmallVec::new(),
            older_lease: true,
            mark: None,
            safe: None,
            marks: self.setting.marks,
            moves: self.setting.moves,
            replaying: 0,
            recopy: At::Idle,
        }
    }

    fn next(&self, state: &State, next: &mut Next) {
        self.mysql(state, next);
        self.tail(state, next);
        self.moves(state, next);
        self.marks(state, next);
        self.recopy(state, next);
        self.landing(state, next);
    }

    fn wrong(&self, state: &State) -> Option<String> {
        if !self.is_over(state) {
            return None;
        }
        difference(&self.setting.script, &self.production, &state.hbase)
    }

    fn is_over(&self, state: &State) -> bool {
        state.committed == self.setting.script.all()
            && state.sealed == state.published
            && state.unsent.is_empty()
            && state.flight.is_empty()
            && !state.older_lease
            && state.recopy == At::Done
    }

    fn tell(&self, before: &State, step: Step) -> String {
        let script = &self.setting.script;
        let say = |content| say_ops(script, &self.production, content, 0);
        match step {
            Step::Publish(number) => say_published(&script.say_transaction(number)),
            Step::Commit(number) => say_committed(number),
            Step::Seal => {
                let (tick, number) = (tick_after(before.last_tick), before.sealed + 1);
                let missed = if before.target == Target::Parked { "; the target misses it" } else { "" };
                format!("The tail seals transaction {number} as batch {tick}{missed}.")
            }
            Step::Send(place) => {
                let write = before.unsent[place];
                format!("Batch {} is sent: {}.", write.tick, say(write.content))
            }
            Step::Land(place) => {
                let write = before.flight[place];
                let late = write.of == Of::Before && matches!(before.target, Target::TailedAgain(_));
                let how = if late { "which hung in a gateway, lands" } else { "lands" };
                match write.of {
                    Of::Recopy => {
                        format!("What is re-copied at {} lands ({}).", write.tick, say(write.content))
                    }
                    _ => format!(
                        "Batch {}{} {how} ({}).",
                        write.tick,
                        if late { "," } else { "" },
                        say(write.content)
                    ),
                }
            }
            Step::Drop(place) => format!("Batch {} is given up by the gateway.", before.flight[place].tick),
            Step::Park => "The target is parked: it misses what is sealed from now on.".to_owned(),
            Step::LeaseEnds => {
                "The last lease from before ends: nobody sends older batches any more.".to_owned()
            }
            Step::TailAgain => {
                format!("The target is tailed again, from tick {} on.", tick_after(before.last_tick))
            }
            Step::Move => "A person has the tail continue from the beginning, with new ticks.".to_owned(),
            Step::TakeMark => {
                let (tick, set) = (tick_after(before.last_tick), say_set(first(before.sealed.into())));
                format!("The tail takes mark {tick}; its set is {set}.")
            }
            Step::MarkIsSafe => {
                format!(
                    "`gtid_executed` contains that, so mark {} is safe.",
                    before.mark.map_or(0, |(tick, _)| tick)
                )
            }
            Step::Begin => format!("The re-copy begins, with mark {}.", before.safe.unwrap_or(0)),
            Step::Select => {
                format!("The re-copy SELECTs, and finds {}.", script.say_rows(before.committed, 1))
            }
            Step::Compare => {
                let At::Read(mark, saw) = before.recopy else { unreachable!("it has read") };
                match self.repair(before, mark, saw) {
                    Some(content) => format!("It reads HBase, and sends at mark {mark}: {}.", say(content)),
                    None => "It reads HBase, and finds nothing to do.".to_owned(),
                }
            }
        }
    }
}

/// The small world of a mechanism, which is on in it; and larger ones.
pub mod settings {
    pub use super::Setting;
    use super::{Mechanism, Script};
    use crate::model::source::{delete, insert, null, row, update};

    pub fn of(mechanism: Mechanism) -> Option<Setting> {
        let x = row(0, 1);
        let deleted = Script::of("a row is deleted in a gap", &[x], &[&[delete(x)]]);
        let comes_and_goes = Script::of("a row comes, and goes in a gap", &[], &[&[insert(x)], &[delete(x)]]);
        let (script, marks) = match mechanism {
            Mechanism::ExtrasDeleted => (deleted, 1),
            Mechanism::RecopyUnderFreshMark => (deleted, 2),
            Mechanism::LateWriteHorizon => (comes_and_goes, 1),
            _ => return None,
        };
        Some(Setting { script, marks, moves: 0, off: None })
    }

    pub fn large() -> Vec<Setting> {
        let (x, y) = (row(0, 1), row(1, 1));
        let scripts = [
            Script::of(
                "a row comes, goes and comes",
                &[],
                &[&[insert(x)], &[delete(x)], &[insert(row(0, 2))]],
            ),
            Script::of(
                "a note changes",
                &[x],
                &[&[update(x, null(x))], &[update(null(x), row(0, 2))], &[delete(row(0, 2))]],
            ),
            Script::of("two rows", &[x], &[&[delete(x), insert(y)], &[update(y, row(1, 2))]]),
        ];
        let [one, two, three] = scripts;
        // in the middle of a re-copy, the tail is moved
        let moved = Setting { script: three.clone(), marks: 1, moves: 1, off: None };
        let still = |script| Setting { script, marks: 2, moves: 0, off: None };
        vec![still(one), still(two), still(three), moved]
    }
}
