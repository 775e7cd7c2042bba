//! The life of each copy: where it stands, durably, and parking.
//!
//! A target that cannot be written to is *parked*: the others go on, and it has missed changes from then on. That is
//! durable before anything is left out, so the checkpoint may pass what the target does not have (I5).
//!
//! Where HBase refuses every target, none is parked: the run ends with the error, and nothing is lost. A statement, a row
//! image that cannot be followed, or a row that HBase cannot take parks also the last one: ending the run would not bring it
//! past that, and the run stays up to take a re-copy.

pub(crate) mod definitions;
mod fitting;
pub mod gaps;
mod parking;

pub(crate) use parking::{caught_up, may_unpark, park, parked, parked_event, refused, unpark, why_parked};

use crate::advice;
use crate::model::{LifeCycle, LifeEvent, Mapping, Target, TargetDefinition, life_cycle};
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;
use crate::sink::{ReadCounts, ScanRange, SinkError};
use crate::store::records::{self, CopyKey, LifeRecord};
use crate::store::{Commit, Space, Store, StoreError};

/// What the record of a copy means for a run that would go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was written yet.
    Begins,
    /// What was written so far is what would be written now.
    GoesOn,
    /// It has missed changes; only a re-copy goes on with it.
    Parked {
        /// As it was stored.
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

pub(crate) fn refuse_moved(copy: &Copy, changes: &[String]) -> ProtocolError {
    let reason = moved(&copy.mapping, &copy.target, changes);
    ProtocolError::Refused { reason, advice: advice::addresses_changed().into() }
}

/// Whether a table holds items of a target, or counts.
pub async fn holds_rows(sink: &dyn ReadCounts, target: &Target) -> Result<bool, SinkError> {
    let range = ScanRange { limit: 1, ..ScanRange::default() };
    if !sink.scan_keys(target.id, &range).await?.is_empty() {
        return Ok(true);
    }
    // the ticks of a row that is empty now would make batches that are cut again look as if they were done
    Ok(target.counted && !sink.scan_counts(target.id, &range).await?.is_empty())
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
/// changes is not there; without one, rows of others may be. A copy that is parked stays as it is.
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
        if !matches!(record.state, LifeCycle::New | LifeCycle::Parked { .. }) {
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

pub(crate) async fn put(
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

pub(crate) async fn record_of(parts: &Parts, key: &CopyKey) -> Result<Option<LifeRecord>, StoreError> {
    records::read(&*parts.store, Space::LifeCycle, &key.prefix()).await
}

pub(crate) async fn key_of(copy: &Copy) -> CopyKey {
    copy.chunks.lock().await.key().clone()
}
