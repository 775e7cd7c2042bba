//! The levers of a run: what a person wants of its tail and its backfill. The one place where that is set; the tasks ask
//! it at the head of their loops.
//!
//! What is wanted is durable before it holds, so a paused run stays paused over restarts.

use super::history::{self, Since};
use super::moves::{MoveAsk, MoveRequest, Moved, Moves};
use super::{Failed, limits, verdicts};
use crate::advice;
use crate::error::Exit;
use crate::failpoints::Failpoints;
use crate::model::{Control, FileLimits, Lever, LimitKey, LimitsAsk, Wanted, Work};
use crate::pipeline::progress::{Progress, Waiter};
use crate::protocol::ProtocolError;
use crate::signal::{Listener, Signal};
use crate::status::{Awaited, Kind};
use crate::store::records::{Cause, PassageRecord, VerdictRecord};
use crate::store::{Commit, Store, StoreError};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeverAsk {
    /// What the lever is set for; nothing is asked of the other.
    pub works: Vec<Work>,
    /// As it is kept, with who sets it and when.
    pub lever: Lever,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeverSet {
    /// What was wanted otherwise before.
    pub changed: Vec<Work>,
    /// All that is wanted now.
    pub control: Control,
}

/// Asked before a tail is resumed: whether the source can still continue from the checkpoint.
pub type CanResume = Arc<dyn Fn() -> BoxFuture<'static, Result<(), ProtocolError>> + Send + Sync>;

/// A handle to the levers of a run; clones share them. Nothing is paused until a store is read.
#[derive(Clone, Default)]
pub struct Levers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    control: Mutex<Control>,
    changed: Signal,
    /// `None`: before a run has read its state, and once it has ended.
    run: tokio::sync::Mutex<Option<Run>>,
    moves: Moves,
}

struct Run {
    store: Arc<dyn Store>,
    can_resume: CanResume,
    /// It tails, and not for a re-copy alone.
    moves: bool,
}

pub use super::record::{record, stored};

/// Sets levers in a store that no run has.
pub async fn set_in(store: &dyn Store, ask: &LeverAsk) -> Result<LeverSet, StoreError> {
    let mut control = stored(store).await?;
    let changed = control.set(&ask.works, &ask.lever);
    if !changed.is_empty() && !Failpoints::default().pause_not_durable() {
        let cause = if ask.lever.wanted == Wanted::Paused { Cause::Pause } else { Cause::Resume };
        let mut put = vec![record(&control)?];
        put.extend(history::of_now(store, cause, &ask.lever).await?);
        store.commit(Commit { put, ..Commit::default() }).await?;
    }
    Ok(LeverSet { changed, control })
}

/// For the event log.
pub fn note(ask: &LeverAsk, set: &LeverSet) {
    for work in &set.changed {
        let Lever { wanted, by, reason, .. } = &ask.lever;
        let event = if *wanted == Wanted::Paused { "paused" } else { "resumed" };
        tracing::info!(event, by, reason, "the {} is {} from now on", work.name(), wanted.name());
    }
}

/// Goes on where whoever asked leaves in the middle: what the store holds by then must hold in this process too.
async fn to_its_end<T: Send + 'static>(
    asked: impl Future<Output = Result<T, Failed>> + Send + 'static,
) -> Result<T, Failed> {
    tokio::spawn(asked).await.unwrap_or_else(|_| Err(not_now()))
}

fn not_now() -> Failed {
    let (reason, advice) = ("the run is starting, or has ended".to_owned(), Some("try again".to_owned()));
    Failed { reason, advice, exit: Exit::Failed as u8 }
}

impl Levers {
    /// Takes over what the store says; from now on levers can be set.
    /// `moves`: whether the run takes moves of its tail.
    pub async fn open(
        &self,
        store: &Arc<dyn Store>,
        can_resume: CanResume,
        moves: bool,
    ) -> Result<(), StoreError> {
        *self.state() = stored(&**store).await?;
        *self.shared.run.lock().await = Some(Run { store: store.clone(), can_resume, moves });
        self.shared.changed.raise();
        Ok(())
    }

    /// The run has ended: whoever still has a handle keeps its state from nobody.
    pub async fn close(&self) {
        tokio::select! { biased;
            mut run = self.shared.run.lock() => *run = None,
            never = self.shared.moves.refuse() => match never {},
        }
    }

    /// For the run: the next move of its tail.
    pub(in crate::pipeline) async fn next_move(&self) -> MoveRequest {
        self.shared.moves.next().await
    }

    /// Moves a paused tail, durably. The run ends what is under way, and begins again from there.
    ///
    /// # Errors
    /// The tail is not paused, or there is none; MySQL cannot continue from there; transactions would be missed. Nothing
    /// has changed then.
    pub async fn move_tail(&self, ask: &MoveAsk) -> Result<Moved, Failed> {
        let (levers, ask) = (self.clone(), ask.clone());
        // nobody else sets a lever until it is done
        to_its_end(async move { levers.hand_over(ask).await }).await
    }

    async fn hand_over(&self, ask: MoveAsk) -> Result<Moved, Failed> {
        let run = self.shared.run.lock().await;
        let refused = |reason: &str, advice: &str| Failed {
            reason: reason.to_owned(),
            advice: Some(advice.to_owned()),
            exit: Exit::Refused as u8,
        };
        match &*run {
            None => return Err(not_now()),
            Some(Run { moves: false, .. }) => {
                return Err(refused("this run has no tail that can be moved", "try again when it has ended"));
            }
            Some(_) if !self.is_paused(Work::Tail) => {
                return Err(refused("the tail is running", advice::pause_first()));
            }
            Some(_) => {}
        }
        let moved = self.shared.moves.ask(ask).await.unwrap_or_else(|| Err(not_now()))?;
        *self.state() = moved.control.clone();
        self.shared.changed.raise();
        Ok(moved)
    }

    /// Sets levers, durably.
    ///
    /// # Errors
    /// The run is still starting; the source cannot continue a tail that is to be resumed, which stays paused then; the
    /// store fails.
    pub async fn set(&self, ask: &LeverAsk) -> Result<LeverSet, Failed> {
        let (levers, ask) = (self.clone(), ask.clone());
        to_its_end(async move { levers.set_both(&ask).await }).await
    }

    /// In the store, and in this process.
    async fn set_both(&self, ask: &LeverAsk) -> Result<LeverSet, Failed> {
        // held until it is written
        let run = self.shared.run.lock().await;
        let Some(run) = &*run else { return Err(not_now()) };
        let resumes_tail = ask.lever.wanted == Wanted::Running && ask.works.contains(&Work::Tail);
        if resumes_tail && self.is_paused(Work::Tail) {
            (run.can_resume)().await.map_err(|error| Failed::from(&error))?;
        }
        let set = set_in(&*run.store, ask).await.map_err(|error| Failed::from(&error.into()))?;
        *self.state() = set.control.clone();
        self.shared.changed.raise();
        note(ask, &set);
        Ok(set)
    }

    /// The newest records of the history of positions, oldest first.
    ///
    /// # Errors
    /// The run is still starting; the store fails.
    pub async fn history(&self, since: Since) -> Result<Vec<PassageRecord>, Failed> {
        history::read(&*self.store().await?, since).await.map_err(|error| Failed::from(&error.into()))
    }

    /// The newest verdicts, oldest first.
    ///
    /// # Errors
    /// The run is still starting; the store fails.
    pub async fn verdicts(&self, since: Since) -> Result<Vec<VerdictRecord>, Failed> {
        verdicts::read(&*self.store().await?, since).await.map_err(|error| Failed::from(&error.into()))
    }

    async fn store(&self) -> Result<Arc<dyn Store>, Failed> {
        let store = self.shared.run.lock().await.as_ref().map(|run| run.store.clone());
        store.ok_or_else(not_now)
    }

    /// Keeps a verdict, durably.
    ///
    /// # Errors
    /// The run is still starting; the store fails.
    pub async fn keep_verdict(&self, verdict: &VerdictRecord) -> Result<VerdictRecord, Failed> {
        // held until it is written
        let run = self.shared.run.lock().await;
        let Some(run) = &*run else { return Err(not_now()) };
        verdicts::keep_in(&*run.store, verdict).await.map_err(|error| Failed::from(&error.into()))
    }

    /// Changes limits of the copy, durably: what was otherwise before.
    ///
    /// # Errors
    /// The run is still starting, the ask has faults, or the store fails; nothing is changed then.
    pub async fn change_limits(
        &self,
        file: &FileLimits,
        ask: &LimitsAsk,
        at_ms: u64,
    ) -> Result<Vec<LimitKey>, Failed> {
        let (levers, file, ask) = (self.clone(), file.clone(), ask.clone());
        to_its_end(async move {
            // held until it is written
            let run = levers.shared.run.lock().await;
            let Some(run) = &*run else { return Err(not_now()) };
            let (changed, control) = limits::change_in(&*run.store, &file, &ask, at_ms).await?;
            *levers.state() = control;
            levers.shared.changed.raise();
            Ok(changed)
        })
        .await
    }

    /// Takes over what another process says, which has the state.
    pub fn follow(&self, control: Control) {
        let is_new = std::mem::replace(&mut *self.state(), control.clone()) != control;
        if is_new {
            self.shared.changed.raise();
        }
    }

    /// Hears when something else is wanted.
    pub fn listen(&self) -> Listener {
        self.shared.changed.listen()
    }

    /// All that is wanted now.
    pub fn control(&self) -> Control {
        self.state().clone()
    }

    /// Whether `work` is to stand still now.
    pub fn is_paused(&self, work: Work) -> bool {
        self.state().is_paused(work)
    }

    /// Whether nothing at all is to be written to HBase.
    pub fn all_paused(&self) -> bool {
        self.state().paused().count() == Work::ALL.len()
    }

    /// Returns once `work` is paused.
    pub async fn until_paused(&self, work: Work) {
        self.until(|control| control.is_paused(work)).await;
    }

    /// Returns once `work` is not paused (any more); meanwhile `waiter` says what it waits for.
    pub async fn until_running(&self, work: Work, waiter: Waiter, progress: &Progress) {
        self.wait(|control| (!control.is_paused(work)).then_some(work), work, waiter, progress).await;
    }

    /// The same for something that is neither's, and writes to HBase.
    pub async fn until_any_is_running(&self, waiter: Waiter, progress: &Progress) {
        let running = |control: &Control| Work::ALL.into_iter().find(|work| !control.is_paused(*work));
        self.wait(running, Work::Tail, waiter, progress).await;
    }

    async fn wait(
        &self,
        running: impl Fn(&Control) -> Option<Work>,
        work: Work,
        waiter: Waiter,
        progress: &Progress,
    ) {
        if running(&self.state()).is_some() {
            return;
        }
        let lever = self.state().of(work).to_string();
        progress.wait_for(waiter, Awaited::new(Kind::Resume, lever));
        self.until(|control| running(control).is_some()).await;
        progress.go_on(waiter);
    }

    async fn until(&self, holds: impl Fn(&Control) -> bool) {
        let mut changed = self.shared.changed.listen();
        while !holds(&self.state()) {
            changed.changed().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, Control> {
        // no method panics between two changes that belong together
        self.shared.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
