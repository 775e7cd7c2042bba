//! All advice stands in one room, and each piece of it is performed by a test.

use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => rust_files(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

/// What only advice has: a command in backquotes, or a flag that somebody is to type.
const COMMANDS: [&str; 6] =
    ["`tailfill ", "--accept-gap", "--adopt", "--yes", "without --from", "with `--from"];

/// Lines of a source file, without tests and comments, that hold a command to type.
fn commands(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.filter(|line| COMMANDS.iter().any(|command| line.contains(command))).collect()
}

#[test]
fn advice_stands_in_its_room_alone() {
    let src = root().join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    // what a flag is called is said where flags are read
    let elsewhere = |file: &&PathBuf| {
        let is_test = file.to_string_lossy().ends_with("tests.rs");
        !file.ends_with("src/advice.rs")
            && !file.starts_with(src.join("advice"))
            && !file.starts_with(src.join("cli"))
            && !is_test
    };
    let mut found = Vec::new();
    for file in files.iter().filter(elsewhere) {
        let text = std::fs::read_to_string(file).expect("readable");
        let name = file.strip_prefix(&src).expect("below src").display().to_string();
        found.extend(commands(&text).into_iter().map(|line| format!("{name}: {}", line.trim())));
    }
    assert!(found.is_empty(), "move these to src/advice.rs:\n{}", found.join("\n"));
}

/// The public functions of the room, each with the text of its docstring.
fn pieces(text: &str) -> Vec<(String, String)> {
    let mut doc = String::new();
    let mut pieces = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("///"), line.strip_prefix("pub fn ")) {
            (Some(said), _) => doc += said,
            (_, Some(function)) => {
                let name = function.split(['(', '<']).next().unwrap_or_default();
                pieces.push((name.to_owned(), std::mem::take(&mut doc)));
            }
            _ => doc.clear(),
        }
    }
    pieces
}

/// Whether `live::a::b::name` is a test.
fn is_test(path: &str) -> bool {
    let Some((module, name)) = path.rsplit_once("::") else { return false };
    let file = root().join("tests").join(module.replace("::", "/"));
    let text = std::fs::read_to_string(file.with_extension("rs")).unwrap_or_default();
    text.contains(&format!("fn {name}()"))
}

#[test]
fn each_piece_of_advice_is_performed_by_a_test() {
    let mut files = vec![root().join("src/advice.rs")];
    rust_files(&root().join("src/advice"), &mut files);
    let read = |file: &PathBuf| pieces(&std::fs::read_to_string(file).expect("readable"));
    let pieces: Vec<_> = files.iter().flat_map(read).collect();
    assert!(pieces.len() > 15, "the room was read");
    for (name, doc) in pieces {
        let tests = doc.split("Performed by").nth(1).unwrap_or_default();
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{name} names no test that performs it");
        for test in tests {
            assert!(is_test(test), "{name} names {test}, which is no test");
        }
    }
}

#[test]
fn the_rules_find_what_they_must() {
    let text = "// `tailfill run`\nlet help = \"`tailfill init`\";\n#[cfg(test)]\n\"--yes\"";
    assert_eq!(commands(text), ["let help = \"`tailfill init`\";"]);
    assert_eq!(pieces("/// A.\n/// Performed by `x`.\npub fn f<'a>(").len(), 1);
    assert!(!is_test("live::run::advice::no_such_test"));
}
