//! The limits of the copy: its pace, what holds it back, and each limit with a sentence, its value and what is read for it.

use super::moments::{length, time};
use crate::model::LimitKey;
use crate::status::text::count;
use crate::status::{LimitShown, Origin, ThrottleShown};
use maud::{Markup, html};
use serde_json::json;

/// The section; `now_ms`: milliseconds since 1970.
pub fn section(shown: &ThrottleShown, now_ms: u64) -> Markup {
    html! {
        section #limits aria-labelledby="limits-title" {
            h2 #limits-title { "Limits of the copy" }
            p.pace {
                @match shown.rows_per_second {
                    None if !shown.holding.is_empty() => {
                        span.state.waits { span.sign aria-hidden="true" { "…" } " with fewer workers" }
                    }
                    None => span.state.good { span.sign aria-hidden="true" { "▶" } " as fast as it can" },
                    Some(rows) if rows > 0.0 => {
                        span.state.waits { span.sign aria-hidden="true" { "…" } " at most " (count(rows as u64)) " rows a second" }
                    }
                    Some(_) => span.state.warns { span.sign aria-hidden="true" { "❚❚" } " nothing is copied now" },
                }
            }
            @if !shown.holding.is_empty() {
                ul.notes {
                    @for held in &shown.holding {
                        li.waits {
                            span.sign aria-hidden="true" { "…" }
                            p { strong { "Held back: " } (held.words) " " span.quiet { "for " (length(now_ms.saturating_sub(held.since_ms))) } }
                        }
                    }
                }
            }
            table.limits {
                thead { tr {
                    th scope="col" { "Limit" }
                    th scope="col" { "Value" }
                    th scope="col" { "Read now" }
                    th scope="col" { "Change" }
                } }
                tbody { @for limit in &shown.keys { (row(limit)) } }
            }
        }
    }
}

fn row(limit: &LimitShown) -> Markup {
    let happens = LimitKey::of(&limit.key).map_or("", happens);
    html! {
        tr {
            th scope="row" { code { (limit.key) } span.target { (happens) } }
            td data-of="Value" {
                span.name { (limit.value) }
                span.chunks {
                    @match limit.origin {
                        Origin::Default => "by default",
                        Origin::File => "from the file",
                        Origin::Set => {
                            "set by " (limit.by.as_deref().unwrap_or("somebody"))
                            @if let Some(at_ms) = limit.at_ms { " " (time(at_ms)) }
                            @if let Some(reason) = limit.reason.as_deref().filter(|reason| !reason.is_empty()) { ": " q { (reason) } }
                        }
                    }
                }
            }
            td data-of="Read now" { (limit.figure.as_deref().unwrap_or("–")) }
            td data-of="Change" { div.changes { (change(limit, happens)) } }
        }
    }
}

/// The buttons of a limit.
fn change(limit: &LimitShown, happens: &str) -> Markup {
    let key = &limit.key;
    let set = json!({ "set": {}, "unset": [] });
    let unset = json!({ "set": {}, "unset": [key] });
    html! {
        form.ask method="post" action="/throttle" data-body=(set) data-key=(key) data-value=(limit.value)
            data-happens={ "From now on: " (happens) ". It stays over restarts." } data-verb={ "Set " (key) } {
            button type="submit" aria-label={ "Set " (key) } { "Set" }
        }
        @if limit.origin == Origin::Set {
            form.ask method="post" action="/throttle" data-body=(unset)
                data-happens="The value of the configuration file holds again." data-verb={ "Unset " (key) } {
                button type="submit" aria-label={ "Unset " (key) } { "Unset" }
            }
        }
    }
}

/// What a limit does.
fn happens(key: LimitKey) -> &'static str {
    match key {
        LimitKey::RowsPerSecond => "the copy reads at most so many rows a second; 0 is no bound",
        LimitKey::Workers => "so many parts are copied side by side",
        LimitKey::ChunkRows => "new chunks have about so many rows",
        LimitKey::Hours => "history is copied in these local hours only, as in 22:00-06:00",
        LimitKey::TailLag => "the copy slows down while the tail's lag is above this, as in 2s",
        LimitKey::TailWrite => {
            "the copy works with fewer workers while the tail's changes take longer to write, as in 10ms"
        }
        LimitKey::ThreadsRunning => "the copy slows down while MySQL executes more statements at once",
        LimitKey::ReplicaLag => "the copy slows down while a replica is further behind, as in 5s",
        LimitKey::Query => "a SELECT with one number, which throttle.query_max bounds",
        LimitKey::QueryMax => "the copy slows down while the number of throttle.query is above this",
        LimitKey::HbaseP99 => {
            "the copy slows down while the run's own writes to HBase take longer, as in 200ms"
        }
        LimitKey::File => "nothing is copied while this file is there",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Holding;

    #[test]
    fn a_limit_that_a_person_set_names_her_and_can_be_unset() {
        let limit = |key: &str, origin| LimitShown {
            key: key.to_owned(),
            value: "500".to_owned(),
            origin,
            by: (origin == Origin::Set).then(|| "ann".to_owned()),
            at_ms: Some(7),
            reason: Some("<b>".to_owned()),
            figure: None,
        };
        let held = Holding { words: "the lag is 3 s".to_owned(), since_ms: 1_000, ..Holding::default() };
        let shown = ThrottleShown {
            rows_per_second: Some(500.0),
            holding: vec![held],
            keys: vec![
                limit("backfill.rows_per_second", Origin::Set),
                limit("backfill.workers", Origin::File),
            ],
            live: true,
        };
        let shown = section(&shown, 61_000).into_string();
        for text in
            ["at most 500 rows", "the lag is 3 s", "for 1m 0s", "set by ann", "&lt;b&gt;", "from the file"]
        {
            assert!(shown.contains(text), "{text} is not in {shown}");
        }
        assert_eq!(shown.matches("Unset</button>").count(), 1);
    }
}
