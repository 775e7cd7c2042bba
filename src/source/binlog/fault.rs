//! What must not be skipped, and what a person can do about it.

use super::cursor::Truncated;
use super::event::PayloadError;

/// Something that must not be skipped. `reason` and `advice` become
/// [`SourceError::NotUnderstood`](crate::source::SourceError::NotUnderstood) with the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What stands there.
    pub reason: String,
    /// What a person can do about it.
    pub advice: String,
}

impl Fault {
    pub(crate) fn new(reason: impl Into<String>, advice: impl Into<String>) -> Fault {
        Fault { reason: reason.into(), advice: advice.into() }
    }
}

impl From<Truncated> for Fault {
    fn from(_: Truncated) -> Fault {
        Fault::new("an event ends before its content does", DAMAGED)
    }
}

impl From<PayloadError> for Fault {
    fn from(error: PayloadError) -> Fault {
        match error {
            PayloadError::Truncated(truncated) => truncated.into(),
            PayloadError::Unknown => Fault::new(error.to_string(), REPORT),
        }
    }
}

pub(crate) const DAMAGED: &str =
    "the binlog may be damaged: read it with mysqlbinlog, and report this if mysqlbinlog reads it";
pub(crate) const RECOPY: &str =
    "move the tail past it, and accept the gap: the next run then copies everything again";
pub(crate) const REPORT: &str = "report it with the server's version; tailfill must not skip it";
