//! Where a reader of history waits, and what is known of the pace.
//!
//! Whoever waits here holds nothing: no lease, no part of a chunk, no turn of a list (I8). A lease that is held over a wait
//! would keep the tail and the application off its lists for as long as somebody else's server is busy, and would expire
//! under its holder. So a permit is asked for before any of these is taken, and is never asked for again until they are
//! given back.

use super::bucket::{Answer, Bucket};
use super::crowd::Crowd;
use super::pace::{Pace, Verdict};
use super::signals::{Judged, print_ms};
use crate::model::{Control, FileLimits, LimitKey, Limits};
use crate::pipeline::progress::{Progress, Waiter};
use crate::signal::{Listener, Signal};
use crate::source::{Gauges, NoGauges};
use crate::status::{Awaited, Holding, Kind, LimitShown, Origin, ThrottleShown, ThrottleStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a permit should last at the pace, as a part of a second: small parts keep a low pace even.
const PERMITS_A_SECOND: f64 = 4.0;

/// The throttle of a run; clones share it.
#[derive(Clone)]
pub struct Throttle {
    shared: Arc<Shared>,
}

struct Shared {
    file: FileLimits,
    gauges: Arc<dyn Gauges>,
    state: Mutex<State>,
    /// Raised when the pace, the limits or what holds the copy back are others.
    changed: Signal,
    /// One waits for the bucket, the others for it, in their order.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    /// `None`: nobody has looked yet, and nothing is granted.
    limits: Option<Limits>,
    pace: Pace,
    crowd: Crowd,
    /// Since when not all workers may take a part, milliseconds since 1970.
    crowded_ms: Option<u64>,
    bucket: Bucket,
    judged: Vec<Judged>,
    /// Since when each signal holds the copy back, milliseconds since 1970.
    since_ms: BTreeMap<LimitKey, u64>,
    /// Rows that were read since the last look, and when that was.
    rows: f64,
    looked: Instant,
}

impl State {
    /// Those that hold; those of the file before the first look.
    fn limits_or<'a>(&'a self, file: &'a FileLimits) -> &'a Limits {
        self.limits.as_ref().unwrap_or(&file.limits)
    }

    /// What keeps some of the workers from taking parts.
    fn crowded(&self) -> Option<Holding> {
        let Limits { workers, tail_write, .. } = self.limits.as_ref()?;
        let (took, limit) = (self.crowd.too_long(*workers)?, (*tail_write)?);
        let [figure, limit] = [took, self.crowd.bearable(limit)].map(print_ms);
        let signal = LimitKey::TailWrite.name().to_owned();
        let allowed = self.crowd.allowed(*workers);
        let words = format!(
            "{signal}: {allowed} of {workers} workers copy, because changes of the tail took {figure} beside more, above {limit}"
        );
        Some(Holding { signal, figure: Some(figure), limit, since_ms: self.crowded_ms.unwrap_or(0), words })
    }
}

/// The right to read some rows. Dropped unused, it takes nothing from others.
pub struct Permit {
    throttle: Throttle,
    /// 0: there was no limit.
    reserved: f64,
}

impl Permit {
    /// So many rows were read with it, possibly more than it was for: then the next one waits for longer.
    pub fn used(mut self, rows: u64) {
        let rows = rows as f64;
        let mut state = self.throttle.state();
        state.rows += rows;
        if self.reserved > 0.0 {
            state.bucket.give_back(self.reserved - rows);
        }
        drop(state);
        self.reserved = 0.0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.reserved > 0.0 {
            self.throttle.state().bucket.give_back(self.reserved);
        }
    }
}

impl Default for Throttle {
    /// Without limits in a file, and without servers to ask.
    fn default() -> Throttle {
        Throttle::new(FileLimits::default(), Arc::new(NoGauges))
    }
}

impl Throttle {
    /// A throttle with the limits of a configuration. It grants nothing before the first look.
    pub fn new(file: FileLimits, gauges: Arc<dyn Gauges>) -> Throttle {
        let state = State {
            limits: None,
            pace: Pace::default(),
            crowd: Crowd::default(),
            crowded_ms: None,
            bucket: Bucket::new(),
            judged: Vec::new(),
            since_ms: BTreeMap::new(),
            rows: 0.0,
            looked: Instant::now(),
        };
        let (state, changed, turn) = (Mutex::new(state), Signal::new(), tokio::sync::Mutex::new(()));
        Throttle { shared: Arc::new(Shared { file, gauges, state, changed, turn }) }
    }

    /// What its configuration says.
    pub fn file(&self) -> &FileLimits {
        &self.shared.file
    }

    pub(super) fn gauges(&self) -> &dyn Gauges {
        &*self.shared.gauges
    }

    /// The limits that hold now; those of the file before the first look.
    pub fn limits(&self) -> Limits {
        self.state().limits_or(&self.shared.file).clone()
    }

    /// Hears when the limits or the pace change.
    pub fn listen(&self) -> Listener {
        self.shared.changed.listen()
    }

    /// Workers of the copy that may take a part now.
    pub fn workers(&self) -> usize {
        let state = self.state();
        let limits = state.limits_or(&self.shared.file);
        match limits.tail_write {
            Some(_) => state.crowd.allowed(limits.workers),
            None => limits.workers,
        }
    }

    /// Rows that one part may have, whatever the pace is.
    pub fn part_rows_max(&self) -> u32 {
        let state = self.state();
        let limits = state.limits_or(&self.shared.file);
        match limits.tail_write {
            Some(_) => state.crowd.part_rows(limits.chunk_rows, limits.workers),
            None => limits.chunk_rows,
        }
    }

    /// Rows that one part should have: a quarter of a second at the pace, `most` at most, at least 1.
    pub fn part_rows(&self, most: u64) -> u64 {
        match self.state().pace.rows_per_second() {
            Some(pace) => ((pace / PERMITS_A_SECOND) as u64).clamp(1, most.max(1)),
            None => most,
        }
    }

    /// Waits until about `rows` may be read. Cancel safe. The caller holds nothing that anybody else waits for.
    pub async fn permit(&self, rows: u64, waiter: Waiter, progress: &Progress) -> Permit {
        let rows = rows as f64;
        if self.is_free() {
            return self.granted(0.0);
        }
        let _turn = self.shared.turn.lock().await;
        let mut changed = self.shared.changed.listen();
        let mut shown = false;
        loop {
            let (answer, detail) = self.ask(rows);
            if answer == Answer::Granted {
                if shown {
                    progress.go_on(waiter);
                }
                return self.granted(rows);
            }
            shown = true;
            progress.wait_for(waiter, Awaited::new(Kind::Throttle, detail));
            match answer {
                Answer::After(pause) => {
                    tokio::select! { biased;
                        () = changed.changed() => {}
                        () = sleep(pause) => {}
                    }
                }
                _ => changed.changed().await,
            }
        }
    }

    /// A permit without a question: what a test breaks.
    pub fn unasked(&self) -> Permit {
        self.granted(0.0)
    }

    fn granted(&self, reserved: f64) -> Permit {
        Permit { throttle: self.clone(), reserved }
    }

    /// Whether nothing at all is granted now.
    pub fn is_shut(&self) -> bool {
        let state = self.state();
        state.limits.is_none() || state.pace.rows_per_second() == Some(0.0)
    }

    fn is_free(&self) -> bool {
        let state = self.state();
        state.limits.is_some() && state.pace.rows_per_second().is_none()
    }

    /// Asks the bucket; and what it is that holds back.
    fn ask(&self, rows: f64) -> (Answer, String) {
        let mut state = self.state();
        if state.limits.is_none() {
            return (Answer::Never, "nobody has looked yet how busy the servers are".to_owned());
        }
        let Some(pace) = state.pace.rows_per_second() else { return (Answer::Granted, String::new()) };
        let held: Vec<&str> =
            state.judged.iter().map(|judged| &*judged.words).filter(|words| !words.is_empty()).collect();
        let detail = match held.is_empty() {
            true => format!("{pace:.0} rows a second"),
            false => held.join("; "),
        };
        (state.bucket.ask(rows, pace), detail)
    }

    /// Takes over what the control record says; the limits that hold by it.
    pub fn adopt(&self, control: &Control) -> Limits {
        let limits = self.shared.file.with(&control.limits);
        let mut state = self.state();
        let is_new = state.limits.as_ref() != Some(&limits);
        let bound = limits.rows_per_second.map(f64::from);
        match limits.has_signals() {
            true => state.pace.bind(bound),
            false => {
                state.pace.unwatched(bound);
                state.judged.clear();
                state.since_ms.clear();
                state.limits = Some(limits.clone());
            }
        }
        drop(state);
        if is_new {
            self.shared.changed.raise();
        }
        limits
    }

    /// Takes over what a look at `limits` has shown.
    pub(super) fn looked(&self, limits: Limits, judged: Vec<Judged>, now_ms: u64) {
        let mut state = self.state();
        let seconds = state.looked.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { state.rows / seconds } else { 0.0 };
        (state.rows, state.looked) = (0.0, Instant::now());
        let worst = judged.iter().map(|judged| judged.verdict).max().unwrap_or_default();
        // a copy does not begin while something is above its limit
        let begins = state.limits.is_none() && worst == Verdict::Above;
        let worst = if begins { Verdict::Shut } else { worst };
        state.pace.adapt(worst, limits.rows_per_second.map(f64::from), rate);
        state.since_ms.retain(|signal, _| {
            judged.iter().any(|judged| judged.signal == *signal && judged.verdict != Verdict::Free)
        });
        for held in judged.iter().filter(|judged| judged.verdict != Verdict::Free) {
            if state.since_ms.insert(held.signal, now_ms).is_none() {
                tracing::info!(event = "copy_held", signal = held.signal.name(), "{}", held.words);
            }
        }
        (state.judged, state.limits) = (judged, Some(limits));
        drop(state);
        self.shared.changed.raise();
    }

    /// Takes over how long the tail's changes took since the last call; `None`: there were none.
    pub(super) fn tail_took(&self, took: Option<Duration>, now_ms: u64) {
        let mut state = self.state();
        let limits = state.limits_or(&self.shared.file);
        let (limit, workers) = (limits.tail_write, limits.workers);
        let before = state.crowd.allowed(workers);
        match limit {
            Some(limit) => state.crowd.adapt(took, limit, workers),
            None => state.crowd = Crowd::default(),
        }
        let crowded = state.crowded();
        let begins = crowded.is_some() && state.crowded_ms.is_none();
        state.crowded_ms = state.crowded_ms.or(Some(now_ms)).filter(|_| crowded.is_some());
        let changed = state.crowd.allowed(workers) != before;
        drop(state);
        if let Some(crowded) = crowded.filter(|_| begins) {
            tracing::info!(event = "copy_held", signal = crowded.signal, "{}", crowded.words);
        }
        if changed {
            self.shared.changed.raise();
        }
    }

    /// The pace now, and what holds the copy back.
    pub fn status(&self) -> ThrottleStatus {
        let state = self.state();
        let holding = |judged: &Judged| Holding {
            signal: judged.signal.name().to_owned(),
            figure: judged.figure.clone(),
            limit: judged.limit.clone(),
            since_ms: state.since_ms.get(&judged.signal).copied().unwrap_or_default(),
            words: judged.words.clone(),
        };
        let held = state.judged.iter().filter(|judged| judged.verdict != Verdict::Free);
        ThrottleStatus {
            rows_per_second: match state.limits {
                Some(_) => state.pace.rows_per_second(),
                None => self.shared.file.limits.rows_per_second.map(f64::from),
            },
            holding: held.map(holding).chain(state.crowded()).collect(),
        }
    }

    /// All limits with where they come from; with pace and figures in a run that is `live`.
    pub fn shown(&self, control: &Control, live: bool) -> ThrottleShown {
        let limits = self.shared.file.with(&control.limits);
        let ThrottleStatus { rows_per_second, holding } = match live {
            true => self.status(),
            false => ThrottleStatus::default(),
        };
        let figures = self.figures();
        let key = |key: &LimitKey| {
            let set = control.limits.get(key.name());
            let origin = match set {
                Some(_) => Origin::Set,
                None if self.shared.file.given.contains(key) => Origin::File,
                None => Origin::Default,
            };
            LimitShown {
                key: key.name().to_owned(),
                value: limits.text(*key),
                origin,
                by: set.map(|set| set.by.clone()),
                at_ms: set.map(|set| set.at_ms),
                reason: set.map(|set| set.reason.clone()),
                figure: figures.get(key).cloned().flatten().filter(|_| live),
            }
        };
        ThrottleShown { live, rows_per_second, holding, keys: LimitKey::ALL.iter().map(key).collect() }
    }

    fn figures(&self) -> BTreeMap<LimitKey, Option<String>> {
        let state = self.state();
        let tail_write = (LimitKey::TailWrite, state.crowd.newest().map(print_ms));
        state.judged.iter().map(|judged| (judged.signal, judged.figure.clone())).chain([tail_write]).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // no method panics between two changes that belong together
        self.shared.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
