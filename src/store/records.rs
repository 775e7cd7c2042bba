//! The records of the store: what each holds, and its key.
//!
//! Values are JSON with a schema version (`"v": 1`), so that a person can read them and a later
//! version can tell them apart. Positions are tagged with source, server and kind; progress is
//! kept per (source, mapping, cohort, target).

use super::{Space, Store, StoreError};
use crate::model::{
    GtidSet, Histories, LifeCycle, Point, Position, TableName, TargetDefinition, Tick, Value, Witness,
    target_definition,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;

/// One journal entry: a tick and what it covers. Key: the tick, 8 bytes big-endian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalRecord {
    /// A batch: the rows `from..=to` in binlog order, and every transaction that has a row in it.
    Batch {
        from: Point,
        to: Point,
        gtids: GtidSet,
        /// When the transaction of `to` was committed first; 0 when unknown, and in a record of an earlier build.
        #[serde(default)]
        original_micros: u64,
    },
    /// A mark: safe once the source has engine-committed all of `proof`. Kept by the newest only.
    Mark { proof: GtidSet },
}

/// The durable point that a restart continues from (I5). Key: the source's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    pub position: Position,
    /// At or above every tick whose journal entry was pruned.
    pub tick_high: Tick,
    /// While a range is replayed with new ticks: what was written before, up to which older states
    /// may show and nothing is judged.
    #[serde(default, skip_serializing_if = "GtidSet::is_empty")]
    pub replaying_until: GtidSet,
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
    pub done: bool,
    /// Rows copied; of chunks that were copied together the last one has the sum.
    pub rows: u64,
}

/// What one copy of a mapping into a target is called in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyKey {
    pub source: String,
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

/// The schema histories of a source, by table.
pub async fn histories(store: &dyn Store, source: &str) -> Result<Histories, StoreError> {
    let prefix = format!("{source}\0").into_bytes();
    let mut histories = Histories::new();
    for (key, value) in store.list(Space::Definitions, &prefix).await? {
        let name = std::str::from_utf8(&key[prefix.len()..]).ok();
        let parts = name.and_then(|name| name.strip_suffix('\0')?.split_once('\0'));
        let (schema, table) = parts.ok_or_else(|| StoreError::Record {
            reason: "the key of a schema history names no table".into(),
        })?;
        let name = TableName { schema: schema.to_owned(), table: table.to_owned() };
        histories.insert(name, decode(&value)?);
    }
    Ok(histories)
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

#[derive(Serialize)]
struct Written<'a, T> {
    v: u32,
    record: &'a T,
}

#[derive(Deserialize)]
struct Read<T> {
    record: T,
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// The bytes of a record.
pub fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Written { v: VERSION, record })
        .map_err(|error| StoreError::Record { reason: format!("cannot be written: {error}") })
}

/// The record of some bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let damaged = |error: serde_json::Error| StoreError::Record { reason: error.to_string() };
    let version: VersionOnly = serde_json::from_slice(bytes).map_err(damaged)?;
    if version.v != VERSION {
        return Err(StoreError::Record {
            reason: format!("version {}, this program knows {VERSION}", version.v),
        });
    }
    let read: Read<T> = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok(read.record)
}

/// A text of the meta space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaRecord {
    pub value: String,
}

/// Gaps that were accepted, oldest first. Key: `gaps` in the meta space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapsRecord {
    pub gaps: Vec<GapRecord>,
}

/// Changes that the source could not give any more, and that a person accepted to miss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRecord {
    /// The changes after this were missed, up to `to`.
    pub from: Position,
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
    pub state: LifeCycle,
    /// What its rows are made by, its columns among it; `None` in a record of an earlier build.
    #[serde(default, deserialize_with = "target_definition::known")]
    pub definition: Option<TargetDefinition>,
    /// The id of the HBase table that the copy was begun into; `None` where the table has none, where the gateway does not
    /// tell it, and in a record of an earlier build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// How far the counts of a copy into a counted target are. Key: [`CopyKey::prefix`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsRecord {
    pub state: CountsState,
}

/// The states of counts, in their order. All are durable; nothing goes back by itself.
///
/// | state | set when | what is true then |
/// |---|---|---|
/// | `Uncounted` | no record; what is counted again | chunks may still bring items: nobody sets a count, and whoever finds one takes it away |
/// | `Counting` | the copy is complete, no chunk can be read any more, and the tail has written past that | no chunk changes what is there; whoever writes a row leaves it counted |
/// | `Counted` | a walk over all rows found none without a count | every row has its count |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountsState {
    #[default]
    Uncounted,
    Counting,
    Counted,
}

impl CountsState {
    pub fn name(self) -> &'static str {
        match self {
            CountsState::Uncounted => "uncounted",
            CountsState::Counting => "counting",
            CountsState::Counted => "counted",
        }
    }
}

/// Reads one record.
pub async fn read<T: DeserializeOwned>(
    store: &dyn Store,
    space: Space,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    store.get(space, key).await?.map(|bytes| decode(&bytes)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip_and_other_versions_are_refused() {
        let chunk = ChunkRecord {
            after: Some(vec![Value::UInt(u64::MAX), Value::Double(0.1), Value::Bytes(vec![0, 255].into())]),
            up_to: None,
            done: true,
            rows: 7,
        };
        let bytes = encode(&chunk).expect("encodes");
        assert_eq!(decode::<ChunkRecord>(&bytes).expect("decodes"), chunk);
        let gtids: GtidSet = "00000000-0000-0000-0000-00000000000a:1-5".parse().expect("a set");
        let mark = JournalRecord::Mark { proof: gtids };
        assert_eq!(decode::<JournalRecord>(&encode(&mark).expect("encodes")).expect("decodes"), mark);
        let other = String::from_utf8(bytes).expect("JSON").replace("\"v\":1", "\"v\":2");
        assert!(decode::<ChunkRecord>(other.as_bytes()).is_err());
        assert!(decode::<ChunkRecord>(b"{\"v\":1").is_err());
    }

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
