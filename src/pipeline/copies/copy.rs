//! One copy of a mapping into a target, as its workers share it.

use crate::model::{LifeCycle, Mapping, Target};
use crate::pipeline::copies::chunks::Chunks;
use crate::pipeline::copies::fence::Fence;
use crate::pipeline::copies::span::Spans;
use crate::pipeline::parts::pace::WindowPace;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;
use crate::signal::Signal;
use crate::sink::SinkError;
use crate::store::Space;
use crate::store::records::{self, LifeRecord};
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
    /// Rows of a chunk, once that is known.
    pub chunk_rows: OnceLock<u32>,
    /// Raised when a part may have become free.
    pub changed: Signal,
    /// What a chunk of a counted target needs before it is read.
    pub fence: Option<Fence>,
    /// Whether an earlier process may have read chunks of it.
    pub had_predecessor: bool,
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
        let chunks = Chunks::load(parts.store.clone(), key, parts.plan.cohort()).await?;
        let copy = Copy {
            mapping: mapping.clone(),
            target: target.clone(),
            chunks: Mutex::new(chunks),
            spans: std::sync::Mutex::default(),
            pace: std::sync::Mutex::new(WindowPace::at_most(parts.settings.chunk_rows as usize, 1)),
            planning: Mutex::new(()),
            chunk_rows: OnceLock::new(),
            changed: Signal::new(),
            fence,
            // a backfill says so durably before it begins
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
