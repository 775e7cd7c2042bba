//! What a run is asked to do.

use crate::model::Position;

/// The purpose of a run, and where it begins.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Follow the binlog.
    pub tail: bool,
    /// Copy the rows that were there before.
    pub backfill: bool,
    /// Start (again) from here instead of the checkpoint.
    pub from: Option<Position>,
    /// End once everything is copied and the checkpoint has reached the source's position of that moment.
    pub until_caught_up: bool,
    /// Go on where the source cannot be continued from the checkpoint, and copy everything again.
    pub accept_gap: bool,
}
