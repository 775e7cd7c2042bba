//! From the lists of the last run to those of this one: the same, or more. Fewer are refused, because a list that is left out
//! would miss changes without anybody noticing.
//!
//! What joins has a copy of its own, under marks of this run, whose tail writes changes of all lists from the checkpoint on.
//! The lists of before are not copied again where their own copy was complete: they have every row of that copy, and the tail
//! has written every change since. That is judged for each target on its own, and noted beside its life before the cohort
//! changes. A start that ends before that leaves the earlier cohort in force, and the next one judges anew.

use crate::advice;
use crate::model::{LifeCycle, Pilot};
use crate::pipeline::copies::cohorts;
use crate::pipeline::copies::copy::ListsToCopy;
use crate::pipeline::life::record_of;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::cohort::Cohort;
use crate::protocol::{Journal, ProtocolError};
use crate::store::records::{self, CopyKey, LifeRecord};
use crate::store::{Commit, Put, Space};

/// Notes which lists this run has, before anything of the copies is read, and what need not be copied again.
///
/// # Errors
/// Lists of before are not among them.
pub async fn begin(parts: &Parts) -> Result<(), ProtocolError> {
    let now = parts.plan.cohort();
    let mut put = Vec::new();
    if let Some(pilot) = now.pilot() {
        put.push((Space::Meta, records::pilot_key(&now.name()), records::encode::<Pilot>(pilot)?));
    }
    let before = Journal::new(parts.store.clone(), parts.source_name.clone()).cohort().await?;
    if let Some(before) = before.filter(|before| *before != now.name()) {
        let known = cohorts::stored(&*parts.store, &before, parts.plan.mappings()).await?;
        refuse_narrower(parts, known.as_ref())?;
        put.append(&mut carried_over(parts, &before, known.as_ref()).await?);
    }
    match put.is_empty() {
        true => Ok(()),
        false => commit(parts, Commit { put, ..Commit::default() }).await,
    }
}

fn refuse_narrower(parts: &Parts, before: Option<&Cohort>) -> Result<(), ProtocolError> {
    let now = parts.plan.cohort();
    let refused = |reason: String, advice: String| Err(ProtocolError::Refused { reason, advice });
    match before {
        Some(Cohort::All) => refused(
            "an earlier run moved all lists: a pilot would miss changes of the other lists".into(),
            advice::all_lists_go_on().into(),
        ),
        Some(before) if !now.contains(before, parts.plan.mappings()) => {
            let lists = before.pilot().map_or_else(|| "all lists".to_owned(), Pilot::words);
            refused(
                format!(
                    "the last run moved {lists}, and some of these lists are not among those of this run"
                ),
                advice::narrower_pilot().into(),
            )
        }
        None if now.pilot().is_some() => refused(
            "an earlier build of tailfill began a pilot of other lists with this state".into(),
            advice::narrower_pilot().into(),
        ),
        _ => Ok(()),
    }
}

/// The lives of the copies of before, under the name of the cohort of now.
async fn carried_over(
    parts: &Parts,
    before: &str,
    known: Option<&Cohort>,
) -> Result<Vec<Put>, ProtocolError> {
    let (mut put, now) = (Vec::new(), parts.plan.cohort().name());
    for (key, value) in parts.store.list(Space::LifeCycle, &[]).await? {
        let ours = |key: &CopyKey| key.source == parts.source_name && key.cohort == before;
        let Some(key) = CopyKey::of_prefix(&key).filter(ours) else { continue };
        let record: LifeRecord = records::decode(&value)?;
        let joined = CopyKey { cohort: now.clone(), ..key.clone() };
        let is_parked = |life: LifeRecord| matches!(life.state, LifeCycle::Parked { .. });
        if record.state == LifeCycle::New || record_of(parts, &joined).await?.is_some_and(is_parked) {
            continue;
        }
        let copied = copied(parts, known, &key, &record).await?;
        let state = match &record.state {
            LifeCycle::Tailing | LifeCycle::Parked { .. } => record.state.clone(),
            _ => LifeCycle::Backfilling,
        };
        let record = LifeRecord { state, copied, ..record };
        put.push((Space::LifeCycle, joined.prefix(), records::encode(&record)?));
    }
    Ok(put)
}

/// The cohort whose lists need not be copied again into a target: the one of before if its copy was complete, else the one
/// that this need not have copied either.
async fn copied(
    parts: &Parts,
    known: Option<&Cohort>,
    key: &CopyKey,
    record: &LifeRecord,
) -> Result<Option<String>, ProtocolError> {
    let target = parts.plan.targets().find(|(mapping, target)| {
        mapping.name == key.mapping && format!("{}/{}", target.table, target.family) == key.target
    });
    let (Some(cohort), Some((mapping, _))) = (known, target) else { return Ok(None) };
    if matches!(record.state, LifeCycle::Parked { .. }) {
        return Ok(None);
    }
    if parts.settings.failpoints.pilot_taken_for_copied() {
        return Ok(Some(key.cohort.clone()));
    }
    let lists = ListsToCopy::of(&*parts.store, (cohort, parts.plan.mappings()), Some(record)).await?;
    let chunks = lists.chunks(parts.store.clone(), key.clone(), mapping).await?;
    Ok(if chunks.complete() { Some(key.cohort.clone()) } else { record.copied.clone() })
}

/// Forgets the copies of earlier cohorts, once this one is the state's: what they say of chunks, counts and changes is over.
pub async fn forget_narrower(parts: &Parts) -> Result<(), ProtocolError> {
    let (mut forget, now) = (Commit::default(), parts.plan.cohort().name());
    for (prefix, _) in parts.store.list(Space::LifeCycle, &[]).await? {
        let earlier = |key: &CopyKey| key.source == parts.source_name && key.cohort != now;
        if CopyKey::of_prefix(&prefix).filter(earlier).is_none() {
            continue;
        }
        let chunk = |number: u64| [&prefix[..], &number.to_be_bytes()].concat();
        forget.delete_range.push((Space::Chunk, chunk(0), chunk(u64::MAX)));
        forget.delete.push((Space::Counts, prefix.clone()));
        forget.delete.push((Space::LifeCycle, prefix));
    }
    if forget.delete.is_empty() {
        return Ok(());
    }
    commit(parts, forget).await
}

async fn commit(parts: &Parts, commit: Commit) -> Result<(), ProtocolError> {
    Ok(parts.store.commit(commit).await?.taken()?)
}
