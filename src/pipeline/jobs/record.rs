//! The control record in the store.

use crate::model::Control;
use crate::store::{Put, Space, Store, StoreError, records};

/// The record's key in the space of meta records.
const KEY: &[u8] = b"control";

/// What a store says is wanted.
pub async fn stored(store: &dyn Store) -> Result<Control, StoreError> {
    Ok(records::read(store, Space::Meta, KEY).await?.unwrap_or_default())
}

/// What is wanted, to be put.
pub fn record(control: &Control) -> Result<Put, StoreError> {
    Ok((Space::Meta, KEY.to_vec(), records::encode(control)?))
}
