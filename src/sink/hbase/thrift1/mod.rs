//! HBase through its Thrift1 gateways.
//!
//! Promises: what the Thrift2 sink promises. One call has one timestamp, so the writes of each tick go in calls of
//! their own; within one call HBase has the puts before the markers, which ticks make harmless.
//! Refuses to know: table settings beyond what the interface tells (`TableState` says which are missing), counts.

use super::pages;
use super::places::{Place, Places};
use super::pool::Pool;
use super::{HbaseOptions, READ_ROWS_MAX, request, schema};
use crate::model::{Target, TargetId};
use crate::sink::{PackedWrite, ScanRange, Sink, SinkError, StoredRow, TableState, WritePace};
use async_trait::async_trait;
use bytes::Bytes;
use connection::Connections;
use futures::{StreamExt, TryStreamExt, stream};
use hbase_thrift::hbase::THbaseSyncClient;
use std::collections::BTreeMap;

mod bounded;
mod clock;
mod connection;
mod failure;
mod results;
mod socket;
mod table;
mod writes;

/// A [`Sink`] on Thrift1 gateways.
pub struct Thrift1Sink {
    places: Places,
    pool: Pool<Connections>,
}

impl Thrift1Sink {
    /// As [`HbaseSink::connect`](super::HbaseSink::connect).
    pub async fn connect(options: HbaseOptions, targets: Vec<Target>) -> Result<Thrift1Sink, SinkError> {
        let pool = Pool::open(&options).await?;
        Ok(Thrift1Sink { places: Places::new(options, &targets), pool })
    }

    /// One call that does not write rows.
    async fn call<T: Send + 'static>(
        &self,
        place: &Place,
        what: &'static str,
        call: impl FnOnce(&mut connection::Client) -> ::thrift::Result<T> + Send + 'static,
    ) -> Result<T, SinkError> {
        let turn = self.pool.turn().await?;
        let limit = self.places.options.operation_timeout;
        turn.gateway.call(&turn.client, &place.subject(what), limit, call).await
    }

    /// One mutateRowsTs.
    async fn mutate(&self, place: &Place, call: writes::Call) -> Result<(), SinkError> {
        let turn = self.pool.turn_to_write(call.rows.len(), call.bytes).await?;
        let (table, limit) = (place.table.to_vec(), self.places.options.operation_timeout);
        let send = move |client: &mut connection::Client| {
            client.mutate_rows_ts(table, call.rows, call.timestamp, BTreeMap::new())
        };
        turn.gateway.call(&turn.client, &place.subject("writes"), limit, send).await?;
        turn.answered();
        Ok(())
    }

    async fn get(&self, place: &Place, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let (table, family) = (place.table.to_vec(), place.family.to_vec());
        let rows: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
        let read = move |client: &mut connection::Client| {
            client.get_rows_with_columns(table, rows, vec![family], BTreeMap::new())
        };
        let found = self.call(place, "a read", read).await?;
        let answers = results::in_order(keys, found, &place.family);
        answers.map_err(|reason| self.places.refused("a read", reason.into()))
    }

    /// Opens a scanner, takes one page from it and closes it, in one turn: scanners are the gateway's own.
    async fn scan_page(
        &self,
        place: &Place,
        range: ScanRange,
        rows: usize,
    ) -> Result<Vec<StoredRow>, SinkError> {
        let (table, rows) = (place.table.to_vec(), i32::try_from(rows).unwrap_or(i32::MAX));
        let scan = results::scan(&range, &place.family, rows);
        let read = move |client: &mut connection::Client| {
            let scanner = client.scanner_open_with_scan(table, scan, BTreeMap::new())?;
            let page = client.scanner_get_list(scanner, rows);
            // It would go by itself; only a page that was read well tells that the connection is sound.
            page.and_then(|page| client.scanner_close(scanner).map(|()| page))
        };
        let found = self.call(place, "a scan", read).await?;
        let page = found.into_iter().map(|row| results::stored_row(row, &place.family));
        page.collect::<Result<_, _>>().map_err(|reason| self.places.refused("a scan", reason.into()))
    }
}

#[async_trait]
impl Sink for Thrift1Sink {
    async fn write(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError> {
        let place = self.places.get(target)?;
        let bounds = self.places.call_bounds(self.pool.pace().rows());
        let calls = writes::calls(rows, &place.family, bounds)
            .map_err(|reason| self.places.refused("a write", reason))?;
        let calls = stream::iter(calls).map(|call| self.mutate(place, call));
        calls.buffer_unordered(self.places.calls_at_once()).try_collect::<()>().await
    }

    async fn read(&self, target: TargetId, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let place = self.places.get(target)?;
        let calls: Vec<_> = request::split_keys(keys, self.places.call_bounds(READ_ROWS_MAX))
            .map(|keys| self.get(place, keys))
            .collect();
        stream::iter(calls).buffered(self.places.calls_at_once()).try_concat().await
    }

    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError> {
        let place = self.places.get(target)?;
        pages::scan(range, |rest, rows| self.scan_page(place, rest, rows)).await
    }

    async fn describe(&self, target: TargetId) -> Result<TableState, SinkError> {
        let place = self.places.get(target)?;
        let families = self.families(place).await?;
        Ok(families.map_or(TableState::Missing, |found| table::state(&found, &place.target.family)))
    }

    /// Only ever says how: a table made through this interface would lack the purge delay and the splits.
    async fn create(&self, target: &Target, run_id: &str, purge_deletes_ms: u64) -> Result<(), SinkError> {
        if let Some(found) = self.families(&Place::new(target)).await? {
            return crate::sink::require_family(target, table::names(&found).iter());
        }
        let sharing = schema::sharing(target, self.places.targets());
        let regions_max = self.places.options.regions_max;
        let statement = schema::shell_statement(&sharing, run_id, purge_deletes_ms, regions_max);
        let reason =
            format!("a Thrift1 gateway cannot create them as they must be; in the HBase shell: {statement}");
        Err(self.places.refused("creating a table", reason))
    }

    async fn server_clock_ms(&self, target: TargetId) -> Result<u64, SinkError> {
        self.read_clock(self.places.get(target)?).await
    }

    fn write_pace(&self) -> Option<WritePace> {
        let pace = self.pool.pace();
        Some(WritePace { calls: pace.calls(), calls_max: pace.calls_max(), call_rows: pace.rows() })
    }
}

impl Thrift1Sink {
    /// `None` when the table does not exist.
    async fn families(&self, place: &Place) -> Result<Option<table::Families>, SinkError> {
        let name = place.table.to_vec();
        let asked = |client: &mut connection::Client| client.get_column_descriptors(name);
        match self.call(place, "describing a table", asked).await {
            Ok(families) => Ok(Some(families)),
            Err(SinkError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
