//! Where a run goes on from: its first start, the checkpoint, or an older position with new ticks. Durable before
//! anything is read.

use crate::advice;
use crate::error::Disposition;
use crate::model::{Position, Reached, Tick, Witness};
use crate::pipeline::jobs::levers::CanResume;
use crate::pipeline::life::definitions;
use crate::pipeline::parts::patience::retried;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{RunPhase, RunPosition, Waiter};
use crate::pipeline::run::options::RunOptions;
use crate::pipeline::tail::identity;
use crate::protocol::{Fingerprint, Journal, ProtocolError, Recovered};
use crate::retry::{Patience, Pauses};
use crate::status::{Awaited, Kind};
use crate::store::records::CheckpointRecord;
use std::sync::Arc;
use std::time::Duration;

/// How far ticks may be ahead of the clock at a start without a word: as far as clocks may be apart.
const LEAD_WARNED: Duration = Duration::from_secs(1);

/// Where the run continues from, made durable.
pub async fn open(parts: &Parts, options: &RunOptions) -> Result<Recovered, ProtocolError> {
    let journal = Journal::new(parts.store.clone(), parts.source_name.clone());
    let journal = &journal;
    let recovered = retried(parts, Waiter::Start, || async move {
        match journal.recover().await? {
            None => open_first(parts, journal, options).await,
            Some(found) => open_again(parts, journal, options, found).await,
        }
    })
    .await?;
    show_opened(parts, &recovered).await?;
    Ok(recovered)
}

/// The first start: from the executed set, or from the position asked for.
async fn open_first(
    parts: &Parts,
    journal: &Journal,
    options: &RunOptions,
) -> Result<Recovered, ProtocolError> {
    refuse_prepared_xa(parts).await?;
    let (position, replaying_until) = match &options.from {
        Some(position) => {
            if let Some(refused) = hole_in(parts, &position.reached).await? {
                return Err(refused);
            }
            if let Some(found) = definitions::begin(parts, &position.reached).await? {
                return Err(definitions::refused_from(&found.0, &found.1));
            }
            // everything from there to here is tailed with new ticks: older states may show until then
            (position.clone(), parts.source.executed().await?)
        }
        None => (first_position(parts).await?, Reached::default()),
    };
    tracing::info!(event = "opened", %position, "starting for the first time");
    let witness = identity::witness(parts, &position.reached).await?;
    let from = CheckpointRecord { position, tick_high: Tick(0), replaying_until, witness };
    open_at(parts, journal, from).await
}

/// A position from which every table is known.
async fn first_position(parts: &Parts) -> Result<Position, ProtocolError> {
    let mut statements = Patience::for_ever(Pauses::OF_OTHERS);
    loop {
        let position = parts.source.start().await?;
        let Some((table, found)) = definitions::begin(parts, &position.reached).await? else {
            parts.progress.go_on(Waiter::Start);
            return match parts.settings.failpoints.start_from_binlog_status() {
                true => Ok(parts.source.head().await?),
                false => Ok(position),
            };
        };
        let what = format!("a position from which the definition of {table} is known: {found}");
        parts.progress.wait_for(Waiter::Start, Awaited::new(Kind::Definition, what));
        statements.again().await;
    }
}

async fn open_again(
    parts: &Parts,
    journal: &Journal,
    options: &RunOptions,
    found: Recovered,
) -> Result<Recovered, ProtocolError> {
    // before anything that the source says is taken for its position, and while the journal knows it
    identity::require_same(parts, &found.sealed, &identity::sightings(&found)).await?;
    if let Some(position) = &options.from {
        if !found.checkpoint.position.reached.contains_set(&position.reached) {
            return Err(ProtocolError::Refused {
                reason: format!(
                    "--from would skip {}, which HBase does not have yet",
                    position.reached.minus(&found.checkpoint.position.reached)
                ),
                advice: advice::keep_checkpoint().into(),
            });
        }
        if !parts.settings.failpoints.position_not_asked_for() {
            // what the source cannot give must not become the checkpoint: no start would get past it
            drop(parts.source.stream(position).await?);
        }
        if position.reached != found.checkpoint.position.reached
            && let Some(refused) = hole_in(parts, &position.reached).await?
        {
            return Err(refused);
        }
        definitions::begin_earlier(parts, &position.reached).await?;
        tracing::info!(event = "opened", %position, "replaying with new ticks from an older position");
        let witness = identity::witness(parts, &position.reached).await?;
        return replay(parts, journal, position.clone(), witness, found).await;
    }
    let (before, now) = (journal.fingerprint().await?.unwrap_or_default(), parts.plan.fingerprint());
    if !now.cuts_like(&Fingerprint::read(&before)) {
        tracing::info!(
            "the mappings, their tables or the lists that take part changed: replaying with new ticks"
        );
        let CheckpointRecord { position, witness, .. } = found.checkpoint.clone();
        return replay(parts, journal, position, witness, found).await;
    }
    tracing::info!(event = "opened", position = %found.checkpoint.position, batches = found.replay.len(), "continuing from the checkpoint");
    if now.text() != before {
        // targets joined or left: what is cut from now on is cut under another plan
        journal.keep_fingerprint(&now.text()).await?;
    }
    Ok(found)
}

/// Why nobody may read on from this set, where it has a hole: what is read again from there lies above the later
/// changes, which are not.
pub(super) async fn hole_in(
    parts: &Parts,
    reached: &Reached,
) -> Result<Option<ProtocolError>, ProtocolError> {
    if parts.settings.failpoints.hole_not_refused() {
        return Ok(None);
    }
    let left_out = parts.source.left_out(reached).await?;
    Ok(left_out.map(|transaction| ProtocolError::Refused {
        reason: format!(
            "this position leaves out transaction {transaction}, and has others that MySQL's binlog has behind it: HBase would \
             go back to what that transaction wrote"
        ),
        advice: advice::without_hole().into(),
    }))
}

/// Everything that was sealed after `position` gets new ticks.
async fn replay(
    parts: &Parts,
    journal: &Journal,
    position: Position,
    witness: Option<Witness>,
    found: Recovered,
) -> Result<Recovered, ProtocolError> {
    let (tick_high, replaying_until) = (found.last_tick, found.sealed);
    open_at(parts, journal, CheckpointRecord { position, tick_high, replaying_until, witness }).await
}

async fn open_at(
    parts: &Parts,
    journal: &Journal,
    mut from: CheckpointRecord,
) -> Result<Recovered, ProtocolError> {
    from.replaying_until = from.replaying_until.minus(&from.position.reached);
    let (fingerprint, cohort) = (parts.plan.fingerprint().text(), parts.plan.cohort().name());
    Ok(journal.open(from, &fingerprint, &cohort).await?)
}

/// Asks, before a paused tail is resumed, whether the source can still continue from the checkpoint. Where it does not
/// answer now, the reader connects until it does.
pub fn can_continue(parts: &Parts) -> CanResume {
    let (source, store, name) = (parts.source.clone(), parts.store.clone(), parts.source_name.clone());
    Arc::new(move || {
        let (source, journal) = (source.clone(), Journal::new(store.clone(), name.clone()));
        Box::pin(async move {
            let Some(checkpoint) = journal.checkpoint().await? else { return Ok(()) };
            match source.stream(&checkpoint.position).await {
                Err(error) if error.disposition() != Disposition::Retry => Err(error.into()),
                _ => Ok(()),
            }
        })
    })
}

/// A transaction that was prepared before the start has its rows before it, and its COMMIT after.
pub async fn refuse_prepared_xa(parts: &Parts) -> Result<(), ProtocolError> {
    let prepared = parts.source.prepared_xa().await?;
    if prepared.is_empty() {
        return Ok(());
    }
    Err(ProtocolError::Refused {
        reason: format!(
            "MySQL has {} XA transactions that are prepared and neither committed nor rolled back",
            prepared.len()
        ),
        advice:
            "commit or roll back each of them (XA RECOVER lists them; XA COMMIT, XA ROLLBACK), then start again"
                .into(),
    })
}

async fn show_opened(parts: &Parts, recovered: &Recovered) -> Result<(), ProtocolError> {
    let server_uuid =
        retried(parts, Waiter::Start, || async move { Ok(parts.source.server_uuid().await?) }).await?;
    let place = RunPosition::of(&recovered.checkpoint.position);
    let mut positions = parts.progress.positions();
    positions.server_uuid = server_uuid;
    positions.received = place.clone();
    positions.written = place.clone();
    positions.sealed = RunPosition { reached: recovered.sealed.clone(), at: place.at };
    drop(positions);
    parts.progress.set_checkpointed(&recovered.checkpoint.position);
    let replaying = !recovered.checkpoint.replaying_until.is_empty();
    parts.progress.set_phase(if replaying { RunPhase::Replaying } else { RunPhase::Running });
    warn_of_lead(parts, recovered);
    Ok(())
}

/// Ticks go on above the last one wherever the clock is (I1), and so may be ahead of it (I6).
fn warn_of_lead(parts: &Parts, recovered: &Recovered) {
    let lead = Duration::from_millis(recovered.last_tick.0.saturating_sub(parts.clock.now_ms()));
    if lead >= LEAD_WARNED {
        let seconds = lead.as_secs();
        tracing::warn!(
            seconds,
            "the clock of this machine was set back: new ticks follow the last one, and are ahead of the clock"
        );
    }
}
