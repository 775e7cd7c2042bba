//! What tailfill takes of the disk in a round.

use crate::support::scenario::Scenario;
use serde_json::{Value as Json, json};
use std::path::Path;

/// Where an event log is put aside (docs/monitoring.md).
const EVENTS_BYTES_MAX: u64 = 4 << 20;

/// Bytes of files at the end of a round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Footprint {
    /// What all commands of the round have printed.
    pub log: u64,
    pub events: u64,
    pub events_aside: u64,
    pub state_file: u64,
    pub recopy_log: u64,
}

impl Footprint {
    pub fn of(scenario: &Scenario) -> Footprint {
        let state = scenario.dir().join("state");
        let entries = std::fs::read_dir(scenario.dir()).expect("the scenario has a folder").flatten();
        let printed = entries.map(|entry| entry.path()).filter(|path| is_printed(path));
        Footprint {
            log: printed.map(|path| bytes(&path)).sum(),
            events: bytes(&state.join("events.jsonl")),
            events_aside: bytes(&state.join("events.jsonl.1")),
            state_file: bytes(&state.join("state.redb")),
            recopy_log: bytes(&state.join("recopy.jsonl")),
        }
    }

    pub fn json(&self) -> Json {
        json!({
            "log": self.log,
            "events": self.events,
            "events_aside": self.events_aside,
            "state_file": self.state_file,
            "recopy_log": self.recopy_log,
        })
    }

    /// What is larger than it may be, or missing.
    pub fn wrong(&self) -> Option<String> {
        let is_right = (1..=EVENTS_BYTES_MAX).contains(&self.events)
            && self.events_aside <= EVENTS_BYTES_MAX
            && self.state_file > 0;
        (!is_right).then(|| format!("files of the state have wrong sizes: {self:?}"))
    }
}

fn is_printed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "out" || extension == "err")
}

/// 0: it is not there.
fn bytes(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}
