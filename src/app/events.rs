//! The event log of a run: what happened to it, for people and for other programs.
//!
//! An event is a log record with a field `event`. Each is one line of JSON in `state_dir/events.jsonl`: `at` (RFC 3339, UTC),
//! `event`, `words`, and what else it is about (`mapping`, `table`, `by`, `reason` ...). The file is bounded: at
//! [`BYTES_MAX`] it becomes `events.jsonl.1`, and the one before goes. Whether TAILFILL_LOG shows the record does not
//! matter.

use super::lines;
use crate::admin::EVENTS_FILE;
use crate::clock::{Clock, SteadyClock};
use crate::model::DateTime;
use serde_json::{Map, Value as Json};
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The size at which a file is put aside.
const BYTES_MAX: u64 = 4 << 20;
/// The field that makes a log record an event.
const FIELD: &str = "event";

/// The log of this process, once a run has its state.
static LOG: OnceLock<Mutex<Log>> = OnceLock::new();

/// From now on events of this process are written to `state_dir`. A process has one state.
///
/// # Errors
/// The file cannot be opened.
pub fn begin(state_dir: &Path) -> io::Result<()> {
    let log = Log::open(state_dir.join(EVENTS_FILE), BYTES_MAX)?;
    _ = LOG.set(Mutex::new(log));
    Ok(())
}

/// The layer that writes events.
pub fn layer<S: Subscriber + for<'span> LookupSpan<'span>>() -> impl Layer<S> {
    // decided once for each place in the code
    Events.with_filter(filter_fn(|record| record.fields().field(FIELD).is_some()))
}

struct Events;

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(log) = LOG.get() else { return };
        let mut line = Line::default();
        event.record(&mut line);
        // a log that cannot be written is no reason to end a run: the store notices a full disk
        _ = log.lock().unwrap_or_else(PoisonError::into_inner).write(SteadyClock::start().now_micros(), line);
    }
}

/// What a record is about.
#[derive(Default)]
struct Line {
    event: Json,
    words: Json,
    more: Map<String, Json>,
}

impl Line {
    fn take(&mut self, field: &Field, value: Json) {
        match field.name() {
            FIELD => self.event = value,
            "message" => self.words = value,
            name => _ = self.more.insert(name.to_owned(), value),
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}").into());
    }
}

/// A file that is put aside when it is full.
struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Log {
    fn open(path: PathBuf, bytes_max: u64) -> io::Result<Log> {
        let file = lines::open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Log { path, file, bytes, bytes_max })
    }

    fn write(&mut self, at_micros: u64, line: Line) -> io::Result<()> {
        let mut object = Map::new();
        let at = DateTime::from_micros_since_epoch(i64::try_from(at_micros).unwrap_or(i64::MAX));
        object.insert("at".into(), at.rfc3339().into());
        object.insert(FIELD.into(), line.event);
        object.insert("words".into(), line.words);
        object.extend(line.more);
        let mut bytes = serde_json::to_vec(&object)?;
        bytes.push(b'\n');
        if self.bytes > 0 && self.bytes + bytes.len() as u64 > self.bytes_max {
            std::fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
            *self = Log::open(self.path.clone(), self.bytes_max)?;
        }
        self.file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str, words: &str) -> Line {
        Line { event: event.into(), words: words.into(), more: Map::from_iter([("by".into(), "ann".into())]) }
    }

    #[test]
    fn a_line_is_an_object_and_a_full_file_is_put_aside() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(EVENTS_FILE);
        let mut log = Log::open(path.clone(), 200).expect("it opens");
        log.write(1_700_000_000_123_000, line("paused", "the tail is paused")).expect("it writes");
        let written = std::fs::read_to_string(&path).expect("it is there");
        assert_eq!(
            written,
            "{\"at\":\"2023-11-14T22:13:20.123Z\",\"event\":\"paused\",\"words\":\"the tail is paused\",\"by\":\"ann\"}\n"
        );
        let mut log = Log::open(path.clone(), 200).expect("it opens again");
        for _ in 0..5 {
            log.write(0, line("resumed", "the tail is running")).expect("it writes");
        }
        let aside = std::fs::read_to_string(path.with_extension("jsonl.1")).expect("it was put aside");
        let now = std::fs::read_to_string(&path).expect("it is there");
        assert!(aside.len() <= 200 && now.len() <= 200, "{aside}{now}");
        assert!(
            !aside.contains("paused") && aside.contains("resumed"),
            "the oldest file is gone: {aside}{now}"
        );
    }
}
