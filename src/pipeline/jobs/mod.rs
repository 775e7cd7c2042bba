//! What can be asked of a run: pauses, moves of its tail, re-copies, holds of lists for a reader in another process, and what the tasks ask of
//! the sealer.
//!
//! Promises: an ask is answered, or fails when the run ends; what waits is bounded.
//! Refuses to know: how a re-copy compares, and how a turn of a list comes about.

mod ask;
mod failed;
pub mod history;
pub mod holds;
pub mod levers;
pub mod limits;
pub mod moves;
mod queue;
mod recent;
mod record;
pub mod requests;
mod touched;
pub mod verdicts;

pub use ask::{Ask, JobState, RecopyReport, RecopyTargetReport};
pub use failed::Failed;
pub use holds::Holds;
pub use levers::Levers;
pub use queue::Recopies;
pub use recent::Recent;
pub use touched::{Touch, TouchKind, Touched};

use crate::protocol::ProtocolError;

/// The error of a job that the end of its run cuts short.
pub fn interrupted() -> ProtocolError {
    ProtocolError::Refused {
        reason: "the run was stopped before the re-copy was done".into(),
        advice: "run the same command again: the re-copy keeps what it has written".into(),
    }
}
