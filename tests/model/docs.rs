//! docs/stories.md is made of the stories, and is what they are now.

use super::explorer::Found;
use super::mechanism::Mechanism;
use super::stories::{ALL, TESTS, told, without_and_with};
use std::fmt::Write;

const HEAD: &str = "\
# What goes wrong without it

Each mechanism of [the protocol](protocol.md) has a story here: what happens, step by step, when it is missing. The stories are not thought up. An explorer (`tests/model`) goes
through every order of what can happen in a small world with the mechanism turned off, and prints a shortest way to a state that is wrong; with the mechanism on, the same world is explored in full, and nothing in it is wrong.
Ticks, whether a mark is safe, what a batch and a copy write and what becomes of a counted row come from the program itself, and numbers of batches and marks are ticks.

This file is written by `TAILFILL_WRITE_STORIES=1 cargo test --features failpoints,demo,bench --test tailfill model::docs`; the same test without the variable fails when the file is not what the models say now.
";

fn written() -> String {
    let mut text = HEAD.to_owned();
    for (mechanism, test) in ALL.iter().zip(TESTS) {
        let (without, with) = without_and_with(*mechanism);
        section(*mechanism, test, &without, &with, &mut text);
    }
    text
}

fn section(mechanism: Mechanism, test: &str, without: &Found, with: &Found, text: &mut String) {
    let (holds, instead) = mechanism.says();
    let story = told(without.story.as_deref().expect("each mechanism has its story"));
    let title = test.replace('_', " ");
    let mut letters = title.chars();
    let title: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let _ = write!(
        text,
        "\n## {title}\n\nThe rule: {holds}. Without it, {instead}:\n\n{story}\nWith the rule: {} states, nothing wrong in any of them.\n",
        with.states
    );
}

#[test]
fn the_stories_in_the_docs_are_what_the_models_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/stories.md");
    let written = written();
    if std::env::var_os("TAILFILL_WRITE_STORIES").is_some() {
        std::fs::write(&path, &written).expect("the docs can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == written,
        "docs/stories.md is not what the models say: write it again with TAILFILL_WRITE_STORIES=1, and look at what changed"
    );
}
