//! When a plain line is due: at once when something has changed, and else once a minute.

use crate::pipeline::progress::CopyProgress;
use crate::status::{Kind, Who};
use crate::store::records::CountsState;
use std::time::{Duration, Instant};

/// How often it is checked whether a plain line is due.
pub const PLAIN_CHECK: Duration = Duration::from_secs(2);
/// A plain line comes this often when nothing has changed.
const PLAIN_LINE: Duration = Duration::from_secs(60);
/// Points of a percentage by which a copy moves between two plain lines.
const POINTS: u64 = 5;
/// A lag above this is worth a plain line when it has doubled or halved, microseconds.
const LAG_MICROS: u64 = 10_000_000;
/// A wait is worth a plain line once it lasts this long, milliseconds.
pub const LASTING_MS: u64 = 2_000;

/// What decides whether a plain line is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub phase: &'static str,
    pub copies: Vec<CopyState>,
    /// The longest wait that lasts: who, for what, and on which mapping.
    pub wait: Option<(Who, Kind, String)>,
    /// How far HBase is behind the source, microseconds; `None`: not known.
    pub behind: Option<u64>,
}

/// What a plain line shows.
pub trait Shown {
    /// Whether a reader of the last line would want another.
    fn moved_to(&self, now: &Self) -> bool;
}

impl Shown for Figures {
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
pub enum CopyState {
    Parked { reason: String },
    Counting { rows: u64 },
    Complete,
    Copying { percent: u64 },
}

impl CopyState {
    pub fn of(copy: &CopyProgress, parked: Option<&String>) -> CopyState {
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

    pub fn text(&self) -> String {
        match self {
            CopyState::Parked { reason } => format!("parked: {reason}"),
            CopyState::Counting { rows } => format!("counting rows: {rows}"),
            CopyState::Complete => "complete".to_owned(),
            CopyState::Copying { percent } => format!("{percent} %"),
        }
    }
}

/// The plain line that was printed last.
pub struct Plain<S>(Option<(Instant, S)>);

impl<S> Default for Plain<S> {
    fn default() -> Self {
        Plain(None)
    }
}

impl<S: Shown> Plain<S> {
    /// Whether a line with these figures is to be printed now; the caller prints it then.
    pub fn is_due(&mut self, now: Instant, figures: S) -> bool {
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

fn percent(copy: &CopyProgress) -> u64 {
    let total = copy.rows_estimated.max(copy.rows_done).max(1);
    (copy.rows_done as f64 * 100.0 / total as f64).round() as u64
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
}
