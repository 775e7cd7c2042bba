//! Every state that can be reached, breadth first: so the first way to a wrong one is a shortest.

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// A small world: what can be next, and what must never be.
pub trait World {
    type State: Clone + Eq + Hash;
    type Step: Clone;

    fn begin(&self) -> Self::State;

    /// Appends everything that can happen next.
    fn next(&self, state: &Self::State, next: &mut Vec<(Self::Step, Self::State)>);

    /// What is wrong with a state, in a sentence.
    fn wrong(&self, state: &Self::State) -> Option<String>;

    /// Whether everything is done.
    fn is_over(&self, state: &Self::State) -> bool;

    /// The step in a sentence. `before`: the state that it was made in.
    fn tell(&self, before: &Self::State, step: Self::Step) -> String;
}

/// What an exploration found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The way to the first wrong state, and last what is wrong with it.
    pub story: Option<Vec<String>>,
    pub states: usize,
    /// States in which everything is done.
    pub ends: usize,
}

/// Looks at every state that can be reached, up to the first wrong one.
pub fn explore<W: World>(world: &W) -> Found {
    let mut seen = Seen { states: Vec::new(), came_from: Vec::new(), places: HashTable::new() };
    seen.add(world.begin(), 0);
    let (mut at, mut ends, mut next) = (0, 0, Vec::new());
    while at < seen.states.len() {
        let state = seen.states[at].clone();
        if let Some(wrong) = world.wrong(&state) {
            let mut story = seen.way_to(world, at);
            story.push(wrong);
            return Found { story: Some(story), states: seen.states.len(), ends };
        }
        ends += usize::from(world.is_over(&state));
        world.next(&state, &mut next);
        for (_, after) in next.drain(..) {
            seen.add(after, at);
        }
        at += 1;
    }
    Found { story: None, states: seen.states.len(), ends }
}

struct Seen<S> {
    states: Vec<S>,
    came_from: Vec<u32>,
    /// Places in `states`, by the hash of the state.
    places: HashTable<u32>,
}

fn hash_of(state: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    state.hash(&mut hasher);
    hasher.finish()
}

impl<S: Clone + Eq + Hash> Seen<S> {
    fn add(&mut self, state: S, from: usize) {
        let hash = hash_of(&state);
        let states = &self.states;
        if self.places.find(hash, |place| states[*place as usize] == state).is_some() {
            return;
        }
        let place = u32::try_from(states.len()).expect("a small world");
        self.places.insert_unique(hash, place, |place| hash_of(&states[*place as usize]));
        self.states.push(state);
        self.came_from.push(u32::try_from(from).expect("a small world"));
    }

    fn way_to<W: World<State = S>>(&self, world: &W, mut at: usize) -> Vec<String> {
        let mut story = Vec::new();
        let mut next = Vec::new();
        while at != 0 {
            let from = self.came_from[at] as usize;
            let before = &self.states[from];
            world.next(before, &mut next);
            let step = next.drain(..).find(|(_, after)| *after == self.states[at]);
            let (step, _) = step.expect("it was reached by a step from there");
            story.push(world.tell(before, step));
            at = from;
        }
        story.reverse();
        story
    }
}
