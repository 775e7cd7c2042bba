//! The log of what re-copies touched: one JSON line an item, with its keys and without its values.

use super::lines;
use crate::clock::{Clock, SteadyClock};
use crate::model::{Mapping, Value};
use crate::pipeline::jobs::{Touch, Touched};
use crate::verify::key_text;
use serde::Serialize;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The log's name in `state_dir`.
pub const FILE: &str = "recopy.jsonl";

/// The log, opened for each note. Only the process that has the state writes it.
pub struct TouchedFile {
    path: PathBuf,
    clock: SteadyClock,
    /// Notes are written one after the other.
    writing: Mutex<()>,
}

/// One line. A field may be added, none changes its meaning.
#[derive(Serialize)]
struct Line<'a> {
    /// Milliseconds since 1970.
    at_ms: u64,
    mapping: &'a str,
    /// `table/family`.
    target: &'a str,
    /// List and item key, as columns and values.
    item: &'a str,
    /// In hexadecimal.
    row: String,
    /// The qualifier of its cell, in the wide layout.
    cell: Option<String>,
    what: &'static str,
    tick: Option<u64>,
}

impl TouchedFile {
    pub fn of(state_dir: &Path) -> TouchedFile {
        TouchedFile { path: state_dir.join(FILE), clock: SteadyClock::start(), writing: Mutex::new(()) }
    }
}

impl Touched for TouchedFile {
    fn name(&self, mapping: &Mapping, key: &[Value], item: &[Value]) -> String {
        key_text(mapping, key, item)
    }

    fn note(&self, mapping: &str, target: &str, touches: &[Touch]) -> io::Result<()> {
        let mut lines = Vec::new();
        for touch in touches {
            let line = Line {
                at_ms: self.clock.now_ms(),
                mapping,
                target,
                item: &touch.name,
                row: hex::encode(&touch.address.row),
                cell: touch.address.cell.as_ref().map(hex::encode),
                what: touch.what.name(),
                tick: touch.tick.map(|tick| tick.0),
            };
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
        let _one_at_a_time = self.writing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut file = lines::open(&self.path)?;
        file.write_all(&lines)?;
        file.sync_data()
    }
}
