//! The composition root: builds the parts that a command needs, and does no work itself.

mod check;
mod connect;
mod display;
mod init;
mod options;
mod run;
mod status;

pub use check::check;
pub use display::above_bars;
pub use init::init;
pub use options::{
    CheckOptions, GetOptions, GetSide, GetWhat, InitOptions, ListSelection, Parts, RunOptions, StartAt,
    VerifyOptions,
};
pub use run::run;
pub use status::status;

use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Mapping;

/// The mappings with the columns and types that the source has now.
///
/// # Errors
/// The source is away or refuses the login; a mapping does not fit its table.
pub async fn mappings(config: &Config) -> Result<Vec<Mapping>, Failure> {
    Ok(connect::resolve(config).await?.mappings)
}

/// `tailfill verify`: compares MySQL and HBase, prints the differences.
pub async fn verify(_config: &Config, _options: VerifyOptions) -> Result<Exit, Failure> {
    Err(not_wired("verify"))
}

/// `tailfill get`: prints a list, or what is asked of it.
pub async fn get(_config: &Config, _mapping: &Mapping, _options: GetOptions) -> Result<Exit, Failure> {
    Err(not_wired("get"))
}

fn not_wired(what: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{what} is not wired yet"))
}
