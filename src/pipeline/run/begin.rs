//! What the store says of the copies when a run starts, and what the run notes of them as it begins.

use crate::advice;
use crate::model::{LifeCycle, LifeEvent};
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::life::{
    self, Standing, changed, holds_rows, key_of, put, record_of, refuse_moved, standing, step,
};
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::run::options::RunOptions;
use crate::protocol::ProtocolError;
use crate::store::Space;
use crate::store::records::{self, CopyKey, LifeRecord};
use std::sync::Arc;

/// Looks at what the store says of the copies, before anything is done: takes parked ones out of the run, and refuses
/// what cannot go on. `continued`: something was tailed with this state before.
pub async fn examine(parts: &Parts, copies: &[Arc<Copy>], continued: bool) -> Result<(), ProtocolError> {
    for copy in copies {
        let key = key_of(copy).await;
        let record = record_of(parts, &key).await?;
        match standing(record.as_ref(), &copy.mapping, &copy.target) {
            Standing::Parked { reason } => found_parked(parts, copy, &reason),
            Standing::Changed(changes) if !parts.settings.failpoints.columns_of_now() => {
                let reason = changed(&copy.mapping, &changes);
                // durable before anything is left out
                let record = record.expect("what changed was begun");
                put(parts, &key, record, LifeEvent::Parked { reason: reason.clone() }).await?;
                found_parked(parts, copy, &reason);
            }
            _ if park_with_table(parts, copy, &key).await? => {}
            Standing::Moved(changes) => return Err(refuse_moved(copy, &changes)),
            Standing::Begins if continued => refuse_rows_of_others(parts, copy).await?,
            Standing::Begins | Standing::Changed(_) | Standing::GoesOn => {}
        }
    }
    if parts.plan.written_to().active() == 0 {
        let mappings = parts.plan.mappings().iter().map(|mapping| mapping.name.as_str());
        tracing::warn!(advice = advice::all_parked(mappings), "every target is parked");
    }
    Ok(())
}

/// A target of a table that is parked misses its changes too, whenever it came into the configuration.
async fn park_with_table(parts: &Parts, copy: &Copy, key: &CopyKey) -> Result<bool, ProtocolError> {
    let Some(parking) = parts.definitions.parking(&copy.mapping.schema.name) else { return Ok(false) };
    let record = record_of(parts, key).await?;
    let record = record.unwrap_or(LifeRecord::default());
    let event = life::parked_event(&copy.mapping.name, &parking);
    put(parts, key, record, event).await?;
    tracing::warn!(mapping = %copy.mapping.name, table = %copy.target.table, reason = %parking, "the target is parked");
    parts.plan.written_to().park(copy.target.id);
    Ok(true)
}

fn found_parked(parts: &Parts, copy: &Copy, reason: &str) {
    tracing::warn!(mapping = %copy.mapping.name, table = %copy.target.table, %reason, "the target is parked");
    parts.plan.written_to().park(copy.target.id);
}

/// A target that joins must be empty: rows of before would stay where MySQL has deleted them.
async fn refuse_rows_of_others(parts: &Parts, copy: &Copy) -> Result<(), ProtocolError> {
    if !holds_rows(&*parts.sink, &copy.target).await? {
        return Ok(());
    }
    Err(ProtocolError::Refused {
        reason: format!("table {} holds rows, and its copy has not begun", copy.target.table),
        advice: advice::not_empty(&copy.target.table),
    })
}

/// Notes that the run begins: its copies are tailed and copied, and what was tailed before and is not in the
/// configuration any more is parked, because it misses changes from now on.
pub async fn begin(parts: &Parts, copies: &[Arc<Copy>], options: &RunOptions) -> Result<(), ProtocolError> {
    for copy in copies.iter().filter(|copy| !parts.plan.is_parked(copy.target.id)) {
        if options.tail {
            step(parts, copy, LifeEvent::TailStarted).await?;
        }
        if options.backfill {
            step(parts, copy, LifeEvent::BackfillStarted).await?;
        }
    }
    if options.tail {
        park_those_left_out(parts, copies).await?;
    }
    Ok(())
}

async fn park_those_left_out(parts: &Parts, copies: &[Arc<Copy>]) -> Result<(), ProtocolError> {
    let mut ours = Vec::new();
    for copy in copies {
        ours.push(key_of(copy).await);
    }
    let cohort = parts.plan.cohort().name();
    for (key, value) in parts.store.list(Space::LifeCycle, &[]).await? {
        let record: LifeRecord = records::decode(&value)?;
        let Some(key) = CopyKey::of_prefix(&key) else { continue };
        let is_other = key.source == parts.source_name && key.cohort == cohort && !ours.contains(&key);
        let misses = !matches!(record.state, LifeCycle::New | LifeCycle::Parked { .. });
        if is_other && misses {
            let reason =
                "an earlier run did not have it in its configuration, so it misses changes".to_owned();
            tracing::warn!(mapping = %key.mapping, target = %key.target, %reason, "parked");
            put(parts, &key, record, LifeEvent::Parked { reason }).await?;
        }
    }
    Ok(())
}
