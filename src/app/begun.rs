//! The columns that copies were begun with: what the state says, or the run that has it.

use super::state::SOURCE;
use super::status;
use crate::config::{Begun, Config};
use crate::failure::Failure;
use crate::model::LifeCycle;
use crate::status::Status;
use crate::store::records::{self, CopyKey, LifeRecord};
use crate::store::redb::{FILE_NAME, RedbStore};
use crate::store::{Space, Store, StoreError};

/// What a command beside the runs has to know. Nothing where no run was yet.
pub async fn of(config: &Config) -> Result<Begun, Failure> {
    if let Some(status) = status::running(config).await? {
        return Ok(of_status(&status));
    }
    if !config.state_dir.join(FILE_NAME).exists() {
        return Ok(Begun::default());
    }
    Ok(of_store(&RedbStore::open_read_only(&config.state_dir).await?).await?)
}

/// What a state says. Of a copy of all lists and one of a pilot into the same table, the former counts.
pub async fn of_store(store: &dyn Store) -> Result<Begun, StoreError> {
    let mut begun = Begun::default();
    for (key, value) in store.list(Space::LifeCycle, &[]).await? {
        let record: LifeRecord = records::decode(&value)?;
        let key = CopyKey::of_prefix(&key).filter(|key| key.source == SOURCE);
        if let (Some(key), Some(definition)) = (key, record.definition) {
            begun.note(&key.mapping, &key.target, definition.column_names());
        }
    }
    Ok(begun)
}

/// What a run says.
pub fn of_status(status: &Status) -> Begun {
    let mut begun = Begun::default();
    for target in &status.targets {
        if let Some(columns) = &target.columns {
            let name = format!("{}/{}", target.table, target.family);
            begun.note(&target.mapping, &name, columns.clone());
        }
    }
    begun
}

/// The copies that are parked.
pub async fn parked(store: &dyn Store) -> Result<Vec<CopyKey>, StoreError> {
    let mut parked = Vec::new();
    for (key, value) in store.list(Space::LifeCycle, &[]).await? {
        let record: LifeRecord = records::decode(&value)?;
        if matches!(record.state, LifeCycle::Parked { .. }) {
            parked.extend(CopyKey::of_prefix(&key));
        }
    }
    Ok(parked)
}
