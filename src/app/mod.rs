//! The composition root: builds the parts that a command needs, and does no work itself.

mod alone;
mod begun;
mod by_history;
mod check;
mod connect;
pub mod continuous;
mod display;
mod events;
mod get;
mod init;
mod levers;
mod lines;
mod lost_leases;
mod options;
pub(crate) mod output;
mod pacing;
mod pass_file;
mod passes;
mod pilot;
mod position;
mod purge;
mod recopy;
mod run;
mod starting;
mod state;
mod status;
mod suggest;
mod support;
mod throttle;
mod touched;
mod verdicts;
mod verify;
mod verify_display;

pub(crate) use crate::pipeline::jobs::history::Since;
pub(crate) use check::check;
pub(crate) use display::above_bars;
pub(crate) use events::layer as event_layer;
pub(crate) use get::get;
pub(crate) use init::init;
pub(crate) use levers::set as set_levers;
pub(crate) use options::{
    CheckOptions, Compared, GetOptions, InitOptions, LeverOptions, Lists, RecopyOptions, RunMode, RunOptions,
    StartAt, SupportOptions, VerifyOptions,
};
pub(crate) use position::{
    MoveOptions, Wish, history as position_history, set as move_tail, show as show_position,
};
pub(crate) use recopy::recopy;
pub(crate) use run::run;
pub(crate) use status::status;
pub(crate) use suggest::{Asked, OrderWish, PasswordFrom, ShapeWish, SuggestOptions, suggest};
pub(crate) use support::bundle as support_bundle;
pub(crate) use throttle::{change as change_limits, show as show_limits};
pub(crate) use verdicts::{can_report, history as verdict_history, report as verdict_report};
pub(crate) use verify::verify;

use crate::config::Config;
use crate::failure::Failure;
use crate::model::Mapping;
use crate::model::history::{History, Meaning};
use crate::store::redb::{FILE_NAME, RedbStore};
use crate::store::{Space, records};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The mappings with the types by which their rows are read, as the state has them; `None` where it does not know all of
/// them (nothing was tailed yet), a run has it, or a mapping does not fit.
pub async fn mappings_of_state(config: &Config) -> Option<Vec<Mapping>> {
    if !config.state_dir.join(FILE_NAME).exists() {
        return None;
    }
    let store = RedbStore::open_read_only(&config.state_dir).await.ok()?;
    let mut schemas = BTreeMap::new();
    for table in config.tables() {
        let key = records::definitions_key(state::SOURCE, &table);
        let history: Option<History> = records::read(&store, Space::Definitions, &key).await.ok()?;
        let schema = history?.entries.iter().rev().find_map(|entry| match &entry.meaning {
            Meaning::Defined(definition) => Some(definition.schema.clone()),
            Meaning::Parked(_) => None,
        })?;
        schemas.insert(table, Arc::new(schema));
    }
    config.resolve(&schemas, &begun::of_store(&store).await.ok()?).ok()
}

/// The mappings with the types that the source has now, and the columns that their copies were begun with.
///
/// # Errors
/// The source is away or refuses the login; a mapping does not fit its table.
pub async fn mappings(config: &Config) -> Result<Vec<Mapping>, Failure> {
    Ok(connect::resolve(config, &begun::of(config).await?).await?.mappings)
}
