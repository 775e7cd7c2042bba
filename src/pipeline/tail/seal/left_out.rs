//! Tables whose rows are left out: from where, and until which definition.

use super::Sealer;
use crate::failpoints::{KillPoint, kill_at};
use crate::model::{Parking, Reached, TableId, TransactionId};
use crate::pipeline::life::definitions;
use crate::protocol::ProtocolError;
use crate::source::SourceError;

impl Sealer<'_> {
    /// Nothing later is taken in before this is durable.
    pub(super) async fn park(&mut self, table: TableId, parking: Parking) -> Result<(), ProtocolError> {
        let Some(transaction) = self.transaction.as_ref().map(|open| open.id.clone()) else {
            return Err(self.not_understood(format!("outside a transaction: {parking}")));
        };
        self.left_out.insert(table, transaction.clone());
        definitions::park(self.parts, table, &transaction, parking).await?;
        kill_at(KillPoint::TableParked);
        Ok(())
    }

    /// A definition ends the parking that this sealer knows of only where it comes behind that: another one was read before
    /// the parking was known. A parking that is further on, which an earlier process has noted, says nothing here.
    pub(super) fn define(&mut self, table: TableId, since: Reached) {
        let Some(name) = definitions::name_of(self.parts, table) else { return };
        let history = self.parts.definitions.of(&name);
        let ends = |parked: &TransactionId| history.is_behind(&since, &parked.alone());
        if self.left_out.get(&table).is_none_or(ends) {
            self.left_out.remove(&table);
            self.parts.definitions.reaches(&name, since);
        }
    }

    /// A row that does not decode parks its table.
    pub(super) async fn undecodable(&mut self, error: SourceError) -> Result<(), ProtocolError> {
        let SourceError::Undecodable { table, name, place, reason } = error else { return Err(error.into()) };
        let Some(transaction) = &self.transaction else {
            return Err(self.not_understood("a row change outside a transaction".into()));
        };
        if self.left_out.contains_key(&table) {
            return Ok(());
        }
        let reason =
            format!("a row of {name} does not decode: {reason}; correct or delete it in MySQL first");
        let transaction = Some(transaction.id.clone());
        self.park(table, Parking { what: "a row image".into(), reason, transaction, place }).await
    }

    pub(super) fn is_left_out(&self, table: TableId) -> bool {
        !self.left_out.is_empty() && self.left_out.contains_key(&table)
    }
}
