//! The state of the world, and what is fixed in one exploration.

use crate::model::hbase::Hbase;
use crate::model::mechanism::Mechanism;
use crate::model::production::{Content, Production};
use crate::model::source::{Script, Set, first, has};
use smallvec::SmallVec;
use std::collections::HashMap;

/// What can happen in one exploration. Numbers bound it.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    pub script: Script,
    pub off: Option<Mechanism>,
    /// The lists of each chunk, as bits; empty: everything was copied before.
    pub chunks: Vec<u8>,
    /// Attempts of a chunk after the first one.
    pub again: u8,
    /// Changes of a batch.
    pub batch: u8,
    pub marks: u8,
    pub restarts: u8,
    /// Replies that are lost, or that come too late.
    pub losses: u8,
    /// A process that is thought dead goes on with its chunk, or its tail.
    pub zombies: bool,
    /// The tail may start at any time, not only before everything.
    pub starts_late: bool,
    /// The engine commits out of the binlog's order.
    pub unordered: bool,
    /// `gtid_executed` shows a transaction some time after SELECTs do.
    pub set_lags: bool,
    /// This list joins while the tail runs.
    pub joins: Option<u8>,
    /// Restarts from older positions.
    pub replays: bool,
    /// How often a person pauses the tail; each time it may be moved to an older position before it is resumed.
    pub pauses: u8,
    /// A paused tail may also be moved over transactions that it has not written: the list of `joins`, which is tailed from
    /// the start then, misses them, and is copied again.
    pub skips: bool,
    pub failover: bool,
    pub compactions: u8,
    /// A reader watches: no state that the tail has shown is followed by an older one.
    pub reader: bool,
}

pub struct Tailing {
    pub setting: Setting,
    pub production: Production,
    /// By transaction: those that must be committed before.
    pub needs: Vec<Set>,
    /// By server and what is passed over: the changes that a tail reads, in order.
    pub streams: HashMap<(bool, Set), Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// How many transactions are in the binlog.
    pub published: u8,
    pub committed: Set,
    pub executed: Set,
    /// After a failover.
    pub other_server: bool,
    pub hbase: Hbase,
    /// Writes that were sent and have not landed, sorted.
    pub flight: SmallVec<[Request; 4]>,
    pub tail: Option<Tail>,
    pub store: Store,
    pub chunks: SmallVec<[Chunk; 2]>,
    /// A person has paused the tail, durably.
    pub paused: bool,
    pub zombie: Option<Zombie>,
    /// The highest tick when the list joined.
    pub joined: Option<u8>,
    /// It misses what was skipped: its copy writes everything anew, and deletes what is not there. What was committed, or
    /// sealed, at the skip: the tail passes that before the list joins again.
    pub skipped_at: Option<Set>,
    pub left: Left,
    /// A reader saw an older state.
    pub goes_back: bool,
    /// A promise of the protocol that is broken, by its number.
    pub broken: Option<&'static str>,
}

/// How often things may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Left {
    pub marks: u8,
    pub restarts: u8,
    pub pauses: u8,
    pub losses: u8,
    pub compactions: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    pub tick: u8,
    pub content: Content,
    pub list: u8,
    pub of_tail: bool,
}

/// A range of the stream with its tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    pub tick: u8,
    pub from: u8,
    pub to: u8,
    pub content: Content,
    pub journaled: bool,
    /// Lists, as bits: those that it writes to, whose answer is waited for, and that are written.
    pub lists: u8,
    pub waiting: u8,
    pub written: u8,
}

impl Batch {
    pub fn is_written(&self) -> bool {
        self.written == self.lists
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    pub tick: u8,
    pub proof: Set,
    pub journaled: bool,
}

/// A process's tail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tail {
    /// What it passes over.
    pub base: Set,
    /// How many changes of its stream are sealed.
    pub cut: u8,
    pub last_tick: u8,
    /// Everything sealed.
    pub sealed: Set,
    /// Those that the checkpoint has not passed.
    pub batches: SmallVec<[Batch; 3]>,
    pub mark: Option<Mark>,
    pub safe: Option<u8>,
}

/// What is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Store {
    pub base: Set,
    /// How many changes of the stream after `base` the checkpoint has passed.
    pub checkpoint: u8,
    /// With a mechanism off: where a restart goes on instead.
    pub ahead: Option<Set>,
    pub tick_high: u8,
    pub mark: Option<(u8, Set)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chunk {
    pub at: At,
    pub again: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Idle,
    Marked(u8),
    /// Its SELECT saw the transactions of this set. (No mark: with a mechanism off.)
    Read(Option<u8>, Set),
    /// For the answers of these lists.
    Waits(u8, Content, u8),
    Done,
}

/// A chunk of a process that is thought dead, at its mark, and perhaps what its SELECT saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zombie {
    Copies(usize, u8, Option<Set>),
    /// What it had cut by then, its ticks, and what it passes over.
    Tails {
        base: Set,
        cut: u8,
        last_tick: u8,
    },
}

impl Tailing {
    pub fn of(setting: Setting) -> Tailing {
        let script = &setting.script;
        let production = Production::new(script, setting.off);
        let needs = script.all_needs();
        let mut streams = HashMap::new();
        let changes = script.changes();
        for other in [false, true] {
            for base in 0..=script.all() {
                let order = script.order(other).into_iter().filter(|number| !has(base, *number));
                let of = |number| {
                    let numbered = (0u8..).zip(&changes);
                    numbered.filter(move |(_, (of, _))| *of == number).map(|(place, _)| place)
                };
                streams.insert((other, base), order.flat_map(of).collect());
            }
        }
        Tailing { production, needs, streams, setting }
    }

    pub fn off(&self, mechanism: Mechanism) -> bool {
        self.setting.off == Some(mechanism)
    }

    pub fn script(&self) -> &Script {
        &self.setting.script
    }

    /// The changes after `base`, in the order of the present server.
    pub fn stream(&self, state: &State, base: Set) -> &[u8] {
        &self.streams[&(state.other_server, base)]
    }

    /// The transactions that are in the binlog.
    pub fn published(&self, state: &State) -> Set {
        if !state.other_server {
            return first(state.published.into());
        }
        let order = self.script().order(true);
        order[..usize::from(state.published)].iter().map(|number| 1 << number).sum()
    }

    /// The transactions with a change among the first `count` of the stream after `base`; with `whole`, only those
    /// of which every change is.
    pub fn transactions(&self, state: &State, base: Set, count: u8, whole: bool) -> Set {
        let (inside, outside) = self.stream(state, base).split_at(count.into());
        let of = |changes: &[u8]| {
            changes.iter().fold(0, |set, change| set | 1 << self.production.transaction_of((*change).into()))
        };
        let begun: Set = of(inside);
        if whole { begun & !of(outside) } else { begun }
    }

    /// Whether a transaction ends after so many changes of the stream.
    pub fn is_boundary(&self, state: &State, base: Set, count: u8) -> bool {
        self.transactions(state, base, count, true) == self.transactions(state, base, count, false)
    }

    /// Whether a tail may be opened from what the store holds.
    pub fn is_reopened(&self) -> bool {
        self.setting.restarts > 0 || self.setting.skips
    }

    /// Whether journaling and sending are steps of their own.
    pub fn in_steps(&self) -> bool {
        self.is_reopened() || self.setting.losses > 0 || self.off(Mechanism::JournalFirst)
    }
}
