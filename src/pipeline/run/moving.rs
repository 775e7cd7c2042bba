//! Moving a tail that stands still: to an older position, over changes, or past one transaction
//! (docs/decisions/0014-a-tail-is-moved-between-two-passes.md).
//!
//! One durable commit moves the checkpoint, drops the journal (what it holds is not cut again from there), and holds
//! all that goes with it: what was read before (`replaying_until`), what is parked, what is wanted of the tail, and the
//! record of the history. So a crash leaves either all of a move or nothing of it (I5). The highest tick stays: whatever
//! is read again gets ticks above all that were ever sent (I1).
//!
//! What lies behind an older position was written before, and is read again: in binlog order, so the last change of
//! each address wins as it did. Until the tail has passed what was read before, HBase may show older states: the phase
//! is `replaying`, nothing is judged, and nobody has caught up.

use crate::advice;
use crate::failpoints::{KillPoint, kill_at};
use crate::model::{Lever, Position, Reached, TableId, TransactionId, Wanted, Witness};
use crate::pipeline::jobs::history;
use crate::pipeline::jobs::levers;
use crate::pipeline::jobs::moves::{Course, Destination, MoveAsk, Moved};
use crate::pipeline::life::definitions;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::run::gap::{self, Missed, Over};
use crate::pipeline::run::opening;
use crate::pipeline::tail::identity;
use crate::protocol::plan::Cohort;
use crate::protocol::{Journal, ProtocolError, Recovered};
use crate::source::SourceError;
use crate::store::records::{Cause, CheckpointRecord};
use crate::store::{Commit, Put};
use std::collections::BTreeSet;

/// Whether a move would be refused now. Touches nothing, also beside the tasks of a run.
///
/// # Errors
/// As [`set`]; that may refuse for more: what it asks of the definitions of tables, tasks must not change meanwhile.
pub async fn judge(parts: &Parts, ask: &MoveAsk) -> Result<(), ProtocolError> {
    let mut moving = Moving::of(parts).await?;
    // the checkpoint of a run comes after what is written, and is made once its tasks have ended
    let written = parts.progress.positions().written.reached.clone();
    moving.found.checkpoint.position.reached.union_with(&written);
    moving.way(ask).await.map(drop)
}

/// Moves the tail of a state whose tail nobody runs just now.
///
/// # Errors
/// Nothing was tailed yet; the source cannot continue from there, or is another one; changes would be missed and that is
/// not accepted. Nothing has changed then.
pub async fn set(parts: &Parts, ask: &MoveAsk) -> Result<Moved, ProtocolError> {
    let moving = Moving::of(parts).await?;
    let way = moving.way(ask).await?;
    if let Way::Back { to, .. } = &way {
        definitions::begin_earlier(parts, &to.reached).await?;
    }
    kill_at(KillPoint::PositionAsked);
    let journal = Journal::new(parts.store.clone(), parts.source_name.clone());
    let moved = moving.commit(&journal, ask, way).await?;
    kill_at(KillPoint::PositionMoved);
    note(ask, &moved);
    Ok(moved)
}

/// How the tail comes to where it is to continue, and what that takes.
enum Way {
    Stays,
    Back { to: Position, witness: Option<Witness> },
    Over { over: Over, missed: u64 },
}

struct Moving<'a> {
    parts: &'a Parts,
    found: Recovered,
}

impl Moving<'_> {
    async fn of(parts: &Parts) -> Result<Moving<'_>, ProtocolError> {
        let journal = Journal::new(parts.store.clone(), parts.source_name.clone());
        match journal.recover().await? {
            Some(found) => Ok(Moving { parts, found }),
            None => Err(ProtocolError::Refused {
                reason: "nothing was tailed with this state yet, so there is no position to set".into(),
                advice: advice::begin_with_from().into(),
            }),
        }
    }

    async fn way(&self, ask: &MoveAsk) -> Result<Way, ProtocolError> {
        let Moving { parts, found } = self;
        identity::require_same(parts, &found.sealed, &identity::sightings(found)).await?;
        match &ask.destination {
            Destination::To(position) => self.to(position, ask.accept_gap).await,
            Destination::Without(transaction) => self.without(transaction).await,
        }
    }

    fn from(&self) -> &Position {
        &self.found.checkpoint.position
    }

    async fn to(&self, position: &Position, accept_gap: bool) -> Result<Way, ProtocolError> {
        let from = &self.from().reached;
        if position.reached == *from {
            return Ok(Way::Stays);
        }
        let is_older = from.contains_set(&position.reached);
        let missed = position.reached.minus(from);
        if !is_older && !accept_gap && !self.parts.settings.failpoints.newer_position_not_refused() {
            let reason = format!(
                "this position lies {} transactions ahead of the tail, and HBase does not have them ({missed})",
                missed.count()
            );
            return Err(SourceError::PositionLost { reason, advice: advice::accept_gap().into() }.into());
        }
        let ahead = self.parts.source.uncommitted(&position.reached).await?;
        if !ahead.is_empty() {
            let reason = format!("MySQL has not committed {ahead}");
            return Err(
                SourceError::PositionLost { reason, advice: advice::known_transactions().into() }.into()
            );
        }
        // what the source cannot give must not become the checkpoint: no start would get past it
        drop(self.parts.source.stream(position).await?);
        if is_older && let Some(refused) = opening::hole_in(self.parts, &position.reached).await? {
            return Err(refused);
        }
        let witness = identity::witness(self.parts, &position.reached).await?;
        if is_older || self.parts.settings.failpoints.newer_position_not_refused() {
            return Ok(Way::Back { to: position.clone(), witness });
        }
        opening::refuse_prepared_xa(self.parts).await?;
        let reason = format!("the tail was moved over {} transactions", missed.count());
        self.over(Over { to: position.clone(), witness, reason, tables: None }, missed.count()).await
    }

    /// The source does not send what it is told to have been read: it is as if the transaction was.
    async fn without(&self, transaction: &TransactionId) -> Result<Way, ProtocolError> {
        let mut to = self.from().clone();
        if to.reached.contains(transaction) {
            return Ok(Way::Stays);
        }
        let ahead = self.parts.source.uncommitted(&transaction.alone()).await?;
        if !ahead.is_empty() {
            let reason = format!("MySQL has not committed {ahead}");
            return Err(
                SourceError::PositionLost { reason, advice: advice::known_transactions().into() }.into()
            );
        }
        to.reached.insert(transaction);
        let tables = self.parts.source.tables_named_in(transaction).await?;
        let tables = tables.map(|tables| tables.into_iter().collect::<BTreeSet<TableId>>());
        let reason = format!("you skipped transaction {transaction}");
        let witness = self.found.checkpoint.witness.clone();
        self.over(Over { to, witness, reason, tables }, 1).await
    }

    async fn over(&self, over: Over, missed: u64) -> Result<Way, ProtocolError> {
        let journal = Journal::new(self.parts.store.clone(), self.parts.source_name.clone());
        let all = Cohort::All.name();
        if journal.cohort().await?.is_some_and(|cohort| cohort != all) {
            return Err(gap::refuse_pilot("a pilot cannot miss transactions"));
        }
        Ok(Way::Over { over, missed })
    }

    async fn commit(&self, journal: &Journal, ask: &MoveAsk, way: Way) -> Result<Moved, ProtocolError> {
        let mut control = levers::stored(&*self.parts.store).await?;
        let running = Lever { wanted: Wanted::Running, ..ask.lever.clone() };
        let changed = control.set(&ask.resumes, &running);
        let mut put = Vec::new();
        if !changed.is_empty() {
            put.push(levers::record(&control)?);
        }
        let from = self.from().clone();
        let moved = |to, course| Moved { from: from.clone(), to, course, changed, control };
        let (checkpoint, course) = match way {
            Way::Stays => {
                if !put.is_empty() {
                    put.push(history::record(&self.found.checkpoint, Cause::Resume, &ask.lever)?);
                    self.parts.store.commit(Commit { put, ..Commit::default() }).await?;
                }
                return Ok(moved(self.from().clone(), Course::Stays));
            }
            Way::Back { to, witness } => {
                let again = self.found.sealed.minus(&to.reached).count();
                (self.checkpoint(to, witness), Course::Back { again })
            }
            Way::Over { over, missed } => {
                let Missed { put: parked, mappings } = match &ask.destination {
                    Destination::Without(_) if self.parts.settings.failpoints.skipped_not_copied() => {
                        Missed { put: Vec::new(), mappings: Vec::new() }
                    }
                    _ => gap::missed(self.parts, &self.found, &over).await?,
                };
                put.extend(parked);
                (self.checkpoint(over.to, over.witness), Course::Over { missed, mappings })
            }
        };
        let to = checkpoint.position.clone();
        self.open(journal, checkpoint, put, ask).await?;
        Ok(moved(to, course))
    }

    /// What was read before and lies behind the new checkpoint is read again.
    fn checkpoint(&self, position: Position, witness: Option<Witness>) -> CheckpointRecord {
        let replaying_until = match self.parts.settings.failpoints.replay_not_noted() {
            true => Reached::default(),
            false => self.found.sealed.minus(&position.reached),
        };
        CheckpointRecord { position, tick_high: self.found.last_tick, replaying_until, witness }
    }

    async fn open(
        &self,
        journal: &Journal,
        checkpoint: CheckpointRecord,
        mut put: Vec<Put>,
        ask: &MoveAsk,
    ) -> Result<(), ProtocolError> {
        let cause = match ask.destination {
            Destination::To(_) => Cause::Set,
            Destination::Without(_) => Cause::Skip,
        };
        put.push(history::record(&checkpoint, cause, &ask.lever)?);
        journal.open_with(checkpoint, put).await?;
        Ok(())
    }
}

/// For the event log.
fn note(ask: &MoveAsk, moved: &Moved) {
    let Moved { from, to, .. } = moved;
    let Lever { by, reason, .. } = &ask.lever;
    match (&moved.course, &ask.destination) {
        (Course::Stays, _) => {}
        (_, Destination::Without(transaction)) => {
            tracing::info!(event = "skipped", by, reason, %from, %to, %transaction, "the tail leaves a transaction out");
        }
        (_, Destination::To(_)) => {
            tracing::info!(event = "position_set", by, reason, %from, %to, "the tail continues from another position");
        }
    }
    for work in &moved.changed {
        tracing::info!(event = "resumed", by, reason, "the {} is running from now on", work.name());
    }
}
