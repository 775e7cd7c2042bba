//! Verdicts of `tailfill verify`: kept by the run that has the state, or by the command where none has it, and shown again.

use super::levers::account;
use super::position::json_lines;
use super::state::open_for_lever;
use super::{Since, output, status};
use crate::admin::{self, Client};
use crate::clock::{Clock, SteadyClock};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{DateTime, Pilot};
use crate::pipeline::jobs::verdicts;
use crate::protocol::cohort::Cohort;
use crate::retry::{Patience, Pauses};
use crate::store::records::{VerdictRecord, VerdictScope};
use crate::store::redb::{FILE_NAME, RedbStore};
use std::path::Path;
use std::time::Duration;

/// How long a run that begins or ends just then is waited for.
const KEPT_WITHIN: Duration = Duration::from_secs(10);

/// Keeps a verdict on the lists of `cohort`. Where there is no state, it is not made. A verdict that cannot be kept is no
/// failure of the comparison: a warning says so.
pub async fn keep(config: &Config, cohort: &Cohort, repaired: bool, found: VerdictRecord) {
    let lists = cohort.pilot().map(Pilot::words);
    let verdict = VerdictRecord {
        at_ms: SteadyClock::start().now_ms(),
        by: account(),
        scope: if lists.is_some() { VerdictScope::Pilot } else { VerdictScope::All },
        lists,
        cohort: cohort.name(),
        repaired,
        ..found
    };
    let mut looks = Patience::with_one(KEPT_WITHIN, Pauses::OF_OTHERS);
    while let Err(failure) = try_to_keep(config, &verdict).await {
        if !looks.again().await {
            tracing::warn!(reason = %failure.error, "verify could not keep this verdict: the history lacks it");
            return;
        }
    }
}

async fn try_to_keep(config: &Config, verdict: &VerdictRecord) -> Result<(), Failure> {
    if status::running(config).await?.is_some() {
        Client::open(&config.state_dir)?.keep_verdict(verdict).await??;
    } else if config.state_dir.join(FILE_NAME).exists() {
        verdicts::keep_in(&open_for_lever(&config.state_dir).await?, verdict).await?;
    }
    Ok(())
}

/// The newest verdicts, oldest first.
async fn kept(config: &Config, since: Since) -> Result<Vec<VerdictRecord>, Failure> {
    Ok(match status::running(config).await? {
        Some(_) => Client::open(&config.state_dir)?.verdicts(since).await?,
        None => verdicts::read(&RedbStore::open_read_only(&config.state_dir).await?, since).await?,
    })
}

/// The history of verdicts, a line each, oldest first.
pub async fn history(config: &Config, since: Since, json: bool) -> Result<String, Failure> {
    let verdicts = kept(config, since).await?;
    if json {
        return json_lines(&verdicts);
    }
    if verdicts.is_empty() {
        output::eprint_line("the history has no comparison");
    }
    Ok(verdicts.iter().map(line).collect())
}

/// Writes a report of the newest verdicts into a file.
pub async fn report(config: &Config, since: Since, path: &Path) -> Result<(), Failure> {
    let report = admin::report(&kept(config, since).await?, SteadyClock::start().now_ms());
    std::fs::write(path, report).map_err(|error| unwritable(path, &error))?;
    output::eprint_line(&format!("the report is in {}", path.display()));
    Ok(())
}

/// Fails before the work where a report could not be written behind it. A file that is there stays as it is.
pub fn can_report(path: &Path) -> Result<(), Failure> {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.map(drop).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("the report cannot be written to {}: {error}", path.display()))
}

fn line(verdict: &VerdictRecord) -> String {
    format!("{}  {verdict}\n", DateTime::from_ms_since_epoch(verdict.at_ms).in_seconds())
}
