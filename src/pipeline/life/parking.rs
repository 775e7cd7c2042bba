//! Parking a target, durably before anything is left out, and taking it back.

use super::{after, key_of, put, record_of, refuse_moved, step};
use crate::advice;
use crate::error::chain;
use crate::model::{LifeCycle, LifeEvent, Mapping, Parking, TableId, Target, TargetDefinition, TargetId};
use crate::pipeline::copies::chunks::Chunks;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::{ProtocolError, Verdict};
use crate::sink::SinkError;
use crate::store::records::{self, LifeRecord};
use crate::store::{Put, Space};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The records of all targets of a table's mappings once they are parked; those that are parked already keep their reason,
/// unless a re-copy of them is under way.
pub async fn records_of_parked(
    parts: &Parts,
    table: TableId,
    parking: &Parking,
) -> Result<Vec<Put>, ProtocolError> {
    let mut put = Vec::new();
    for mapping in parts.plan.of_table(table) {
        for target in &mapping.targets {
            let key = Chunks::copy_key(&parts.source_name, &parts.plan, mapping, target);
            let record = record_of(parts, &key).await?;
            let record = record.unwrap_or(LifeRecord::default());
            let stays = matches!(record.state, LifeCycle::Parked { .. }) && parts.plan.is_parked(target.id);
            if !stays {
                let next = after(&key, record, parked_event(&mapping.name, parking))?;
                put.push((Space::LifeCycle, key.prefix(), records::encode(&next)?));
            }
            tracing::error!(event = "parked", mapping = %mapping.name, table = %target.table, reason = %parking, "parked");
        }
    }
    Ok(put)
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
        let key = Chunks::copy_key(&parts.source_name, &parts.plan, mapping, target);
        let record = record_of(parts, &key).await?;
        let record = record.unwrap_or_default();
        let reason = match &reason {
            ProtocolError::Source(unreadable) => {
                format!("{unreadable}; {}", advice::row_refused(&mapping.name))
            }
            reason => chain(reason),
        };
        tracing::error!(event = "parked", mapping = %mapping.name, table = %target.table, %reason, "the run parked a target, and \
         continues with the others");
        // durable before anything is left out; one whose re-copy is under way is parked durably, and gets another reason
        put(parts, &key, record, LifeEvent::Parked { reason }).await?;
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

/// Those of these copies that are parked, each with the reason; `None` when there is none.
pub async fn why_parked<'a>(
    parts: &Parts,
    copies: impl Iterator<Item = &'a Copy>,
) -> Result<Option<ProtocolError>, ProtocolError> {
    let (mut targets, mut mappings) = (Vec::new(), BTreeSet::new());
    for copy in copies {
        let record = record_of(parts, &key_of(copy).await).await?;
        if let Some(LifeCycle::Parked { reason }) = record.map(|record| record.state) {
            targets.push(format!("{} -> {}: {reason}", copy.mapping.name, copy.target.table));
            mappings.insert(copy.mapping.name.as_str());
        }
    }
    let error =
        || ProtocolError::Parked { targets: targets.join(", "), advice: advice::left_parked(mappings) };
    Ok((!targets.is_empty()).then(error))
}

fn parked_error(parked: &[(&Mapping, &Target)]) -> Option<ProtocolError> {
    let names = parked.iter().map(|(mapping, target)| format!("{} -> {}", mapping.name, target.table));
    let targets = names.collect::<Vec<_>>().join(", ");
    let mappings: BTreeSet<&str> = parked.iter().map(|(mapping, _)| mapping.name.as_str()).collect();
    (!parked.is_empty()).then(|| ProtocolError::Parked { targets, advice: advice::left_parked(mappings) })
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
        let parked = why_parked(parts, std::iter::once(copy)).await?;
        let parked = parked.or_else(|| parked_error(&[(&copy.mapping, &copy.target)]));
        return parked.map_or(Ok(()), Err);
    }
    step(parts, copy, LifeEvent::Unparked).await?;
    if copy.complete().await {
        step(parts, copy, LifeEvent::BackfillStarted).await?;
        step(parts, copy, LifeEvent::CaughtUp).await?;
    }
    tracing::info!(event = "brought_back", mapping = %copy.mapping.name, table = %copy.target.table, "the re-copy is done: the target is \
     no longer parked");
    Ok(())
}

/// What a parking is called in the life of a target.
pub fn parked_event(mapping: &str, parking: &Parking) -> LifeEvent {
    LifeEvent::Parked { reason: format!("{parking}; {}", advice::bring_back(mapping, parking)) }
}
