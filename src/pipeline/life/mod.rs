//! The life of each copy: where it stands, durably, and parking.
//!
//! A target that cannot be written to is *parked*: the others go on, and it has missed changes from then on. That is
//! durable before anything is left out, so the checkpoint may pass what the target does not have (I5).
//!
//! Where HBase refuses every target, none is parked: the run ends with the error, and nothing is lost. A statement, a row
//! image that cannot be followed, or a row that HBase cannot take parks also the last one: ending the run would not bring it
//! past that, and the run stays up to take a re-copy.

pub mod definitions;
mod fitting;

use crate::advice;
use crate::error::chain;
use crate::model::{
    LifeCycle, LifeEvent, Mapping, Parking, TableId, Target, TargetDefinition, TargetId, life_cycle,
};
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::run::RunOptions;
use crate::protocol::{ProtocolError, Verdict};
use crate::sink::hbase::PROBE_ROW;
use crate::sink::{ScanRange, Sink, SinkError};
use crate::store::records::{self, CopyKey, LifeRecord};
use crate::store::{Commit, Put, Space, Store, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Looks at what the store says of the copies, before anything is done: takes parked ones out of the run, and refuses
/// what cannot go on. `continued`: something was tailed with this state before.
pub async fn examine(parts: &Parts, copies: &[Arc<Copy>], continued: bool) -> Result<(), ProtocolError> {
    for copy in copies {
        let key = key_of(copy).await;
        let record = match record_of(parts, &key).await? {
            Some(record) if record.state != LifeCycle::New => Some(record),
            _ if continued => of_a_pilot(&*parts.store, &key).await?,
            record => record,
        };
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
    let record = record.unwrap_or(LifeRecord { state: LifeCycle::New, definition: None, table: None });
    let event = definitions::parked_event(&copy.mapping.name, &parking);
    put(parts, key, record, event).await?;
    tracing::warn!(mapping = %copy.mapping.name, table = %copy.target.table, reason = %parking, "the target is parked");
    parts.plan.written_to().park(copy.target.id);
    Ok(true)
}

/// The records of all targets of a table's mappings once they are parked; those that are parked already stay as they are.
pub async fn records_of_parked(
    parts: &Parts,
    table: TableId,
    parking: &Parking,
) -> Result<Vec<Put>, ProtocolError> {
    let mut put = Vec::new();
    for mapping in parts.plan.of_table(table) {
        for target in &mapping.targets {
            let key = crate::pipeline::copies::chunks::Chunks::copy_key(
                &parts.source_name,
                &parts.plan,
                mapping,
                target,
            );
            let record = record_of(parts, &key).await?;
            let record =
                record.unwrap_or(LifeRecord { state: LifeCycle::New, definition: None, table: None });
            if !matches!(record.state, LifeCycle::Parked { .. }) {
                let next = after(&key, record, definitions::parked_event(&mapping.name, parking))?;
                put.push((Space::LifeCycle, key.prefix(), records::encode(&next)?));
            }
            tracing::error!(mapping = %mapping.name, table = %target.table, reason = %parking, "parked");
        }
    }
    Ok(put)
}

fn found_parked(parts: &Parts, copy: &Copy, reason: &str) {
    tracing::warn!(mapping = %copy.mapping.name, table = %copy.target.table, %reason, "the target is parked");
    parts.plan.written_to().park(copy.target.id);
}

/// What the record of a copy means for a run that would go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was written yet.
    Begins,
    GoesOn,
    Parked {
        reason: String,
    },
    /// Its items lie where they did, and have other cells now: what differs.
    Changed(Vec<String>),
    /// Its items lie elsewhere now: what differs.
    Moved(Vec<String>),
}

/// How a copy stands that is to be written as `mapping` and `target` say. Rows of two definitions in one table would be
/// read as one.
pub fn standing(record: Option<&LifeRecord>, mapping: &Mapping, target: &Target) -> Standing {
    let Some(record) = record else { return Standing::Begins };
    let changes = record.definition.as_ref().map(|before| {
        let now = TargetDefinition::of(mapping, target);
        before.changes(&now, &mapping.schema)
    });
    let changes = changes.unwrap_or_default();
    match &record.state {
        LifeCycle::Parked { reason } => Standing::Parked { reason: reason.clone() },
        LifeCycle::New => Standing::Begins,
        _ if !changes.address.is_empty() => Standing::Moved(changes.address),
        _ if !changes.content.is_empty() => Standing::Changed(changes.content),
        _ => Standing::GoesOn,
    }
}

/// Why a target cannot be written as it is configured now.
pub fn moved(mapping: &Mapping, target: &Target, changes: &[String]) -> String {
    format!(
        "mapping {}: the addresses of items in table {} have changed since its copy began: {}",
        mapping.name,
        target.table,
        changes.join("; ")
    )
}

/// Why a target is parked whose cells are others now.
pub fn changed(mapping: &Mapping, changes: &[String]) -> String {
    format!("its columns changed: {}; {}", changes.join("; "), advice::columns_changed(&mapping.name))
}

fn refuse_moved(copy: &Copy, changes: &[String]) -> ProtocolError {
    let reason = moved(&copy.mapping, &copy.target, changes);
    ProtocolError::Refused { reason, advice: advice::addresses_changed().into() }
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

/// Whether a table holds items of a target, or counts.
pub async fn holds_rows(sink: &dyn Sink, target: &Target) -> Result<bool, SinkError> {
    let range = ScanRange { limit: 2, ..ScanRange::default() };
    if sink.scan_keys(target.id, &range).await?.iter().any(|row| row != PROBE_ROW) {
        return Ok(true);
    }
    // the ticks of a row that is empty now would make batches that are cut again look as if they were done
    Ok(target.counted && !sink.scan_counts(target.id, &range).await?.is_empty())
}

/// The record of a pilot of this copy, whose rows were tailed ever since.
pub async fn of_a_pilot(store: &dyn Store, ours: &CopyKey) -> Result<Option<LifeRecord>, StoreError> {
    for (key, value) in store.list(Space::LifeCycle, &[]).await? {
        let Some(key) = CopyKey::of_prefix(&key) else { continue };
        let record: LifeRecord = records::decode(&value)?;
        let same = CopyKey { cohort: ours.cohort.clone(), ..key } == *ours;
        if same && !matches!(record.state, LifeCycle::New | LifeCycle::Parked { .. }) {
            return Ok(Some(record));
        }
    }
    Ok(None)
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
        let misses = !matches!(record.state, LifeCycle::New | LifeCycle::Parked { .. } | LifeCycle::Finished);
        if is_other && misses {
            let reason = "it was left out of the configuration of a run, and missed changes".to_owned();
            tracing::warn!(mapping = %key.mapping, target = %key.target, %reason, "parked");
            put(parts, &key, record, LifeEvent::Parked { reason }).await?;
        }
    }
    Ok(())
}

/// Notes that the copies have caught up, but for those that are parked. These are `Some`, as [`parked`] has them: what the
/// store says counts, because a target is parked there first, and stays so until its re-copy is done.
pub async fn caught_up(parts: &Parts, copies: &[Arc<Copy>]) -> Result<Option<ProtocolError>, ProtocolError> {
    let _nobody_parks = parts.plan.parking().await;
    let mut parked = Vec::new();
    for copy in copies {
        let record = record_of(parts, &key_of(copy).await).await?;
        match record.map(|record| record.state) {
            Some(LifeCycle::Parked { .. }) => parked.push((&copy.mapping, &copy.target)),
            // taken back while its chunks were not done, which they are now
            Some(LifeCycle::Tailing) => {
                step(parts, copy, LifeEvent::BackfillStarted).await?;
                step(parts, copy, LifeEvent::CaughtUp).await?;
            }
            _ => _ = step(parts, copy, LifeEvent::CaughtUp).await?,
        }
    }
    Ok(parked_error(&parked))
}

/// Takes one step in the life of a copy, durably.
pub async fn step(parts: &Parts, copy: &Copy, event: LifeEvent) -> Result<LifeCycle, ProtocolError> {
    let key = key_of(copy).await;
    let record = record_of(parts, &key).await?.unwrap_or_default();
    let now = LifeRecord { definition: Some(TargetDefinition::of(&copy.mapping, &copy.target)), ..record };
    put(parts, &key, now, event).await
}

/// The record of a copy after `event`.
pub fn after(key: &CopyKey, record: LifeRecord, event: LifeEvent) -> Result<LifeRecord, ProtocolError> {
    let state = life_cycle::step(&record.state, event).map_err(|illegal| ProtocolError::Refused {
        reason: format!("{}: {illegal}", key.mapping),
        advice: advice::see_status().into(),
    })?;
    Ok(LifeRecord { state, ..record })
}

/// Parks a copy whose table is none that it filled, whatever lists it is of: with a record, what it says of chunks and
/// changes is not there; without one, rows of others may be. A copy that is parked, or finished, stays as it is.
pub async fn void(
    store: &dyn Store,
    copy: &CopyKey,
    holds_rows: bool,
    reason: String,
) -> Result<(), ProtocolError> {
    let mut put = Vec::new();
    let mut known = false;
    for (key, value) in store.list(Space::LifeCycle, &[]).await? {
        let Some(other) = CopyKey::of_prefix(&key) else { continue };
        if (&other.source, &other.mapping, &other.target) != (&copy.source, &copy.mapping, &copy.target) {
            continue;
        }
        known = true;
        let record: LifeRecord = records::decode(&value)?;
        if !matches!(record.state, LifeCycle::New | LifeCycle::Parked { .. } | LifeCycle::Finished) {
            let next = after(&other, record, LifeEvent::Parked { reason: reason.clone() })?;
            put.push((Space::LifeCycle, key, records::encode(&next)?));
        }
    }
    if !known && holds_rows {
        let next = LifeRecord { state: LifeCycle::Parked { reason }, ..LifeRecord::default() };
        put.push((Space::LifeCycle, copy.prefix(), records::encode(&next)?));
    }
    store.commit(Commit { put, ..Commit::default() }).await?;
    Ok(())
}

async fn put(
    parts: &Parts,
    key: &CopyKey,
    record: LifeRecord,
    event: LifeEvent,
) -> Result<LifeCycle, ProtocolError> {
    let next = after(key, record, event)?;
    let put = vec![(Space::LifeCycle, key.prefix(), records::encode(&next)?)];
    parts.store.commit(Commit { put, ..Commit::default() }).await?;
    Ok(next.state)
}

/// Whether a parked target may be tailed again: not where its items of before would stay elsewhere.
pub async fn may_unpark(parts: &Parts, copy: &Copy) -> Result<(), ProtocolError> {
    let record = record_of(parts, &key_of(copy).await).await?;
    let before = record.and_then(|record| record.definition);
    let now = TargetDefinition::of(&copy.mapping, &copy.target);
    let changes = before.map(|before| before.changes(&now, &copy.mapping.schema)).unwrap_or_default();
    match changes.address.is_empty() {
        true => Ok(()),
        false => Err(refuse_moved(copy, &changes.address)),
    }
}

/// Makes it durable that a parked target, which is tailed again in this process, has all that it missed: every list
/// was re-copied under marks that were taken since. Until then it is parked for the next start. Chunks that were left
/// are copied by the next run, which does no harm.
///
/// # Errors
/// It was parked again meanwhile.
pub async fn unpark(parts: &Parts, copy: &Copy) -> Result<(), ProtocolError> {
    let _nobody_parks = parts.plan.parking().await;
    if parts.plan.is_parked(copy.target.id) {
        return Err(ProtocolError::Refused {
            reason: format!(
                "table {} was parked again while it was copied, and is parked as before",
                copy.target.table
            ),
            advice: "see the log for the reason, and copy again once that is over".into(),
        });
    }
    step(parts, copy, LifeEvent::Unparked).await?;
    if copy.complete().await {
        step(parts, copy, LifeEvent::BackfillStarted).await?;
        step(parts, copy, LifeEvent::CaughtUp).await?;
    }
    tracing::info!(mapping = %copy.mapping.name, table = %copy.target.table, "no longer parked: it was copied again");
    Ok(())
}

async fn record_of(parts: &Parts, key: &CopyKey) -> Result<Option<LifeRecord>, StoreError> {
    records::read(&*parts.store, Space::LifeCycle, &key.prefix()).await
}

async fn key_of(copy: &Copy) -> CopyKey {
    copy.chunks.lock().await.key().clone()
}

/// Parks `targets`, each for its reason; where HBase refuses them, only if something is left to write to.
///
/// # Errors
/// The first reason, when HBase refuses all targets that are left: nothing is parked then.
pub async fn park(parts: &Parts, targets: Vec<(TargetId, ProtocolError)>) -> Result<(), ProtocolError> {
    let _one_at_a_time = parts.plan.parking().await;
    let left =
        parts.plan.active_targets().filter(|(_, target)| targets.iter().all(|(id, _)| *id != target.id));
    let of_rows = targets.iter().all(|(_, reason)| reason.is_of_row());
    if left.count() == 0 && !of_rows {
        return targets.into_iter().next().map_or(Ok(()), |(_, reason)| Err(reason));
    }
    for (id, reason) in targets.into_iter().filter(|(id, _)| !parts.plan.is_parked(*id)) {
        let Some((mapping, target)) = parts.plan.target(id) else { continue };
        let key = crate::pipeline::copies::chunks::Chunks::copy_key(
            &parts.source_name,
            &parts.plan,
            mapping,
            target,
        );
        let record = record_of(parts, &key).await?;
        let record = record.unwrap_or_default();
        let reason = match &reason {
            ProtocolError::Source(unreadable) => {
                format!("{unreadable}; {}", advice::row_refused(&mapping.name))
            }
            reason => chain(reason),
        };
        tracing::error!(mapping = %mapping.name, table = %target.table, %reason, "parked: the other targets go on without it");
        // durable before anything is left out; one whose re-copy is under way is parked durably as it was
        if !matches!(record.state, LifeCycle::Parked { .. }) {
            put(parts, &key, record, LifeEvent::Parked { reason }).await?;
        }
        parts.plan.written_to().park(id);
    }
    Ok(())
}

/// What a write that HBase refused means: `Ok` when the target is parked, or when that is not known yet (then the write
/// is repeated as after any passing error); else the run ends with the error.
pub async fn refused(parts: &Parts, target: TargetId, error: SinkError) -> Result<(), ProtocolError> {
    if !error.is_of_target() {
        return Err(error.into());
    }
    let verdict = parts.plan.written_to().refused(target);
    if verdict == Verdict::Wait || seems_to_pass(parts, target, &error).await {
        return Ok(());
    }
    match verdict {
        Verdict::Park => park(parts, vec![(target, error.into())]).await,
        _ => Err(error.into()),
    }
}

/// A table that a gateway takes for missing, while it is there.
async fn seems_to_pass(parts: &Parts, target: TargetId, error: &SinkError) -> bool {
    let Some((_, target)) = parts.plan.target(target) else { return false };
    matches!(error, SinkError::Missing { .. })
        && parts.sink.describe(target.id).await.is_ok_and(|state| state.has_families_of(target))
}

/// The targets of the run that are parked, for the message at its end; `None` when there is none.
pub fn parked(parts: &Parts) -> Option<ProtocolError> {
    let parked = parts.plan.targets().filter(|(_, target)| parts.plan.is_parked(target.id));
    parked_error(&parked.collect::<Vec<_>>())
}

fn parked_error(parked: &[(&Mapping, &Target)]) -> Option<ProtocolError> {
    let names = parked.iter().map(|(mapping, target)| format!("{} -> {}", mapping.name, target.table));
    let targets = names.collect::<Vec<_>>().join(", ");
    let mappings: BTreeSet<&str> = parked.iter().map(|(mapping, _)| mapping.name.as_str()).collect();
    (!parked.is_empty()).then(|| ProtocolError::Parked { targets, advice: advice::left_parked(mappings) })
}
