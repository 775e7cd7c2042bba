//! The records of the store: what each holds, and its key.
//!
//! Values are JSON with a schema version (`"v": 2`), so that a person can read them and a later
//! version can tell them apart. Sets and names of transactions say what kind of source they are of
//! (`{"mysql-gtid": "..."}`); progress is kept per (source, mapping, cohort, target). Version 1, which had GTIDs without
//! a tag, is read too: a state takes on version 2 record by record, as a run writes them.

use super::StoreError;
use crate::model::{
    LifeCycle, Point, Position, Reached, TableName, TargetDefinition, Tick, Value, Witness, target_definition,
};
use serde::{Deserialize, Serialize};

mod codec;
mod continuous;
mod passage;
mod v1;
mod verdict;

pub use continuous::{FindingRecord, WalkRecord, WalkSide, WalkedTarget};
pub use passage::{Cause, PassageRecord};
pub use verdict::{
    FINDINGS_MAX, VerdictFinding, VerdictMapping, VerdictMode, VerdictQuery, VerdictRecord, VerdictScope,
    VerdictTarget,
};

pub use codec::{VERSION, Versioned, decode, encode, histories, read};

/// One journal entry: a tick and what it covers. Key: the tick, 8 bytes big-endian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalRecord {
    /// A batch: the rows `from..=to` in binlog order, and every transaction that has a row in it.
    Batch {
        /// The first row of the batch.
        from: Point,
        /// The last row of the batch, which counts as written with it.
        to: Point,
        /// Every one with a row in the batch, also one that is in it by half.
        transactions: Reached,
        /// When the transaction of `to` was committed first; 0 when unknown, and in a record of an earlier build.
        #[serde(default)]
        original_micros: u64,
    },
    /// A mark: safe once the source has engine-committed all of `proof`. Kept by the newest only.
    Mark {
        /// What was sealed when the mark was asked for.
        proof: Reached,
    },
}

/// The durable point that a restart continues from (I5). Key: the source's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// Everything before it is written to every target.
    pub position: Position,
    /// At or above every tick whose journal entry was pruned.
    pub tick_high: Tick,
    /// While a range is replayed with new ticks: what was written before, up to which older states
    /// may show and nothing is judged.
    #[serde(default, skip_serializing_if = "Reached::is_empty")]
    pub replaying_until: Reached,
    /// A transaction of `position` by which the source is known again, the last one if its time is known. `None`: there
    /// was none yet, or in a record of an earlier build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}

/// What was found out about the source, and holds until a person decides or the source is proven to be the one of
/// before. Key: `source_lost` in the meta space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLostRecord {
    /// Why it cannot be continued; `None`: it can.
    pub reason: Option<String>,
}

/// One chunk of a backfill. Key: [`CopyKey`] and the chunk's number, 8 bytes big-endian.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// The primary key that ends the chunk before this one; `None`: unbounded.
    pub after: Option<Vec<Value>>,
    /// The last primary key of this chunk; `None`: unbounded, the last chunk.
    pub up_to: Option<Vec<Value>>,
    /// Every row of it is written; a restart does not copy it again.
    pub done: bool,
    /// Rows copied; of chunks that were copied together the last one has the sum.
    pub rows: u64,
}

/// What one copy of a mapping into a target is called in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyKey {
    /// As [`definitions_key`] has it: what the positions of the state belong to.
    pub source: String,
    /// The name in the configuration, not the place in it.
    pub mapping: String,
    /// `all`, or a name of the pilot lists.
    pub cohort: String,
    /// `table/family`.
    pub target: String,
}

impl CopyKey {
    /// The prefix of all its records; the parts are ended by a zero byte, which none of them holds.
    pub fn prefix(&self) -> Vec<u8> {
        let mut key = Vec::new();
        for part in [&self.source, &self.mapping, &self.cohort, &self.target] {
            key.extend_from_slice(part.as_bytes());
            key.push(0);
        }
        key
    }

    /// The copy that a [`CopyKey::prefix`] names.
    pub fn of_prefix(prefix: &[u8]) -> Option<CopyKey> {
        let text = std::str::from_utf8(prefix).ok()?;
        let mut parts = text.strip_suffix('\0')?.split('\0').map(str::to_owned);
        let key = CopyKey {
            source: parts.next()?,
            mapping: parts.next()?,
            cohort: parts.next()?,
            target: parts.next()?,
        };
        parts.next().is_none().then_some(key)
    }

    /// The key of one chunk's record: the prefix, and the number as 8 bytes big-endian.
    pub fn chunk(&self, number: u64) -> Vec<u8> {
        let mut key = self.prefix();
        key.extend_from_slice(&number.to_be_bytes());
        key
    }
}

/// The key of a table's schema history, whose record is a [`History`](crate::model::History); the parts are ended by a
/// zero byte.
pub fn definitions_key(source: &str, table: &TableName) -> Vec<u8> {
    format!("{source}\0{}\0{}\0", table.schema, table.table).into_bytes()
}

/// The key of a tick's journal entry.
pub fn journal_key(tick: Tick) -> Vec<u8> {
    tick.0.to_be_bytes().to_vec()
}

/// The tick of a journal key.
pub fn journal_tick(key: &[u8]) -> Result<Tick, StoreError> {
    let bytes =
        key.try_into().map_err(|_| StoreError::Record { reason: "a journal key is not 8 bytes".into() })?;
    Ok(Tick(u64::from_be_bytes(bytes)))
}

/// The key of a cohort's [`Pilot`](crate::model::Pilot) in the meta space. `cohort`: its name.
pub fn pilot_key(cohort: &str) -> Vec<u8> {
    format!("pilot/{cohort}").into_bytes()
}

/// A text of the meta space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaRecord {
    /// The key says what it means.
    pub value: String,
}

/// Gaps that were accepted, oldest first. Key: `gaps` in the meta space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapsRecord {
    /// One for each acceptance; it stays when its mappings were copied again.
    pub gaps: Vec<GapRecord>,
}

/// Changes that the source could not give any more, and that a person accepted to miss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRecord {
    /// The changes after this were missed, up to `to`.
    pub from: Position,
    /// Where the run went on.
    pub to: Position,
    /// Why the source could not be continued from there.
    pub reason: String,
    /// Milliseconds since 1970.
    pub accepted_at_ms: u64,
    /// The mappings that were not copied again yet.
    pub mappings: Vec<String>,
}

/// The life cycle of a copy. Key: [`CopyKey::prefix`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeRecord {
    /// Each change of it is one commit.
    pub state: LifeCycle,
    /// What its rows are made by, its columns among it; `None` in a record of an earlier build.
    #[serde(default, deserialize_with = "target_definition::known")]
    pub definition: Option<TargetDefinition>,
    /// The id of the HBase table that the copy was begun into; `None` where the table has none, where the gateway does not
    /// tell it, and in a record of an earlier build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The name of the cohort of before, whose lists this copy need not copy again: its own copy was complete, and they were
    /// tailed ever since. `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<String>,
}

/// How far the counts of a copy into a counted target are. Key: [`CopyKey::prefix`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsRecord {
    /// Each change of it is one commit.
    pub state: CountsState,
}

/// The states of counts, in their order. All are durable; nothing goes back by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountsState {
    /// No record, and what is counted again. Chunks may still bring items: nobody sets a count, and whoever
    /// finds one takes it away.
    #[default]
    Uncounted,
    /// The copy is complete, no chunk can be read any more, and the tail has written past that. No chunk
    /// changes what is there; whoever writes a row leaves it counted.
    Counting,
    /// A walk over all rows found none without a count: every row has its count.
    Counted,
}

impl CountsState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            CountsState::Uncounted => "uncounted",
            CountsState::Counting => "counting",
            CountsState::Counted => "counted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_keys_sort_by_number_and_belong_to_one_copy() {
        let copy = |target: &str| CopyKey {
            source: "s".into(),
            mapping: "m".into(),
            cohort: "all".into(),
            target: target.into(),
        };
        assert_eq!(CopyKey::of_prefix(&copy("a").prefix()), Some(copy("a")));
        assert_eq!(CopyKey::of_prefix(&copy("a").chunk(7)), None);
        assert!(copy("a").chunk(2) < copy("a").chunk(256));
        assert!(!copy("ab").chunk(0).starts_with(&copy("a").prefix()));
    }
}
