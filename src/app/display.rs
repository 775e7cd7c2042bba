//! The live display of a run: a bar for each copy, a line for the tail, and always why it waits.
//!
//! On a terminal it redraws in place and logs go above it. Elsewhere, and where the log is JSON, it prints a line when
//! something has changed, and else one a minute.

use super::output;
use crate::model::{DateTime, LifeCycle, Mapping, TargetId};
use crate::pipeline::Parts;
use crate::pipeline::copies::chunks::Chunks;
use crate::pipeline::progress::CopyProgress;
use crate::pipeline::progress::lag::{Behind, Quantiles};
use crate::status::{Kind, Who};
use crate::store::Space;
use crate::store::records::{self, CountsState, LifeRecord};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const REDRAW: Duration = Duration::from_millis(200);
/// How often it is checked whether a plain line is due.
const PLAIN_CHECK: Duration = Duration::from_secs(2);
/// A plain line comes this often when nothing has changed.
const PLAIN_LINE: Duration = Duration::from_secs(60);
/// Points of a percentage by which a copy moves between two plain lines.
const POINTS: u64 = 5;
/// A lag above this is worth a plain line when it has doubled or halved, microseconds.
const LAG_MICROS: u64 = 10_000_000;
/// A wait is worth a plain line once it lasts this long, milliseconds.
const LASTING_MS: u64 = 2_000;

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
        let mut bars = Bars::new();
        while !ended_within(&done, REDRAW).await {
            reading.measure().await;
            bars.draw(&reading);
        }
        reading.measure().await;
        return bars.draw(&reading);
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

/// What decides whether a plain line is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Figures {
    phase: &'static str,
    copies: Vec<CopyState>,
    /// The longest wait that lasts: who, for what, and on which mapping.
    wait: Option<(Who, Kind, String)>,
    /// How far HBase is behind the source, microseconds; `None`: not known.
    behind: Option<u64>,
}

impl Figures {
    /// Whether a reader of the last line would want another.
    fn moved_to(&self, now: &Figures) -> bool {
        let lag = match (self.behind, now.behind) {
            (Some(before), Some(now)) => {
                before.max(now) > LAG_MICROS && before.max(now) / 2 > before.min(now)
            }
            (before, now) => before.is_some() != now.is_some(),
        };
        let copies = self.copies.len() != now.copies.len()
            || self.copies.iter().zip(&now.copies).any(|(before, now)| before.moved_to(now));
        self.phase != now.phase || self.wait != now.wait || lag || copies
    }
}

/// What a copy does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CopyState {
    Parked { reason: String },
    Counting { rows: u64 },
    Complete,
    Copying { percent: u64 },
}

impl CopyState {
    fn of(copy: &CopyProgress, parked: Option<&String>) -> CopyState {
        match (parked, copy.counts.state) {
            (Some(reason), _) => CopyState::Parked { reason: reason.clone() },
            (None, Some(CountsState::Counting)) => CopyState::Counting { rows: copy.counts.rows_walked },
            (None, _) if copy.complete => CopyState::Complete,
            (None, _) => CopyState::Copying { percent: percent(copy) },
        }
    }

    fn moved_to(&self, now: &CopyState) -> bool {
        match (self, now) {
            (CopyState::Copying { percent: before }, CopyState::Copying { percent: now }) => {
                before.abs_diff(*now) >= POINTS
            }
            (CopyState::Counting { .. }, CopyState::Counting { .. }) => false,
            (before, now) => before != now,
        }
    }

    fn text(&self) -> String {
        match self {
            CopyState::Parked { reason } => format!("parked: {reason}"),
            CopyState::Counting { rows } => format!("counting rows: {rows}"),
            CopyState::Complete => "complete".to_owned(),
            CopyState::Copying { percent } => format!("{percent} %"),
        }
    }
}

/// The plain line that was printed last.
#[derive(Default)]
struct Plain(Option<(Instant, Figures)>);

impl Plain {
    /// Whether a line with these figures is to be printed now; the caller prints it then.
    fn is_due(&mut self, now: Instant, figures: Figures) -> bool {
        let due = match &self.0 {
            None => true,
            Some((printed, last)) => last.moved_to(&figures) || now.duration_since(*printed) >= PLAIN_LINE,
        };
        if due {
            self.0 = Some((now, figures));
        }
        due
    }
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

    fn tail_line(&self) -> String {
        let (progress, now_micros) = (&self.parts.progress, self.parts.clock.now_micros());
        let mut line = format!(
            "tail: {} changes, {:.0}/s, {} queued, lag {}",
            progress.totals.changes(),
            self.rates.1,
            progress.totals.queued_rows.load(Relaxed),
            lag_text(progress.behind(now_micros), progress.last_minute(now_micros))
        );
        if let Some(wait) = progress.waits(now_micros / 1_000).first() {
            line.push_str(&format!(" | {}", wait.words));
        }
        line
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
        parts.push(self.tail_line());
        parts.join(" | ")
    }
}

/// `2024-01-31T10:00:00Z`, like the log's lines (RFC 3339).
fn moment(micros: u64) -> String {
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

fn percent(copy: &CopyProgress) -> u64 {
    let total = copy.rows_estimated.max(copy.rows_done).max(1);
    (copy.rows_done as f64 * 100.0 / total as f64).round() as u64
}

struct Bars {
    copies: BTreeMap<TargetId, ProgressBar>,
    tail: ProgressBar,
}

impl Bars {
    fn new() -> Bars {
        let spinner = ProgressBar::new_spinner().with_style(style("{spinner} {msg}"));
        Bars { copies: BTreeMap::new(), tail: on_screen().add(spinner) }
    }

    fn draw(&mut self, reading: &Reading) {
        self.copies.retain(|target, bar| {
            let is_shown = reading.shown().any(|(shown, _)| shown == target);
            if !is_shown {
                bar.finish_and_clear();
                on_screen().remove(bar);
            }
            is_shown
        });
        for (target, label) in reading.shown() {
            let new = || on_screen().insert_before(&self.tail, ProgressBar::new(0).with_style(copy_style()));
            let bar = self.copies.entry(*target).or_insert_with(new);
            match reading.copy_state(*target) {
                CopyState::Parked { reason } => {
                    bar.set_style(style("{msg}"));
                    bar.set_message(format!("{label}  parked: {reason}"));
                }
                state => draw_copy(bar, label, &state, reading.copies.get(target)),
            }
        }
        self.tail.set_message(reading.tail_line());
        self.tail.tick();
    }
}

fn draw_copy(bar: &ProgressBar, label: &str, state: &CopyState, copy: Option<&CopyProgress>) {
    if bar.message() != label {
        bar.set_style(copy_style());
        bar.set_message(label.to_owned());
    }
    let Some(copy) = copy else { return };
    bar.set_length(copy.rows_estimated.max(copy.rows_done));
    bar.set_position(copy.rows_done);
    if *state == CopyState::Complete && !bar.is_finished() {
        bar.set_length(copy.rows_done);
        bar.abandon();
    }
}

fn on_screen() -> &'static MultiProgress {
    ON_SCREEN.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}

fn copy_style() -> ProgressStyle {
    let rate = |state: &ProgressState, to: &mut dyn Write| {
        let _ = write!(to, "{:.0}", state.per_sec()); // a text takes everything
    };
    style("{msg:<28} {wide_bar} {pos:>9}/{len} rows  {rate:>8}/s  ETA {eta}").with_key("rate", rate)
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.copies.values() {
            bar.abandon();
        }
        self.tail.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copying(percent: u64) -> CopyState {
        CopyState::Copying { percent }
    }

    fn figures(copies: &[CopyState]) -> Figures {
        Figures { phase: "tailing", copies: copies.to_vec(), wait: None, behind: Some(3_000) }
    }

    /// Whether a line is due `seconds` after one with `before`.
    fn is_due(before: &Figures, seconds: u64, now: &Figures) -> bool {
        let (mut plain, begin) = (Plain::default(), Instant::now());
        assert!(plain.is_due(begin, before.clone()), "the first line is always due");
        plain.is_due(begin + Duration::from_secs(seconds), now.clone())
    }

    #[test]
    fn a_run_in_which_nothing_changes_prints_one_line_a_minute() {
        let same = figures(&[copying(40)]);
        let (mut plain, begin) = (Plain::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let due = (0..600).step_by(2).filter(|seconds| plain.is_due(at(*seconds), same.clone())).count();
        assert_eq!(due, 10);
    }

    #[test]
    fn a_line_is_due_at_once_when_something_changed() {
        let before = figures(&[copying(40)]);
        let parked = || CopyState::Parked { reason: "the table was altered".to_owned() };
        let wait = Some((Who::Tail, Kind::Hbase, String::new()));
        for now in [
            figures(&[copying(45)]),
            figures(&[CopyState::Complete]),
            figures(&[CopyState::Counting { rows: 7 }]),
            figures(&[parked()]),
            figures(&[copying(40), parked()]),
            Figures { phase: "draining", ..before.clone() },
            Figures { wait, ..before.clone() },
            Figures { behind: None, ..before.clone() },
            Figures { behind: Some(25_000_000), ..before.clone() },
        ] {
            assert!(is_due(&before, 2, &now), "{now:?}");
            assert!(is_due(&now, 2, &before), "and back: {now:?}");
        }
    }

    #[test]
    fn small_moves_wait_for_the_minute() {
        let before = figures(&[copying(40), CopyState::Counting { rows: 7 }]);
        let now = Figures {
            behind: Some(9_000_000),
            ..figures(&[copying(44), CopyState::Counting { rows: 900_000 }])
        };
        assert!(!is_due(&before, 58, &now));
        assert!(is_due(&before, 60, &now));
        let lagging = |seconds: u64| Figures { behind: Some(seconds * 1_000_000), ..figures(&[]) };
        assert!(!is_due(&lagging(300), 2, &lagging(302)));
    }

    #[test]
    fn a_parked_target_shows_its_reason_and_no_percentage() {
        let copy = CopyProgress { rows_done: 40, rows_estimated: 100, ..CopyProgress::default() };
        let reason = "the table was altered".to_owned();
        assert_eq!(CopyState::of(&copy, Some(&reason)).text(), "parked: the table was altered");
        assert_eq!(CopyState::of(&copy, None).text(), "40 %");
        let complete = CopyProgress { complete: true, ..copy };
        assert_eq!(CopyState::of(&complete, None).text(), "complete");
        assert_eq!(CopyState::of(&complete, Some(&reason)).text(), "parked: the table was altered");
    }

    #[test]
    fn a_plain_line_begins_with_its_time() {
        assert_eq!(moment(1_706_695_200_999_999), "2024-01-31T10:00:00Z");
    }
}
