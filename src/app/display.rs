//! The live display of a run: a bar for each copy, a line for the tail, and always why it waits.
//!
//! On a terminal it redraws in place and logs go above it. Elsewhere, and where the log is JSON, it prints a line when
//! something has changed, and else one a minute.

mod bars;
mod plain;

use self::bars::{Bars, CopyLine};
use self::plain::{CopyState, Figures, LASTING_MS};
pub(super) use self::plain::{PLAIN_CHECK, Plain, Shown};
use super::output;
use crate::model::{DateTime, LifeCycle, Mapping, TargetId};
use crate::pipeline::Parts;
use crate::pipeline::copies::chunks::Chunks;
use crate::pipeline::progress::CopyProgress;
use crate::pipeline::progress::lag::{Behind, Quantiles};
use crate::store::Space;
use crate::store::records::{self, LifeRecord};
use indicatif::{MultiProgress, ProgressDrawTarget};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const REDRAW: Duration = Duration::from_millis(200);

/// The bars that are on the terminal now, so that logs can be printed above them.
static ON_SCREEN: OnceLock<MultiProgress> = OnceLock::new();

/// Writes to standard error without tearing the bars.
pub fn above_bars(bytes: &[u8]) {
    match ON_SCREEN.get() {
        // a terminal that is gone: nobody reads
        Some(bars) => _ = bars.println(String::from_utf8_lossy(bytes).trim_end()),
        None => output::eprint(bytes),
    }
}

/// Shows `progress` until `done`, and then a last time.
pub async fn show(parts: Parts, mappings: Vec<Mapping>, copying: bool, done: CancellationToken) {
    let mut reading = Reading::new(parts, &mappings, copying);
    if std::io::stderr().is_terminal() && !output::is_json() {
        let mut bars = Bars::new(on_screen().clone());
        while !ended_within(&done, REDRAW).await {
            reading.measure().await;
            reading.draw(&mut bars);
        }
        reading.measure().await;
        return reading.draw(&mut bars);
    }
    let mut plain = Plain::default();
    while !ended_within(&done, PLAIN_CHECK).await {
        reading.measure().await;
        if plain.is_due(Instant::now(), reading.figures()) {
            output::eprint_line(&reading.line());
        }
    }
}

async fn ended_within(done: &CancellationToken, pause: Duration) -> bool {
    tokio::time::timeout(pause, done.cancelled()).await.is_ok()
}

/// What the display knows between two drawings.
struct Reading {
    parts: Parts,
    /// Label of each copy, by target id.
    labels: Vec<(TargetId, String)>,
    copying: bool,
    last: (Instant, u64, u64),
    rates: (f64, f64),
    copies: BTreeMap<TargetId, CopyProgress>,
    /// Why targets are parked.
    parked: BTreeMap<TargetId, String>,
}

impl Reading {
    fn new(parts: Parts, mappings: &[Mapping], copying: bool) -> Reading {
        let label = |mapping: &Mapping, table: &str| format!("{} -> {table}", mapping.name);
        let labels = mappings
            .iter()
            .flat_map(|mapping| mapping.targets.iter().map(move |t| (t.id, label(mapping, &t.table))))
            .collect();
        Reading {
            parts,
            labels,
            copying,
            last: (Instant::now(), 0, 0),
            rates: (0.0, 0.0),
            copies: BTreeMap::new(),
            parked: BTreeMap::new(),
        }
    }

    /// Reads how far the copies are, which targets are parked, and the rates over the last seconds.
    async fn measure(&mut self) {
        self.read_parked().await;
        self.copies = self.parts.progress.copies();
        let copied: u64 = self.copies.values().map(|copy| copy.rows_here).sum();
        let changes = self.parts.progress.totals.changes();
        let seconds = self.last.0.elapsed().as_secs_f64();
        if seconds < 0.05 {
            return;
        }
        let smooth = |rate: f64, now: u64, before: u64| {
            let current = now.saturating_sub(before) as f64 / seconds;
            let weight = (seconds / 2.0).min(1.0);
            rate * (1.0 - weight) + current * weight
        };
        self.rates = (smooth(self.rates.0, copied, self.last.1), smooth(self.rates.1, changes, self.last.2));
        self.last = (Instant::now(), copied, changes);
    }

    /// The state says why a target is parked, once for each parking.
    async fn read_parked(&mut self) {
        for (mapping, target) in self.parts.plan.targets() {
            if !self.parts.plan.is_parked(target.id) {
                self.parked.remove(&target.id);
            } else if !self.parked.contains_key(&target.id) {
                let key = Chunks::copy_key(&self.parts.source_name, &self.parts.plan, mapping, target);
                let store = &*self.parts.store;
                let record = records::read::<LifeRecord>(store, Space::LifeCycle, &key.prefix()).await;
                if let Ok(Some(LifeRecord { state: LifeCycle::Parked { reason }, .. })) = record {
                    self.parked.insert(target.id, reason);
                }
            }
        }
    }

    fn copy_state(&self, target: TargetId) -> CopyState {
        let copy = self.copies.get(&target).cloned().unwrap_or_default();
        CopyState::of(&copy, self.parked.get(&target))
    }

    /// The copies that are shown: all of a run that copies, and those that are parked.
    fn shown(&self) -> impl Iterator<Item = &(TargetId, String)> {
        self.labels.iter().filter(|(target, _)| self.copying || self.parked.contains_key(target))
    }

    fn figures(&self) -> Figures {
        let now_micros = self.parts.clock.now_micros();
        let lasts = |since_ms: u64| (now_micros / 1_000).saturating_sub(since_ms) >= LASTING_MS;
        let waits = self.parts.progress.waits(now_micros / 1_000);
        let longest = waits.into_iter().filter(|wait| lasts(wait.since_ms)).min_by_key(|wait| wait.since_ms);
        Figures {
            phase: self.parts.progress.phase().name(),
            copies: self.shown().map(|(target, _)| self.copy_state(*target)).collect(),
            wait: longest.map(|wait| (wait.who, wait.kind, wait.of)),
            behind: self.parts.progress.behind(now_micros).micros,
        }
    }

    fn draw(&self, bars: &mut Bars) {
        let (now_micros, shown) = (self.parts.clock.now_micros(), self.shown());
        let lines: Vec<CopyLine<'_>> = shown
            .map(|(target, label)| CopyLine {
                target: *target,
                label,
                state: self.copy_state(*target),
                copy: self.copies.get(target),
            })
            .collect();
        let [changes, rate, queued, lag] = self.tail_figures(now_micros);
        let wait = self.parts.progress.waits(now_micros / 1_000).into_iter().next();
        // the last to be cut off is what counts most
        let tail = format!("tail: {lag}, {rate}, {queued}, {changes}");
        bars.draw(console::Term::stderr().size().1, &lines, tail, wait.map(|wait| wait.words));
    }

    /// Changes since the start, changes a second, changes queued, and the lag.
    fn tail_figures(&self, now_micros: u64) -> [String; 4] {
        let progress = &self.parts.progress;
        let lag = lag_text(progress.behind(now_micros), progress.last_minute(now_micros));
        [
            format!("{} changes", progress.totals.changes()),
            format!("{:.0}/s", self.rates.1),
            format!("{} queued", progress.totals.queued_rows.load(Relaxed)),
            format!("lag {lag}"),
        ]
    }

    fn line(&self) -> String {
        let phase = self.parts.progress.phase().name();
        let mut parts = vec![format!("{} {phase}", moment(self.parts.clock.now_micros()))];
        for (target, label) in self.shown() {
            let rows = self.copies.get(target).map_or(0, |copy| copy.rows_done);
            parts.push(format!("{label}: {rows} rows, {}", self.copy_state(*target).text()));
        }
        if self.copying {
            parts.push(format!("copy {:.0} rows/s", self.rates.0));
        }
        let now_micros = self.parts.clock.now_micros();
        parts.push(format!("tail: {}", self.tail_figures(now_micros).join(", ")));
        parts.extend(self.parts.progress.waits(now_micros / 1_000).into_iter().next().map(|wait| wait.words));
        parts.join(" | ")
    }
}

/// `2024-01-31T10:00:00Z`, like the log's lines (RFC 3339).
pub(super) fn moment(micros: u64) -> String {
    let t = DateTime::from_micros_since_epoch(i64::try_from(micros).unwrap_or(0));
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// Behind the source now, and commit to written in the last minute.
fn lag_text(behind: Behind, last_minute: Quantiles) -> String {
    let behind = match behind.micros {
        None => "not known".to_owned(),
        Some(micros) if micros < 10_000_000 => format!("{} ms", micros / 1_000),
        Some(micros) => format!("{} s", micros / 1_000_000),
    };
    match last_minute.transactions {
        0 => behind,
        _ => format!("{behind} (p50 {:.1}, p99 {:.1})", last_minute.p50_ms, last_minute.p99_ms),
    }
}

fn on_screen() -> &'static MultiProgress {
    ON_SCREEN.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_begins_with_its_time() {
        assert_eq!(moment(1_706_695_200_999_999), "2024-01-31T10:00:00Z");
    }
}
