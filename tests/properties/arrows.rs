//! The arrows between rooms, and between files: who may use whom.

use super::imports::{Name, Tree, code, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Rooms in layers, the highest first: a room may use any room of a lower layer, and no other of its own.
const LAYERS: [&[&str]; 8] = [
    &["main"],
    &["cli"],
    &["app"],
    &["config", "admin"],
    &["pipeline", "verify"],
    &["protocol"],
    &["compare"],
    &["source", "sink", "lock", "store"],
];

/// Below all layers: any room may use these, and they use nothing but `model` and each other.
const GROUND: [&str; 10] = [
    "model",
    "advice",
    "clock",
    "error",
    "failpoints",
    "invariants",
    "isolation",
    "retry",
    "signal",
    "status",
];

/// The rooms of the pipeline in layers, the highest first.
const PIPELINE: [&[&str]; 11] = [
    &["run"],
    &["recopy"],
    &["backfill", "apply"],
    &["tail"],
    &["counts"],
    &["life"],
    &["copies"],
    &["parts"],
    &["throttle"],
    &["jobs"],
    &["progress"],
];

/// The edge's error type: it knows the errors of every room, and only the edge uses it.
const EDGE: &str = "failure";
const EDGE_USERS: [&str; 5] = ["main", "cli", "app", "failure", "admin"];

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

/// The room at a depth of a file's place.
fn room(name: &str, depth: usize) -> String {
    name.split('/').nth(depth).unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// The rooms named after `before` in code.
fn used(code: &str, before: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices(before) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + before.len()..];
        rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
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

/// Every file of `src` by its place there, as code; tests among it.
pub fn files() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let read = |file: &std::path::PathBuf| {
        let name = file.strip_prefix(&src).expect("below src").display().to_string();
        (name, code(&std::fs::read_to_string(file).expect("readable")))
    };
    files.iter().map(read).collect()
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let files = files();
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, code) in &files {
        let from = room(name, 0);
        if from == "lib" {
            continue;
        }
        let used = used(code, "crate::").into_iter().filter(|to| !allowed(&from, to));
        used.for_each(|to| wrong.entry(name).or_default().push(to));
    }
    assert!(wrong.is_empty(), "arrows that point up or sideways: {wrong:#?}");
    assert!(files.len() > 50, "the walk found the sources");
}

#[test]
fn rooms_of_the_pipeline_use_only_rooms_below_them() {
    let place = |room: &str| PIPELINE.iter().position(|rooms| rooms.contains(&room));
    let mut wrong = Vec::new();
    for (name, code) in files().iter().filter(|(name, _)| name.starts_with("pipeline/")) {
        let from = room(name, 1);
        if from == "mod" {
            continue;
        }
        assert!(place(&from).is_some(), "{name}: not a room that the table knows");
        let goes_down = |to: &String| *to == from || place(to).is_some_and(|to| place(&from) < Some(to));
        let used = used(code, "crate::pipeline::").into_iter().filter(|to| !goes_down(to));
        wrong.extend(used.map(|to| format!("{name} -> {to}")));
    }
    assert!(wrong.is_empty(), "arrows that point up or sideways: {wrong:#?}");
}

#[test]
fn every_room_that_the_tables_know_exists() {
    let files = files();
    let of = |depth: usize| files.iter().map(move |(name, _)| room(name, depth)).collect::<BTreeSet<_>>();
    let (all, inner) = (of(0), of(1));
    for known in LAYERS.iter().copied().flatten().chain(&GROUND).chain(&EDGE_USERS) {
        assert!(all.contains(*known), "{known}");
    }
    assert!(PIPELINE.iter().copied().flatten().all(|known| inner.contains(*known)));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(tree.len() > 250, "the walk found the sources");
    let arrows = tree.arrows();
    assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 1_000, "the walk found the imports");
    let circles = circles(&arrows);
    assert!(circles.is_empty(), "files that import each other in a circle: {circles:#?}");
}

/// What is left when every file goes that imports nothing that is left, or that nothing left imports.
fn circles(arrows: &BTreeMap<Name, BTreeSet<Name>>) -> Vec<String> {
    let mut left: BTreeSet<&Name> = arrows.keys().collect();
    loop {
        let imports = |file: &&Name| arrows[*file].iter().any(|to| left.contains(to));
        let is_imported = |file: &&Name| left.iter().any(|from| arrows[*from].contains(*file));
        let next: BTreeSet<&Name> =
            left.iter().copied().filter(|file| imports(file) && is_imported(file)).collect();
        if next.len() == left.len() {
            break;
        }
        left = next;
    }
    let shown = |from: &&Name| {
        let to: Vec<String> =
            arrows[*from].iter().filter(|to| left.contains(to)).map(|to| to.join("::")).collect();
        format!("{} -> {}", from.join("::"), to.join(", "))
    };
    left.iter().map(shown).collect()
}

#[test]
fn a_circle_is_found_and_what_hangs_on_it_is_not() {
    let name = |text: &str| vec![text.to_owned()];
    let arrows = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")];
    let mut all: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (from, to) in arrows {
        all.entry(name(to)).or_default();
        all.entry(name(from)).or_default().insert(name(to));
    }
    assert_eq!(circles(&all), ["b -> c", "c -> b"]);
}

#[test]
fn the_rule_refuses_what_it_must() {
    for (from, to) in [("sink", "protocol"), ("sink", "source"), ("pipeline", "config"), ("model", "sink")] {
        assert!(!allowed(from, to), "{from} -> {to}");
    }
    for (from, to) in [("pipeline", "source"), ("cli", "app"), ("store", "model"), ("app", "pipeline")] {
        assert!(allowed(from, to), "{from} -> {to}");
    }
    assert_eq!(used("use crate::sink::x; let a = $crate::y; crate::model::Z", "crate::"), ["sink", "model"]);
}
