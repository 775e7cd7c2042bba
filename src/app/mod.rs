//! The composition root: builds the parts that a command needs, and does no work itself.

mod check;
mod connect;
mod display;
mod options;
mod run;
mod status;

pub use display::above_bars;
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

/// `tailfill check`: prints every setting, grant and assumption.
pub async fn check(_config: &Config, _options: CheckOptions) -> Result<Exit, Failure> {
    Err(not_wired("check"))
}

/// `tailfill init`: creates or checks the HBase tables and the state.
pub async fn init(config: &Config, _options: InitOptions) -> Result<Exit, Failure> {
    let resolved = connect::resolve(config).await?;
    let sink = connect::sink(config, &resolved.mappings).await?;
    let store = crate::store::redb::RedbStore::open(&config.state_dir).await?;
    let run_id = run::run_id(&store).await?;
    for mapping in &resolved.mappings {
        for target in &mapping.targets {
            let purge = config.hbase.purge_deletes.as_millis() as u64;
            crate::sink::Sink::create(&sink, target, &run_id, purge).await?;
            println!("{}: ready", target.table);
        }
    }
    Ok(Exit::Done)
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
