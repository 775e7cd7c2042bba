//! Limits of the copy that a person sets: durable before they hold.

use super::{Failed, record};
use crate::advice;
use crate::error::Exit;
use crate::failpoints::Failpoints;
use crate::model::{Control, FileLimits, LimitKey, LimitsAsk};
use crate::store::{Commit, Store};

/// Changes limits in a store: what was otherwise before, and all that is wanted now. The one who has the store asks: a run,
/// or a command while there is none.
///
/// # Errors
/// The ask has faults (exit code 2), or the store fails; nothing is changed then.
pub async fn change_in(
    store: &dyn Store,
    file: &FileLimits,
    ask: &LimitsAsk,
    at_ms: u64,
) -> Result<(Vec<LimitKey>, Control), Failed> {
    let mut control = record::stored(store).await.map_err(|error| Failed::from(&error.into()))?;
    let changed = file.change(&mut control.limits, ask, at_ms).map_err(faulty)?;
    if !changed.is_empty() && !Failpoints::default().limits_not_durable() {
        let put = record::record(&control).map_err(|error| Failed::from(&error.into()))?;
        let commit = Commit { put: vec![put], ..Commit::default() };
        store.commit(commit).await.map_err(|error| Failed::from(&error.into()))?;
    }
    for key in &changed {
        let (event, by, reason, name) = ("limit_changed", &ask.by, &ask.reason, key.name());
        match control.limits.get(name) {
            Some(set) => tracing::info!(event, by, reason, "{name} is {} from now on", set.value),
            None => tracing::info!(event, by, reason, "{name} is as the configuration says from now on"),
        }
    }
    Ok((changed, control))
}

fn faulty(faults: Vec<String>) -> Failed {
    let advice = Some(advice::limit_keys().to_owned());
    Failed { reason: faults.join("; "), advice, exit: Exit::Usage as u8 }
}
