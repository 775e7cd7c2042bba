//! How a source names transactions is its own business: all others see `Reached` and `TransactionId`.

use super::arrows::files;
use super::imports::has_word;

/// What only the source may name, or call.
const NAMES: [&str; 2] = ["GtidSet", "Gtid"];
const CALLS: [&str; 2] = [".gtids()", ".gtid()"];

/// Where these are declared.
const DECLARED: [&str; 2] = ["model/gtid.rs", "model/reached.rs"];

fn looks_into_positions(code: &str) -> bool {
    NAMES.iter().any(|name| has_word(code, name)) || CALLS.iter().any(|call| code.contains(call))
}

#[test]
fn only_the_source_looks_into_what_a_stream_has_reached() {
    let others = files().into_iter().filter(|(name, _)| !name.starts_with("source/"));
    let wrong: Vec<String> = others
        .filter(|(name, code)| !DECLARED.contains(&name.as_str()) && looks_into_positions(code))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(wrong, Vec::<String>::new(), "files above the source that know MySQL's GTIDs");
}

#[test]
fn the_rule_sees_names_and_calls() {
    for code in ["use crate::model::{Gtid, Tick};", "fn f(set: &GtidSet)", "reached.gtids().holes()"] {
        assert!(looks_into_positions(code), "{code}");
    }
    assert!(!looks_into_positions("place.gtids.is_empty(), GtidParseError"));
}
