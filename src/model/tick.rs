//! Ticks: the HBase cell timestamps that tailfill hands out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An HBase cell timestamp handed out by tailfill: milliseconds since 1970, strictly rising (I1),
/// each given to one batch or one mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(pub u64);

impl Tick {
    /// The tick after this one when the clock shows `now_ms`: `max(self + 1, now_ms)`.
    pub fn after(self, now_ms: u64) -> Tick {
        Tick(now_ms.max(self.0 + 1))
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
