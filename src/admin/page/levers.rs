//! The levers: what a person can do to the run from here, each with a sentence that says what will happen.
//!
//! A form's fields are what the script sends as JSON. Without the script a form is answered with what it lacks.

use super::moments::time;
use crate::model::{Lever, Wanted, Work};
use crate::status::Status;
use maud::{Markup, html};
use serde_json::json;

/// The section.
pub fn section(status: &Status) -> Markup {
    html! {
        section #levers aria-labelledby="levers-title" {
            h2 #levers-title { "Levers" }
            noscript { p.help { "The levers need the script of this page. The commands do the same: "
                code { "tailfill pause" } " and " code { "tailfill resume" } "." } }
            div.levers {
                (work(status, Work::Tail))
                (work(status, Work::Backfill))
                (all(status))
            }
        }
    }
}

/// One of both works.
fn work(status: &Status, work: Work) -> Markup {
    let lever = status.control.of(work);
    let title = match work {
        Work::Tail => "Tail",
        Work::Backfill => "Backfill",
    };
    let (wanted, happens) = match (work, lever.wanted) {
        (Work::Tail, Wanted::Running) => (
            Wanted::Paused,
            "the run reads no more changes after the present transaction. It writes and checkpoints what it has received, \
             and closes its connection to the binlog.",
        ),
        (Work::Tail, Wanted::Paused) => (
            Wanted::Running,
            "the run reads the changes after the last one that it has received. If MySQL has purged them, the run refuses, \
             and the tail stays paused.",
        ),
        (Work::Backfill, Wanted::Running) => {
            (Wanted::Paused, "no new part of the copy begins. The parts under way end. The tail continues.")
        }
        (Work::Backfill, Wanted::Paused) => (Wanted::Running, "the run copies and counts what is left."),
    };
    html! {
        div.lever {
            h3 { (title) " " (state(lever)) }
            @if lever.wanted == Wanted::Paused { p.by { "by " (lever.by) " since " (time(lever.at_ms)) } }
            (form(title, &[work], wanted, happens))
        }
    }
}

fn all(status: &Status) -> Markup {
    let is = |wanted| Work::ALL.into_iter().any(|work| status.control.of(work).wanted == wanted);
    let pauses = "tail and backfill stop working. The process stays up, answers, and writes nothing to HBase. A restart keeps \
                  the pause.";
    html! {
        div.lever {
            h3 { "Both" }
            @if is(Wanted::Running) { (form("both", &Work::ALL, Wanted::Paused, pauses)) }
            @if is(Wanted::Paused) {
                (form("both", &Work::ALL, Wanted::Running, "tail and backfill continue where they stand."))
            }
        }
    }
}

fn state(lever: &Lever) -> Markup {
    html! {
        @match lever.wanted {
            Wanted::Running => span.state.good { span.sign aria-hidden="true" { "▶" } " running" },
            Wanted::Paused => span.state.warns { span.sign aria-hidden="true" { "❚❚" } " paused" },
        }
    }
}

/// A button that asks, and then sets what is wanted of `works`.
fn form(of: &str, works: &[Work], wanted: Wanted, happens: &str) -> Markup {
    let verb = match wanted {
        Wanted::Paused => "Pause",
        Wanted::Running => "Resume",
    };
    let names: Vec<&str> = works.iter().map(|work| work.name()).collect();
    let body = json!({ "works": names, "lever": { "wanted": wanted, "by": "", "at_ms": 0, "reason": "" } });
    html! {
        p { strong { (verb) ":" } " " (happens) }
        form.ask method="post" action="/levers" data-body=(body) data-happens=(happens) data-verb={ (verb) " " (of.to_lowercase()) } {
            button type="submit" { (verb) " " (of.to_lowercase()) }
        }
    }
}

/// What asks before anything happens, once for all forms; the script fills it in.
pub fn dialog() -> Markup {
    html! {
        dialog #ask aria-labelledby="ask-title" aria-describedby="ask-happens" {
            form method="dialog" {
                h2 #ask-title {}
                p #ask-happens {}
                div #ask-fields {}
                label { "Reason " span.quiet { "(others see it)" } input #ask-reason maxlength="200" autocomplete="off"; }
                label { "Your name" input #ask-by maxlength="60" autocomplete="off"; }
                label #ask-token-label {
                    "Token " span.quiet { "(the line in " code { "state_dir/admin.token" } "; kept until you close this tab)" }
                    input #ask-token type="password" autocomplete="off" spellcheck="false";
                }
                p #ask-fault role="alert" {}
                div.buttons {
                    button type="button" #ask-cancel { "Cancel" }
                    button type="submit" .main #ask-go {}
                }
            }
        }
    }
}
