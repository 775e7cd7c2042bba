//! What a comparison is made of, and its numbers.

use super::tail::Tail;
use super::{Meter, SampleAsk, VerifyError};
use crate::compare::{ReadPermit, Reading, Sides, SourceReader};
use crate::failpoints::Failpoints;
use crate::model::{Mapping, Target, TargetId, Value};
use crate::protocol::cohort::Cohort;
use crate::retry::{Patience, Pauses};
use crate::sink::ReadCounts;
use crate::source::Source;
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Everything a comparison needs.
#[derive(Clone)]
pub struct Verification {
    pub source: Arc<dyn Source>,
    pub sink: Arc<dyn ReadCounts>,
    pub mappings: Vec<Mapping>,
    /// The lists that are compared.
    pub cohort: Cohort,
    pub tail: Tail,
    /// Targets whose rows must all say how many items they have: the state says that they were counted.
    pub counts_due: BTreeSet<TargetId>,
    pub settings: Settings,
    /// Who says how fast both sides are read; `None`: as fast as can be.
    pub pacer: Option<Arc<dyn Pacer>>,
    pub meter: Arc<Meter>,
}

/// Says how fast both sides may be read.
#[async_trait]
pub trait Pacer: Send + Sync {
    /// Waits until a piece of either side may be read, of `most` rows or items at most. Cancel safe.
    async fn permit(&self, most: usize) -> ReadPermit;

    /// What it lets the readers wait for now, as a sentence of the run; `None`: nothing.
    fn waits(&self) -> Option<String>;
}

impl Verification {
    pub(super) fn sides<'a>(&'a self, mapping: &'a Mapping, target: &'a Target) -> Sides<'a, Verification> {
        Sides { source: &*self.source, sink: &*self.sink, mapping, target, by: self }
    }

    pub(super) fn source<'a>(&'a self, mapping: &'a Mapping) -> SourceReader<'a, Verification> {
        SourceReader::new(&*self.source, mapping, self)
    }
}

/// A comparison of a large table outlives a server's restart.
impl Reading for Verification {
    type Error = VerifyError;

    fn patience(&self) -> Patience {
        Patience::with_one(self.settings.retry_for, Pauses::OF_A_CONNECTION)
    }

    fn pause_after(&self, patience: &mut Patience, error: VerifyError) -> Result<Duration, VerifyError> {
        let Ok(pause) = patience.after(error.disposition()) else { return Err(error) };
        tracing::warn!(%error, "reading again");
        Ok(pause)
    }

    async fn permit(&self, most: usize) -> ReadPermit {
        match &self.pacer {
            Some(pacer) => pacer.permit(most).await,
            None => ReadPermit::free(most),
        }
    }

    fn takes_all(&self) -> bool {
        self.cohort.pilot().is_none()
    }

    fn takes_row(&self, mapping: &Mapping, row: &[Value]) -> bool {
        self.cohort.has_row(mapping, row)
    }

    fn takes_list(&self, mapping: &Mapping, list_key: &[u8]) -> bool {
        self.cohort.has(mapping, list_key)
    }

    fn rows_read(&self, rows: usize) {
        Meter::count(&self.meter.source_items, rows);
    }

    fn items_read(&self, items: usize) {
        Meter::count(&self.meter.sink_items, items);
    }
}

/// The numbers of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rows of one SELECT.
    pub chunk_rows: u32,
    /// How often an item that moves is looked at again before it is judged in a turn of its list.
    pub rounds: u32,
    /// How long the tail is waited for.
    pub wait_max: Duration,
    /// How long a read that fails in passing is repeated.
    pub retry_for: Duration,
    /// Of the items; `None`: all of them are compared.
    pub sample: Option<SampleAsk>,
    pub failpoints: Failpoints,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            chunk_rows: 2_000,
            rounds: 3,
            wait_max: Duration::from_secs(120),
            retry_for: Duration::from_secs(60),
            sample: None,
            failpoints: Failpoints::default(),
        }
    }
}
