//! What is moved: the mappings of a run, found by table, and the cohort of lists that takes part.

use crate::lock::ListId;
use crate::model::{ColumnValue, Mapping, RowChangeRef, TableId, Target, TargetId, Value};
use crate::sink::{SinkError, layout};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The mappings of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    mappings: Vec<Mapping>,
    by_table: Vec<Vec<usize>>,
    cohort: Cohort,
}

/// Which lists take part.
#[derive(Clone, Debug, Default)]
pub enum Cohort {
    #[default]
    All,
    /// The lists with these keys: encoded list key to its values, in encoded order.
    Only(BTreeMap<Vec<u8>, Vec<Value>>),
}

impl Cohort {
    /// The cohort's name in the store: `all`, or `only-` and 16 hex digits of the SHA-256 of its keys.
    pub fn name(&self) -> String {
        match self {
            Cohort::All => "all".into(),
            Cohort::Only(keys) => {
                let mut digest = Sha256::new();
                for key in keys.keys() {
                    digest.update((key.len() as u64).to_be_bytes());
                    digest.update(key);
                }
                format!("only-{}", hex::encode(&digest.finalize()[..8]))
            }
        }
    }

    pub fn has(&self, list_key: &[u8]) -> bool {
        match self {
            Cohort::All => true,
            Cohort::Only(keys) => keys.contains_key(list_key),
        }
    }

    /// Whether every list of `other` is in this one.
    pub fn contains(&self, other: &Cohort) -> bool {
        match (self, other) {
            (Cohort::All, _) => true,
            (Cohort::Only(_), Cohort::All) => false,
            (Cohort::Only(mine), Cohort::Only(theirs)) => theirs.keys().all(|key| mine.contains_key(key)),
        }
    }
}

impl Plan {
    pub fn new(mappings: Vec<Mapping>, cohort: Cohort) -> Plan {
        let tables = mappings.iter().map(|mapping| usize::from(mapping.table.0) + 1).max().unwrap_or(0);
        let mut by_table = vec![Vec::new(); tables];
        for (index, mapping) in mappings.iter().enumerate() {
            by_table[usize::from(mapping.table.0)].push(index);
        }
        Plan { mappings, by_table, cohort }
    }

    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    pub fn cohort(&self) -> &Cohort {
        &self.cohort
    }

    /// The mappings of a source table.
    pub fn of_table(&self, table: TableId) -> impl Iterator<Item = &Mapping> {
        let indexes = self.by_table.get(usize::from(table.0)).map_or(&[][..], Vec::as_slice);
        indexes.iter().map(|index| &self.mappings[*index])
    }

    /// Whether a change touches a list of the cohort. Only such changes are counted in a
    /// [`Point`](crate::model::Point).
    pub fn takes_part(&self, change: RowChangeRef<'_>) -> Result<bool, SinkError> {
        let Cohort::Only(_) = &self.cohort else { return Ok(self.of_table(change.table).next().is_some()) };
        for mapping in self.of_table(change.table) {
            for row in [change.before, change.after].into_iter().flatten() {
                if self.cohort.has(&layout::list_key(mapping, row)?) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Every target with its mapping.
    pub fn targets(&self) -> impl Iterator<Item = (&Mapping, &Target)> {
        self.mappings.iter().flat_map(|mapping| mapping.targets.iter().map(move |target| (mapping, target)))
    }

    pub fn target(&self, id: TargetId) -> Option<(&Mapping, &Target)> {
        self.targets().find(|(_, target)| target.id == id)
    }

    /// What the content of a batch depends on besides the binlog: two runs whose fingerprints are
    /// equal cut and coalesce the same range to the same bytes, so a replay may keep its ticks (I2).
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(format!("tailfill batches 1;{}", self.cohort.name()));
        for mapping in &self.mappings {
            digest.update(format!("{mapping:?}"));
        }
        hex::encode(&digest.finalize()[..16])
    }
}

/// The list that a row belongs to.
pub fn list_of(mapping: &Mapping, row: &[ColumnValue<'_>]) -> Result<(ListId, Vec<u8>), SinkError> {
    let key = layout::list_key(mapping, row)?;
    Ok((ListId::new(mapping.id.0, &key), key))
}
