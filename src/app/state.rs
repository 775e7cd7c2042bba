//! The state that all commands share: its name for the source, its id, whose lists it is of, and how it is opened.

use super::{connect, events};
use crate::clock::SystemEntropy;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Target;
use crate::protocol::{Journal, plan::Cohort};
use crate::retry::{Patience, Pauses};
use crate::status::text::bytes;
use crate::store::records::CopyKey;
use crate::store::redb::{Compacted, FILE_NAME, RedbStore};
use crate::store::{Commit, Outcome, Space, Store, StoreError, records};
use std::path::Path;
use std::time::Duration;

/// The source's name in the store; one configuration has one source.
pub const SOURCE: &str = "default";

/// Where the store keeps the id of the state.
pub const RUN_ID: &[u8] = b"run_id";

/// How long the state may be in use before a run is refused.
const LOCKED_BY_STATUS: Duration = Duration::from_secs(2);

/// Opens the state for a run or a lever: what happens is written to the event log of the state.
///
/// # Errors
/// Somebody has the state, or it cannot be read; the event log cannot be opened.
pub async fn open_with_events(state_dir: &Path) -> Result<RedbStore, Failure> {
    let store = open(state_dir).await?;
    events::begin(state_dir).map_err(|error| Failure::new(Exit::Failed, error))?;
    note_compaction(&store);
    Ok(store)
}

/// Opens the state, or makes it.
///
/// # Errors
/// Somebody has it, or it cannot be read.
pub async fn open_state(state_dir: &Path) -> Result<RedbStore, StoreError> {
    let store = open(state_dir).await?;
    note_compaction(&store);
    Ok(store)
}

/// `tailfill status` has it open for a moment when nothing runs, which must not refuse a run; another run keeps it.
async fn open(state_dir: &Path) -> Result<RedbStore, StoreError> {
    let mut looks = Patience::with_one(LOCKED_BY_STATUS, Pauses::OF_LOOKS);
    loop {
        match RedbStore::open(state_dir).await {
            Err(StoreError::Locked { .. }) if looks.again().await => {}
            outcome => return outcome,
        }
    }
}

/// Opens the state that no run has, for a lever: what the lever does is written to its event log.
///
/// # Errors
/// There is none (the message says that `init` makes it), or somebody has it.
pub async fn open_for_lever(state_dir: &Path) -> Result<RedbStore, Failure> {
    if !state_dir.join(FILE_NAME).exists() {
        RedbStore::open_read_only(state_dir).await?;
    }
    open_with_events(state_dir).await
}

/// For log and event log.
fn note_compaction(store: &RedbStore) {
    if let Some(Compacted { before_bytes, after_bytes }) = store.compacted() {
        let [before, after] = [before_bytes, after_bytes].map(bytes);
        tracing::info!(event = "compacted", "the state file was compacted: {before} -> {after}");
    }
}

/// The copy of all lists into a target.
pub fn copy_key(mapping: &str, target: &Target) -> CopyKey {
    CopyKey {
        source: SOURCE.to_owned(),
        mapping: mapping.to_owned(),
        cohort: Cohort::All.name(),
        target: format!("{}/{}", target.table, target.family),
    }
}

/// The id of the state, made at its first use: it marks HBase tables and lease tokens as ours.
pub async fn run_id(store: &dyn Store) -> Result<String, Failure> {
    let stored: Option<records::MetaRecord> = records::read(store, Space::Meta, RUN_ID).await?;
    if let Some(record) = stored {
        return Ok(record.value);
    }
    let record = records::MetaRecord { value: connect::random_id(&SystemEntropy) };
    let put = vec![(Space::Meta, RUN_ID.to_vec(), records::encode(&record)?)];
    let expect = vec![(Space::Meta, RUN_ID.to_vec(), None)];
    match store.commit(Commit { expect, put, ..Commit::default() }).await? {
        Outcome::Committed => Ok(record.value),
        Outcome::Refused => Err(Failure::new(Exit::Failed, "another process made the state's id just now")),
    }
}

/// The name of the cohort that the state belongs to.
pub async fn stored_cohort(journal: &Journal) -> Result<String, Failure> {
    Ok(journal.cohort().await?.unwrap_or_else(|| Cohort::All.name()))
}
