//! `GET /metrics`: a status in Prometheus' text format, or in OpenMetrics for those who ask for it.
//!
//! Every name is in this file, with its unit; the encoder puts `tailfill_` before each and `_total`
//! behind each counter. docs/metrics.md is made from them.

use crate::model::{LimitKey, Work};
use crate::status::{Concern, Kind, Phase, Status};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

/// The name of OpenMetrics among types of answers.
pub const OPEN_METRICS: &str = "application/openmetrics-text";

/// The text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, which tools read.
    Text,
    /// What a Prometheus server asks for.
    OpenMetrics,
}

impl Format {
    /// As an answer names it.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

const INFO: Name = ("info", "Version of this tailfill; always 1");
const STARTED: Name = ("started_timestamp_seconds", "When this process started, seconds since 1970");
const PHASE: Name = ("run_phase", "What the run does: 1 for the phase it is in");
const WAITS: Name =
    ("waits", "What the run waits for now, by kind: how many lists or items, 1 where they are not counted");
const WAIT_SECONDS: Name = ("wait_seconds", "How long the longest wait of each kind has lasted");
const WARNINGS: Name = ("warnings", "1 for each kind of warning that the status shows");
const PAUSED: Name = ("paused", "1 while a person has paused it");
const PURGE: Name = (
    "purge_in_seconds",
    "In how long MySQL may purge the first change that is not in HBase yet; absent: never, or not known",
);
const STATE_FILE: Name = ("state_file_bytes", "How long the file of the state is");
const PACE: Name = (
    "backfill_pace_rows_per_second",
    "Rows a second that the copy may read now; 0: none at all; absent: as many as it can",
);
const HOLDING: Name = ("throttle_holding", "1 while this limit holds the copy back");
const OFFSET: Name = ("position_offset_bytes", "Offset in the binlog file of each position");
const LAG_SECONDS: Name = ("lag_seconds", "Everything that MySQL had committed this long ago is in HBase");
const LAG_BYTES: Name = ("lag_bytes", "Bytes of MySQL's binlog that are not written to HBase yet");
const WRITE_LAG: Name =
    ("commit_to_written_seconds", "From commit in MySQL to written in HBase, quantiles over the run");
const RECENT_WRITE_LAG: Name = (
    "recent_commit_to_written_seconds",
    "From commit in MySQL to written in HBase, quantiles over the last minute and the last ten",
);
const ANSWERS: Name = ("server_answers", "1 while the server answers, 0 while it does not");
const ANSWERS_SINCE: Name = (
    "server_answers_since_timestamp_seconds",
    "Time of the last change of server_answers, seconds since 1970",
);
const MARK_AGE: Name = ("mark_age_seconds", "Age of the newest safe mark");
const TICK_LEAD: Name = ("tick_lead_seconds", "How far ticks are ahead of the clock");
const QUEUED: Name = ("queued_rows", "Changes read and not written yet");
const CHANGES: Name = ("changes", "Row changes tailed");
const BATCHES: Name = ("batches", "Batches sealed");
const LEASES: Name = ("leases_acquired", "Leases acquired");
const LEASE_WAITS: Name = ("lease_waits", "Lists put aside because they were held, by holder");
const DEGRADED: Name =
    ("leases_degraded", "1 while Memcache does not answer and leases hold in this process only");
const RETRIES: Name =
    ("retries", "New connections to MySQL (source) and calls to HBase (sink) after a failure");
const LIFE_CYCLE: Name = ("target_life_cycle", "Life cycle of each target: 1 for the state it is in");
const CHUNKS: Name = ("target_chunks", "Chunks of each target, by what is known of them");
const ROWS_COPIED: Name = ("target_rows_copied", "Rows copied of each target");
const ROW_RATE: Name = ("target_rows_per_second", "Rows copied per second now");

const COMPARED: Name = (
    "verify_continuous_compared_rows",
    "Addresses that the continuous verification has compared, by what led to them; absent without it",
);
const FINDINGS: Name =
    ("verify_continuous_findings", "Rows that differ between MySQL and HBase, and were not equal since");
const FOUND: Name =
    ("verify_continuous_found_rows", "Differences that the continuous verification has found");
const UNSETTLED: Name =
    ("verify_continuous_unsettled_rows", "Rows that changed faster than they could be compared");
const VERIFY_WAITS: Name =
    ("verify_continuous_waiting", "1 while the continuous verification compares nothing");
const WALKED: Name =
    ("verify_continuous_walk_ratio", "About how much of everything the present walk has passed, 0 to 1");
const WALKS: Name = ("verify_continuous_walks", "Walks over everything that have ended");
const LAST_WALK: Name = (
    "verify_continuous_last_walk_timestamp_seconds",
    "When the last walk ended, seconds since 1970; absent before the first one has",
);

/// Those with quantiles.
const SUMMARIES: [Name; 2] = [WRITE_LAG, RECENT_WRITE_LAG];

/// A metric's name and its help.
type Name = (&'static str, &'static str);
type Labels = Vec<(&'static str, String)>;

/// The metrics of a status.
pub fn render(status: &Status, format: Format) -> String {
    let mut page = Page { registry: Registry::with_prefix("tailfill") };
    page.run(status);
    page.tail(status);
    page.targets(status);
    page.verification(status);
    let mut text = String::new();
    // Writing to a String cannot fail; an empty page would be noticed by every scraper.
    if text::encode(&mut text, &page.registry).is_err() {
        text.clear();
    }
    for (name, _) in SUMMARIES {
        // the encoder has no summaries
        text = text
            .replace(&format!("# TYPE tailfill_{name} gauge"), &format!("# TYPE tailfill_{name} summary"));
    }
    match format {
        Format::OpenMetrics => text,
        Format::Text => as_text(&text),
    }
}

/// OpenMetrics as Prometheus' text: there a counter's `_total` belongs to the name of the family, and nothing marks the end.
fn as_text(open_metrics: &str) -> String {
    let counters: HashSet<&str> = open_metrics.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match [(); 4].map(|()| words.next().unwrap_or_default()) {
            ["#", what, name, rest] if counters.contains(name) => {
                text += &format!("# {what} {name}_total {rest}");
            }
            _ => text += line,
        }
        text.push('\n');
    }
    text
}

/// The name of the counter that a line declares.
fn counter(line: &str) -> Option<&str> {
    line.strip_prefix("# TYPE ")?.strip_suffix(" counter")
}

struct Page {
    registry: Registry,
}

/// Values without labels stand alone, others are one family.
impl Page {
    fn run(&mut self, status: &Status) {
        self.gauge(INFO, [(vec![("version", status.version.clone())], 1.0)]);
        self.gauge(STARTED, [(vec![], from_ms(status.started_at_ms))]);
        let phases = Phase::ALL.map(|phase| (label("phase", phase.name()), truth(phase == status.phase)));
        self.gauge(PHASE, phases);
        let paused = Work::ALL.map(|work| (label("of", work.name()), truth(status.control.is_paused(work))));
        self.gauge(PAUSED, paused);
        self.gauge(PURGE, status.purge_in_seconds.map(|seconds| (vec![], seconds as f64)));
        self.gauge(STATE_FILE, status.state_file_bytes.map(|bytes| (vec![], bytes as f64)));
        let waits = |kind: Kind| status.waiting.iter().filter(move |wait| wait.kind == kind);
        let count = |kind| waits(kind).map(|wait| wait.count).sum::<u64>() as f64;
        self.gauge(WAITS, Kind::ALL.map(|kind| (label("kind", kind.name()), count(kind))));
        let longest =
            |kind| waits(kind).map(|wait| status.at_ms.saturating_sub(wait.since_ms)).max().unwrap_or(0);
        self.gauge(WAIT_SECONDS, Kind::ALL.map(|kind| (label("kind", kind.name()), from_ms(longest(kind)))));
        let warns = |kind| status.warnings.iter().any(|warning| warning.kind == kind);
        self.gauge(WARNINGS, Concern::ALL.map(|kind| (label("kind", kind.name()), truth(warns(kind)))));
        let throttle = &status.throttle;
        self.gauge(PACE, throttle.rows_per_second.map(|rows| (vec![], rows)));
        let holds = |key: &LimitKey| throttle.holding.iter().any(|held| held.signal == key.name());
        let signals = LimitKey::ALL.iter().filter(|key| key.is_signal());
        self.gauge(HOLDING, signals.map(|key| (label("signal", key.name()), truth(holds(key)))));
        let leases = &status.leases;
        self.counter(LEASES, [(vec![], leases.acquired)]);
        let waits =
            [(label("holder", "here"), leases.waits), (label("holder", "elsewhere"), leases.elsewhere)];
        self.counter(LEASE_WAITS, waits);
        self.gauge(DEGRADED, [(vec![], truth(leases.degraded))]);
        let retries = &status.retries;
        self.counter(RETRIES, [(label("of", "source"), retries.source), (label("of", "sink"), retries.sink)]);
    }

    fn tail(&mut self, status: &Status) {
        let places =
            status.positions.named().map(|(name, place)| (label("position", name), place.offset as f64));
        self.gauge(OFFSET, places);
        // A lag that is not known is absent, and never looks like none.
        self.gauge(LAG_SECONDS, status.lag.seconds.map(|seconds| (vec![], seconds)));
        self.gauge(LAG_BYTES, status.lag.bytes.map(|bytes| (vec![], bytes as f64)));
        let quantiles = [("0.5", status.lag.p50_ms), ("0.99", status.lag.p99_ms)];
        self.gauge(WRITE_LAG, quantiles.map(|(quantile, ms)| (label("quantile", quantile), ms / 1_000.0)));
        let windows = [("1m", &status.lag.last_minute), ("10m", &status.lag.last_ten_minutes)];
        let recent =
            windows.into_iter().filter(|(_, window)| window.transactions > 0).flat_map(|(name, window)| {
                [("0.5", window.p50_ms), ("0.99", window.p99_ms)].map(|(quantile, ms)| {
                    (vec![("window", name.to_owned()), ("quantile", quantile.to_owned())], ms / 1_000.0)
                })
            });
        self.gauge(RECENT_WRITE_LAG, recent);
        let servers = [("source", status.source), ("hbase", status.hbase)];
        let known = || servers.into_iter().filter_map(|(of, server)| server.map(|server| (of, server)));
        self.gauge(ANSWERS, known().map(|(of, server)| (label("server", of), truth(server.answers))));
        self.gauge(
            ANSWERS_SINCE,
            known().map(|(of, server)| (label("server", of), from_ms(server.since_ms))),
        );
        self.gauge(MARK_AGE, status.mark.map(|mark| (vec![], from_ms(mark.age_ms))));
        self.gauge(TICK_LEAD, [(vec![], from_ms(status.tick_lead_ms))]);
        let tail = &status.tail;
        self.gauge(QUEUED, [(vec![], tail.queued_rows as f64)]);
        let kinds = [("insert", tail.inserts), ("update", tail.updates), ("delete", tail.deletes)];
        self.counter(CHANGES, kinds.map(|(kind, count)| (label("kind", kind), count)));
        self.counter(BATCHES, [(vec![], tail.batches)]);
    }

    fn targets(&mut self, status: &Status) {
        let labels = |index: usize, more: Labels| -> Labels {
            let target = &status.targets[index];
            let mut labels = label("mapping", &target.mapping);
            labels.push(("table", target.table.clone()));
            labels.push(("family", target.family.clone()));
            labels.extend(more);
            labels
        };
        let targets = || status.targets.iter().enumerate();
        let states = targets().map(|(index, target)| {
            // The state's first word: a parked one's reason is for people.
            let state = target.life_cycle.split(' ').next().unwrap_or_default();
            (labels(index, label("state", state)), 1.0)
        });
        self.gauge(LIFE_CYCLE, states);
        let chunks = targets().flat_map(|(index, target)| {
            let counts = [
                ("done", target.chunks_done),
                ("to_do", target.chunks_to_do),
                ("estimated", target.chunks_total_estimate),
            ];
            counts.map(|(known, count)| (labels(index, label("chunks", known)), count as f64))
        });
        self.gauge(CHUNKS, chunks);
        self.counter(
            ROWS_COPIED,
            targets().map(|(index, target)| (labels(index, vec![]), target.rows_copied)),
        );
        self.gauge(
            ROW_RATE,
            targets().map(|(index, target)| (labels(index, vec![]), target.rows_per_second)),
        );
    }

    fn verification(&mut self, status: &Status) {
        let Some(verified) = &status.verify.continuous else { return };
        let checked = &verified.checked;
        self.counter(COMPARED, checked.named().map(|(feed, rows)| (label("feed", feed), rows)));
        self.gauge(FINDINGS, [(vec![], verified.findings as f64)]);
        self.counter(FOUND, [(vec![], verified.found)]);
        self.counter(UNSETTLED, [(vec![], verified.unsettled)]);
        self.gauge(VERIFY_WAITS, [(vec![], truth(verified.waits_for.is_some()))]);
        let ratio = verified.walk.as_ref().map(|walk| walk.rows as f64 / walk.rows_estimated.max(1) as f64);
        self.gauge(WALKED, ratio.map(|ratio| (vec![], ratio.min(1.0))));
        self.counter(WALKS, [(vec![], verified.walks)]);
        self.gauge(LAST_WALK, verified.last_walk.map(|walk| (vec![], from_ms(walk.ended_at_ms))));
    }

    fn gauge(&mut self, (name, help): Name, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in values {
            if labels.is_empty() {
                let gauge = Gauge::<f64, AtomicU64>::default();
                gauge.set(value);
                return self.registry.register(name, help, gauge);
            }
            family.get_or_create(&labels).set(value);
        }
        self.registry.register(name, help, family);
    }

    fn counter(&mut self, (name, help): Name, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            if labels.is_empty() {
                let counter: Counter = Counter::default();
                counter.inc_by(value);
                return self.registry.register(name, help, counter);
            }
            family.get_or_create(&labels).inc_by(value);
        }
        self.registry.register(name, help, family);
    }
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

fn truth(fact: bool) -> f64 {
    if fact { 1.0 } else { 0.0 }
}

fn from_ms(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
pub(super) use tests::full as full_status;

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
