//! TRUNCATE under the policy `apply`: a tick of its own, and a scan that deletes at it what the target holds below.

use super::explorer::World;
use super::hbase::Hbase;
use super::mechanism::Mechanism;
use super::production::{Content, Production, tick_after};
use super::sayings::{difference, join, say_committed, say_ops, say_published};
use super::source::{Script, Set, first, publishable, uncommitted};
use smallvec::SmallVec;

#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The transaction `truncate` stands for the statement: it deletes every row that is there.
    pub script: Script,
    pub truncate: usize,
    pub off: Option<Mechanism>,
}

pub struct Truncating {
    pub setting: Setting,
    production: Production,
    needs: Vec<Set>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    published: u8,
    committed: Set,
    hbase: Hbase,
    sealed: u8,
    last_tick: u8,
    flight: SmallVec<[Write; 4]>,
    /// The tick of the TRUNCATE, once it is sealed.
    truncate: Option<u8>,
    scan: Scan,
    mark: Option<(u8, Set)>,
    safe: Option<u8>,
    marks: u8,
    chunk: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Write {
    tick: u8,
    content: Content,
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Of {
    Tail,
    Chunk,
    Scan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scan {
    NotYet,
    Waits,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Idle,
    Read(u8, Set),
    Waits(u8),
    Done,
}

#[derive(Clone, Copy, Debug)]
pub enum Step {
    Publish(usize),
    Commit(usize),
    Seal,
    Land(usize),
    TakeMark,
    MarkIsSafe,
    Select,
    SendChunk,
    Scan,
}

type Next = Vec<(Step, State)>;

impl Truncating {
    pub fn of(setting: Setting) -> Truncating {
        let (script, truncate) = (&setting.script, setting.truncate);
        let locked = |number: usize| match number.cmp(&truncate) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => first(number),
            std::cmp::Ordering::Greater => 1 << truncate,
        };
        let numbers = 0..script.transactions.len();
        let needs = numbers.map(|number| script.needs(number) | locked(number)).collect();
        Truncating { production: Production::new(script, None), needs, setting }
    }

    fn say_transaction(&self, number: usize) -> String {
        match number == self.setting.truncate {
            true => format!("transaction {} (TRUNCATE)", number + 1),
            false => self.setting.script.say_transaction(number),
        }
    }

    fn batch(&self, transaction: usize) -> Content {
        self.production.batch(&self.setting.script.changes_of(transaction))
    }

    /// What is at or above no tick of the TRUNCATE, and has not landed.
    fn older_is_under_way(&self, state: &State, truncate: u8) -> bool {
        state.flight.iter().any(|write| write.tick < truncate)
    }

    /// What the target holds below the TRUNCATE.
    fn found_below(&self, state: &State, truncate: u8) -> Vec<usize> {
        let below = |address: &usize| (1..truncate).contains(&state.hbase.newest_tick(*address));
        (0..self.production.addresses.len()).filter(below).collect()
    }

    fn tail(&self, state: &State, next: &mut Next) {
        if state.sealed < state.published {
            let mut after = state.clone();
            after.last_tick = tick_after(state.last_tick);
            after.sealed += 1;
            if usize::from(state.sealed) == self.setting.truncate {
                after.truncate = Some(after.last_tick);
                // the chunks are dropped; what they have sent may still land
                (after.chunk, after.safe, after.mark) = (At::Idle, None, None);
            } else {
                let content = self.batch(state.sealed.into());
                let write = Write { tick: after.last_tick, content, of: Of::Tail };
                send(&mut after, write);
            }
            next.push((Step::Seal, after));
        }
        if let (Some(truncate), Scan::NotYet) = (state.truncate, state.scan) {
            let may = !self.older_is_under_way(state, truncate)
                || self.setting.off == Some(Mechanism::ScanAfterWrites);
            if may {
                let found = self.found_below(state, truncate);
                let mut after = State { scan: Scan::Done, ..state.clone() };
                if !found.is_empty() {
                    let extras = found.iter().map(|address| self.production.addresses[*address]).collect();
                    let content = self.production.repair(extras, Vec::new());
                    send(&mut after, Write { tick: truncate, content, of: Of::Scan });
                    after.scan = Scan::Waits;
                }
                next.push((Step::Scan, after));
            }
        }
    }

    fn marks(&self, state: &State, next: &mut Next) {
        match state.mark {
            None if state.marks > 0 => {
                let last_tick = tick_after(state.last_tick);
                let mark = Some((last_tick, first(state.sealed.into())));
                next.push((
                    Step::TakeMark,
                    State { last_tick, mark, marks: state.marks - 1, ..state.clone() },
                ));
            }
            Some((tick, proof)) if self.production.proves(proof, state.committed) => {
                next.push((Step::MarkIsSafe, State { safe: Some(tick), mark: None, ..state.clone() }));
            }
            _ => {}
        }
    }

    fn copying(&self, state: &State, next: &mut Next) {
        let may_begin = state.truncate.is_none() || state.scan == Scan::Done;
        match (state.chunk, state.safe) {
            (At::Idle, Some(mark)) if may_begin => {
                next.push((Step::Select, State { chunk: At::Read(mark, state.committed), ..state.clone() }));
            }
            (At::Read(mark, saw), _) => {
                let mut after = state.clone();
                let rows = self.setting.script.rows_after(saw);
                after.chunk = if rows.is_empty() { At::Done } else { At::Waits(mark) };
                if !rows.is_empty() {
                    let content = self.production.copy(rows);
                    send(&mut after, Write { tick: mark, content, of: Of::Chunk });
                }
                next.push((Step::SendChunk, after));
            }
            _ => {}
        }
    }

    fn landing(&self, state: &State, next: &mut Next) {
        for place in 0..state.flight.len() {
            let mut after = state.clone();
            let write = after.flight.remove(place);
            self.production.with(write.content, |written| after.hbase.apply(write.tick, &written.by_list[0]));
            match write.of {
                Of::Scan => after.scan = Scan::Done,
                Of::Chunk if state.chunk == At::Waits(write.tick) => after.chunk = At::Done,
                Of::Chunk | Of::Tail => {}
            }
            next.push((Step::Land(place), after));
        }
    }
}

fn send(state: &mut State, write: Write) {
    state.flight.push(write);
    state.flight.sort_unstable();
}

impl World for Truncating {
    type State = State;
    type Step = Step;

    fn begin(&self) -> State {
        State {
            published: 0,
            committed: 0,
            hbase: Hbase::of(self.production.addresses.len()),
            sealed: 0,
            last_tick: 1,
            flight: SmallVec::new(),
            truncate: None,
            scan: Scan::NotYet,
            mark: None,
            safe: Some(1),
            marks: 2,
            chunk: At::Idle,
        }
    }

    fn next(&self, state: &State, next: &mut Next) {
        if let Some(number) = publishable(&self.needs, state.published, state.committed) {
            next.push((Step::Publish(number), State { published: state.published + 1, ..state.clone() }));
        }
        if let Some(number) = uncommitted(state.published, state.committed).next() {
            next.push((
                Step::Commit(number),
                State { committed: state.committed | 1 << number, ..state.clone() },
            ));
        }
        self.tail(state, next);
        self.marks(state, next);
        self.copying(state, next);
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
            && state.flight.is_empty()
            && state.scan == Scan::Done
            && state.chunk == At::Done
    }

    fn tell(&self, before: &State, step: Step) -> String {
        let script = &self.setting.script;
        let say = |content| say_ops(script, &self.production, content, 0);
        match step {
            Step::Publish(number) => say_published(&self.say_transaction(number)),
            Step::Commit(number) => say_committed(number),
            Step::Seal if usize::from(before.sealed) == self.setting.truncate => {
                format!(
                    "The tail gives the TRUNCATE tick {}, and drops the chunks.",
                    tick_after(before.last_tick)
                )
            }
            Step::Seal => {
                let (tick, number) = (tick_after(before.last_tick), usize::from(before.sealed));
                format!(
                    "The tail seals transaction {} as batch {tick}, and sends: {}.",
                    number + 1,
                    say(self.batch(number))
                )
            }
            Step::Land(place) => {
                let write = before.flight[place];
                let what = match write.of {
                    Of::Tail => format!("Batch {}", write.tick),
                    Of::Chunk => format!("What was copied at {}", write.tick),
                    Of::Scan => format!("What the scan deletes at {}", write.tick),
                };
                format!("{what} lands ({}).", say(write.content))
            }
            Step::TakeMark => format!("The tail takes mark {}.", tick_after(before.last_tick)),
            Step::MarkIsSafe => format!("Mark {} is safe.", before.mark.map_or(0, |(tick, _)| tick)),
            Step::Select => {
                let rows = script.say_rows(before.committed, 1);
                format!("The copy, with mark {}, SELECTs, and finds {rows}.", before.safe.unwrap_or(0))
            }
            Step::SendChunk => "The copy sends what it found.".to_owned(),
            Step::Scan => {
                let tick = before.truncate.unwrap_or(0);
                let found = self.found_below(before, tick).into_iter();
                let found: Vec<String> =
                    found.map(|address| script.place(&self.production.addresses[address])).collect();
                match found.is_empty() {
                    true => "The scan finds nothing to delete.".to_owned(),
                    false => format!("The scan finds {}, and deletes that at {tick}.", join(&found)),
                }
            }
        }
    }
}

pub mod settings {
    pub use super::Setting;
    use super::{Mechanism, Script};
    use crate::model::source::{Change, delete, insert, row};

    /// `after`: what comes behind the TRUNCATE.
    fn setting(name: &'static str, rows: &[u8], before: &[Change], after: &[&[Change]]) -> Setting {
        let rows: Vec<_> = rows.iter().map(|item| row(*item, 1)).collect();
        let start = Script::of(name, &rows, &[before]);
        let there: Vec<Change> = start.rows_after(1).into_iter().map(delete).collect();
        let transactions: Vec<&[Change]> =
            [before, &there[..]].into_iter().chain(after.iter().copied()).collect();
        Setting { script: Script::of(name, &rows, &transactions), truncate: 1, off: None }
    }

    pub fn of(mechanism: Mechanism) -> Option<Setting> {
        let inserted = setting("a table is emptied", &[], &[insert(row(0, 1))], &[]);
        (mechanism == Mechanism::ScanAfterWrites).then_some(inserted)
    }

    pub fn large() -> Vec<Setting> {
        let (x, y) = (row(0, 1), row(1, 1));
        vec![
            setting("emptied, and a row comes again", &[0], &[insert(y)], &[&[insert(row(0, 2))]]),
            setting("emptied, and two rows come", &[0], &[delete(x)], &[&[insert(row(0, 2))], &[insert(y)]]),
        ]
    }
}
