//! The table of promises (`scripts/break.d/promises`): every switch has its line, and docs/promises.md is made of it.

#![cfg(feature = "failpoints")]

use std::collections::BTreeSet;
use std::fmt::Write;
use tailfill::failpoints::NAMES;

const TABLE: &str = include_str!("../../scripts/break.d/promises");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/promises.md");

struct Promise<'a> {
    switch: &'a str,
    invariant: &'a str,
    promise: &'a str,
    without: &'a str,
    /// `lib:PATH` or `tests:PATH`.
    tests: Vec<&'a str>,
}

fn promises() -> Vec<Promise<'static>> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| match row.split('\t').collect::<Vec<_>>()[..] {
        [switch, invariant, promise, without, tests] => {
            Promise { switch, invariant, promise, without, tests: tests.split(' ').collect() }
        }
        _ => panic!("not five columns: {row}"),
    })
    .collect()
}

#[test]
fn every_mechanism_that_can_be_turned_off_has_a_promise_and_tests_that_hold_it() {
    let promises = promises();
    let listed: BTreeSet<&str> = promises.iter().map(|promise| promise.switch).collect();
    assert_eq!(listed, NAMES.iter().copied().collect());
    assert_eq!(listed.len(), promises.len(), "one line each");
    for promise in promises {
        let of_a_program = |test: &&str| test.starts_with("lib:") || test.starts_with("tests:");
        assert!(promise.tests.iter().all(of_a_program), "{}: {:?}", promise.switch, promise.tests);
    }
}

/// The page that the table makes.
fn page() -> String {
    let mut page = String::from(
        "# Promises, and the tests that hold them\n\n\
         `scripts/break` turns each of these mechanisms off in turn (with the test-only feature `failpoints`; a release has no \
         such switch) and runs the tests named here:\nevery one of them must fail then, and all pass with everything on. This \
         page is made of `scripts/break.d/promises`, and a test compares the two.\n\n",
    );
    for Promise { switch, invariant, promise, without, tests } in promises() {
        let tests = tests.iter().map(|test| format!("`{}`", test.split_once(':').expect("checked").1));
        let tests: Vec<String> = tests.collect();
        let _ = writeln!(
            page,
            "- **{promise}** ({invariant}; `{switch}`) Without it: {without}\n  Held by {}.",
            tests.join(", ")
        );
    }
    page
}

/// With `TAILFILL_WRITE_PAGES` set, writes it.
#[test]
fn the_page_of_promises_is_the_table() {
    if std::env::var_os("TAILFILL_WRITE_PAGES").is_some() {
        std::fs::write(PAGE, page()).expect("it can be written");
    }
    let there = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        there == page(),
        "docs/promises.md is not what the table makes: run this with TAILFILL_WRITE_PAGES=1"
    );
}
