//! The gaps that were accepted, and which mappings still lack what lies in them.

use crate::pipeline::parts::settings::Parts;
use crate::store::records::{self, GapsRecord};
use crate::store::{Commit, Put, Space, Store, StoreError};

const KEY: &[u8] = b"gaps";

/// The gaps that were accepted.
pub async fn stored(store: &dyn Store) -> Result<GapsRecord, StoreError> {
    Ok(records::read(store, Space::Meta, KEY).await?.unwrap_or_default())
}

/// Notes that all of a mapping was copied again.
pub async fn close(parts: &Parts, mapping: &str) -> Result<(), StoreError> {
    let before = stored(&*parts.store).await?;
    let mut gaps = before.clone();
    gaps.gaps.iter_mut().for_each(|gap| gap.mappings.retain(|missed| missed != mapping));
    if gaps != before {
        let put = vec![record(&gaps)?];
        parts.store.commit(Commit { put, ..Commit::default() }).await?;
    }
    Ok(())
}

/// All gaps, to be put.
pub fn record(gaps: &GapsRecord) -> Result<Put, StoreError> {
    Ok((Space::Meta, KEY.to_vec(), records::encode(gaps)?))
}
