//! One copy of a mapping into a target, as its workers share it.

use crate::model::{LifeCycle, Mapping, Target, Value};
use crate::pipeline::copies::chunks::Chunks;
use crate::pipeline::copies::cohorts;
use crate::pipeline::copies::fence::Fence;
use crate::pipeline::copies::span::Spans;
use crate::pipeline::parts::pace::WindowPace;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;
use crate::protocol::cohort::{Cohort, Found};
use crate::signal::Signal;
use crate::sink::SinkError;
use crate::store::records::{self, CopyKey, LifeRecord};
use crate::store::{Space, Store, StoreError};
use std::sync::{Arc, MutexGuard, OnceLock};
use tokio::sync::Mutex;

/// One copy: a mapping into a target.
pub struct Copy {
    pub mapping: Mapping,
    pub target: Target,
    pub chunks: Mutex<Chunks>,
    spans: std::sync::Mutex<Spans>,
    /// How many rows a part may have, at most.
    pace: std::sync::Mutex<WindowPace>,
    /// Held by the worker that plans.
    pub planning: Mutex<()>,
    /// Rows that a chunk may have for their size, once that is known.
    pub rows_by_size: OnceLock<u32>,
    /// Raised when a part may have become free.
    pub changed: Signal,
    /// What a chunk of a counted target needs before it is read.
    pub fence: Option<Fence>,
    /// Whether an earlier process may have read chunks of it.
    pub had_predecessor: bool,
    lists: ListsToCopy,
}

/// The lists of a copy: those of the cohort that an earlier, narrower one has not copied.
#[derive(Clone, Debug)]
pub struct ListsToCopy {
    cohort: Cohort,
    copied: Option<Cohort>,
}

impl ListsToCopy {
    /// Those of a copy as its record says. What is not known of an earlier cohort any more is copied again.
    pub async fn of(
        store: &dyn Store,
        (cohort, mappings): (&Cohort, &[Mapping]),
        life: Option<&LifeRecord>,
    ) -> Result<ListsToCopy, ProtocolError> {
        let name = life.and_then(|life| life.copied.as_deref());
        let copied = match name {
            Some(name) => cohorts::stored(store, name, mappings).await?,
            None => None,
        };
        Ok(ListsToCopy { cohort: cohort.clone(), copied })
    }

    fn has(&self, mapping: &Mapping, list_key: &[u8]) -> bool {
        let is_copied = |copied: &Cohort| copied.has(mapping, list_key);
        self.cohort.has(mapping, list_key) && !self.copied.as_ref().is_some_and(is_copied)
    }

    fn is_all(&self) -> bool {
        matches!(self.cohort, Cohort::All) && self.copied.is_none()
    }

    /// The chunks of such a copy.
    pub async fn chunks(
        &self,
        store: Arc<dyn Store>,
        key: CopyKey,
        mapping: &Mapping,
    ) -> Result<Chunks, StoreError> {
        let lists: Option<Vec<Vec<Value>>> = match self.cohort.found(mapping.id) {
            Found::ByScan => None,
            Found::ByKeys(keys) => {
                let to_copy = keys.iter().filter(|(list_key, _)| self.has(mapping, list_key));
                Some(to_copy.map(|(_, key)| key.clone()).collect())
            }
        };
        Chunks::load(store, key, lists.as_deref()).await
    }
}

/// A row of the snapshot that has no place in HBase.
pub fn refused(mapping: &Mapping, cause: SinkError) -> ProtocolError {
    ProtocolError::Change {
        at: "the table, to copy it".into(),
        table: mapping.schema.name.to_string(),
        cause: Box::new(cause),
    }
}

/// Reads the copies of a plan from the store.
pub async fn load_copies(parts: &Parts) -> Result<Vec<Arc<Copy>>, ProtocolError> {
    let mut copies = Vec::new();
    for (mapping, target) in parts.plan.targets() {
        let key = Chunks::copy_key(&parts.source_name, &parts.plan, mapping, target);
        let life: Option<LifeRecord> = records::read(&*parts.store, Space::LifeCycle, &key.prefix()).await?;
        let fence = match target.counted {
            true => Some(Fence::of(parts.store.clone(), key.prefix()).await?),
            false => None,
        };
        let of = (parts.plan.cohort(), parts.plan.mappings());
        let lists = ListsToCopy::of(&*parts.store, of, life.as_ref()).await?;
        let chunks = lists.chunks(parts.store.clone(), key, mapping).await?;
        let copy = Copy {
            mapping: mapping.clone(),
            target: target.clone(),
            chunks: Mutex::new(chunks),
            spans: std::sync::Mutex::default(),
            pace: std::sync::Mutex::new(WindowPace::at_most(parts.throttle.limits().chunk_rows as usize, 1)),
            planning: Mutex::new(()),
            rows_by_size: OnceLock::new(),
            changed: Signal::new(),
            fence,
            // a backfill says so durably before it begins
            lists,
            had_predecessor: !life
                .is_none_or(|life| matches!(life.state, LifeCycle::New | LifeCycle::Tailing)),
        };
        copy.show(parts).await;
        copies.push(Arc::new(copy));
    }
    Ok(copies)
}

impl Copy {
    pub async fn complete(&self) -> bool {
        self.chunks.lock().await.complete()
    }

    /// Whether the copy brings a list, by its encoded key.
    pub fn brings(&self, list_key: &[u8]) -> bool {
        self.lists.has(&self.mapping, list_key)
    }

    /// Whether it brings every list of the table.
    pub fn brings_all(&self) -> bool {
        self.lists.is_all()
    }

    /// The spans that are under way.
    pub fn spans(&self) -> MutexGuard<'_, Spans> {
        // no method panics between two changes that belong together, so a poisoned state is whole
        self.spans.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn pace(&self) -> MutexGuard<'_, WindowPace> {
        self.pace.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A row of the snapshot that has no place in HBase.
    pub fn refused(&self, cause: SinkError) -> ProtocolError {
        refused(&self.mapping, cause)
    }

    /// Shows how far it is, and wakes those who wait for that.
    pub async fn show(&self, parts: &Parts) {
        let chunks = self.chunks.lock().await;
        let (done, known, rows) = chunks.counts();
        parts.progress.copy(self.target.id, self.mapping.id, |copy| {
            (copy.chunks_done, copy.chunks_known, copy.rows_done) = (done, known, rows);
            copy.all_known = chunks.all_planned();
            copy.complete = chunks.complete();
        });
        parts.plan.written_to().goes_on();
    }
}
