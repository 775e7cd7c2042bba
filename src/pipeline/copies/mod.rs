//! What a run has of each copy: its chunks and the spans of them that are under way, durably where a restart needs it.
//!
//! Promises: chunks cover the key space without gaps, and progress never moves back (I8); nothing is read for a counted
//! target by a process that has lost its state.
//! Refuses to know: who reads the rows, and who writes them.

pub(crate) mod chunks;
pub(crate) mod cohorts;
pub(crate) mod copy;
pub mod fence;
pub(crate) mod span;
