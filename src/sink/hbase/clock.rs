//! HBase's clock, seen through a cell that it stamps itself.

use super::HbaseSink;
use super::failure;
use super::gateway::Client;
use super::places::{Place, Places};
use super::thrift::{TColumn, TColumnValue, TDelete, TDeleteType, TPut};
use crate::sink::SinkError;
use bytes::Bytes;

/// The row of the probe: one byte. Every row key of a layout is a salt and at least one more byte,
/// so no list can have it, and no scan of a list passes it. A scan of a whole table
/// may meet it for a moment; it is no row key of any mapping.
pub const PROBE_ROW: &[u8] = &[0xff];

/// The probe vanishes by itself after this long, should its delete be lost.
const PROBE_LIFE_MS: u64 = 30_000;

impl HbaseSink {
    /// Puts a cell without timestamp, reads its timestamp, and deletes it at that timestamp.
    pub(super) async fn read_clock(&self, place: &Place) -> Result<u64, SinkError> {
        let qualifier = qualifier();
        self.put_probe(place, probe(place, &qualifier)).await?;
        let rows = self.get(place, &[Bytes::from_static(PROBE_ROW)]).await?;
        let cells = rows.into_iter().flatten().flat_map(|row| row.cells);
        let found = cells.into_iter().find(|cell| cell.qualifier == qualifier);
        let stamp = found.ok_or_else(|| gone(&self.places))?.tick.0;
        self.remove_probe(place, removal(place, qualifier, stamp)).await?;
        Ok(stamp)
    }

    async fn put_probe(&self, place: &Place, probe: TPut) -> Result<(), SinkError> {
        let (table, limit) = (place.table.clone(), self.places.options.operation_timeout);
        let call = |client: Client| async move { client.put_multiple(table, vec![probe]).await };
        self.pool.call(&place.subject("a probe of its clock"), limit, call).await
    }

    async fn remove_probe(&self, place: &Place, removal: TDelete) -> Result<(), SinkError> {
        let (table, limit) = (place.table.clone(), self.places.options.operation_timeout);
        let call = |client: Client| async move { client.delete_multiple(table, vec![removal]).await };
        self.pool.call(&place.subject("a probe of its clock"), limit, call).await.map(|_| ())
    }
}

/// A qualifier of its own, so that probes at the same time do not see each other's.
pub(super) fn qualifier() -> Bytes {
    Bytes::from(format!("tailfill.clock.{:016x}", rand::random::<u64>()))
}

/// The attribute of a put that ends its cells by themselves.
pub(super) fn life() -> (String, Vec<u8>) {
    ("_ttl".into(), PROBE_LIFE_MS.to_be_bytes().to_vec())
}

pub(super) fn gone(places: &Places) -> SinkError {
    failure::unavailable(
        &places.options.gateways.join(","),
        "the probe of its clock was gone before it was read",
    )
}

fn probe(place: &Place, qualifier: &Bytes) -> TPut {
    let cell = TColumnValue {
        family: place.family.clone(),
        qualifier: qualifier.clone(),
        value: Bytes::new(),
        timestamp: None,
    };
    let (name, value) = life();
    let life = (name.into(), value.into());
    TPut {
        row: Bytes::from_static(PROBE_ROW),
        column_values: vec![cell],
        attributes: Some([life].into_iter().collect()),
    }
}

fn removal(place: &Place, qualifier: Bytes, stamp: u64) -> TDelete {
    let column = TColumn {
        family: place.family.clone(),
        qualifier: Some(qualifier),
        timestamp: i64::try_from(stamp).ok(),
    };
    TDelete {
        row: Bytes::from_static(PROBE_ROW),
        columns: Some(vec![column]),
        delete_type: Some(TDeleteType::DELETE_COLUMNS),
    }
}
