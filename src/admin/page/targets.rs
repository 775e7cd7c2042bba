//! The life cycle of each target, how far its copy is, and how long it still takes.

use crate::status::text::{count, seconds};
use crate::status::{Status, TargetStatus};
use maud::{Markup, html};

/// The states that a target passes, in order, as they print themselves and as they are shown.
const STATES: [(&str, &str); 5] = [
    ("new", "new"),
    ("tailing", "tailing"),
    ("backfilling", "backfilling"),
    ("caught_up", "caught up"),
    ("verified", "verified"),
];

/// The section.
pub fn section(status: &Status) -> Markup {
    html! {
        section #targets aria-labelledby="targets-title" {
            h2 #targets-title { "Targets" @if status.pilot { " " span.quiet { "only the lists of a pilot; each chunk is a list" } } }
            @if status.targets.is_empty() { p.quiet { "The run is starting: it does not know its targets yet." } }
            @else {
                table {
                    thead { tr {
                        th scope="col" { "Mapping and target" }
                        th scope="col" { "Life cycle" }
                        th scope="col" { "Copied" }
                        th.number scope="col" { "Rows" }
                        th.number scope="col" { "Rows/s" }
                        th.number scope="col" { "Time left" }
                    } }
                    tbody { @for target in &status.targets { (row(target)) } }
                }
            }
        }
    }
}

fn row(target: &TargetStatus) -> Markup {
    let parked = target.life_cycle.starts_with("parked");
    html! {
        tr {
            th scope="row" { span.name { (target.mapping) } span.target { (target.table) ":" (target.family) } }
            td data-of="Life cycle" { (life(target)) }
            td data-of="Copied" { @if parked { "–" } @else { (copied(target)) } }
            td.number data-of="Rows" { (count(target.rows_copied)) }
            td.number data-of="Rows/s" { (count(target.rows_per_second.max(0.0).round() as u64)) }
            td.number data-of="Time left" { (target.eta_seconds.map_or_else(|| "–".to_owned(), seconds)) }
        }
    }
}

/// Passed, present and coming states as dots, and the present one as a word.
fn life(target: &TargetStatus) -> Markup {
    let state = target.life_cycle.split(' ').next().unwrap_or_default();
    let Some(present) = STATES.iter().position(|(name, _)| *name == state) else {
        return html! { span.state.bad { span.sign aria-hidden="true" { "✕" } " " (state) } };
    };
    let kind = |place: usize| match place.cmp(&present) {
        std::cmp::Ordering::Less => "dot passed",
        std::cmp::Ordering::Equal => "dot present",
        std::cmp::Ordering::Greater => "dot",
    };
    let counted = target.counts.as_ref().map(|counts| match counts.state.as_str() {
        "counting" => format!("counting, {} rows so far", count(counts.rows_walked)),
        state => state.to_owned(),
    });
    html! {
        span.life {
            span.dots aria-hidden="true" { @for place in 0..STATES.len() { span class=(kind(place)) {} } }
            span { (STATES[present].1) span.quiet { " " (present + 1) " of " (STATES.len()) } }
        }
        @if let Some(counted) = counted { span.counts { (counted) } }
    }
}

fn copied(target: &TargetStatus) -> Markup {
    let known = target.chunks_done + target.chunks_to_do;
    let total = target.chunks_total_estimate.max(known);
    let percent = (target.chunks_done * 100).checked_div(total).unwrap_or(0);
    let about = if target.chunks_total_estimate > known { "about " } else { "" };
    html! {
        span.bar {
            svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
                rect.track width="100" height="6" {} rect.done width=(percent) height="6" {}
            }
            span { (percent) " %" }
        }
        span.chunks { (count(target.chunks_done)) " of " (about) (count(total)) " chunks" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LifeCycle;

    #[test]
    fn every_state_of_the_life_cycle_has_its_place() {
        let states = [
            LifeCycle::New,
            LifeCycle::Tailing,
            LifeCycle::Backfilling,
            LifeCycle::CaughtUp,
            LifeCycle::Verified,
        ];
        assert_eq!(states.map(|state| state.to_string()), STATES.map(|(name, _)| name));
    }

    #[test]
    fn a_row_says_how_far_the_copy_is() {
        let target = TargetStatus {
            life_cycle: "backfilling".into(),
            chunks_done: 12,
            chunks_to_do: 4,
            chunks_total_estimate: 48,
            rows_copied: 24_000,
            eta_seconds: Some(190),
            ..TargetStatus::default()
        };
        let shown = row(&target).into_string();
        for text in ["backfilling", "3 of 5", "25 %", "12 of about 48 chunks", "24,000", "3m 10s"] {
            assert!(shown.contains(&text.replace("3 of 5", " 3 of 5")), "{text} is not in {shown}");
        }
    }
}
