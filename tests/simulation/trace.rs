//! What happened, as a hash (to compare two runs of a seed) and as a story (to read).

use super::schema::Item;
use std::fmt::{self, Write};
use std::sync::Mutex;
use tokio::time::Instant;

/// The trace of one run of a seed.
pub struct Trace {
    start: Instant,
    state: Mutex<State>,
}

struct State {
    hash: Fnv,
    /// Kept only when somebody is going to read it.
    story: Option<Vec<Line>>,
}

struct Line {
    millis: u128,
    /// Empty: it concerns all.
    about: Vec<Item>,
    text: String,
}

impl Trace {
    pub fn new(with_story: bool) -> Trace {
        let story = with_story.then(Vec::new);
        Trace { start: Instant::now(), state: Mutex::new(State { hash: Fnv::default(), story }) }
    }

    /// Something happened to all.
    pub fn note(&self, text: fmt::Arguments<'_>) {
        self.note_about(&[], text);
    }

    /// Something happened to these items; nothing is kept of it when there are none.
    pub fn note_items(&self, items: &[Item], text: fmt::Arguments<'_>) {
        if !items.is_empty() {
            self.note_about(items, text);
        }
    }

    fn note_about(&self, about: &[Item], text: fmt::Arguments<'_>) {
        let millis = self.start.elapsed().as_millis();
        let mut state = self.state.lock().expect("nothing panics while it is held");
        let _ = writeln!(state.hash, "{millis} {text}");
        if let Some(story) = &mut state.story {
            story.push(Line { millis, about: about.to_vec(), text: text.to_string() });
        }
    }

    pub fn hash(&self) -> u64 {
        self.state.lock().expect("nothing panics while it is held").hash.0
    }

    /// The lines that concern one of these items, or all (every line when `items` is empty).
    pub fn story(&self, items: &[Item]) -> String {
        let state = self.state.lock().expect("nothing panics while it is held");
        let concerned = |line: &&Line| {
            items.is_empty() || line.about.is_empty() || line.about.iter().any(|item| items.contains(item))
        };
        let mut text = String::new();
        for line in state.story.iter().flatten().filter(concerned) {
            let _ = writeln!(text, "{:>8} ms  {}", line.millis, line.text);
        }
        text
    }
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
