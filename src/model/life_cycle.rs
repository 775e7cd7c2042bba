//! The life of a mapping's target, for one cohort of lists.
//!
//! One enum and one pure function; the store keeps the state, status prints it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a target of a mapping stands. All states are durable.
///
/// | state | set by | what is true then |
/// |---|---|---|
/// | `New` | first start | nothing was written |
/// | `Tailing` | the tail | changes since the start position are being written |
/// | `Backfilling` | the backfill | chunks are being copied |
/// | `CaughtUp` | the backfill | every chunk is copied and the tail has passed the position of that moment |
/// | `Verified` | `verify` | a full comparison found no difference since |
/// | `Parked` | the tail | changes were missed from here on; a re-copy is needed |
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeCycle {
    /// Set by the first start: nothing was written.
    #[default]
    New,
    /// Set by the tail: changes since the start position are being written.
    Tailing,
    /// Set by the backfill: chunks are being copied.
    Backfilling,
    /// Set by the backfill: every chunk is copied, and the tail has passed the position of that moment.
    CaughtUp,
    /// Set by `verify`: a full comparison found no difference since.
    Verified,
    /// Set by the tail: changes were missed from here on; a re-copy is needed.
    Parked {
        /// Shown to a person; names the statement or the definition, no row values.
        reason: String,
    },
}

/// What can happen to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifeEvent {
    TailStarted,
    BackfillStarted,
    CaughtUp,
    VerifiedEqual,
    DifferencesFound,
    Parked { reason: String },
    Unparked,
}

/// An event that the state does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} is not possible while {state}")]
pub struct Illegal {
    pub state: LifeCycle,
    pub event: LifeEvent,
}

/// The state after `event`. Repeating an event that was already taken in changes nothing, because a
/// restart repeats them.
pub fn step(state: &LifeCycle, event: LifeEvent) -> Result<LifeCycle, Illegal> {
    use LifeCycle as S;
    use LifeEvent as E;
    let next = match (state, &event) {
        (S::Parked { .. }, E::Unparked) => Some(S::Tailing),
        // again while its re-copy is under way: the last reason is the one to remove
        (S::Parked { .. }, E::Parked { reason }) => Some(S::Parked { reason: reason.clone() }),
        (S::Parked { .. }, _) => None,
        (_, E::Parked { reason }) => Some(S::Parked { reason: reason.clone() }),
        (S::New, E::TailStarted) => Some(S::Tailing),
        (_, E::TailStarted) => Some(state.clone()),
        (S::New | S::Tailing | S::Backfilling, E::BackfillStarted) => Some(S::Backfilling),
        (_, E::BackfillStarted) => Some(state.clone()),
        (S::Backfilling, E::CaughtUp) => Some(S::CaughtUp),
        (S::CaughtUp | S::Verified, E::CaughtUp) => Some(state.clone()),
        (S::CaughtUp | S::Verified, E::VerifiedEqual) => Some(S::Verified),
        (S::CaughtUp | S::Verified, E::DifferencesFound) => Some(S::CaughtUp),
        _ => None,
    };
    next.ok_or_else(|| Illegal { state: state.clone(), event })
}

impl fmt::Display for LifeCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LifeCycle::New => f.write_str("new"),
            LifeCycle::Tailing => f.write_str("tailing"),
            LifeCycle::Backfilling => f.write_str("backfilling"),
            LifeCycle::CaughtUp => f.write_str("caught_up"),
            LifeCycle::Verified => f.write_str("verified"),
            LifeCycle::Parked { reason } => write!(f, "parked ({reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<LifeCycle> {
        use LifeCycle::*;
        vec![New, Tailing, Backfilling, CaughtUp, Verified, Parked { reason: "x".into() }]
    }

    fn events() -> Vec<LifeEvent> {
        use LifeEvent::*;
        vec![
            TailStarted,
            BackfillStarted,
            CaughtUp,
            VerifiedEqual,
            DifferencesFound,
            Parked { reason: "x".into() },
            Unparked,
        ]
    }

    /// One row per state, one column per event, in the order of `states` and `events`; `-` is illegal.
    const TABLE: [&str; 6] = [
        "tailing backfilling - - - parked -",
        "tailing backfilling - - - parked -",
        "backfilling backfilling caught_up - - parked -",
        "caught_up caught_up caught_up verified caught_up parked -",
        "verified verified verified verified caught_up parked -",
        "- - - - - parked tailing",
    ];

    #[test]
    fn every_pair_of_state_and_event_does_what_the_table_says() {
        for (state, row) in states().iter().zip(TABLE) {
            for (event, expected) in events().into_iter().zip(row.split(' ')) {
                let found = step(state, event.clone()).map(|next| next.to_string());
                let found = found.as_deref().map_or("-", |next| next.split(' ').next().unwrap_or("-"));
                assert_eq!(found, expected, "{state} on {event:?}");
            }
        }
    }
}
