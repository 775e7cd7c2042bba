//! What rows mean at each position, as the tasks of a run share it: the reader asks for it at each connect, the sealer says
//! how far it is, and a re-copy has the reader pause.

use crate::model::history::{Entry, Meaning};
use crate::model::{Histories, History, Parking, Reached, TableName};
use crate::signal::Signal;
use crate::store::{Space, Store, StoreError, records};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Clones share one history.
#[derive(Clone, Default)]
pub struct Definitions {
    shared: Arc<Shared>,
}

struct Shared {
    known: Mutex<Known>,
    changed: Signal,
    /// Held from reading a history to having written it.
    writing: tokio::sync::Mutex<()>,
    pauses: mpsc::Sender<Pause>,
    taken: tokio::sync::Mutex<mpsc::Receiver<Pause>>,
}

impl Default for Shared {
    fn default() -> Shared {
        let (pauses, taken) = mpsc::channel(1);
        Shared {
            known: Mutex::default(),
            changed: Signal::new(),
            writing: tokio::sync::Mutex::default(),
            pauses,
            taken: tokio::sync::Mutex::new(taken),
        }
    }
}

#[derive(Default)]
struct Known {
    /// As the store has them.
    durable: Histories,
    /// With which definition the sealer goes on, by where that begins.
    reached: BTreeMap<TableName, Reached>,
}

/// Asks the reader to read nothing until `over` ends, and then to connect again.
pub struct Pause {
    /// Everything that was read, also in part.
    pub passed: oneshot::Sender<Reached>,
    pub over: oneshot::Receiver<()>,
}

impl Definitions {
    /// Reads what the store has.
    pub async fn load(
        &self,
        store: &dyn Store,
        source: &str,
        tables: &[TableName],
    ) -> Result<(), StoreError> {
        self.known().reached.clear(); // of a tail before
        for table in tables {
            let key = records::definitions_key(source, table);
            let history: Option<History> = records::read(store, Space::Definitions, &key).await?;
            self.known().durable.insert(table.clone(), history.unwrap_or_default());
        }
        Ok(())
    }

    /// All of them, for a stream.
    pub fn all(&self) -> Histories {
        self.known().durable.clone()
    }

    pub(crate) fn of(&self, table: &TableName) -> History {
        self.known().durable.get(table).cloned().unwrap_or_default()
    }

    /// The parking that a table ends with.
    pub fn parking(&self, table: &TableName) -> Option<Parking> {
        match self.of(table).last() {
            Some(Entry { meaning: Meaning::Parked(parking), .. }) => Some(parking.clone()),
            _ => None,
        }
    }

    /// Held from reading a history to having written it.
    pub async fn writing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.writing.lock().await
    }

    /// Takes a history over that the store has now, or has with the commit that is being made.
    pub fn note(&self, table: TableName, history: History) {
        self.known().durable.insert(table, history);
        self.shared.changed.raise();
    }

    /// The sealer goes on with the definition that begins there.
    pub fn reaches(&self, table: &TableName, since: Reached) {
        self.known().reached.insert(table.clone(), since);
        self.shared.changed.raise();
    }

    /// Whether the sealer goes on with the definition that begins there, or with a later one.
    fn reached(&self, table: &TableName, since: &Reached) -> bool {
        let known = self.known();
        let (Some(history), Some(reached)) = (known.durable.get(table), known.reached.get(table)) else {
            return false;
        };
        !history.is_behind(since, reached)
    }

    /// Waits until the sealer goes on with the definition that begins there, or with a later one.
    ///
    /// # Errors
    /// The table was parked behind it meanwhile.
    pub async fn until_reached(&self, table: &TableName, since: &Reached) -> Result<(), Parking> {
        let mut changed = self.shared.changed.listen();
        loop {
            if let Some(parking) = self.parking(table) {
                return Err(parking);
            }
            if self.reached(table, since) {
                return Ok(());
            }
            changed.changed().await;
        }
    }

    /// For the reader: the pauses that are asked for.
    pub async fn pauses(&self) -> tokio::sync::MutexGuard<'_, mpsc::Receiver<Pause>> {
        self.shared.taken.lock().await
    }

    /// Has the reader read nothing until what comes back is dropped. The set: what it has read until then.
    pub async fn pause(&self) -> Option<(Reached, oneshot::Sender<()>)> {
        let ((passed, answer), (guard, over)) = (oneshot::channel(), oneshot::channel());
        self.shared.pauses.send(Pause { passed, over }).await.ok()?;
        Some((answer.await.ok()?, guard))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // no method panics between two changes that belong together
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
