//! Records as bytes: written as the present version, read as that or version 1.

use super::{
    CheckpointRecord, ChunkRecord, CountsRecord, FindingRecord, GapsRecord, JournalRecord, LifeRecord,
    MetaRecord, PassageRecord, SourceLostRecord, VerdictRecord, WalkRecord, v1,
};
use crate::model::{Control, Histories, History, Pilot, TableName};
use crate::store::{Space, Store, StoreError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version that this program writes.
pub const VERSION: u32 = 2;

/// A record, and what version 1 had in its place.
pub trait Versioned: DeserializeOwned {
    /// The form that is read where a record says version 1.
    type V1: DeserializeOwned + Into<Self>;
}

macro_rules! records {
    ($($record:ty => $v1:ty),* $(,)?) => {
        $(impl Versioned for $record { type V1 = $v1; })*
    };
}

records! {
    JournalRecord => v1::Journal,
    CheckpointRecord => v1::Checkpoint,
    GapsRecord => v1::Gaps,
    History => v1::History,
    // what holds no position is the same in both
    SourceLostRecord => SourceLostRecord,
    ChunkRecord => ChunkRecord,
    MetaRecord => MetaRecord,
    LifeRecord => LifeRecord,
    CountsRecord => CountsRecord,
    Control => Control,
    PassageRecord => PassageRecord,
    VerdictRecord => VerdictRecord,
    FindingRecord => FindingRecord,
    WalkRecord => WalkRecord,
    Pilot => Pilot,
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
pub fn decode<T: Versioned>(bytes: &[u8]) -> Result<T, StoreError> {
    let VersionOnly { v } = parse(bytes)?;
    match v {
        1 => parse(bytes).map(|Read::<T::V1> { record }| record.into()),
        VERSION => parse(bytes).map(|Read { record }| record),
        _ => Err(StoreError::Record { reason: format!("version {v}, this program knows 1 to {VERSION}") }),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Record { reason: error.to_string() })
}

/// Reads one record.
pub async fn read<T: Versioned>(
    store: &dyn Store,
    space: Space,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    store.get(space, key).await?.map(|bytes| decode(&bytes)).transpose()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Reached, Value};

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
        let proof: Reached = "00000000-0000-0000-0000-00000000000a:1-5".parse().expect("a set");
        let mark = JournalRecord::Mark { proof };
        assert_eq!(decode::<JournalRecord>(&encode(&mark).expect("encodes")).expect("decodes"), mark);
        let other = String::from_utf8(bytes).expect("JSON").replace("\"v\":2", "\"v\":3");
        assert!(decode::<ChunkRecord>(other.as_bytes()).is_err());
        assert!(decode::<ChunkRecord>(b"{\"v\":2").is_err());
    }
}
