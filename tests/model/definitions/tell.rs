//! The steps in sentences.

use super::{Defining, Event, Proof, Recopy, State, Step};

impl Defining {
    pub(super) fn say(&self, before: &State, step: Step) -> String {
        match step {
            Step::Publish => {
                format!("{} is in the binlog, and not committed.", self.say_event(before.published))
            }
            Step::Commit => format!("The engine commits event {}.", before.committed + 1),
            Step::StartGoesOn => {
                format!("The first start {}.", self.say_proof(before, before.start.expect("it starts")))
            }
            Step::ReadEvent => self.say_read(before),
            Step::AlterGoesOn => {
                format!("The tail {}.", self.say_proof(before, before.alter.expect("it asks")))
            }
            Step::Checkpoint => format!("The checkpoint moves behind event {}.", before.read),
            Step::Store => "The history is stored.".to_owned(),
            Step::Reconnect => "The tail's connection is cut, and it connects again.".to_owned(),
            Step::Kill => {
                format!("The process is killed. The next one goes on behind event {}.", before.checkpoint)
            }
            Step::RecopyBegins => "A re-copy of the parked target begins.".to_owned(),
            Step::RecopyGoesOn => match before.recopy {
                Recopy::Proves(proof) => format!("The re-copy {}.", self.say_proof(before, proof)),
                _ => String::new(),
            },
            Step::TakeMark => {
                format!("The re-copy takes a mark: everything up to event {} lies below.", before.read)
            }
            Step::Select => format!(
                "The mark is safe. The re-copy SELECTs after event {}, compares and mends; the target is no longer parked.",
                before.committed
            ),
        }
    }

    fn say_event(&self, place: u8) -> String {
        let what = match self.event(place) {
            Event::Row => format!("a row, under layout {}", self.layout_after(place)),
            Event::Alter { layout, converts: false } => format!("an ALTER to layout {layout}"),
            Event::Alter { layout, converts: true } => {
                format!("an ALTER to layout {layout} that converts the rows")
            }
            Event::Truncate => "a TRUNCATE".to_owned(),
            Event::Unlogged { layout } => {
                format!("nothing, but an ALTER to layout {layout} that is not logged")
            }
        };
        format!("Event {} ({what})", place + 1)
    }

    fn say_read(&self, before: &State) -> String {
        let place = before.read;
        let mut after = Vec::new();
        self.steps(before, &mut after);
        let state = after.into_iter().find(|(step, _)| *step == Step::ReadEvent).map(|(_, state)| state);
        let parks = state.is_some_and(|state| state.parked && !before.parked);
        let rest = match self.event(place) {
            _ if parks => " and parks the target",
            Event::Row if before.parked => " and leaves it out",
            Event::Alter { .. } | Event::Truncate if before.parked => ", which is parked",
            _ => "",
        };
        format!("The tail reads event {}{rest}.", place + 1)
    }

    fn say_proof(&self, before: &State, proof: Proof) -> String {
        match proof {
            Proof::Wanted => format!("sees what is committed: {} events", before.committed),
            Proof::Based { .. } => {
                format!("reads the table's definition: layout {}", self.layout_after(before.committed))
            }
            Proof::Read { .. } => format!("reads the binlog's head: {} events", before.published),
            Proof::Ahead { base, head, layout } if self.is_unclear(base, head) => {
                format!(
                    "looks ahead and finds another statement: layout {layout} may be of before or after it"
                )
            }
            Proof::Ahead { base, layout, .. } => {
                format!("looks ahead and judges layout {layout} for what comes after event {base}")
            }
        }
    }
}
