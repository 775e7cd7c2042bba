//! HBase's clock, seen through a cell that it stamps itself.

use super::calls::{self, Batch};
use super::{TargetNames, Thrift1Sink};
use crate::sink::SinkError;
use crate::sink::hbase::clock::{PROBE_LIFE_MS, gone, qualifier};
use crate::sink::hbase::registered::PROBE_ROW;
use crate::sink::hbase::wire::LIFE;
use bytes::Bytes;

const WHAT: &str = "a probe of its clock";

impl Thrift1Sink {
    /// Puts a cell without timestamp, reads its timestamp, and deletes it at that timestamp.
    pub(super) async fn read_clock(&self, place: &TargetNames) -> Result<u64, SinkError> {
        let qualifier = qualifier();
        let column = [&place.family[..], b":", &qualifier].concat();
        let probe = one(place, &column, Some(&[]));
        self.call(place, WHAT, probe.mutate_rows(Some((LIFE, &PROBE_LIFE_MS.to_be_bytes())))).await?;
        let rows = self.get(place, &[Bytes::from_static(PROBE_ROW)]).await?;
        let cells = rows.into_iter().flatten().flat_map(|row| row.cells);
        let found = cells.into_iter().find(|cell| cell.qualifier == qualifier);
        let stamp = found.ok_or_else(|| gone(&self.places))?.tick.0;
        let at = i64::try_from(stamp).unwrap_or(i64::MAX);
        self.call(place, WHAT, one(place, &column, None).mutate_rows_at(at)).await.map(|()| stamp)
    }
}

/// A batch with one mutation of the probe's row.
fn one(place: &TargetNames, column: &[u8], value: Option<&[u8]>) -> Batch {
    let (mut batch, mut mutation) = (Batch::new(&place.table), Vec::new());
    calls::mutation(&mut mutation, column, value);
    batch.add(PROBE_ROW, 1, &mutation);
    batch
}
