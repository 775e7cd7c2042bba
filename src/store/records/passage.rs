//! The history of positions: where the tail stood, when, and why that was noted.

use crate::model::{Position, Tick};
use serde::{Deserialize, Serialize};

/// Why a position was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A minute has passed.
    Minute,
    /// A run began here.
    Start,
    /// A run ended here.
    Stop,
    /// A person paused the tail or the backfill.
    Pause,
    /// A person resumed the tail or the backfill.
    Resume,
    /// A person moved the tail here.
    Set,
    /// A person had a transaction left out.
    Skip,
}

impl Cause {
    /// As JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Minute => "minute",
            Cause::Start => "start",
            Cause::Stop => "stop",
            Cause::Pause => "pause",
            Cause::Resume => "resume",
            Cause::Set => "set",
            Cause::Skip => "skip",
        }
    }
}

/// A position that a tail has passed. Key, in the history space: `position`, a zero byte, [`PassageRecord::at_ms`] as 8
/// bytes big-endian, and the number of the cause as one byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageRecord {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Why it was noted.
    pub cause: Cause,
    /// The account that ran the command; empty where no person did.
    pub by: String,
    /// As the person gave it, or how a run ended; may be empty.
    pub reason: String,
    /// The checkpoint of that moment, behind what the cause did.
    pub position: Position,
    /// At or above every tick that was written up to there.
    pub tick_high: Tick,
}
