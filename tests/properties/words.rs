//! What the program prints names who acts, in the field's terms: the words that `scripts/prose.d` refuses on the pages stand
//! in no message either.

use super::advice::{root, rust_files};

const REFUSED: [&str; 13] = [
    "mend",
    "mends",
    "mended",
    "told",
    "said",
    "whoever",
    "looked at",
    "left alone",
    "asked of",
    "taken for",
    "gone on with",
    "of before",
    "for ever",
];

/// What may be text in a line: what stands in quotes; all of it where a text goes on from or to another line.
fn texts(line: &str) -> String {
    let quotes = line.matches('"').count();
    let inside = match quotes {
        quotes if quotes % 2 == 1 || line.ends_with('\\') => line.to_owned(),
        _ => line.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" . "),
    };
    // `{name}` is a value, and `a-name` one word
    let is_part = |c: char| c.is_alphanumeric() || "_-{}".contains(c);
    let words = inside.split(|c| !is_part(c)).filter(|word| !word.is_empty());
    format!(" {} ", words.collect::<Vec<_>>().join(" ").to_lowercase())
}

fn refused(line: &str) -> Option<&'static str> {
    let texts = texts(line);
    REFUSED.into_iter().find(|words| texts.contains(&format!(" {words} ")))
}

#[test]
fn no_message_hides_who_acts() {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !file.to_string_lossy().ends_with("tests.rs")) {
        let text = std::fs::read_to_string(file).expect("readable");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            wrong.extend(
                refused(line).map(|words| format!("{}: `{words}` in {}", file.display(), line.trim())),
            );
        }
    }
    assert!(wrong.is_empty(), "name who acts, and the field's term (STYLE.md):\n{}", wrong.join("\n"));
}

#[test]
fn the_rule_finds_what_it_must() {
    assert_eq!(refused(r#"format!("mend the table in {x}")"#), Some("mend"));
    assert_eq!(refused(r#"("all that was looked at", 1)"#), Some("looked at"));
    assert_eq!(refused(r#"mend("the command")"#), None, "a name is no message");
    assert_eq!(refused(r#""the amendment""#), None);
}
