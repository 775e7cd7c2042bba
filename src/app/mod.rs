//! The composition root: builds the parts that a command needs, and does no work itself.

mod options;

pub use options::{
    CheckOptions, GetOptions, GetSide, GetWhat, InitOptions, ListSelection, Parts, RunOptions, StartAt,
    VerifyOptions,
};

use crate::admin::Client;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Mapping;
use crate::status::Status;

/// The mappings with the columns and types that the source has now.
///
/// # Errors
/// The source is away or refuses the login; a mapping does not fit its table.
pub async fn mappings(_config: &Config) -> Result<Vec<Mapping>, Failure> {
    Err(not_wired("the schema of the source"))
}

/// `tailfill check`: prints every setting, grant and assumption.
pub async fn check(_config: &Config, _options: CheckOptions) -> Result<Exit, Failure> {
    Err(not_wired("check"))
}

/// `tailfill init`: creates or checks the HBase tables and the state.
pub async fn init(_config: &Config, _options: InitOptions) -> Result<Exit, Failure> {
    Err(not_wired("init"))
}

/// `tailfill run`: until it is stopped, has caught up, or halts.
pub async fn run(_config: &Config, _options: RunOptions) -> Result<Exit, Failure> {
    Err(not_wired("run"))
}

/// The status of the tailfill that runs with this configuration's state.
///
/// # Errors
/// None runs.
pub async fn status(config: &Config) -> Result<Status, Failure> {
    Ok(Client::open(&config.state_dir)?.status().await?)
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
