//! The whole page.

use super::super::history::Sample;
use super::charts::{self, Chart};
use super::events::{self, Happened};
use super::moments::{length, time};
use super::{attention, levers, limits, targets};
use crate::model::Work;
use crate::status::text::{bytes, count, place_text, seconds};
use crate::status::{Answers, Phase, PositionStatus, Status, ThrottleShown};
use maud::{DOCTYPE, Markup, html};

const CHARTS: [Chart; 3] = [
    Chart { id: "chart-lag", title: "Lag", of: |sample| sample.lag_seconds, words: lag, top_min: 1.0 },
    Chart {
        id: "chart-changes",
        title: "Changes tailed per second",
        of: |sample| sample.changes_per_second,
        words: whole,
        top_min: 10.0,
    },
    Chart {
        id: "chart-rows",
        title: "Rows copied per second",
        of: |sample| sample.rows_per_second,
        words: whole,
        top_min: 10.0,
    },
];

/// The page of this status, these limits, these samples and these events.
pub fn page(status: &Status, limits: &ThrottleShown, samples: &[Sample], happened: &[Happened]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "tailfill: " (phase(status).1) }
                link rel="icon" href="/page.svg";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                (head(status))
                main #content tabindex="-1" {
                    (figures(status))
                    (attention::section(status))
                    section #charts aria-labelledby="charts-title" {
                        h2 #charts-title { "The last hour" }
                        div.charts { @for chart in &CHARTS { (charts::figure(chart, samples)) } }
                    }
                    (targets::section(status))
                    (levers::section(status))
                    (limits::section(limits, status.at_ms))
                    div.columns {
                        (positions(status))
                        (totals(status))
                    }
                    (events::section(happened))
                }
                footer {
                    p { "The same as data: " a href="/status" { "status" } " · " a href="/metrics" { "metrics" } " · "
                        a href="/events" { "events" } }
                }
                (levers::dialog())
                p #done role="status" aria-live="polite" {}
            }
        }
    }
}

fn head(status: &Status) -> Markup {
    let (sign, name, class) = phase(status);
    html! {
        header {
            h1 { "tailfill" }
            p { span class={ "state " (class) } { span.sign aria-hidden="true" { (sign) } " " (name) } }
            p.about {
                "version " (status.version) ", process " (status.pid)
                @if status.started_at_ms > 0 { ", since " (time(status.started_at_ms)) " (" (seconds(status.uptime_seconds)) ")" }
            }
            p.seen { span #live.state aria-live="off" { "as of " } (time(status.at_ms)) }
        }
    }
}

/// A sign, the phase in words, and how good it is.
fn phase(status: &Status) -> (&'static str, String, &'static str) {
    let paused: Vec<&str> = status.control.paused().map(|(work, _)| work.name()).collect();
    match status.phase {
        Phase::Tailing | Phase::Copying if !paused.is_empty() => {
            let what =
                if paused.len() == Work::ALL.len() { "everything".to_owned() } else { paused.join(", ") };
            ("❚❚", format!("{}, {what} paused", status.phase.name()), "warns")
        }
        Phase::Tailing | Phase::Copying => ("▶", status.phase.name().to_owned(), "good"),
        Phase::Starting => ("…", status.phase.name().to_owned(), "waits"),
        Phase::Replaying => {
            ("↻", "replaying: HBase may show older values until the replay is over".to_owned(), "warns")
        }
        Phase::Draining | Phase::Ended | Phase::Stopped => ("■", status.phase.name().to_owned(), "warns"),
    }
}

/// The few figures that are read first.
fn figures(status: &Status) -> Markup {
    let lag_words = status.lag.seconds.map_or_else(|| "not known".to_owned(), lag);
    let behind =
        status.lag.bytes.map_or_else(String::new, |left| format!("{} of binlog not written", bytes(left)));
    let minute = status.lag.last_minute;
    let written = match minute.transactions {
        0 => "–".to_owned(),
        _ => milliseconds(minute.p99_ms),
    };
    let median = match minute.transactions {
        0 => "nothing was written in the last minute".to_owned(),
        _ => format!("median {} in the last minute", milliseconds(minute.p50_ms)),
    };
    let left = status.targets.iter().filter_map(|target| target.eta_seconds).max();
    let complete = !status.targets.is_empty()
        && status.targets.iter().all(|t| t.chunks_to_do == 0 && t.chunks_done >= t.chunks_total_estimate);
    let (copy, copy_more) = match (complete, left) {
        (false, _) if status.control.is_paused(Work::Backfill) => {
            ("paused".to_owned(), "history is not copied meanwhile".to_owned())
        }
        (true, _) => ("complete".to_owned(), "all history is copied".to_owned()),
        (false, Some(left)) => (format!("{} left", seconds(left)), "until history is copied".to_owned()),
        (false, None) => ("not known".to_owned(), "time until history is copied".to_owned()),
    };
    let purge = status.purge_in_seconds.map_or_else(|| "–".to_owned(), seconds);
    html! {
        section #figures aria-label="Figures" {
            dl.figures {
                (figure("Lag", &lag_words, &behind))
                (figure("Commit to written, p99", &written, &median))
                (figure("Copy", &copy, &copy_more))
                (figure("Binlog kept", &purge, "until MySQL may purge what is not in HBase"))
            }
        }
    }
}

fn figure(name: &str, value: &str, more: &str) -> Markup {
    html! { div { dt { (name) } dd.value { (value) } dd.quiet { (more) } } }
}

fn positions(status: &Status) -> Markup {
    let server = |server: Option<Answers>| match server {
        None => html! { "not asked yet" },
        Some(Answers { answers: true, since_ms }) => {
            html! { span.state.good { span.sign aria-hidden="true" { "✓" } " answers" } " since " (time(since_ms)) }
        }
        Some(Answers { answers: false, since_ms }) => {
            html! { span.state.bad { span.sign aria-hidden="true" { "✕" } " does not answer" } " since " (time(since_ms)) }
        }
    };
    html! {
        section #positions aria-labelledby="positions-title" {
            h2 #positions-title { "Positions and servers" }
            dl.pairs {
                @for (name, place) in status.positions.named() { dt { (name) } dd { code { (in_files(place)) } } }
                dt { "checkpointed, as GTIDs" } dd { code { (status.positions.checkpointed.gtids) } }
                dt { "MySQL" } dd { (server(status.source)) }
                dt { "HBase" } dd { (server(status.hbase)) }
            }
        }
    }
}

/// Where a position is in the binlog's files; where that is not known, as it is.
fn in_files(place: &PositionStatus) -> String {
    match place.file.is_empty() {
        true => place_text(place),
        false => format!("{}:{}", place.file, place.offset),
    }
}

fn totals(status: &Status) -> Markup {
    let (tail, leases, retries) = (&status.tail, &status.leases, &status.retries);
    // spread over windows and parts that go on side by side
    let share = match leases.holding_nanos {
        0 => "–".to_owned(),
        all => format!("{:.0} %", leases.waited_nanos as f64 / all as f64 * 100.0),
    };
    let commit = match status.store.commits {
        0 => "–".to_owned(),
        commits => milliseconds(status.store.commit_nanos as f64 / commits as f64 / 1e6),
    };
    let mark =
        status.mark.map_or_else(|| "none yet".to_owned(), |mark| format!("{} old", length(mark.age_ms)));
    let rows = [
        ("Inserts, updates, deletes", [tail.inserts, tail.updates, tail.deletes].map(count).join(" · ")),
        ("Changes read and not written", count(tail.queued_rows)),
        ("Safe mark", mark),
        ("Leases acquired", count(leases.acquired)),
        (
            "Lists not free: held here, elsewhere",
            format!("{} · {}", count(leases.waits), count(leases.elsewhere)),
        ),
        ("Share of writing time that leases cost", share),
        ("A durable commit of the state, mean", commit),
        ("Repeated calls: MySQL, HBase", format!("{} · {}", count(retries.source), count(retries.sink))),
    ];
    html! {
        section #totals aria-labelledby="totals-title" {
            h2 #totals-title { "Where the time goes" }
            dl.pairs.numbers { @for (name, value) in rows { dt { (name) } dd { (value) } } }
        }
    }
}

fn lag(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 10.0 => format!("{seconds:.1} s"),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds => self::seconds(seconds as u64),
    }
}

fn whole(value: f64) -> String {
    count(value.round() as u64)
}

fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{} ms", whole(ms)),
        ms => lag(ms / 1_000.0),
    }
}
