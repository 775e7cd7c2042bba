//! What can be next.

use super::{ALIKE, Defining, Entry, Event, History, Next, Proof, Recopy, State, Step};
use crate::model::mechanism::Mechanism;

impl Defining {
    pub(super) fn steps(&self, state: &State, next: &mut Next) {
        self.mysql(state, next);
        if let Some(proof) = state.start {
            next.push((Step::StartGoesOn, self.start_goes_on(state, proof)));
            return;
        }
        self.tail(state, next);
        self.restarts(state, next);
        self.recopy(state, next);
    }

    fn mysql(&self, state: &State, next: &mut Next) {
        if state.published < self.events() {
            next.push((Step::Publish, State { published: state.published + 1, ..state.clone() }));
        }
        if state.committed < state.published {
            next.push((Step::Commit, State { committed: state.committed + 1, ..state.clone() }));
        }
    }

    /// A proof goes on by one question; `None`: it has no answer, or it is not time for it. `lowest`: the place that the
    /// definition is wanted for.
    fn asked(&self, state: &State, proof: Proof, lowest: u8) -> Option<Proof> {
        Some(match proof {
            Proof::Wanted if state.committed < lowest => {
                if !self.is_off(Mechanism::DefinitionAfterCommit) {
                    return None;
                }
                Proof::Based { base: lowest }
            }
            // an ALTER's own place, else what is committed by now
            Proof::Wanted => Proof::Based { base: if lowest == 0 { state.committed } else { lowest } },
            Proof::Based { base } => Proof::Read { base, layout: self.layout_after(state.committed) },
            Proof::Read { base, layout } => Proof::Ahead { base, layout, head: state.published },
            Proof::Ahead { .. } => return None,
        })
    }

    pub(super) fn is_unclear(&self, base: u8, head: u8) -> bool {
        !self.is_off(Mechanism::DefinitionLookedAhead) && self.is_altered_in(base, head)
    }

    fn start_goes_on(&self, state: &State, proof: Proof) -> State {
        let mut after = state.clone();
        if let Some(asked) = self.asked(state, proof, 0) {
            after.start = Some(asked);
            return after;
        }
        let Proof::Ahead { base, layout, head } = proof else { return after };
        if self.is_unclear(base, head) {
            after.start = Some(Proof::Wanted);
            return after;
        }
        (after.start, after.read, after.checkpoint) = (None, base, base);
        self.enter(&mut after, Entry { since: base, layout: Some(layout) });
        after.stored = after.history.clone();
        // the copy of what is there
        select(&mut after, base, self);
        after
    }

    fn enter(&self, state: &mut State, entry: Entry) {
        state.history.push(entry);
        if !self.is_off(Mechanism::DefinitionBeforeRows) {
            state.stored.push(entry);
        }
    }

    fn tail(&self, state: &State, next: &mut Next) {
        if let Some(proof) = state.alter {
            if let Some(after) = self.alter_goes_on(state, proof) {
                next.push((Step::AlterGoesOn, after));
            }
        } else if state.read < state.published {
            next.push((Step::ReadEvent, self.read_event(state)));
        }
        if state.checkpoint < state.read && state.alter.is_none() {
            next.push((Step::Checkpoint, State { checkpoint: state.read, ..state.clone() }));
        }
        if state.stored != state.history {
            next.push((Step::Store, State { stored: state.history.clone(), ..state.clone() }));
        }
    }

    fn read_event(&self, state: &State) -> State {
        let mut after = state.clone();
        let place = state.read;
        let holds = entry_at(&state.history, place);
        let written = !state.parked || matches!(state.recopy, Recopy::Joined | Recopy::Marked(_));
        after.read += 1;
        match (self.event(place), holds) {
            (Event::Row, Some(layout)) if written => self.decode(&mut after, place, layout),
            (Event::Row, _) | (Event::Unlogged { .. }, _) => {}
            (Event::Alter { .. } | Event::Truncate, None) => after.passed = after.read,
            (Event::Truncate, Some(_)) => self.park(&mut after),
            (Event::Alter { .. }, Some(_)) => (after.read, after.alter) = (place, Some(Proof::Wanted)),
        }
        after
    }

    fn decode(&self, state: &mut State, place: u8, layout: u8) {
        let under = self.layout_after(place);
        if layout / ALIKE != under / ALIKE && !self.is_off(Mechanism::WireChecked) {
            return self.park(state);
        }
        if layout != under {
            state.mistaken = Some((place, layout, under));
        }
        let row = &mut state.rows[usize::from(place)];
        *row = (*row).max(place + 1);
    }

    /// From the event that was just read on.
    fn park(&self, state: &mut State) {
        let entry = Entry { since: state.read, layout: None };
        state.history.push(entry);
        (state.parked, state.recopy, state.passed) = (true, Recopy::Idle, state.read);
        if !self.is_off(Mechanism::ParkingStored) {
            state.stored.clone_from(&state.history);
            state.parked_stored = true;
        }
    }

    fn alter_goes_on(&self, state: &State, proof: Proof) -> Option<State> {
        let behind = state.read + 1;
        if let Some(asked) = self.asked(state, proof, behind) {
            return Some(State { alter: Some(asked), ..state.clone() });
        }
        let Proof::Ahead { base, layout, head } = proof else { return None };
        let mut after = State { alter: None, read: behind, passed: behind, ..state.clone() };
        let converts = matches!(self.event(state.read), Event::Alter { converts: true, .. });
        let keeps_bytes = !converts || self.is_off(Mechanism::BytesOfBoth);
        if self.is_unclear(base, head) || !keeps_bytes {
            self.park(&mut after);
        } else {
            self.enter(&mut after, Entry { since: base, layout: Some(layout) });
        }
        Some(after)
    }

    fn restarts(&self, state: &State, next: &mut Next) {
        if state.reconnects > 0 {
            let mut after = State { reconnects: state.reconnects - 1, alter: None, ..state.clone() };
            self.connect(&mut after);
            next.push((Step::Reconnect, after));
        }
        if state.kills > 0 {
            let mut after = State {
                kills: state.kills - 1,
                alter: None,
                read: state.checkpoint,
                history: state.stored.clone(),
                parked: state.parked_stored,
                recopy: Recopy::Idle,
                passed: 0,
                ..state.clone()
            };
            self.connect(&mut after);
            next.push((Step::Kill, after));
        }
    }

    fn connect(&self, state: &mut State) {
        if self.is_off(Mechanism::DefinitionByPosition) && !state.parked {
            state.history =
                History::from_elem(Entry { since: 0, layout: Some(self.layout_after(state.committed)) }, 1);
            state.stored = state.history.clone();
        }
    }

    fn recopy(&self, state: &State, next: &mut Next) {
        match state.recopy {
            Recopy::Idle if state.parked => {
                let recopy = Recopy::Proves(Proof::Wanted);
                next.push((Step::RecopyBegins, State { recopy, ..state.clone() }));
            }
            Recopy::Idle => {}
            // the tail of a proof that is under way is parked: it waits for nothing
            Recopy::Proves(proof) => next.push((Step::RecopyGoesOn, self.recopy_goes_on(state, proof))),
            Recopy::Joined if state.alter.is_none() => {
                next.push((Step::TakeMark, State { recopy: Recopy::Marked(state.read), ..state.clone() }));
            }
            Recopy::Marked(below) if state.committed >= below && state.alter.is_none() => {
                let mut after = State { parked: false, parked_stored: false, ..state.clone() };
                after.recopy = Recopy::Idle;
                select(&mut after, state.committed, self);
                next.push((Step::Select, after));
            }
            Recopy::Joined | Recopy::Marked(_) => {}
        }
    }

    fn recopy_goes_on(&self, state: &State, proof: Proof) -> State {
        let mut after = state.clone();
        if let Some(asked) = self.asked(state, proof, 0) {
            after.recopy = Recopy::Proves(asked);
            return after;
        }
        let Proof::Ahead { base, layout, head } = proof else { return after };
        let has_passed = state.passed > base && !self.is_off(Mechanism::PassedAltersCount);
        if self.is_unclear(base, head) || has_passed {
            after.recopy = Recopy::Proves(Proof::Wanted);
            return after;
        }
        self.enter(&mut after, Entry { since: base, layout: Some(layout) });
        after.recopy = match self.is_off(Mechanism::MarkAfterEntry) {
            true => Recopy::Marked(base),
            false => Recopy::Joined,
        };
        after
    }
}

/// The layout that holds after so many events.
fn entry_at(history: &History, read: u8) -> Option<u8> {
    history.iter().rev().find(|entry| entry.since <= read)?.layout
}

/// A SELECT that shows `seen` events, and what it has made equal.
fn select(state: &mut State, seen: u8, world: &Defining) {
    for place in (0..seen).filter(|place| world.event(*place) == Event::Row) {
        let row = &mut state.rows[usize::from(place)];
        let lives = !(place..seen).any(|later| world.event(later) == Event::Truncate);
        // a delete at the mark; what comes later has a higher tick
        *row = if lives { (*row).max(seen) } else { 0 };
    }
}
