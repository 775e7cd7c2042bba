//! Why something that was asked of a run was not done, in a form that goes over HTTP.

use crate::error::chain;
use crate::protocol::ProtocolError;
use serde::{Deserialize, Serialize};

/// An error of the run, as whoever asked hears of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The error and its causes in one line.
    pub reason: String,
    /// What a person can do, if anything.
    pub advice: Option<String>,
    /// As the exit code of the command.
    pub exit: u8,
}

impl From<&ProtocolError> for Failed {
    fn from(error: &ProtocolError) -> Failed {
        let advice = error.advice().map(str::to_owned);
        Failed { reason: chain(error), advice, exit: error.disposition().exit() as u8 }
    }
}
