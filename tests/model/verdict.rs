//! The judgement of `verify` under writes: a difference counts only if nothing that is under way explains it.
//!
//! One address, one round, as `verify::confirm` does it: the executed set, SELECT, the executed set, wait until the tail has
//! written that, read HBase, SELECT, the binlog up to its head. Where HBase is right no verdict may say otherwise, and
//! where it has lost a change, and everything rests, the verdict must say so.

use super::explorer::World;
use super::hbase::{Cells, Hbase};
use super::mechanism::Mechanism;
use super::production::Production;
use super::sayings::{say_committed, say_published, say_set, say_shown};
use super::source::{Script, Set, first, has, publishable, uncommitted};

#[derive(Clone, Debug, Default)]
pub struct Setting {
    pub script: Script,
    pub off: Option<Mechanism>,
    /// The tail loses this transaction.
    pub lost: Option<usize>,
}

pub struct Judging {
    pub setting: Setting,
    production: Production,
    needs: Vec<Set>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    published: u8,
    committed: Set,
    executed: Set,
    /// How many transactions the tail has written.
    written: u8,
    hbase: Hbase,
    round: Round,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Round {
    Idle,
    /// The executed set before.
    Began(Set),
    /// And what the first SELECT saw.
    Selected(Set, Set),
    /// And the executed set after.
    Waits(Set, Set, Set),
    /// What HBase shows.
    Read(Set, Set, Cells),
    /// Whether it differs, and from which set on transactions are looked at.
    SelectedAgain(Set, bool),
    Verdict {
        differs: bool,
        began: Set,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Step {
    Publish(usize),
    Commit(usize),
    Show(usize),
    Write,
    Begin,
    Select,
    Executed,
    ReadHbase,
    SelectAgain,
    Judge,
}

type Next = Vec<(Step, State)>;

impl Judging {
    pub fn of(setting: Setting) -> Judging {
        let needs = setting.script.all_needs();
        Judging { production: Production::new(&setting.script, None), needs, setting }
    }

    fn mysql(&self, state: &State, next: &mut Next) {
        if let Some(number) = publishable(&self.needs, state.published, state.committed) {
            next.push((Step::Publish(number), State { published: state.published + 1, ..state.clone() }));
        }
        for number in uncommitted(state.published, state.committed) {
            next.push((
                Step::Commit(number),
                State { committed: state.committed | 1 << number, ..state.clone() },
            ));
        }
        let published = 0..usize::from(state.published);
        for number in published.filter(|number| has(state.committed & !state.executed, *number)) {
            next.push((
                Step::Show(number),
                State { executed: state.executed | 1 << number, ..state.clone() },
            ));
        }
    }

    fn written(&self, state: &State) -> State {
        let mut after = State { written: state.written + 1, ..state.clone() };
        let number = usize::from(state.written);
        if self.setting.lost != Some(number) {
            let content = self.production.batch(&self.setting.script.changes_of(number));
            self.production
                .with(content, |written| after.hbase.apply(after.written + 1, &written.by_list[0]));
        }
        after
    }

    /// What MySQL has at the address.
    fn wanted(&self, saw: Set) -> Cells {
        self.production.wanted(&self.setting.script.rows_after(saw), 0)
    }

    fn round(&self, state: &State, next: &mut Next) {
        let (step, round) = match state.round {
            Round::Idle => (Step::Begin, Round::Began(state.executed)),
            Round::Began(before) => (Step::Select, Round::Selected(before, state.committed)),
            Round::Selected(before, saw) => (Step::Executed, Round::Waits(before, saw, state.executed)),
            Round::Waits(before, saw, seen) => {
                if seen & !first(state.written.into()) != 0 {
                    return;
                }
                (Step::ReadHbase, Round::Read(before, saw, state.hbase.read(0)))
            }
            Round::Read(before, saw, found) => {
                let stands_still = self.wanted(saw) == self.wanted(state.committed);
                let differs = stands_still && self.wanted(saw) != found;
                (Step::SelectAgain, Round::SelectedAgain(before, differs))
            }
            Round::SelectedAgain(before, differs) => {
                let is_touched = self.looked_at(state) & !before != 0;
                (Step::Judge, Round::Verdict { differs: differs && !is_touched, began: before })
            }
            Round::Verdict { .. } => return,
        };
        next.push((step, State { round, ..state.clone() }));
    }

    /// The transactions that may explain a difference; each touches the address.
    fn looked_at(&self, state: &State) -> Set {
        match self.setting.off {
            Some(Mechanism::BinlogReadForVerdict) => state.executed,
            _ => first(state.published.into()),
        }
    }
}

impl World for Judging {
    type State = State;
    type Step = Step;

    fn begin(&self) -> State {
        let hbase = self.production.copied(&self.setting.script);
        State { published: 0, committed: 0, executed: 0, written: 0, hbase, round: Round::Idle }
    }

    fn next(&self, state: &State, next: &mut Next) {
        self.mysql(state, next);
        if state.written < state.published {
            next.push((Step::Write, self.written(state)));
        }
        self.round(state, next);
    }

    fn wrong(&self, state: &State) -> Option<String> {
        let Round::Verdict { differs, began } = state.round else { return None };
        let rested = began == self.setting.script.all();
        match self.setting.lost {
            None if differs => Some("A difference is reported, and there is none: a false alarm.".to_owned()),
            Some(_) if rested && !differs => {
                Some("HBase has lost a change, and the verdict is that nothing differs.".to_owned())
            }
            _ => None,
        }
    }

    fn is_over(&self, state: &State) -> bool {
        matches!(state.round, Round::Verdict { .. })
    }

    fn tell(&self, before: &State, step: Step) -> String {
        let script = &self.setting.script;
        match step {
            Step::Publish(number) => say_published(&script.say_transaction(number)),
            Step::Commit(number) => say_committed(number),
            Step::Show(number) => say_shown(number),
            Step::Write => format!("The tail writes transaction {}.", before.written + 1),
            Step::Begin => format!("`verify` reads `gtid_executed`: {}.", say_set(before.executed)),
            Step::Select => format!("It SELECTs, and finds {}.", script.say_rows(before.committed, 1)),
            Step::Executed => format!("It reads `gtid_executed` again: {}.", say_set(before.executed)),
            Step::ReadHbase => match before.hbase.read(0) {
                Some(_) => "The tail has written all of that. It reads HBase, and finds x.".to_owned(),
                None => "The tail has written all of that. It reads HBase, and finds nothing.".to_owned(),
            },
            Step::SelectAgain => {
                format!("It SELECTs again, and finds {}.", script.say_rows(before.committed, 1))
            }
            Step::Judge => {
                let looked = match self.setting.off {
                    Some(Mechanism::BinlogReadForVerdict) => "`gtid_executed`",
                    _ => "the binlog up to its head",
                };
                format!(
                    "It judges by {looked}, where the address is touched by {}.",
                    say_set(self.looked_at(before))
                )
            }
        }
    }
}

pub mod settings {
    pub use super::Setting;
    use super::{Mechanism, Script};
    use crate::model::source::{delete, insert, row, update};

    pub fn of(mechanism: Mechanism) -> Option<Setting> {
        let x = row(0, 1);
        let script = Script::of("a row is deleted", &[x], &[&[delete(x)]]);
        (mechanism == Mechanism::BinlogReadForVerdict).then_some(Setting { script, off: None, lost: None })
    }

    pub fn large() -> Vec<Setting> {
        let x = row(0, 1);
        let changes = Script::of(
            "a row changes, goes and comes",
            &[x],
            &[&[update(x, row(0, 2))], &[delete(row(0, 2))], &[insert(row(0, 3))], &[delete(row(0, 3))]],
        );
        let losses = [None, Some(3)];
        losses.map(|lost| Setting { script: changes.clone(), off: None, lost }).into()
    }
}
