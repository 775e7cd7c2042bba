//! Going on over a gap: the source cannot give the changes after the checkpoint any more, and a person accepts that.
//!
//! What the gap touched nobody knows, so everything is copied again. One durable commit moves the checkpoint behind the
//! gap, drops the journal (what it holds cannot be cut again), notes the gap and parks every target: whenever the
//! process ends after it, the state says that they miss changes (I5). A run begins with the re-copies that open gaps
//! need, and these take the targets back. New ticks lie above the journal's highest (I1).

use crate::model::{LifeCycle, LifeEvent, Position, Reached, Witness};
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
use crate::store::Space;
use crate::store::records::{self, CheckpointRecord, CopyKey, GapRecord, LifeRecord};
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
        return Err(ProtocolError::Refused {
            reason: "a pilot cannot accept a gap".into(),
            advice: "start the pilot again with a new state_dir and empty HBase tables".into(),
        });
    }
    retried(parts, Waiter::Start, || opening::refuse_prepared_xa(parts)).await?;
    let (to, witness) = retried(parts, Waiter::Start, || async move {
        let to = parts.source.start().await?;
        let witness = identity::witness(parts, &to.reached).await?;
        Ok((to, witness))
    })
    .await?;
    go_over(parts, &journal, found, (to, witness), reason).await
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

async fn go_over(
    parts: &Parts,
    journal: &Journal,
    found: Recovered,
    (to, witness): (Position, Option<Witness>),
    reason: String,
) -> Result<(), ProtocolError> {
    let from = found.checkpoint.position;
    let (mut put, mut mappings) = (Vec::new(), BTreeSet::new());
    let parked = LifeEvent::Parked { reason: format!("you accepted a gap in MySQL's binlog: {reason}") };
    for (key, value) in parts.store.list(Space::LifeCycle, &[]).await? {
        let record: LifeRecord = records::decode(&value)?;
        let Some(copy) = CopyKey::of_prefix(&key).filter(|copy| copy.source == parts.source_name) else {
            continue;
        };
        mappings.insert(copy.mapping.clone());
        if !matches!(record.state, LifeCycle::Parked { .. }) {
            let next = life::after(&copy, record, parked.clone())?;
            put.push((Space::LifeCycle, key, records::encode(&next)?));
        }
    }
    tracing::warn!(event = "gap_accepted", %from, %to, %reason, "you accepted a gap: the run copies all rows again");
    let mappings = mappings.into_iter().collect();
    let gap = GapRecord { from, to: to.clone(), reason, accepted_at_ms: parts.clock.now_ms(), mappings };
    let mut gaps = gaps::stored(&*parts.store).await?;
    put.extend(definitions::over_gap(parts, &to, "tailfill does not know how the table changed in the gap")?);
    gaps.gaps.push(gap);
    put.push(gaps::record(&gaps)?);
    if parts.settings.failpoints.gap_forgotten() {
        put.clear();
    }
    put.push(identity::decided()?);
    let tick_high = found.last_tick;
    let checkpoint =
        CheckpointRecord { position: to, tick_high, replaying_until: Reached::default(), witness };
    journal.open_with(checkpoint, put).await?;
    Ok(())
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
