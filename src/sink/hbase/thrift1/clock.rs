//! HBase's clock, seen through a cell that it stamps itself.

use super::connection::Client;
use super::{Place, Thrift1Sink};
use crate::sink::SinkError;
use crate::sink::hbase::clock::{PROBE_ROW, gone, life, qualifier};
use bytes::Bytes;
use hbase_thrift::hbase::{BatchMutation, Mutation, THbaseSyncClient};
use std::collections::BTreeMap;

const WHAT: &str = "a probe of its clock";

impl Thrift1Sink {
    /// Puts a cell without timestamp, reads its timestamp, and deletes it at that timestamp.
    pub(super) async fn read_clock(&self, place: &Place) -> Result<u64, SinkError> {
        let qualifier = qualifier();
        let column = [&place.family[..], b":", &qualifier].concat();
        let probe = |mutation| vec![BatchMutation::new(PROBE_ROW.to_vec(), vec![mutation])];
        let (table, put) =
            (place.table.to_vec(), probe(Mutation::new(false, column.clone(), Vec::new(), true)));
        let (name, value) = life();
        let life = BTreeMap::from([(name.into_bytes(), value)]);
        self.call(place, WHAT, move |client: &mut Client| client.mutate_rows(table, put, life)).await?;
        let rows = self.get(place, &[Bytes::from_static(PROBE_ROW)]).await?;
        let cells = rows.into_iter().flatten().flat_map(|row| row.cells);
        let found = cells.into_iter().find(|cell| cell.qualifier == qualifier);
        let stamp = found.ok_or_else(|| gone(&self.places))?.tick.0;
        let at = i64::try_from(stamp).unwrap_or(i64::MAX);
        let (table, removal) = (place.table.to_vec(), probe(Mutation::new(true, column, None, true)));
        let remove = move |client: &mut Client| client.mutate_rows_ts(table, removal, at, BTreeMap::new());
        self.call(place, WHAT, remove).await.map(|()| stamp)
    }
}
