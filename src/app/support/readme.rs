//! What is in a bundle, what is not, and what its owner should read before it leaves the house.

use super::contents::Bundle;
use crate::advice;
use crate::model::DateTime;
use std::fmt::Write as _;

/// What no bundle holds, and why.
const NEVER: [(&str, &str); 3] = [
    ("state.redb", "the state itself: its journal holds values of rows"),
    ("recopy.jsonl", "the items that re-copies changed, with their keys"),
    ("passwords", "nor users in URLs, private keys and the token of a run"),
];

/// What a person decides about, and not tailfill.
const READ_FIRST: &str = "
Read it before you send it. It names hosts, databases, tables, columns, files and accounts. The
events, the status and the log may name keys of lists and items: where a row parked a target, or a
list is waited for. They hold what people wrote as --reason, and the SELECTs of throttle.query and of
queries (`sql`). No value of another column is in it, unless you added a log that was written with
TAILFILL_LOG=trace.
";

/// The text of README.txt: who and when, an empty line, and then the contents.
pub fn text(bundle: &Bundle, at_ms: u64) -> String {
    let at = DateTime::from_ms_since_epoch(at_ms).in_seconds();
    let mut text = format!(
        "A support bundle of tailfill {}, made at {at}. The run {}.\n\n",
        env!("CARGO_PKG_VERSION"),
        bundle.run
    );
    line(&mut text, "README.txt", "this list");
    for piece in &bundle.pieces {
        line(&mut text, piece.name, &format!("{} ({} bytes)", piece.what, piece.text.len()));
    }
    text += "\nnot in it:\n";
    bundle.left_out.iter().for_each(|(name, reason)| line(&mut text, name, reason));
    line(&mut text, "check", advice::add_check());
    NEVER.iter().for_each(|(name, reason)| line(&mut text, name, reason));
    if !bundle.unread.is_empty() {
        let places = bundle.unread.join(", ");
        let _ = writeln!(
            text,
            "\nNot searched for, because tailfill cannot read it here: the password in {places}."
        );
    }
    text + READ_FIRST
}

fn line(text: &mut String, name: &str, words: &str) {
    let _ = writeln!(text, "  {name:<18}{words}"); // a String takes everything
}
