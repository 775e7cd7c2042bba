//! The small worlds.

use super::{Event, Setting};
use crate::model::mechanism::Mechanism;

const fn alter(layout: u8) -> Event {
    Event::Alter { layout, converts: false }
}

const fn convert(layout: u8) -> Event {
    Event::Alter { layout, converts: true }
}

use Event::{Row, Truncate, Unlogged};

pub fn of(mechanism: Mechanism) -> Option<Setting> {
    let world = |script: &[Event], reconnects, kills| {
        Some(Setting { script: script.to_vec(), reconnects, kills, ..Setting::default() })
    };
    match mechanism {
        Mechanism::DefinitionByPosition => world(&[Row, alter(1)], 1, 0),
        Mechanism::DefinitionAfterCommit => world(&[alter(1), Row], 0, 0),
        Mechanism::DefinitionLookedAhead => world(&[alter(1), Row, alter(2)], 0, 0),
        Mechanism::DefinitionBeforeRows => world(&[alter(1), Row], 0, 1),
        Mechanism::BytesOfBoth => world(&[Row, convert(1)], 0, 0),
        Mechanism::ParkingStored => world(&[Row, convert(1), Row], 0, 1),
        Mechanism::WireChecked => world(&[Unlogged { layout: 10 }, Row], 0, 0),
        Mechanism::PassedAltersCount => world(&[Truncate, alter(1), Row], 0, 0),
        Mechanism::MarkAfterEntry => world(&[Truncate, Row], 0, 0),
        _ => None,
    }
}

/// Worlds with several ALTERs, connections that break, kills and re-copies.
pub fn large() -> Vec<Setting> {
    let world = |name, script: &[Event], reconnects, kills| Setting {
        name,
        script: script.to_vec(),
        reconnects,
        kills,
        off: None,
    };
    vec![
        world("columns move twice", &[Row, alter(1), Row, alter(2), Row], 2, 1),
        world("there and back", &[Row, convert(1), Row, convert(0), Row], 1, 1),
        world("a truncate among alters", &[Row, alter(1), Truncate, alter(2), Row], 1, 1),
        world("not logged", &[Row, Unlogged { layout: 10 }, Row, alter(11), Row], 1, 1),
        world("one after the other", &[alter(1), Row, convert(2), Row, Truncate, Row], 0, 1),
    ]
}
