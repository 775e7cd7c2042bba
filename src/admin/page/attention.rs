//! What a person has to know first: what is paused, parked or missed, warnings, and who waits for what.

use super::moments::{length, time};
use crate::advice;
use crate::status::text::place_text;
use crate::status::{Kind, Status, Wait, Warning};
use maud::{Markup, PreEscaped, html};

/// How much somebody should care; never shown by colour alone.
#[derive(Clone, Copy)]
enum Weight {
    Bad,
    Warns,
    Waits,
}

impl Weight {
    fn class(self) -> &'static str {
        match self {
            Weight::Bad => "bad",
            Weight::Warns => "warns",
            Weight::Waits => "waits",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Weight::Bad => "✕",
            Weight::Warns => "!",
            Weight::Waits => "…",
        }
    }
}

/// One thing to know.
struct Note {
    weight: Weight,
    kind: &'static str,
    words: Markup,
    /// What a person can do; empty: nothing.
    help: String,
}

/// The section.
pub fn section(status: &Status) -> Markup {
    let notes = notes(status);
    html! {
        section #attention aria-labelledby="attention-title" {
            h2 #attention-title { "What needs attention" }
            @if notes.is_empty() {
                p.calm { span.sign aria-hidden="true" { "✓" } " Nothing waits, nothing is parked, and there is no warning." }
            } @else {
                ul.notes { @for note in &notes { (one(note)) } }
            }
        }
    }
}

fn one(note: &Note) -> Markup {
    html! {
        li class=(note.weight.class()) {
            span.sign aria-hidden="true" { (note.weight.sign()) }
            div {
                p { strong { (note.kind) ":" } " " (note.words) }
                @if !note.help.is_empty() { p.help { "To do: " (commands(&note.help)) } }
            }
        }
    }
}

fn notes(status: &Status) -> Vec<Note> {
    let since = |at_ms: u64| html! { @if at_ms > 0 { " " span.quiet { "for " (length(status.at_ms.saturating_sub(at_ms))) } } };
    let parked = status.targets.iter().filter_map(|target| {
        let reason = target.life_cycle.strip_prefix("parked")?.trim();
        Some(Note {
            weight: Weight::Bad,
            kind: "Parked",
            words: html! {
                span.name { (target.mapping) } " → " span.name { (target.table) ":" (target.family) }
                " misses changes " (reason)
            },
            help: advice::parked(&target.mapping),
        })
    });
    let gaps = status.gaps.iter().map(|gap| Note {
        weight: Weight::Bad,
        kind: "Gap",
        words: html! {
            "the changes after " code { (place_text(&gap.from)) } " up to " code { (place_text(&gap.to)) }
            " were missed: " (gap.reason) ". Still to be copied again: " (gap.mappings.join(", "))
        },
        help: String::new(),
    });
    let paused = status.control.paused().map(|(work, lever)| Note {
        weight: Weight::Warns,
        kind: "Paused",
        words: html! {
            "the " (work.name()) ", by " span.name { (lever.by) } " since " (time(lever.at_ms))
            @if !lever.reason.is_empty() { ": " q { (lever.reason) } }
        },
        help: advice::resume().to_owned(),
    });
    let warning = |warning: &Warning| Note {
        weight: Weight::Warns,
        kind: "Warning",
        words: html! { (warning.words) (since(warning.since_ms)) },
        help: warning.help.clone(),
    };
    let wait = |wait: &Wait| Note {
        weight: Weight::Waits,
        kind: "Waits",
        words: html! { (wait.words) (since(wait.since_ms)) },
        help: wait.help.clone(),
    };
    let warnings = status.warnings.iter().map(warning);
    // who waits for a person is among what is paused
    let waits = status.waiting.iter().filter(|wait| wait.kind != Kind::Resume).map(wait);
    parked.chain(gaps).chain(paused).chain(warnings).chain(waits).collect()
}

/// Text with what stands in backquotes as commands.
fn commands(text: &str) -> Markup {
    let parts = text.split('`').enumerate();
    let part = |(place, part): (usize, &str)| match place % 2 {
        0 => html! { (part) },
        _ => html! { code { (part) } },
    };
    PreEscaped(parts.map(|at| part(at).into_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Awaited, TargetStatus, Who};

    #[test]
    fn a_parked_target_shows_its_way_back_first() {
        let target = TargetStatus {
            mapping: "followers".into(),
            life_cycle: "parked (the table was altered)".into(),
            ..TargetStatus::default()
        };
        let wait = Wait::new(Who::Tail, Awaited::many(Kind::ListsElsewhere, 2), 1_000);
        let status =
            Status { at_ms: 61_000, targets: vec![target], waiting: vec![wait], ..Status::default() };
        let shown = section(&status).into_string();
        let places = [
            "(the table was altered)",
            "<code>tailfill recopy followers --yes</code>",
            "2 lists",
            "for 1m 0s",
        ];
        let found: Vec<usize> = places.iter().map(|text| shown.find(text).expect(text)).collect();
        assert!(found.is_sorted(), "{shown}");
    }
}
