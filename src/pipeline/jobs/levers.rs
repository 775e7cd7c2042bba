//! The levers of a run: what a person wants of its tail and its backfill. The one place where that is set; the tasks ask
//! it at the head of their loops.
//!
//! What is wanted is durable before it holds, so a paused run stays paused over restarts.

use super::Failed;
use crate::error::Exit;
use crate::failpoints::Failpoints;
use crate::model::{Control, Lever, Wanted, Work};
use crate::pipeline::progress::{Progress, Waiter};
use crate::protocol::ProtocolError;
use crate::signal::Signal;
use crate::status::{Awaited, Kind};
use crate::store::{Commit, Space, Store, StoreError, records};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard};

/// The record's key in the space of meta records.
const KEY: &[u8] = b"control";

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
}

struct Run {
    store: Arc<dyn Store>,
    can_resume: CanResume,
}

/// What a store says is wanted.
pub async fn stored(store: &dyn Store) -> Result<Control, StoreError> {
    Ok(records::read(store, Space::Meta, KEY).await?.unwrap_or_default())
}

/// Sets levers in a store that no run has.
pub async fn set_in(store: &dyn Store, ask: &LeverAsk) -> Result<LeverSet, StoreError> {
    let mut control = stored(store).await?;
    let changed = control.set(&ask.works, &ask.lever);
    if !changed.is_empty() && !Failpoints::default().pause_not_durable() {
        let put = vec![(Space::Meta, KEY.to_vec(), records::encode(&control)?)];
        store.commit(Commit { put, ..Commit::default() }).await?;
    }
    Ok(LeverSet { changed, control })
}

impl Levers {
    /// Takes over what the store says; from now on levers can be set.
    pub async fn open(&self, store: &Arc<dyn Store>, can_resume: CanResume) -> Result<(), StoreError> {
        *self.state() = stored(&**store).await?;
        *self.shared.run.lock().await = Some(Run { store: store.clone(), can_resume });
        self.shared.changed.raise();
        Ok(())
    }

    /// The run has ended: whoever still has a handle keeps its state from nobody.
    pub async fn close(&self) {
        *self.shared.run.lock().await = None;
    }

    /// Sets levers, durably.
    ///
    /// # Errors
    /// The run is still starting; the source cannot continue a tail that is to be resumed, which stays paused then; the
    /// store fails.
    pub async fn set(&self, ask: &LeverAsk) -> Result<LeverSet, Failed> {
        // held until it is written
        let run = self.shared.run.lock().await;
        let Some(run) = &*run else {
            let (reason, advice) =
                ("the run is starting, or has ended".to_owned(), Some("try again".to_owned()));
            return Err(Failed { reason, advice, exit: Exit::Failed as u8 });
        };
        let resumes_tail = ask.lever.wanted == Wanted::Running && ask.works.contains(&Work::Tail);
        if resumes_tail && self.is_paused(Work::Tail) {
            (run.can_resume)().await.map_err(|error| Failed::from(&error))?;
        }
        let set = set_in(&*run.store, ask).await.map_err(|error| Failed::from(&error.into()))?;
        *self.state() = set.control.clone();
        self.shared.changed.raise();
        for work in &set.changed {
            let Lever { wanted, by, reason, .. } = &ask.lever;
            let event = if *wanted == Wanted::Paused { "paused" } else { "resumed" };
            tracing::info!(event, by, reason, "the {} is {} from now on", work.name(), wanted.name());
        }
        Ok(set)
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
