//! How many bulk write calls may be under way on each gateway, and how many rows each call has: found while
//! running, because both differ from place to place (a gateway beside HBase on two cores is full with two
//! calls, one on a machine of its own with a dozen region servers behind it is not).
//!
//! Pure: it has no clock, makes no call and draws no random number. It is told when a call is asked for and
//! how it ended, and answers [`Pace::calls`] and [`Pace::rows`].
//!
//! **Calls.** Numbers of calls are compared by [`Trial`]s: epochs with the smaller and the larger number take
//! turns, and the larger one is kept only if it moves clearly more rows a second. Trials go upwards as long
//! as that succeeds (additive increase), then downwards, and become rare while nothing changes. When rows take
//! twice as long as usual and no more of them get through, the number is halved (multiplicative back-off), and
//! trials find the way up again.
//!
//! **Epochs.** An epoch ends after [`EPOCH_CALLS`] answers for each call under way, a quarter of a second at
//! least: single calls vary by much more than a fifth, the mean of 16 by less than what a trial asks for.
//! Its clock runs only while as many calls are wanted as the smaller number under trial allows; the rest of
//! the time says something of the demand and nothing of HBase. So an idle tail teaches nothing. After a change
//! of the number, the answers of calls from before are not counted.
//!
//! **Rows.** A call that takes longer than [`LONG`] halves the rows of later calls (once for all calls that were
//! under way together), because a call must stay far below the deadline of the lease that it is made under;
//! short and full calls add rows again, step by step. With the fewest rows, a long call halves the calls instead.
//!
//! **One for all gateways**, although each has its own limit: they are ways to the same HBase. Judged by its
//! own rate alone, a gateway would gain by one more call even when HBase is full, by taking from the others,
//! and all would climb to the bound. The rate that counts is the sum. A slow gateway gets fewer calls
//! anyway, because one that is free has its turn first.

use super::trial::{Trial, Verdict};
use std::time::Duration;

/// Calls under way on each gateway at the start: two keep a gateway busy while one reply is on its way.
const CALLS_AT_START: usize = 2;

/// Rows of a call at the start and at most: calls of 2,000 rows on few connections were fastest,
/// and larger ones only make a lost reply dearer.
const ROWS_MAX: usize = 2_000;
const ROWS_MIN: usize = 250;
const ROWS_STEP: usize = 250;

/// A call that takes longer is too long: the shortest lease (3 s) has a deadline of 1.5 s.
const LONG: Duration = Duration::from_secs(1);
/// Below this, calls may have more rows: a step makes them at most twice as long, still far from [`LONG`].
const SHORT: Duration = Duration::from_millis(250);

/// A smaller call is never held back by the number of bulk calls: it costs little, and waiting behind bulk
/// calls would cost the tail its lag.
const SMALL_BYTES: usize = 128 << 10;

const EPOCH_CALLS: usize = 8;
const EPOCH_MIN: Duration = Duration::from_millis(250);
/// An epoch of long calls ends after this and two answers for each call under way.
const EPOCH_MAX: Duration = Duration::from_secs(2);

/// Epochs between trials: doubled each time that a trial changes nothing.
const REST_MIN: u32 = 4;
const REST_MAX: u32 = 128;

/// How much longer than usual rows take when HBase is overloaded. Twice is far outside the noise of an epoch.
const OVERLOAD: f64 = 2.0;
/// Overloaded epochs in a row before the number of calls is halved: one may be a pause of a garbage collector.
const OVERLOADED_EPOCHS: u32 = 2;

/// How a call that was asked for ended. Moments count from any fixed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was given up, or refused, before it was sent.
    NotSent,
    /// All rows were acknowledged.
    Answered { begun: Duration, rows: usize },
    /// It failed, or was given up while it was under way.
    Unanswered { begun: Duration },
}

/// The present numbers of calls and rows, and what they are derived from.
#[derive(Clone, Debug)]
pub struct Pace {
    calls_max: usize,
    gateways: usize,
    /// The number found best so far; a trial may use another one meanwhile.
    calls: usize,
    rows: usize,
    /// Bulk calls asked for that have not ended, sent or not.
    demand: usize,
    last_event: Duration,
    epoch: Epoch,
    usual: Option<Load>,
    overloaded_epochs: u32,
    trial: Option<Trial>,
    rest: Rest,
    /// Calls that were under way then were judged together.
    slowed_at: Option<Duration>,
}

/// The time until the next trial, and its direction.
#[derive(Clone, Debug)]
struct Rest {
    epochs_left: u32,
    epochs: u32,
    upwards: bool,
}

impl Rest {
    fn before_going_up(epochs_left: u32) -> Rest {
        Rest { epochs_left, epochs: REST_MIN, upwards: true }
    }
}

#[derive(Clone, Debug, Default)]
struct Epoch {
    /// Answers that are not counted, because their calls began under another number.
    settling: usize,
    busy: Duration,
    calls: usize,
    full_calls: usize,
    rows: usize,
    took: Duration,
}

/// What an epoch shows.
#[derive(Clone, Copy, Debug)]
struct Load {
    rows_per_second: f64,
    seconds_per_row: f64,
}

impl Pace {
    /// For up to `calls_max` calls on each of `gateways` gateways.
    pub fn new(calls_max: usize, gateways: usize) -> Pace {
        let calls_max = calls_max.max(1);
        let mut pace = Pace {
            calls_max,
            gateways: gateways.max(1),
            calls: CALLS_AT_START.min(calls_max),
            rows: ROWS_MAX,
            demand: 0,
            last_event: Duration::ZERO,
            epoch: Epoch::default(),
            usual: None,
            overloaded_epochs: 0,
            trial: None,
            rest: Rest::before_going_up(1),
            slowed_at: None,
        };
        pace.start_epoch(pace.calls);
        pace
    }

    /// Bulk calls that may be under way on each gateway now.
    pub fn calls(&self) -> usize {
        self.trial.as_ref().map_or(self.calls, Trial::calls)
    }

    /// The bound of [`Pace::calls`].
    pub fn calls_max(&self) -> usize {
        self.calls_max
    }

    /// Rows of a call at most.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether a call counts against the number of calls.
    pub fn is_bulk(&self, rows: usize, bytes: usize) -> bool {
        rows * 4 >= self.rows || bytes >= SMALL_BYTES
    }

    /// A bulk call is asked for; each is followed by one [`Pace::ended`].
    pub fn asked(&mut self, now: Duration) {
        self.advance(now);
        self.demand += 1;
    }

    /// A bulk call that was asked for has ended.
    pub fn ended(&mut self, now: Duration, ended: Ended) {
        let is_busy = self.advance(now);
        self.demand = self.demand.saturating_sub(1);
        let (Ended::Answered { begun, .. } | Ended::Unanswered { begun }) = ended else { return };
        let took = now.saturating_sub(begun);
        if took > LONG {
            return self.slow_down(now, begun);
        }
        match ended {
            Ended::Answered { rows, .. } if self.epoch.settling == 0 => {
                if is_busy {
                    self.epoch.count(rows, took, rows >= self.rows);
                    self.end_epoch();
                }
            }
            Ended::Answered { .. } => self.epoch.settling -= 1,
            // What failed says nothing of the rate, and what was measured beside it not much.
            _ => self.start_epoch(self.calls()),
        }
    }

    /// Lets the epoch's clock run up to `now`, if it does. Returns whether it does.
    fn advance(&mut self, now: Duration) -> bool {
        let least = self.trial.as_ref().map_or(self.calls, Trial::low) * self.gateways;
        let is_busy = self.demand >= least;
        if is_busy && self.epoch.settling == 0 {
            self.epoch.busy += now.saturating_sub(self.last_event);
        }
        self.last_event = self.last_event.max(now);
        is_busy
    }

    /// A new epoch, after a change from `calls_before`.
    fn start_epoch(&mut self, calls_before: usize) {
        let settling = calls_before.max(self.calls()) * self.gateways;
        self.epoch = Epoch { settling, ..Epoch::default() };
    }

    fn end_epoch(&mut self) {
        let calls = self.calls();
        if !self.epoch.is_complete(calls * self.gateways) {
            return;
        }
        let epoch = std::mem::take(&mut self.epoch);
        let load = epoch.load();
        if calls == self.calls && self.is_overload(load) {
            self.back_off();
        } else if let Some(trial) = &mut self.trial {
            match trial.learn(load.rows_per_second) {
                Verdict::Open => {}
                Verdict::Use(winner) => self.decide(winner),
            }
        } else if epoch.has_room() && self.rows < ROWS_MAX {
            self.rows = (self.rows + ROWS_STEP).min(ROWS_MAX);
            self.usual = None;
        } else {
            self.rest.epochs_left = self.rest.epochs_left.saturating_sub(1);
            if self.rest.epochs_left == 0 {
                self.trial = self.next_trial();
            }
        }
        if self.calls() != calls {
            self.start_epoch(calls);
        }
    }

    /// Whether rows have been taking far longer than usual without more of them getting through; else `load`
    /// becomes part of what is usual.
    fn is_overload(&mut self, load: Load) -> bool {
        let Some(usual) = &mut self.usual else {
            self.usual = Some(load);
            return false;
        };
        if load.seconds_per_row < usual.seconds_per_row * OVERLOAD
            || load.rows_per_second > usual.rows_per_second
        {
            usual.learn(load);
            self.overloaded_epochs = 0;
            return false;
        }
        self.overloaded_epochs += 1;
        self.overloaded_epochs >= OVERLOADED_EPOCHS
    }

    fn back_off(&mut self) {
        self.calls = (self.calls / 2).max(1);
        self.forget();
    }

    /// What was measured is no longer true: begins again, upwards.
    fn forget(&mut self) {
        self.trial = None;
        self.usual = None;
        self.overloaded_epochs = 0;
        self.rest = Rest::before_going_up(REST_MIN);
    }

    /// A call that began at `begun` took longer than a call may.
    fn slow_down(&mut self, now: Duration, begun: Duration) {
        if self.slowed_at.is_some_and(|slowed| begun < slowed) {
            return;
        }
        self.slowed_at = Some(now);
        let calls = self.calls();
        if self.rows > ROWS_MIN {
            self.rows = (self.rows / 2).max(ROWS_MIN);
        } else {
            self.calls = (self.calls / 2).max(1);
        }
        self.forget();
        self.start_epoch(calls);
    }

    fn decide(&mut self, winner: usize) {
        self.trial = None;
        if winner != self.calls {
            self.calls = winner;
            self.usual = None;
            self.rest = Rest { epochs_left: 1, epochs: REST_MIN, upwards: self.rest.upwards };
        } else {
            let epochs = (self.rest.epochs * 2).min(REST_MAX);
            self.rest = Rest { epochs_left: epochs, epochs, upwards: !self.rest.upwards };
        }
    }

    /// Goes the other way where there is no further number; with a bound of one call there is none at all.
    fn next_trial(&mut self) -> Option<Trial> {
        // A quarter more: one call more would be lost in the noise where there are dozens.
        let above = (self.calls + (self.calls / 4).max(1)).min(self.calls_max);
        let below = (self.calls - (self.calls / 5).max(1)).max(1);
        let upwards = match self.rest.upwards {
            true => above > self.calls,
            false => below == self.calls,
        };
        self.rest.upwards = upwards;
        let challenger = if upwards { above } else { below };
        (challenger != self.calls).then(|| Trial::new(self.calls, challenger))
    }
}

impl Epoch {
    fn count(&mut self, rows: usize, took: Duration, is_full: bool) {
        self.calls += 1;
        self.full_calls += usize::from(is_full);
        self.rows += rows;
        self.took += took;
    }

    fn is_complete(&self, calls_under_way: usize) -> bool {
        (self.calls >= EPOCH_CALLS * calls_under_way && self.busy >= EPOCH_MIN)
            || (self.calls >= 2 * calls_under_way && self.busy >= EPOCH_MAX)
    }

    /// Whether calls are mostly full, and short.
    fn has_room(&self) -> bool {
        self.full_calls * 2 >= self.calls && self.took < SHORT * self.calls as u32
    }

    fn load(&self) -> Load {
        Load {
            rows_per_second: self.rows as f64 / self.busy.as_secs_f64(),
            seconds_per_row: self.took.as_secs_f64() / self.rows.max(1) as f64,
        }
    }
}

impl Load {
    /// A moving mean over about eight epochs.
    fn learn(&mut self, newer: Load) {
        self.rows_per_second += (newer.rows_per_second - self.rows_per_second) / 8.0;
        self.seconds_per_row += (newer.seconds_per_row - self.seconds_per_row) / 8.0;
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
