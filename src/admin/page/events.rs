//! What happened to the run: the newest lines of its event log.

use super::super::files;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::path::Path;

/// How much of the log is read, and how many events are shown.
const BYTES_MAX: u64 = 16 << 10;
const SHOWN_MAX: usize = 20;

/// A line of the log.
#[derive(Debug, Deserialize)]
pub struct Happened {
    at: String,
    event: String,
    words: String,
    #[serde(flatten)]
    more: Map<String, Json>,
}

/// Newest first; none where the log cannot be read.
pub fn newest(log: &Path) -> Vec<Happened> {
    let lines = files::newest_lines(log, BYTES_MAX).unwrap_or_default();
    read(&String::from_utf8_lossy(&lines))
}

/// Newest first. A line that is no event is left out.
pub fn read(lines: &str) -> Vec<Happened> {
    lines.lines().rev().filter_map(|line| serde_json::from_str(line).ok()).take(SHOWN_MAX).collect()
}

/// The section.
pub fn section(events: &[Happened]) -> Markup {
    html! {
        section #events aria-labelledby="events-title" {
            h2 #events-title { "Events" }
            @if events.is_empty() { p.quiet { "Nothing has happened to this run yet." } }
            @else { ol.events { @for event in events { (one(event)) } } }
        }
    }
}

fn one(event: &Happened) -> Markup {
    let more = event.more.iter().map(|(name, value)| (name, plain(value)));
    let more: Vec<(&String, String)> = more.filter(|(_, value)| !value.is_empty()).collect();
    html! {
        li {
            time datetime=(event.at) { (to_the_second(&event.at)) }
            span.event-name { (event.event.replace('_', " ")) }
            span.event-words {
                (event.words)
                @for (name, value) in more { " " span.quiet { (name.replace('_', " ")) ": " (value) } }
            }
        }
    }
}

/// `2026-11-29T03:12:45.123Z` as `2026-11-29 03:12:45 UTC`; anything else as it is.
fn to_the_second(at: &str) -> String {
    match (at.get(..10), at.get(10..11), at.get(11..19), at.ends_with('Z')) {
        (Some(day), Some("T"), Some(time), true) => format!("{day} {time} UTC"),
        _ => at.to_owned(),
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_newest_first_and_broken_lines_are_left_out() {
        let line = |event| {
            format!(r#"{{"at":"2026-11-29T03:12:45.123Z","event":"{event}","words":"w","by":"ann"}}"#)
        };
        let events = read(&format!("{}\nhal\n{}\n", line("paused"), line("resumed")));
        let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
        assert_eq!(names, ["resumed", "paused"]);
        let shown = section(&events).into_string();
        assert!(shown.contains("2026-11-29 03:12:45 UTC") && shown.contains("by: ann"), "{shown}");
        assert_eq!(to_the_second("ü"), "ü");
    }
}
