//! HBase's clock, seen through a cell that it stamps itself.

use super::registered::{PROBE_ROW, RegisteredTargets, TargetNames};
use super::thrift::Request;
use super::wire::{self, Cell, Column, Marker};
use super::{HbaseSink, calls, failure};
use crate::sink::SinkError;
use bytes::Bytes;

/// The probe vanishes by itself after this long, should its delete be lost.
pub(super) const PROBE_LIFE_MS: u64 = 30_000;

impl HbaseSink {
    /// Puts a cell without timestamp, reads its timestamp, and deletes it at that timestamp.
    pub(super) async fn read_clock(&self, place: &TargetNames) -> Result<u64, SinkError> {
        let qualifier = qualifier();
        let cell = Cell { family: &place.family, qualifier: &qualifier, value: &[], timestamp: None };
        let probe = one(place, |call| wire::put_for_a_while(call, PROBE_ROW, cell, PROBE_LIFE_MS));
        self.probe(place, calls::put_multiple(probe)).await?;
        let rows = self.get(place, &[Bytes::from_static(PROBE_ROW)]).await?;
        let cells = rows.into_iter().flatten().flat_map(|row| row.cells);
        let found = cells.into_iter().find(|cell| cell.qualifier == qualifier);
        let stamp = found.ok_or_else(|| gone(&self.places))?.tick.0;
        let timestamp = i64::try_from(stamp).ok();
        let column = Column { family: &place.family, qualifier: Some(&qualifier), timestamp };
        let removal =
            one(place, |call| wire::delete(call, PROBE_ROW, Marker::Columns, 1, [column].into_iter()));
        self.probe(place, calls::delete_multiple(removal)).await?;
        Ok(stamp)
    }

    async fn probe(&self, place: &TargetNames, request: Request<()>) -> Result<(), SinkError> {
        let limit = self.places.options.operation_timeout;
        self.pool.call(&place.subject("a probe of its clock"), limit, request).await
    }
}

/// The arguments of a call with one mutation.
fn one(place: &TargetNames, mutation: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut call = wire::call_head(&place.table);
    let head = call.len();
    mutation(&mut call);
    wire::finish_call(&mut call, head, 1);
    call
}

/// A qualifier of its own, so that probes at the same time do not see each other's.
pub(super) fn qualifier() -> Bytes {
    Bytes::from(format!("tailfill.clock.{:016x}", rand::random::<u64>()))
}

pub(super) fn gone(places: &RegisteredTargets) -> SinkError {
    failure::unavailable(
        &places.options.gateways.join(","),
        "the probe of its clock was gone before it was read",
    )
}
