//! Going on over a gap: the source cannot give the changes after the checkpoint any more, and a person accepts that.
//!
//! What the gap touched nobody knows, so everything is copied again. One durable commit moves the checkpoint behind the
//! gap, drops the journal (what it holds cannot be cut again), notes the gap and parks every target: whenever the
//! process ends after it, the state says that they miss changes (I5). A run begins with the re-copies that open gaps
//! need, and these take the targets back. New ticks lie above the journal's highest (I1).

use crate::model::{LifeCycle, LifeEvent, Position, Reached, TableId, Witness};
use crate::pipeline::jobs::{Ask, Recopies};
use crate::pipeline::life::{self, definitions, gaps};
use crate::pipeline::parts::patience::retried;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::Waiter;
use crate::pipeline::run::opening;
use crate::pipeline::tail::identity::{self, Seen};
use crate::protocol::plan::Cohort;
use crate::protocol::{Journal, ProtocolError, Recovered};
use crate::source::SourceError;
use crate::store::records::{self, CheckpointRecord, CopyKey, GapRecord, LifeRecord};
use crate::store::{Put, Space};
use std::collections::BTreeSet;

/// Looks whether the source can be continued from the checkpoint, and goes on over the gap where it cannot.
///
/// # Errors
/// A source that does not answer; a pilot, whose targets cannot be taken back; prepared XA transactions.
pub async fn accept(parts: &Parts) -> Result<(), ProtocolError> {
    let journal = Journal::new(parts.store.clone(), parts.source_name.clone());
    let Some(found) = journal.recover().await? else {
        tracing::info!("there is no gap to accept: nothing was tailed with this state yet");
        return Ok(());
    };
    let Some(reason) = retried(parts, Waiter::Start, || lost(parts, &found)).await? else {
        tracing::info!("there is no gap to accept: MySQL can continue from the checkpoint");
        return Ok(());
    };
    if !matches!(parts.plan.cohort(), Cohort::All) {
        return Err(refuse_pilot("a pilot cannot accept a gap"));
    }
    retried(parts, Waiter::Start, || opening::refuse_prepared_xa(parts)).await?;
    let (to, witness) = retried(parts, Waiter::Start, || async move {
        let to = parts.source.start().await?;
        let witness = identity::witness(parts, &to.reached).await?;
        Ok((to, witness))
    })
    .await?;
    let over =
        Over { to, witness, reason: format!("you accepted a gap in MySQL's binlog: {reason}"), tables: None };
    let replaying_until = Reached::default();
    let put = missed(parts, &found, &over).await?.put;
    let checkpoint = checkpoint_behind(&found, over, replaying_until);
    journal.open_with(checkpoint, put).await?;
    Ok(())
}

/// What is missed is copied again, which a pilot cannot: nothing takes its targets back.
pub(super) fn refuse_pilot(reason: &str) -> ProtocolError {
    let advice = "start the pilot again with a new state_dir and empty HBase tables".into();
    ProtocolError::Refused { reason: reason.into(), advice }
}

/// Why the source cannot be continued; `None`: it can.
async fn lost(parts: &Parts, found: &Recovered) -> Result<Option<String>, ProtocolError> {
    let answers = async {
        let seen = identity::compare_sightings(parts, &found.sealed, &identity::sightings(found)).await?;
        parts.source.stream(&found.checkpoint.position).await?.next().await?;
        Ok(seen)
    };
    match answers.await {
        Ok(Seen::Same) => Ok(None),
        Ok(Seen::Unknown) => Ok(identity::remembered(parts).await?),
        Err(SourceError::PositionLost { reason, .. }) => Ok(Some(reason)),
        Err(error) => Err(error.into()),
    }
}

/// Changes that are missed for good.
pub(super) struct Over {
    /// Where the tail continues.
    pub to: Position,
    pub witness: Option<Witness>,
    /// Shown to a person, as the reason of the parkings too.
    pub reason: String,
    /// The tables that may miss changes; `None`: all.
    pub tables: Option<BTreeSet<TableId>>,
}

/// What goes into the commit that moves the checkpoint over changes.
pub(super) struct Missed {
    pub put: Vec<Put>,
    /// Those that are copied again.
    pub mappings: Vec<String>,
}

/// Parks what may miss changes, and notes the gap (I5).
pub(super) async fn missed(parts: &Parts, found: &Recovered, over: &Over) -> Result<Missed, ProtocolError> {
    let Over { to, reason, tables, .. } = over;
    let from = found.checkpoint.position.clone();
    let (mut put, mut mappings) = (Vec::new(), BTreeSet::new());
    let parked = LifeEvent::Parked { reason: reason.clone() };
    for (key, value) in parts.store.list(Space::LifeCycle, &[]).await? {
        let record: LifeRecord = records::decode(&value)?;
        let Some(copy) = CopyKey::of_prefix(&key).filter(|copy| copy.source == parts.source_name) else {
            continue;
        };
        if !may_miss(parts, tables.as_ref(), &copy.mapping) {
            continue;
        }
        mappings.insert(copy.mapping.clone());
        if !matches!(record.state, LifeCycle::Parked { .. }) {
            let next = life::after(&copy, record, parked.clone())?;
            put.push((Space::LifeCycle, key, records::encode(&next)?));
        }
    }
    tracing::warn!(event = "gap_accepted", %from, %to, %reason, "changes are missed: the run copies the rows again");
    let mappings: Vec<String> = mappings.into_iter().collect();
    let (to, reason, accepted_at_ms) = (to.clone(), reason.clone(), parts.clock.now_ms());
    put.extend(definitions::over_gap(parts, &to, tables.as_ref())?);
    let mut gaps = gaps::stored(&*parts.store).await?;
    gaps.gaps.push(GapRecord { from, to, reason, accepted_at_ms, mappings: mappings.clone() });
    put.push(gaps::record(&gaps)?);
    if parts.settings.failpoints.gap_forgotten() {
        put.clear();
    }
    put.push(identity::decided()?);
    Ok(Missed { put, mappings })
}

/// A mapping that is not configured any more may have been one of any table.
fn may_miss(parts: &Parts, tables: Option<&BTreeSet<TableId>>, mapping: &str) -> bool {
    let ours = parts.plan.mappings().iter().find(|ours| ours.name == mapping);
    match (tables, ours) {
        (Some(tables), Some(ours)) => tables.contains(&ours.table),
        _ => true,
    }
}

/// The checkpoint behind what is missed. The highest tick stays, so new ones lie above (I1).
pub(super) fn checkpoint_behind(found: &Recovered, over: Over, replaying_until: Reached) -> CheckpointRecord {
    let Over { to: position, witness, .. } = over;
    CheckpointRecord { position, tick_high: found.last_tick, replaying_until, witness }
}

/// Asks for the re-copies that open gaps need, of mappings that the run has.
pub async fn request_recopies(parts: &Parts, recopies: &Recopies) -> Result<(), ProtocolError> {
    let open = gaps::stored(&*parts.store).await?;
    for mapping in parts.plan.mappings() {
        let missed = open.gaps.iter().any(|gap| gap.mappings.contains(&mapping.name));
        if missed && !recopies.unparks(&mapping.name) {
            tracing::warn!(mapping = %mapping.name, "the run copies the mapping again, because it missed the \
             changes of a gap");
            recopies.enqueue_needed(Ask { mapping: mapping.name.clone(), lists: None, dry_run: false });
        }
    }
    Ok(())
}
