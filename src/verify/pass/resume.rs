//! Whether somebody can go on with an earlier pass.

use super::super::tail::brief;
use super::super::under_way::Feed;
use super::super::{Stage, Verification, VerifyError};
use super::file::Saved;
use super::job::Job;
use crate::compare::retry;
use crate::source::SourceError;
use std::collections::BTreeSet;

/// Asks for what an earlier process has left to a later one: the same job, on a server that still has all of the binlog since
/// the pass began, and no statement in there that changed a table or emptied it.
///
/// # Errors
/// `NotResumed` where one of these does not hold; a server that stays away.
pub async fn check(with: &Verification, job: &Job, earlier: &Saved) -> Result<(), VerifyError> {
    with.meter.enter(Stage::Resuming);
    let no = |reason: String| Err(VerifyError::NotResumed { reason });
    if let Some(reason) = job.differs_from(&earlier.job) {
        return no(reason);
    }
    let executed = retry(with, || async { Ok(with.source.executed().await?) }).await?;
    let lost = earlier.since.minus(&executed);
    if !lost.is_empty() {
        return no(format!("MySQL has lost {} that it had then", brief(&lost)));
    }
    match statement_since(with, earlier).await {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => no(reason),
        Err(VerifyError::Source(SourceError::PositionLost { reason, .. })) => {
            no(format!("MySQL does not have the binlog any more since it began: {reason}"))
        }
        Err(error) => Err(error),
    }
}

/// A statement since the pass began that may have changed a table or its rows, in words.
///
/// # Errors
/// `PositionLost`: the binlog does not go back so far.
async fn statement_since(with: &Verification, earlier: &Saved) -> Result<Option<String>, VerifyError> {
    let Some(definitions) = with.source.definitions() else {
        // rows are values already: what is left to ask is whether the binlog goes back so far
        Feed::open(with, earlier.since.clone()).await?.read(|_, _| ()).await?;
        return Ok(None);
    };
    let mut asked = BTreeSet::new();
    for mapping in with.mappings.iter().filter(|mapping| asked.insert(mapping.table)) {
        let ask = || async {
            let now = with.source.executed().await?;
            Ok(definitions.statement_between(mapping.table, &earlier.since, &now).await?)
        };
        if let Some(parking) = retry(with, ask).await? {
            return Ok(Some(format!("table {} was changed since: {parking}", mapping.schema.name)));
        }
    }
    Ok(None)
}
