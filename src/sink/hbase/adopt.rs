//! Taking a table over from another run: its attribute `tailfill.run` is rewritten, nothing else.

use super::{HbaseSink, Transport, table};
use crate::model::Target;
use crate::sink::{RUN_ATTRIBUTE, SinkError};
use bytes::Bytes;

/// The HBase shell's statement that does what [`HbaseSink::adopt`] does.
pub fn adopt_statement(table: &str, run_id: &str) -> String {
    format!("alter '{table}', METADATA => {{'{RUN_ATTRIBUTE}' => '{run_id}'}}")
}

impl HbaseSink {
    /// Writes `run_id` to the table of `target`. The whole descriptor goes back as the gateway gave it (all
    /// settings of a family are in its `attributes` and `configuration`: ThriftUtilities in hbase-thrift),
    /// and is compared afterwards. Regions are reopened, which takes a second or two.
    ///
    /// # Errors
    /// `Missing` when there is no such table; `Refused` with a framed gateway, which takes a whole frame for
    /// each name of an attribute, or when another setting changed on the way.
    pub async fn adopt(&self, target: &Target, run_id: &str) -> Result<(), SinkError> {
        let place = self.places.get(target.id)?;
        let statement = adopt_statement(&target.table, run_id);
        if self.places.options.transport == Transport::Framed {
            let reason = format!("a framed gateway cannot alter tables; in the HBase shell: {statement}");
            return Err(self.places.refused("taking a table over", reason));
        }
        let Some(before) = self.descriptor(place).await? else {
            return Err(SinkError::Missing {
                table: target.table.clone(),
                family: target.family.clone(),
                reason: "the table does not exist".into(),
            });
        };
        let mut changed = before.clone();
        changed
            .attributes
            .insert(Bytes::from_static(RUN_ATTRIBUTE.as_bytes()), Bytes::copy_from_slice(run_id.as_bytes()));
        let subject = place.subject("altering a table");
        self.pool.call(&subject, self.places.options.admin_timeout, table::modify(&changed)).await?;
        match self.descriptor(place).await? {
            Some(after) if after == changed => Ok(()),
            _ => {
                let reason = "its settings are not as before; compare them in the HBase shell (describe)";
                Err(self.places.refused("taking a table over", reason.into()))
            }
        }
    }
}
