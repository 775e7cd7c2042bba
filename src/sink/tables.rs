//! What is known of the tables of targets.

use super::SinkError;
use super::cells::COUNTS_FAMILY;
use crate::model::Target;
use std::collections::BTreeMap;

/// The table attribute that holds the id of the run which created the table.
pub const RUN_ATTRIBUTE: &str = "tailfill.run";
/// The table attribute that no two tables share, also where one of them was dropped and made again.
pub const TABLE_ATTRIBUTE: &str = "tailfill.table";

/// A new value of [`TABLE_ATTRIBUTE`].
pub(super) fn new_table_id(run_id: &str) -> String {
    format!("{run_id}-{:016x}", rand::random::<u64>())
}

/// Whether a table that exists has the target's family among its own.
pub(super) fn require_family<'a>(
    target: &Target,
    mut families: impl Iterator<Item = &'a String>,
) -> Result<(), SinkError> {
    if families.any(|family| *family == target.family) {
        return Ok(());
    }
    Err(SinkError::Missing {
        table: target.table.clone(),
        family: target.family.clone(),
        reason: "the table exists without this family; add the family in the HBase shell, or drop the table"
            .into(),
    })
}

/// What is known of an HBase table's family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableState {
    /// HBase has no table of this name.
    Missing,
    /// The table exists; it may be disabled.
    Present {
        /// Family settings as the gateway returns them (`VERSIONS`, `hbase.hstore.time.to.purge.deletes` ...),
        /// `None` when the table lacks the family.
        family: Option<BTreeMap<String, String>>,
        /// Table attributes. `None` where the gateway does not tell them (Thrift1); of a family it then tells
        /// `VERSIONS`, `TTL` and the like, and nothing of the purge delay or the new version behaviour.
        attributes: Option<BTreeMap<String, String>>,
        /// All families of the table, also those of other targets.
        families: Vec<String>,
    },
}

impl TableState {
    /// Whether the table is there, with each family that a target needs.
    pub fn has_families_of(&self, target: &Target) -> bool {
        let TableState::Present { family: Some(_), families, .. } = self else { return false };
        !target.counted || families.iter().any(|family| family == COUNTS_FAMILY)
    }
}
