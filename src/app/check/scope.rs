//! What a check looks at.

use super::mysql::{Depth, Start};

/// Who asks, and what is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    pub start: Start,
    pub depth: Depth,
    /// A query that no target answers is only a warning.
    pub accept_unanswered: bool,
}
