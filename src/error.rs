//! What an error means for the run: retry, or stop and with which exit code.

/// What is done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Passing: try again with the same content, within a stated bound.
    Retry,
    /// A person is needed; the run ends with this code and loses nothing.
    Halt(Exit),
}

impl Disposition {
    /// How a command ends that does not try again: a passing error was repeated within its bound, and that is over.
    pub fn exit(self) -> Exit {
        match self {
            Disposition::Retry => Exit::Failed,
            Disposition::Halt(exit) => exit,
        }
    }
}

/// An error and its causes in one line, by colons.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// The exit codes of DESIGN section 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command did all that it was asked for.
    Done = 0,
    /// A server away, a password refused, a mapping parked.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Refused by a check or gate.
    Refused = 3,
    /// Verification found differences.
    Differences = 4,
    /// The source cannot be continued from this position.
    Position = 5,
    /// Interrupted, cleanly: checkpointed.
    Interrupted = 130,
}

impl Exit {
    /// The exit with this code; `Failed` for one that is none of ours.
    pub fn of_code(code: u8) -> Exit {
        let known =
            [Exit::Done, Exit::Usage, Exit::Refused, Exit::Differences, Exit::Position, Exit::Interrupted];
        known.into_iter().find(|exit| *exit as u8 == code).unwrap_or(Exit::Failed)
    }
}
