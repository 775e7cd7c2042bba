//! What a sink shows of its work.

/// What was read from the servers so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadTotals {
    /// Answers that came; each is one round trip.
    pub calls: u64,
    /// Rows; one that came in several pieces counts for each of them.
    pub rows: u64,
    /// Cells of these rows.
    pub cells: u64,
}
