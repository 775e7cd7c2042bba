//! Why a comparison ends without an answer.

use crate::advice;
use crate::error::{Disposition, Exit};
use crate::sink::SinkError;
use crate::source::SourceError;

/// An error of a comparison. Never holds row values.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Whether the two are equal cannot be told: something moves that is not known well enough.
    #[error("{reason}")]
    CannotJudge { reason: String },
    /// Nobody can go on with the pass that an earlier process has left.
    #[error("tailfill cannot resume the interrupted verification: {reason}")]
    NotResumed { reason: String },
    /// No target of the mapping can answer the question.
    #[error("{reason}")]
    NoTarget { reason: String, advice: String },
}

impl VerifyError {
    pub fn disposition(&self) -> Disposition {
        match self {
            VerifyError::Source(error) => error.disposition(),
            VerifyError::Sink(error) => error.disposition(),
            VerifyError::CannotJudge { .. } | VerifyError::NotResumed { .. } => {
                Disposition::Halt(Exit::Refused)
            }
            VerifyError::NoTarget { .. } => Disposition::Halt(Exit::Usage),
        }
    }

    /// What the operator can do.
    pub fn advice(&self) -> Option<&str> {
        match self {
            VerifyError::Source(error) => error.advice(),
            VerifyError::Sink(error) => error.advice(),
            VerifyError::CannotJudge { .. } => None,
            VerifyError::NotResumed { .. } => Some(advice::verify_anew()),
            VerifyError::NoTarget { advice, .. } => Some(advice),
        }
    }
}
