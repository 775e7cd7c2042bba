//! Moments and lengths of time, as the page shows them.

use crate::model::DateTime;
use crate::status::text;
use maud::{Markup, html};

/// A moment as people of all zones read it: the script adds the local time.
pub fn time(at_ms: u64) -> Markup {
    let at = DateTime::from_ms_since_epoch(at_ms);
    html! { time datetime=(at.rfc3339()) { (at.in_seconds()) } }
}

/// A length of time, two units at most.
pub fn length(ms: u64) -> String {
    text::seconds(ms / 1_000)
}
