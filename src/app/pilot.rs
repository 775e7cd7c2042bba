//! The lists that take part: what a run is asked to move, and what a command beside the runs has to know.

use super::state::SOURCE;
use super::{Lists, status};
use crate::admin::Client;
use crate::advice;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Mapping;
use crate::pipeline::copies::cohorts;
use crate::protocol::Journal;
use crate::protocol::cohort::Cohort;
use crate::store::Store;
use crate::store::redb::{FILE_NAME, RedbStore};
use std::sync::Arc;

/// The lists that a run moves.
///
/// # Errors
/// The state is of a pilot that an earlier build began, and nothing says what its lists are.
pub async fn of_run(store: &Arc<dyn Store>, mappings: &[Mapping], lists: &Lists) -> Result<Cohort, Failure> {
    match lists {
        Lists::All => Ok(Cohort::All),
        Lists::Pilot(pilot) => Ok(Cohort::of(pilot.clone(), mappings)?),
        Lists::OfBefore => {
            let cohort = stored(store.clone(), mappings).await?;
            if let Some(pilot) = cohort.pilot() {
                let (lists, advice) = (pilot.words(), advice::move_all_lists());
                tracing::info!(%lists, advice, "the pilot continues with its lists");
            }
            Ok(cohort)
        }
    }
}

/// The lists that are moved so far: what the run says that is up, else what the state says.
pub async fn known(config: &Config, mappings: &[Mapping]) -> Result<Cohort, Failure> {
    if let Some(status) = status::running(config).await? {
        let pilot = match status.pilot {
            true => Client::open(&config.state_dir)?.pilot().await?,
            false => None,
        };
        return Ok(pilot.map_or(Ok(Cohort::All), |pilot| Cohort::of(pilot, mappings))?);
    }
    if !config.state_dir.join(FILE_NAME).exists() {
        return Ok(Cohort::All);
    }
    stored(Arc::new(RedbStore::open_read_only(&config.state_dir).await?), mappings).await
}

async fn stored(store: Arc<dyn Store>, mappings: &[Mapping]) -> Result<Cohort, Failure> {
    let name = Journal::new(store.clone(), SOURCE).cohort().await?;
    let Some(name) = name else { return Ok(Cohort::All) };
    let cohort = cohorts::stored(&*store, &name, mappings).await?;
    cohort.ok_or_else(|| {
        let text = "an earlier build of tailfill began a pilot with this state, and did not store its lists";
        Failure::new(Exit::Refused, text)
            .with_help("start the run with --only and the same lists once, or with --all to move all lists")
    })
}
