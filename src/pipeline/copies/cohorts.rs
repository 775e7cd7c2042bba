//! The cohorts that the state knows: a pilot is stored by its name before anything of it is moved.

use crate::model::{Mapping, Pilot};
use crate::protocol::ProtocolError;
use crate::protocol::cohort::Cohort;
use crate::store::records;
use crate::store::{Space, Store, StoreError};

/// The pilot with this name; `None` for `all`, and for one of an earlier build, which stored none.
pub async fn stored_pilot(store: &dyn Store, name: &str) -> Result<Option<Pilot>, StoreError> {
    records::read(store, Space::Meta, &records::pilot_key(name)).await
}

/// The cohort with this name; `None` for one of which only the name is known.
pub async fn stored(
    store: &dyn Store,
    name: &str,
    mappings: &[Mapping],
) -> Result<Option<Cohort>, ProtocolError> {
    if name == Cohort::All.name() {
        return Ok(Some(Cohort::All));
    }
    let pilot = stored_pilot(store, name).await?;
    Ok(pilot.map(|pilot| Cohort::of(pilot, mappings)).transpose()?)
}
