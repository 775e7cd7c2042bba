//! The arrows between the rooms (DESIGN section 9): who may use whom.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms in layers, the highest first: a room may use any room of a lower layer, and no other of its own.
const LAYERS: [&[&str]; 7] = [
    &["main"],
    &["cli"],
    &["app"],
    &["config", "admin"],
    &["pipeline", "verify", "switch"],
    &["protocol"],
    &["source", "sink", "lock", "store"],
];

/// Below all layers: any room may use these, and they use nothing but `model` and each other.
const GROUND: [&str; 11] = [
    "model",
    "advice",
    "clock",
    "error",
    "failpoints",
    "invariants",
    "isolation",
    "signal",
    "metrics",
    "shutdown",
    "status",
];

/// The edge's error type: it knows the errors of every room, and only the edge uses it.
const EDGE: &str = "failure";
const EDGE_USERS: [&str; 5] = ["main", "cli", "app", "failure", "admin"];

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("src is readable");
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn room(path: &Path, src: &Path) -> String {
    let first = path.strip_prefix(src).expect("below src").components().next().expect("a name");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The rooms named after `crate::` in a file, comments left out.
fn used(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = &line[at + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            rooms.push(name);
        }
    }
    rooms
}

fn allowed(from: &str, to: &str) -> bool {
    if from == to || GROUND.contains(&to) {
        return true;
    }
    if to == EDGE || from == EDGE {
        return EDGE_USERS.contains(&from);
    }
    match (layer(from), layer(to)) {
        (Some(from), Some(to)) => from < to,
        _ => false,
    }
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in &files {
        let from = room(file, &src);
        if from == "lib" || file.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(file).expect("readable");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for to in used(text) {
            if !allowed(&from, &to) {
                let name = file.strip_prefix(&src).expect("below src").display().to_string();
                wrong.entry(name).or_default().push(to);
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up or sideways: {wrong:#?}");
    assert!(files.len() > 50, "the walk found the sources");
}

#[test]
fn the_rule_refuses_what_it_must() {
    for (from, to) in [("sink", "protocol"), ("sink", "source"), ("pipeline", "config"), ("model", "sink")] {
        assert!(!allowed(from, to), "{from} -> {to}");
    }
    for (from, to) in [("pipeline", "source"), ("cli", "app"), ("store", "model"), ("app", "pipeline")] {
        assert!(allowed(from, to), "{from} -> {to}");
    }
    assert_eq!(used("use crate::sink::x; // no\nlet a = $crate::y; crate::model::Z"), ["sink", "model"]);
}
