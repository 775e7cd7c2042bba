//! Which definition a row is decoded by, while the table is altered: decision 8.
//!
//! One table and one target. The binlog holds rows, ALTERs and TRUNCATEs, in the order in which the engine commits them, which
//! it does later. The tail lags, connects again, and is killed; a re-copy takes the target back when it is parked. A row that is
//! decoded by another layout than the one it was written under is wrong at once; what is missing or stale in the end is wrong
//! then. A definition is only its layout here: which of its values stands in which column.

mod next;
mod settings;
mod tell;

pub use settings::{large, of};

use super::explorer::World;
use super::mechanism::Mechanism;
use smallvec::SmallVec;

/// What the binlog holds, one place each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Row,
    Alter {
        layout: u8,
        /// Rows that are there get other bytes, without row events.
        converts: bool,
    },
    Truncate,
    /// An ALTER with `sql_log_bin = 0`: the layout changes, and the stream shows nothing.
    Unlogged {
        layout: u8,
    },
}

/// Layouts whose columns have the same wire types: a table map tells them apart from others, not from each other.
const ALIKE: u8 = 10;

#[derive(Clone, Debug, Default)]
pub struct Setting {
    pub name: &'static str,
    pub script: Vec<Event>,
    pub reconnects: u8,
    pub kills: u8,
    pub off: Option<Mechanism>,
}

pub struct Defining {
    pub setting: Setting,
}

/// An entry of the schema history: what holds once the tail has read `since` events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    since: u8,
    /// `None`: parked.
    layout: Option<u8>,
}

type History = SmallVec<[Entry; 4]>;

/// How far a proof is that a definition holds from `base` events on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    Wanted,
    Based { base: u8 },
    Read { base: u8, layout: u8 },
    Ahead { base: u8, layout: u8, head: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recopy {
    Idle,
    Proves(Proof),
    /// Its entry holds, and the target is tailed again.
    Joined,
    /// The mark has this many events below it.
    Marked(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    published: u8,
    committed: u8,
    /// The proof that the first start waits for; `None` once it has started.
    start: Option<Proof>,
    /// The proof of the ALTER that the tail has come to.
    alter: Option<Proof>,
    /// How many events the tail has read.
    read: u8,
    /// Where a restart goes on.
    checkpoint: u8,
    /// What the tail decodes by.
    history: History,
    /// What the store holds of it.
    stored: History,
    parked: bool,
    parked_stored: bool,
    recopy: Recopy,
    /// The place behind the last statement about the table that this process has read.
    passed: u8,
    /// By event: how many events the row in HBase includes; 0: it is not there.
    rows: SmallVec<[u8; 8]>,
    reconnects: u8,
    kills: u8,
    /// A row was decoded by this layout, and written under that one.
    mistaken: Option<(u8, u8, u8)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Publish,
    Commit,
    StartGoesOn,
    ReadEvent,
    AlterGoesOn,
    Checkpoint,
    Store,
    Reconnect,
    Kill,
    RecopyBegins,
    RecopyGoesOn,
    TakeMark,
    Select,
}

type Next = Vec<(Step, State)>;

impl Defining {
    pub fn of(setting: Setting) -> Defining {
        Defining { setting }
    }

    fn is_off(&self, mechanism: Mechanism) -> bool {
        self.setting.off == Some(mechanism)
    }

    fn event(&self, place: u8) -> Event {
        self.setting.script[usize::from(place)]
    }

    fn events(&self) -> u8 {
        u8::try_from(self.setting.script.len()).expect("a small world")
    }

    /// The layout after so many events.
    fn layout_after(&self, events: u8) -> u8 {
        let changes = self.setting.script[..usize::from(events)].iter().rev();
        let mut layouts = changes.filter_map(|event| match event {
            Event::Alter { layout, .. } | Event::Unlogged { layout } => Some(*layout),
            Event::Row | Event::Truncate => None,
        });
        layouts.next().unwrap_or(0)
    }

    /// Whether the binlog shows a statement about the table in `from..to`.
    fn is_altered_in(&self, from: u8, to: u8) -> bool {
        let shown = |place| matches!(self.event(place), Event::Alter { .. } | Event::Truncate);
        (from..to).any(shown)
    }

    /// Whether rows that include `seen` events have other bytes after `all`, or are gone.
    fn is_stale(&self, seen: u8, all: u8) -> bool {
        let changes =
            |place| matches!(self.event(place), Event::Alter { converts: true, .. } | Event::Truncate);
        (seen..all).any(changes)
    }

    /// Whether MySQL has the row of `place` in the end.
    fn lives(&self, place: u8) -> bool {
        !(place..self.events()).any(|later| self.event(later) == Event::Truncate)
    }

    /// What is wrong with the row of `place` in the end.
    fn wrong_row(&self, state: &State, place: u8) -> Option<String> {
        let seen = state.rows[usize::from(place)];
        let says = match (self.lives(place), seen) {
            (true, 0) => "MySQL has it, and HBase does not.",
            (false, 0) => return None,
            (true, seen) if !self.is_stale(seen, self.events()) => return None,
            (true, _) => "HBase has the value from before an ALTER.",
            (false, seen) if seen == self.events() || !self.is_stale(seen, self.events()) => return None,
            (false, _) => "MySQL does not have it, and HBase has it for good.",
        };
        Some(format!("The row of event {}: {says}", place + 1))
    }
}

impl World for Defining {
    type State = State;
    type Step = Step;

    fn begin(&self) -> State {
        State {
            published: 0,
            committed: 0,
            start: Some(Proof::Wanted),
            alter: None,
            read: 0,
            checkpoint: 0,
            history: History::new(),
            stored: History::new(),
            parked: false,
            parked_stored: false,
            recopy: Recopy::Idle,
            passed: 0,
            rows: SmallVec::from_elem(0, self.setting.script.len()),
            reconnects: self.setting.reconnects,
            kills: self.setting.kills,
            mistaken: None,
        }
    }

    fn next(&self, state: &State, next: &mut Next) {
        self.steps(state, next);
    }

    fn wrong(&self, state: &State) -> Option<String> {
        if let Some((place, by, under)) = state.mistaken {
            return Some(format!(
                "The row of event {} was written under layout {under} and is decoded by layout {by}: its values land in other columns.",
                place + 1
            ));
        }
        if !self.is_over(state) {
            return None;
        }
        let rows = (0..self.events()).filter(|place| self.event(*place) == Event::Row);
        rows.filter_map(|place| self.wrong_row(state, place)).next()
    }

    fn is_over(&self, state: &State) -> bool {
        let all = self.events();
        let at_rest = state.start.is_none() && state.alter.is_none() && state.recopy == Recopy::Idle;
        at_rest && !state.parked && state.committed == all && state.read == all
    }

    fn tell(&self, before: &State, step: Step) -> String {
        self.say(before, step)
    }
}
