//! The composition root: builds the parts that a command needs, and does no work itself.

mod begun;
mod by_history;
mod check;
mod connect;
mod display;
mod get;
mod init;
mod options;
pub mod output;
mod recopy;
mod run;
mod starting;
mod status;
mod touched;
mod verify;

pub use check::check;
pub use display::above_bars;
pub use get::get;
pub use init::init;
pub use options::{
    CheckOptions, GetOptions, GetSide, GetWhat, InitOptions, ListSelection, Parts, RecopyOptions, RunOptions,
    StartAt, VerifyOptions,
};
pub use recopy::recopy;
pub use run::run;
pub use status::status;
pub use verify::verify;

use crate::config::Config;
use crate::failure::Failure;
use crate::model::Mapping;

/// The mappings with the types that the source has now, and the columns that their copies were begun with.
///
/// # Errors
/// The source is away or refuses the login; a mapping does not fit its table.
pub async fn mappings(config: &Config) -> Result<Vec<Mapping>, Failure> {
    Ok(connect::resolve(config, &begun::of(config).await?).await?.mappings)
}
