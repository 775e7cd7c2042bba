//! What is wanted of a run, by a person and durably: the tail and the backfill, each running or paused, and the limits of
//! the copy.

use super::DateTime;
use super::limits_set::LimitSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One of the two things that a run does and a person can pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Reading the binlog. What was received before the pause is still written and checkpointed.
    Tail,
    /// Copying history, and counting rows. Parts that are under way still end.
    Backfill,
}

impl Work {
    /// Both, in the order in which they are shown.
    pub const ALL: [Work; 2] = [Work::Tail, Work::Backfill];

    /// As the command line and JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Work::Tail => "tail",
            Work::Backfill => "backfill",
        }
    }
}

/// What is wanted of one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It works.
    #[default]
    Running,
    /// It stands still, also over restarts, until a person resumes it.
    Paused,
}

impl Wanted {
    /// As JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Wanted::Running => "running",
            Wanted::Paused => "paused",
        }
    }
}

/// What is wanted of one of them, and who set that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lever {
    /// Holds until another lever is set in its place.
    pub wanted: Wanted,
    /// The account that ran the command; empty: nobody has set it yet.
    pub by: String,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// As the person gave it; may be empty.
    pub reason: String,
}

/// `paused by ann since 2026-11-29 03:12:45 UTC: reason`.
impl fmt::Display for Lever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = DateTime::from_ms_since_epoch(self.at_ms).in_seconds();
        let by = if self.by.is_empty() { "nobody" } else { &self.by };
        write!(f, "{} by {by} since {since}", self.wanted.name())?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

/// The control record of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Of reading the binlog.
    pub tail: Lever,
    /// Of copying history and counting rows.
    pub backfill: Lever,
    /// Limits of the copy that a person has set, by the names of their keys. A record of before they were there has none.
    #[serde(default)]
    pub limits: BTreeMap<String, LimitSet>,
}

impl Control {
    /// The lever of `work`.
    pub fn of(&self, work: Work) -> &Lever {
        match work {
            Work::Tail => &self.tail,
            Work::Backfill => &self.backfill,
        }
    }

    /// Whether `work` is to stand still.
    pub fn is_paused(&self, work: Work) -> bool {
        self.of(work).wanted == Wanted::Paused
    }

    /// What is paused, with who paused it.
    pub fn paused(&self) -> impl Iterator<Item = (Work, &Lever)> {
        Work::ALL.into_iter().map(|work| (work, self.of(work))).filter(|(work, _)| self.is_paused(*work))
    }

    /// Sets what is wanted of `works`; one of which that was wanted already keeps who set it, and when. Those that changed.
    pub fn set(&mut self, works: &[Work], lever: &Lever) -> Vec<Work> {
        let mut changed = Vec::new();
        for work in works {
            let ours = match work {
                Work::Tail => &mut self.tail,
                Work::Backfill => &mut self.backfill,
            };
            if ours.wanted != lever.wanted {
                ours.clone_from(lever);
                changed.push(*work);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lever(wanted: Wanted, by: &str) -> Lever {
        Lever { wanted, by: by.into(), at_ms: 7, reason: String::new() }
    }

    #[test]
    fn pausing_again_keeps_who_paused_first() {
        let mut control = Control::default();
        assert_eq!(control.set(&[Work::Tail], &lever(Wanted::Paused, "ann")), [Work::Tail]);
        assert_eq!(control.set(&Work::ALL, &lever(Wanted::Paused, "bob")), [Work::Backfill]);
        assert_eq!((control.tail.by.as_str(), control.backfill.by.as_str()), ("ann", "bob"));
        assert_eq!(control.paused().count(), 2);
        assert_eq!(control.set(&Work::ALL, &lever(Wanted::Running, "ann")), Work::ALL);
        assert_eq!(control.paused().count(), 0);
        assert!(control.set(&Work::ALL, &lever(Wanted::Running, "bob")).is_empty());
    }

    #[test]
    fn a_record_of_before_there_were_limits_is_read() {
        let before = r#"{"tail":{"wanted":"paused","by":"ann","at_ms":7,"reason":""},
            "backfill":{"wanted":"running","by":"","at_ms":0,"reason":""}}"#;
        let control: Control = serde_json::from_str(before).expect("it is read");
        assert!(control.is_paused(Work::Tail) && control.limits.is_empty());
    }

    #[test]
    fn names_are_those_of_the_json() {
        for work in Work::ALL {
            assert_eq!(serde_json::to_value(work).expect("json"), work.name());
        }
        for wanted in [Wanted::Running, Wanted::Paused] {
            assert_eq!(serde_json::to_value(wanted).expect("json"), wanted.name());
        }
    }
}
