//! What is moved: the mappings of a run, found by table, and the cohort of lists that takes part.

pub use super::cohort::Cohort;
use super::{Fingerprint, Targets};
use crate::lock::ListId;
use crate::model::{ColumnValue, Mapping, RowChangeRef, TableId, Target, TargetId};
use crate::sink::{SinkError, layout};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// The mappings of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    mappings: Vec<Mapping>,
    by_table: Vec<Vec<usize>>,
    cohort: Cohort,
    written_to: Arc<Targets>,
    /// Held by who parks.
    parking: Arc<Mutex<()>>,
}

impl Plan {
    /// Nothing is parked yet. Ids of `mappings` and of their targets are their places.
    pub fn new(mappings: Vec<Mapping>, cohort: Cohort) -> Plan {
        let tables = mappings.iter().map(|mapping| usize::from(mapping.table.0) + 1).max().unwrap_or(0);
        let mut by_table = vec![Vec::new(); tables];
        for (index, mapping) in mappings.iter().enumerate() {
            by_table[usize::from(mapping.table.0)].push(index);
        }
        let targets = mappings.iter().flat_map(|mapping| &mapping.targets).map(|target| target.id);
        let written_to = Arc::new(Targets::of(targets));
        Plan { mappings, by_table, cohort, written_to, parking: Arc::default() }
    }

    /// By [`MappingId`](crate::model::MappingId).
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    pub(crate) fn cohort(&self) -> &Cohort {
        &self.cohort
    }

    /// The mappings of a source table.
    pub fn of_table(&self, table: TableId) -> impl Iterator<Item = &Mapping> {
        let indexes = self.by_table.get(usize::from(table.0)).map_or(&[][..], Vec::as_slice);
        indexes.iter().map(|index| &self.mappings[*index])
    }

    /// Whether a change touches a list of the cohort. Only such changes are counted in a
    /// [`Point`](crate::model::Point).
    /// A row whose list key has no form in HBase is in none of them.
    pub fn takes_part(&self, change: RowChangeRef<'_>) -> bool {
        let Cohort::Only(_) = &self.cohort else { return self.of_table(change.table).next().is_some() };
        self.of_table(change.table).any(|mapping| {
            let rows = [change.before, change.after].into_iter().flatten();
            rows.into_iter().any(|row| self.cohort.has_row(mapping, row))
        })
    }

    /// Every target with its mapping.
    pub fn targets(&self) -> impl Iterator<Item = (&Mapping, &Target)> {
        self.mappings.iter().flat_map(|mapping| mapping.targets.iter().map(move |target| (mapping, target)))
    }

    pub(crate) fn target(&self, id: TargetId) -> Option<(&Mapping, &Target)> {
        self.targets().find(|(_, target)| target.id == id)
    }

    /// What the content of a batch depends on besides the binlog: a replay may keep its ticks (I2) where
    /// `Fingerprint::cuts_like` says so.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.mappings, &self.cohort.name())
    }

    /// Which targets are written to.
    pub fn written_to(&self) -> &Targets {
        &self.written_to
    }

    /// Whether nothing is written to the target any more.
    pub fn is_parked(&self, target: TargetId) -> bool {
        self.written_to.is_parked(target)
    }

    /// Waits for the right to park: who has it sees no other target being parked meanwhile.
    pub async fn parking(&self) -> MutexGuard<'_, ()> {
        self.parking.lock().await
    }

    /// The targets that are written to.
    pub fn active_targets(&self) -> impl Iterator<Item = (&Mapping, &Target)> {
        self.targets().filter(|(_, target)| !self.is_parked(target.id))
    }
}

/// The list that a row belongs to.
pub fn list_of(mapping: &Mapping, row: &[ColumnValue<'_>]) -> Result<(ListId, Vec<u8>), SinkError> {
    let key = layout::list_key(mapping, row)?;
    Ok((ListId::new(mapping.id.0, &key), key))
}
