//! The live display of a run: a bar for each copy, a line for the tail, and always why it waits.
//!
//! On a terminal it redraws in place and logs go above it; elsewhere it prints a line now and then.

use super::output;
use crate::clock::Clock;
use crate::model::Mapping;
use crate::pipeline::progress::lag::{Behind, Quantiles};
use crate::pipeline::{Parts, Progress};
use crate::store::records::CountsState;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const REDRAW: Duration = Duration::from_millis(200);
const PLAIN_LINE: Duration = Duration::from_secs(2);

/// The bars that are on the terminal now, so that logs can be printed above them.
static ON_SCREEN: OnceLock<MultiProgress> = OnceLock::new();

/// Writes to standard error without tearing the bars.
pub fn above_bars(bytes: &[u8]) {
    match ON_SCREEN.get() {
        // a terminal that is gone: nobody reads
        Some(bars) => _ = bars.println(String::from_utf8_lossy(bytes).trim_end()),
        None => output::say(bytes),
    }
}

/// Shows `progress` until `done`, and then a last time.
pub async fn show(parts: Parts, mappings: Vec<Mapping>, copying: bool, done: CancellationToken) {
    let mut reading = Reading::new(parts, &mappings, copying);
    if std::io::stderr().is_terminal() {
        let mut bars = Bars::new(&reading);
        while !ended_within(&done, REDRAW).await {
            bars.draw(&mut reading);
        }
        return bars.draw(&mut reading);
    }
    while !ended_within(&done, PLAIN_LINE).await {
        output::say_line(&reading.line());
    }
}

async fn ended_within(done: &CancellationToken, pause: Duration) -> bool {
    tokio::time::timeout(pause, done.cancelled()).await.is_ok()
}

/// What the display knows between two drawings.
struct Reading {
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    /// Label of each copy, by target id.
    labels: Vec<(crate::model::TargetId, String)>,
    copying: bool,
    last: (Instant, u64, u64),
    rates: (f64, f64),
}

impl Reading {
    fn new(parts: Parts, mappings: &[Mapping], copying: bool) -> Reading {
        let label = |mapping: &Mapping, table: &str| format!("{} -> {table}", mapping.name);
        let labels = mappings
            .iter()
            .flat_map(|mapping| mapping.targets.iter().map(move |t| (t.id, label(mapping, &t.table))))
            .collect();
        let (progress, clock) = (parts.progress, parts.clock);
        Reading { progress, clock, labels, copying, last: (Instant::now(), 0, 0), rates: (0.0, 0.0) }
    }

    /// Rows copied and changes tailed a second, over the last seconds.
    fn measure(&mut self) {
        let copied: u64 = self.progress.copies().values().map(|copy| copy.rows_here).sum();
        let changes = self.progress.counts.changes();
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

    fn tail_line(&self) -> String {
        let (counts, now_micros) = (&self.progress.counts, self.clock.now_micros());
        let mut line = format!(
            "tail: {} changes, {:.0}/s, {} queued, lag {}",
            counts.changes(),
            self.rates.1,
            counts.queued_rows.load(Relaxed),
            lag_text(self.progress.behind(now_micros), self.progress.last_minute(now_micros))
        );
        if let Some(wait) = self.progress.waits(now_micros / 1_000).first() {
            line.push_str(&format!(" | {}", wait.words));
        }
        line
    }

    fn line(&mut self) -> String {
        self.measure();
        let copies = self.progress.copies();
        let mut parts = vec![self.progress.phase().name().to_owned()];
        for (target, label) in self.labels.iter().filter(|_| self.copying) {
            let copy = copies.get(target).cloned().unwrap_or_default();
            let state = match copy.counts.state {
                Some(CountsState::Counting) => format!("counting rows: {}", copy.counts.rows_walked),
                _ if copy.complete => "complete".to_owned(),
                _ => percent(&copy),
            };
            parts.push(format!("{label}: {} rows, {state}", copy.rows_done));
        }
        parts.push(format!("copy {:.0} rows/s", self.rates.0));
        parts.push(self.tail_line());
        parts.join(" | ")
    }
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

fn percent(copy: &crate::pipeline::progress::CopyProgress) -> String {
    let total = copy.rows_estimated.max(copy.rows_done).max(1);
    format!("{:.0} %", copy.rows_done as f64 * 100.0 / total as f64)
}

struct Bars {
    copies: Vec<(crate::model::TargetId, ProgressBar)>,
    tail: ProgressBar,
}

impl Bars {
    fn new(reading: &Reading) -> Bars {
        let all = ON_SCREEN.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        let style = "{msg:<28} {wide_bar} {pos:>9}/{len} rows  {rate:>8}/s  ETA {eta}";
        let rate = |state: &ProgressState, to: &mut dyn Write| {
            let _ = write!(to, "{:.0}", state.per_sec()); // a text takes everything
        };
        let style =
            ProgressStyle::with_template(style).expect("the template is valid").with_key("rate", rate);
        let labels = reading.labels.iter().filter(|_| reading.copying);
        let copies = labels
            .map(|(target, label)| {
                let bar = all.add(ProgressBar::new(0).with_style(style.clone()).with_message(label.clone()));
                (*target, bar)
            })
            .collect();
        let plain = ProgressStyle::with_template("{spinner} {msg}").expect("the template is valid");
        Bars { copies, tail: all.add(ProgressBar::new_spinner().with_style(plain)) }
    }

    fn draw(&mut self, reading: &mut Reading) {
        reading.measure();
        let copies = reading.progress.copies();
        for (target, bar) in &self.copies {
            let Some(copy) = copies.get(target) else { continue };
            bar.set_length(copy.rows_estimated.max(copy.rows_done));
            bar.set_position(copy.rows_done);
            if copy.complete && !bar.is_finished() {
                bar.set_length(copy.rows_done);
                bar.abandon();
            }
        }
        self.tail.set_message(reading.tail_line());
        self.tail.tick();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for (_, bar) in &self.copies {
            bar.abandon();
        }
        self.tail.abandon();
    }
}
