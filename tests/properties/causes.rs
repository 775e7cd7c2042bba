//! The table of causes by checks (`tailfill::model::causes`) on the page of verification. tests/live/causes plants each cause.

use std::fmt::Write;
use tailfill::model::causes::{BEYOND, CAUSES, Check, Sees};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify.md");
/// What the part begins with that is made, and what follows it.
const BEGIN: &str = "<!-- made of src/model/causes.rs -->\n";
const END: &str = "<!-- end -->\n";

/// The part that the table makes.
fn table() -> String {
    let checks = Check::ALL.map(|check| format!("`{}`", check.name())).join(" | ");
    let mut table =
        format!("| cause | {checks} | `--repair` |\n|---|{}---|\n", "---|".repeat(Check::ALL.len()));
    for cause in CAUSES {
        let sees = cause.sees.map(Sees::words).join(" | ");
        // where a full comparison sees nothing, there is nothing to repair
        let repaired = match (cause.sees[0], cause.repaired) {
            (Sees::No, _) => "",
            (_, true) => "yes",
            (_, false) => "no",
        };
        let _ = writeln!(table, "| {} | {sees} | {repaired} |", cause.name);
    }
    format!("{table}\n{}\n", wrapped(BEYOND))
}

/// In lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is one");
        match last.len() + 1 + word.len() {
            _ if last.is_empty() => last.push_str(word),
            length if length <= 100 => _ = write!(last, " {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// With `TAILFILL_WRITE_PAGES` set, writes it.
#[test]
fn the_page_of_verification_has_the_table_of_causes() {
    let page = std::fs::read_to_string(PAGE).expect("it can be read");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the part");
    let (there, after) = rest.split_once(END).expect("the part has an end");
    if std::env::var_os("TAILFILL_WRITE_PAGES").is_some() {
        std::fs::write(PAGE, [before, BEGIN, &table(), END, after].concat()).expect("it can be written");
        return;
    }
    assert!(
        there == table(),
        "docs/verify.md is not what src/model/causes.rs makes: run this with TAILFILL_WRITE_PAGES=1"
    );
}
