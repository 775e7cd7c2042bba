//! HBase through its Thrift1 gateways.
//!
//! Promises: what the Thrift2 sink promises. One call has one timestamp, so the writes of each tick go in calls of
//! their own; within one call HBase has the puts before the markers, which ticks make harmless.
//! Refuses to know: table settings beyond what the interface tells (`TableState` says which are missing), counts.

use super::calls::{Found, Scan};
use super::cell_pages::{self, Ask};
use super::line::Kind;
use super::pool::Pool;
use super::probe::Interface;
use super::read_meter::ReadMeter;
use super::registered::{RegisteredTargets, TargetNames};
use super::thrift::Request;
use super::{CALL_ROWS_MAX, HbaseOptions, filter, pages, request, schema};
use crate::model::{Target, TargetId};
use crate::sink::{
    CellNames, CellRange, CountedRow, CountedWrite, PackedWrite, ReadCounts, ReadRows, ReadTotals, ScanRange,
    SinkError, StoredRow, TableState, Tables, WriteRows,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use std::time::Duration;
use ticks::CallTimes;

mod calls;
mod clock;
mod results;
mod table;
mod ticks;
mod writes;

/// Calls whose replies the tests of [`super::thrift`] damage.
#[cfg(test)]
pub(super) mod replies {
    pub(crate) use super::calls::scanner_list;
    pub(crate) use super::table::describe;
}

/// A page of a scan: a scanner is opened, read and closed.
const PAGE_CALLS: u64 = 3;

/// A [`Sink`](crate::sink::Sink) on Thrift1 gateways.
pub struct Thrift1Sink {
    places: RegisteredTargets,
    pool: Pool,
    call_times: CallTimes,
    reads: ReadMeter,
}

impl Thrift1Sink {
    /// As [`HbaseSink::connect`](super::HbaseSink::connect).
    pub async fn connect(options: HbaseOptions, targets: Vec<Target>) -> Result<Thrift1Sink, SinkError> {
        let pool = Pool::open(&options, Interface::Thrift1).await?;
        let (places, call_times) = (RegisteredTargets::new(options, &targets), CallTimes::default());
        Ok(Thrift1Sink { places, pool, call_times, reads: ReadMeter::default() })
    }

    /// One call that does not write rows.
    async fn call<T>(
        &self,
        place: &TargetNames,
        what: &'static str,
        request: Request<T>,
    ) -> Result<T, SinkError> {
        self.pool.call(&place.subject(what), self.places.options.operation_timeout, request).await
    }

    /// One mutateRowsTs.
    async fn mutate(&self, place: &TargetNames, call: writes::Call) -> Result<(), SinkError> {
        let timed = self.call_times.begin();
        let (request, limit) =
            (call.batch.mutate_rows_at(call.timestamp), self.places.options.operation_timeout);
        self.pool.write(&place.subject("writes"), limit, call.writes, request).await?;
        timed.answered();
        Ok(())
    }

    async fn get(&self, place: &TargetNames, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let request = calls::get_rows(&place.table, keys, &place.family);
        let found = self.call(place, "a read", request).await?;
        let answers = results::in_order(keys, found, &place.family);
        let answers = answers.map_err(|reason| self.places.refused("a read", reason.into()))?;
        self.reads.count(1, answers.iter().flatten().map(|row| row.cells.len()));
        Ok(answers)
    }

    /// Opens a scanner, takes one page of so many results from it and closes it, in one turn: scanners are the
    /// gateway's own.
    async fn page(&self, place: &TargetNames, scan: &Scan<'_>) -> Result<Vec<StoredRow>, SinkError> {
        let turn = self.pool.turn(Kind::Other).await?;
        let reading = async {
            let scanner = turn.connections.call(calls::scanner_open(&place.table, scan)).await?;
            // A scanner that is not closed goes by itself; after an error that is left to it.
            let page = turn.connections.call(calls::scanner_list(scanner, scan.rows)).await?;
            turn.connections.call(calls::scanner_close(scanner)).await.map(|()| page)
        };
        let limit = self.places.options.operation_timeout;
        let found: Vec<Found> = turn.gateway.call(&place.subject("a scan"), limit, reading).await?;
        let page = found.into_iter().map(|row| results::stored_row(row, &place.family));
        let page: Result<Vec<StoredRow>, _> = page.collect();
        let page = page.map_err(|reason| self.places.refused("a scan", reason.into()))?;
        self.reads.count(PAGE_CALLS, page.iter().map(|row| row.cells.len()));
        Ok(page)
    }

    async fn scan_page(
        &self,
        place: &TargetNames,
        range: ScanRange,
        rows: usize,
    ) -> Result<Vec<StoredRow>, SinkError> {
        self.page(place, &request::scan(&range, &place.family, results(rows))).await
    }

    async fn cell_page(
        &self,
        place: &TargetNames,
        range: CellRange,
        ask: Ask,
    ) -> Result<Vec<StoredRow>, SinkError> {
        let scan = Scan {
            start: &range.start,
            stop: &range.stop,
            family: &place.family,
            rows: results(ask.rows),
            filter: filter::of(range.after.as_ref(), range.names_only),
            batch: Some(results(ask.batch)),
            ..Scan::default()
        };
        self.page(place, &scan).await
    }

    async fn key_page(
        &self,
        place: &TargetNames,
        range: ScanRange,
        rows: usize,
    ) -> Result<Vec<StoredRow>, SinkError> {
        let filter = Some(filter::first_names());
        self.page(place, &Scan { filter, ..request::scan(&range, &place.family, results(rows)) }).await
    }

    /// A Get of its own: one for several rows asks all of them for the same cells.
    async fn named_cells(
        &self,
        place: &TargetNames,
        wanted: &CellNames,
    ) -> Result<Option<StoredRow>, SinkError> {
        if wanted.qualifiers.is_empty() {
            return Ok(None); // no names would mean all cells
        }
        let column = |qualifier: &Bytes| [&place.family[..], b":", qualifier].concat();
        let columns: Vec<Vec<u8>> = wanted.qualifiers.iter().map(column).collect();
        let request = calls::get_row(&place.table, &wanted.row, &columns);
        let found = self.call(place, "a read", request).await?;
        let answer = results::in_order(std::slice::from_ref(&wanted.row), found, &place.family);
        let answer = answer.map_err(|reason| self.places.refused("a read", reason.into()))?;
        self.reads.count(1, answer.iter().flatten().map(|row| row.cells.len()));
        Ok(answer.into_iter().flatten().next())
    }

    fn uncounted<T>(&self) -> Result<T, SinkError> {
        let reason = "Thrift1 has no call that compares and writes a row at once; use Thrift2 gateways";
        Err(self.places.refused("counts", reason.into()))
    }
}

fn results(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[async_trait]
impl ReadRows for Thrift1Sink {
    async fn read(&self, target: TargetId, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let place = self.places.get(target)?;
        let calls: Vec<_> = request::split_keys(keys, self.places.call_bounds(CALL_ROWS_MAX))
            .map(|keys| self.get(place, keys))
            .collect();
        stream::iter(calls).buffered(self.places.calls_at_once()).try_concat().await
    }

    async fn read_cells(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let place = self.places.get(target)?;
        let calls: Vec<_> = wanted.iter().map(|names| self.named_cells(place, names)).collect();
        stream::iter(calls).buffered(self.places.calls_at_once()).try_collect().await
    }

    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError> {
        let place = self.places.get(target)?;
        pages::scan(range, |rest, rows| self.scan_page(place, rest, rows)).await
    }

    async fn scan_cells(&self, target: TargetId, range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        let place = self.places.get(target)?;
        cell_pages::scan(range, |page, ask| self.cell_page(place, page, ask)).await
    }

    async fn scan_keys(&self, target: TargetId, range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        let place = self.places.get(target)?;
        let rows = pages::scan(range, |rest, rows| self.key_page(place, rest, rows)).await?;
        Ok(rows.into_iter().map(|row| row.row).collect())
    }

    fn read_totals(&self) -> Option<ReadTotals> {
        Some(self.reads.total())
    }
}

#[async_trait]
impl ReadCounts for Thrift1Sink {
    async fn scan_counts(&self, _: TargetId, _: &ScanRange) -> Result<Vec<CountedRow>, SinkError> {
        self.uncounted()
    }

    async fn read_counted(&self, _: TargetId, _: &[CellNames]) -> Result<Vec<CountedRow>, SinkError> {
        self.uncounted()
    }
}

#[async_trait]
impl WriteRows for Thrift1Sink {
    async fn write(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError> {
        let place = self.places.get(target)?;
        let bounds = self.places.call_bounds(CALL_ROWS_MAX);
        let to = request::TableFamily { table: &place.table, family: &place.family };
        let calls =
            writes::calls(rows, &to, bounds).map_err(|reason| self.places.refused("a write", reason))?;
        let calls = stream::iter(calls).map(|call| self.mutate(place, call));
        calls.buffer_unordered(self.places.calls_at_once()).try_collect::<()>().await
    }

    async fn write_counted(&self, _: TargetId, _: &CountedWrite) -> Result<bool, SinkError> {
        self.uncounted()
    }

    fn ticks_max(&self) -> usize {
        self.call_times.ticks_max(self.places.calls_at_once(), self.places.targets().count())
    }

    fn write_p99(&self) -> Option<Duration> {
        self.pool.write_p99()
    }
}

#[async_trait]
impl Tables for Thrift1Sink {
    async fn describe(&self, target: TargetId) -> Result<TableState, SinkError> {
        let place = self.places.get(target)?;
        let families = self.families(place).await?;
        Ok(families.map_or(TableState::Missing, |found| table::state(&found, &place.target.family)))
    }

    /// Only ever says how: a table made through this interface would lack the purge delay and the splits.
    async fn create(&self, target: &Target, run_id: &str, purge_deletes_ms: u64) -> Result<(), SinkError> {
        if let Some(found) = self.families(&TargetNames::new(target)).await? {
            return crate::sink::require_family(target, found.keys());
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
}

impl Thrift1Sink {
    /// `None` when the table does not exist.
    async fn families(&self, place: &TargetNames) -> Result<Option<table::Families>, SinkError> {
        match self.call(place, "describing a table", table::describe(&place.table)).await {
            Ok(families) => Ok(Some(families)),
            Err(SinkError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
