//! Whether the HBase tables still are the ones that the copies were made into. `tailfill init` gives each table that it
//! makes an id of its own (the attribute [`TABLE_ATTRIBUTE`]), and a copy keeps the id of its table from its beginning. A
//! table with another one was dropped and made again: its copy begins anew, like that of a target that joins.
//!
//! Gateways of Thrift1 tell no attributes, and earlier builds kept no id: there a table is taken for another one if it
//! holds no row while rows were copied into it.

use crate::model::{LifeCycle, Target};
use crate::pipeline::copies::chunks::Chunks;
use crate::pipeline::life;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;
use crate::sink::{TABLE_ATTRIBUTE, TableState};
use crate::store::records::{self, ChunkRecord, CopyKey, LifeRecord};
use crate::store::{Commit, Space, StoreError};

/// Compares the table of each target with the one of its copy, before anything of the copy is read.
pub async fn compare(parts: &Parts) -> Result<(), ProtocolError> {
    if parts.settings.failpoints.table_not_compared() {
        return Ok(());
    }
    for (mapping, target) in parts.plan.targets() {
        let TableState::Present { attributes, .. } = parts.sink.describe(target.id).await? else {
            continue; // whoever writes to it says so
        };
        let found = attributes.map(|attributes| attributes.get(TABLE_ATTRIBUTE).cloned());
        let key = Chunks::copy_key(&parts.source_name, &parts.plan, mapping, target);
        let record: Option<LifeRecord> =
            records::read(&*parts.store, Space::LifeCycle, &key.prefix()).await?;
        let begun = record.is_some();
        let record = record.unwrap_or_default();
        if begun && is_another(parts, target, &key, &record, found.as_ref()).await? {
            begin_anew(parts, &key, record, found.flatten()).await?;
        } else if let Some(found) = found
            && record.table != found
        {
            let now = LifeRecord { table: found, ..record };
            let put = vec![(Space::LifeCycle, key.prefix(), records::encode(&now)?)];
            parts.store.commit(Commit { put, ..Commit::default() }).await?;
        }
    }
    Ok(())
}

/// `found`: the table's id, if it has one and the gateway tells it. A parked target is compared with MySQL as a whole
/// before it is written to again, whatever its table is.
async fn is_another(
    parts: &Parts,
    target: &Target,
    key: &CopyKey,
    record: &LifeRecord,
    found: Option<&Option<String>>,
) -> Result<bool, ProtocolError> {
    if matches!(record.state, LifeCycle::New | LifeCycle::Parked { .. }) {
        return Ok(false);
    }
    match (&record.table, found) {
        (Some(ours), Some(found)) => Ok(found.as_ref() != Some(ours)),
        (None, Some(None)) => Ok(false),
        (None, Some(Some(_))) | (_, None) => {
            let has_copied = record.copied.is_some() || has_copied(parts, key).await?;
            Ok(has_copied && !life::holds_rows(&*parts.sink, target).await?)
        }
    }
}

async fn has_copied(parts: &Parts, key: &CopyKey) -> Result<bool, StoreError> {
    for (_, value) in parts.store.list(Space::Chunk, &key.prefix()).await? {
        if records::decode::<ChunkRecord>(&value)?.rows > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Forgets in one commit what was copied into the table of before, by a pilot too.
async fn begin_anew(
    parts: &Parts,
    key: &CopyKey,
    record: LifeRecord,
    table: Option<String>,
) -> Result<(), ProtocolError> {
    let mut commit = Commit::default();
    for (prefix, _) in parts.store.list(Space::LifeCycle, &[]).await? {
        let same = CopyKey::of_prefix(&prefix)
            .is_some_and(|other| CopyKey { cohort: key.cohort.clone(), ..other } == *key);
        if !same {
            continue;
        }
        let chunk = |number: u64| [&prefix[..], &number.to_be_bytes()].concat();
        commit.delete_range.push((Space::Chunk, chunk(0), chunk(u64::MAX)));
        commit.delete.push((Space::Counts, prefix.clone()));
        if prefix != key.prefix() {
            commit.delete.push((Space::LifeCycle, prefix));
        }
    }
    tracing::warn!(
        mapping = %key.mapping,
        target = %key.target,
        before = record.table.as_deref().unwrap_or("-"),
        now = table.as_deref().unwrap_or("-"),
        "the HBase table was replaced since its copy began: the run copies all rows again"
    );
    let fresh = LifeRecord { table, ..LifeRecord::default() };
    commit.put.push((Space::LifeCycle, key.prefix(), records::encode(&fresh)?));
    parts.store.commit(commit).await?;
    Ok(())
}
