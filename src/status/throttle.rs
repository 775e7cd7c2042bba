//! How fast the copy may be, and why: what `/status` and `/throttle` say of it.

use serde::{Deserialize, Serialize};

/// The pace of the copy now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottleStatus {
    /// Rows a second that may be read of the history; 0: none at all; `None`: as many as can be.
    pub rows_per_second: Option<f64>,
    /// Everything that holds it back now; empty: nothing does.
    pub holding: Vec<Holding>,
}

impl ThrottleStatus {
    /// The pace for people, with what holds it back; `None`: nothing limits it.
    pub fn pace_text(&self) -> Option<String> {
        let pace = match self.rows_per_second {
            None if self.holding.is_empty() => return None,
            None => "as fast as fewer workers can".to_owned(),
            Some(0.0) => "nothing is copied now".to_owned(),
            Some(rows) => format!("{rows:.0} copied rows a second at most"),
        };
        let held = self.holding.iter().map(|held| held.words.as_str());
        Some(std::iter::once(pace.as_str()).chain(held).collect::<Vec<_>>().join("; "))
    }
}

/// One thing that holds the copy back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The key of the limit, as `throttle.tail_lag`.
    pub signal: String,
    /// What was read last, with its unit; `None`: it cannot be read.
    pub figure: Option<String>,
    /// The limit, as it is set.
    pub limit: String,
    /// Since when it holds the copy back, milliseconds since 1970.
    pub since_ms: u64,
    /// All of this as a sentence.
    pub words: String,
}

/// The answer of `GET /throttle`, and of `tailfill throttle show --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThrottleShown {
    /// Whether a run has the state now. Without one there is no pace, and there are no figures.
    pub live: bool,
    /// As in the status.
    pub rows_per_second: Option<f64>,
    /// As in the status.
    pub holding: Vec<Holding>,
    /// One for each key, in the order of the documentation.
    pub keys: Vec<LimitShown>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitShown {
    pub key: String,
    /// As it is set; `off` where this limit does not hold.
    pub value: String,
    pub origin: Origin,
    /// Who set it; `None` unless a person did.
    pub by: Option<String>,
    /// When, milliseconds since 1970.
    pub at_ms: Option<u64>,
    pub reason: Option<String>,
    /// What was read last, with its unit; `None` where nothing is read for it, or nothing could be.
    pub figure: Option<String>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody says anything else.
    Default,
    /// The configuration.
    File,
    /// A person, by `tailfill throttle set` or `POST /throttle`.
    Set,
}
