//! What a command ends with when it fails: an exit code, what happened, and what to do.

use crate::admin::{AdminError, ClientError};
use crate::advice;
use crate::config::{ConfigError, Faults};
use crate::error::{Disposition, Exit};
use crate::lock::LockError;
use crate::pipeline::jobs::Failed;
use crate::protocol::ProtocolError;
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::store::StoreError;
use crate::verify::VerifyError;
use std::error::Error;
use std::fmt::Write as _;

/// The end of a command that failed. Printed once, at the edge, by [`Failure::render`].
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// What happened, and its chain of causes.
    pub error: Box<dyn Error + Send + Sync>,
    /// More than one thing that is wrong, each a line.
    pub details: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Failure {
    /// A failure with an error (or a plain text) and nothing more.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure { exit, error: error.into(), details: Vec::new(), help: None }
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// The failure as lines of plain text: `error:`, the causes, the details, `help:`.
    pub fn render(&self) -> String {
        let mut text = format!("error: {}\n", self.error);
        for cause in self.causes() {
            let _ = writeln!(text, "  caused by: {cause}");
        }
        for detail in &self.details {
            let _ = writeln!(text, "  {detail}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "help: {help}");
        }
        text
    }

    /// The chain of causes, the nearest one first.
    pub fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        std::iter::successors(self.error.source(), |error| (*error).source())
    }

    fn by_disposition(
        disposition: Disposition,
        help: Option<String>,
        error: Box<dyn Error + Send + Sync>,
    ) -> Failure {
        Failure { exit: disposition.exit(), error, details: Vec::new(), help }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        let (details, help) = match &error {
            ConfigError::Unreadable { .. } => {
                (Vec::new(), "name the file with -c FILE; config/example.toml explains every key")
            }
            ConfigError::Faulty { faults, .. } => {
                (faults.0.iter().map(ToString::to_string).collect(), "config/example.toml explains every key")
            }
        };
        Failure { exit: Exit::Usage, error: error.into(), details, help: Some(help.to_owned()) }
    }
}

/// Faults found by matching a configuration with the source's tables: refused, not misspelled TOML.
impl From<Faults> for Failure {
    fn from(faults: Faults) -> Failure {
        let headline = format!("the configuration does not fit the source's tables: {}", faults.headline());
        let details = faults.0.iter().map(ToString::to_string).collect();
        let help = Some("change these keys of the configuration, or the tables".to_owned());
        Failure { exit: Exit::Refused, error: headline.into(), details, help }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        let help = error.advice().map(str::to_owned);
        Failure::by_disposition(error.disposition(), help, error.into())
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Failure {
        let help = error.advice().map(str::to_owned);
        Failure::by_disposition(error.disposition(), help, error.into())
    }
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Failure {
        let help = error.advice().map(str::to_owned);
        Failure::by_disposition(error.disposition(), help, error.into())
    }
}

/// What a run that is up did not do.
impl From<Failed> for Failure {
    fn from(Failed { reason, advice, exit }: Failed) -> Failure {
        Failure { help: advice, ..Failure::new(Exit::of_code(exit), reason) }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Failure {
        let help = error.advice().map(str::to_owned);
        Failure::by_disposition(error.disposition(), help, error.into())
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        Failure::new(Exit::Failed, error)
            .with_help("check that Memcache is up, and that lease.servers names it")
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Failure {
        let help = error.advice();
        Failure::new(Exit::Failed, error).with_help(help)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let help = match &error {
            ClientError::NotRunning { .. } => advice::start(),
            ClientError::Refused { .. } => advice::see_status(),
            ClientError::File { .. } => "run this command as the user that runs tailfill",
            ClientError::Unanswered { .. } => "read the log of that run: it may be overloaded or suspended",
            ClientError::NotUnderstood { .. } => "use the same version of tailfill as the run",
        };
        Failure::new(Exit::Failed, error).with_help(help)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let help = match &error {
            StoreError::Locked { .. } => advice::one_run(),
            StoreError::Missing { .. } => advice::init_creates_it(),
            StoreError::Io { .. } => {
                "check that the disk of state_dir is not full, and that this user may write there"
            }
            StoreError::Damaged { .. } => {
                "restore state_dir from a copy, or copy into fresh tables with a new state_dir"
            }
            StoreError::Record { .. } => {
                "run the version of tailfill that wrote the state, or restore state_dir"
            }
        };
        let exit = match &error {
            StoreError::Locked { .. } => Exit::Refused,
            StoreError::Missing { .. }
            | StoreError::Io { .. }
            | StoreError::Damaged { .. }
            | StoreError::Record { .. } => Exit::Failed,
        };
        Failure::new(exit, error).with_help(help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer thing failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_prints_the_chain_the_details_and_the_help_in_plain_lines() {
        let mut failure =
            Failure::new(Exit::Failed, Outer(std::io::Error::other("the inner thing"))).with_help("mend it");
        failure.details = vec!["first".to_owned(), "second".to_owned()];
        assert_eq!(
            failure.render(),
            "error: the outer thing failed\n  caused by: the inner thing\n  first\n  second\nhelp: mend it\n"
        );
    }

    #[test]
    fn a_state_that_is_not_there_points_to_init_and_not_to_the_disk() {
        let failure = Failure::from(StoreError::Missing { place: "state/state.redb".to_owned() });
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(
            failure.render(),
            "error: there is no state in state/state.redb yet\nhelp: `tailfill init` creates it\n"
        );
    }

    #[test]
    fn an_error_of_the_source_keeps_its_exit_code_and_its_advice() {
        let lost = SourceError::PositionLost { reason: "purged".to_owned(), advice: "copy again".to_owned() };
        let failure = Failure::from(lost);
        assert_eq!((failure.exit, failure.help.as_deref()), (Exit::Position, Some("copy again")));
        let away = SourceError::Unavailable { address: "h:1".to_owned(), reason: "refused".to_owned() };
        assert_eq!(Failure::from(away).exit, Exit::Failed);
    }
}
