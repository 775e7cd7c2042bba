//! The configuration: what a file may say (`raw`), and what the program uses (`checked`).
//!
//! Promises: a [`Config`] that exists obeys every rule that can be judged without a server; all
//! faults of a file are reported at once, each with its line, its dotted path, the value given and
//! the rule; a secret is never printed, not even in a fault.
//! Refuses to know: how a server is reached, and what is done with a setting.

pub(crate) mod checked;
pub(crate) mod fault;
mod password;
mod raw;
mod read;
mod resolve;
mod rules;
mod secret;
pub(crate) mod shown;
mod source_url;
#[cfg(test)]
mod tests;

pub(crate) use crate::model::units;
pub use checked::Config;
pub(crate) use fault::{Fault, Faults};
pub(crate) use password::Environment;
pub(crate) use resolve::Begun;
pub(crate) use secret::Secret;
pub(crate) use source_url::without_password;

use std::path::{Path, PathBuf};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file, or it is not UTF-8.
    #[error("the configuration {} cannot be read", path.display())]
    Unreadable {
        /// As the command line named it.
        path: PathBuf,
        /// The operating system's word.
        #[source]
        reason: std::io::Error,
    },
    /// The file breaks rules. All its faults are here, not the first one alone.
    #[error("the configuration {} has {}", path.display(), faults.headline())]
    Faulty {
        /// As the command line named it.
        path: PathBuf,
        /// At least one, in the order of the file's lines.
        faults: Faults,
    },
}

/// Reads and checks the configuration at `path`, and the password it names.
///
/// # Errors
/// `Unreadable` when there is no such file, or it is not UTF-8; `Faulty` with every fault in it.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    load_with(path, true)
}

/// The same for commands that ask no database: the password is left where it is.
///
/// # Errors
/// As [`load`].
pub fn load_without_password(path: &Path) -> Result<Config, ConfigError> {
    load_with(path, false)
}

fn load_with(path: &Path, password: bool) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let environment = |name: &str| std::env::var(name).ok();
    let environment: Option<Environment<'_>> = if password { Some(&environment) } else { None };
    read::config(&text, folder, environment)
        .map_err(|faults| ConfigError::Faulty { path: path.to_owned(), faults })
}

/// Checks the text of a configuration. Relative paths in it start at `folder`; `environment` gives
/// the value of an environment variable.
///
/// # Errors
/// Every fault in the text, in the order of its lines.
pub fn parse(text: &str, folder: &Path, environment: Environment<'_>) -> Result<Config, Faults> {
    read::config(text, folder, Some(environment))
}
