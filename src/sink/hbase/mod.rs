//! HBase through its Thrift gateways: those of Thrift2 here, those of Thrift1 in [`thrift1`].
//!
//! Promises: every call has a time-out and goes to a gateway that was asked which protocol it
//! speaks; at most `connections` calls are under way on each gateway; requests stay below the gateway's frame limit.
//! Dropping the future of a call stops everything that was not sent yet.
//! No scan shows the row that the probe of HBase's clock leaves for a moment.
//! Refuses to know: retries (whoever calls repeats with the same ticks), leases, layouts.

use super::{
    CellNames, CellRange, CountedRow, CountedWrite, PackedWrite, ReadCounts, ReadRows, ReadTotals, ScanRange,
    SinkError, StoredRow, TableState, Tables, WriteRows,
};
use crate::model::{Target, TargetId};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use std::time::Duration;

mod adopt;
mod calls;
mod cell_pages;
mod cells;
mod clock;
mod failure;
#[cfg(test)]
mod fake;
mod filter;
mod line;
mod options;
mod pages;
mod pool;
mod probe;
mod read_meter;
mod registered;
mod request;
mod schema;
mod table;
mod thrift;
pub mod thrift1;
mod wire;
mod write_meter;

pub use adopt::adopt_statement;
pub use options::HbaseOptions;
pub(crate) use schema::shell_statement;
pub use thrift::Transport;

use calls::{Found, Get};
use failure::Subject;
use pool::Pool;
use probe::Interface;
use read_meter::ReadMeter;
use registered::{RegisteredTargets, TargetNames};
use thrift::Request;

/// Rows of one call at most. Larger calls are no faster, and a lost reply costs more (docs/performance.md).
const CALL_ROWS_MAX: usize = 2_000;

/// A [`Sink`](crate::sink::Sink) on Thrift2 gateways.
pub struct HbaseSink {
    places: RegisteredTargets,
    pool: Pool,
    reads: ReadMeter,
}

impl HbaseSink {
    /// Asks every gateway which protocol it speaks; one that is away is put aside for later.
    ///
    /// # Errors
    /// `WrongProtocol` as soon as one gateway speaks another protocol than `options` says,
    /// `Unavailable` when none answers. Takes at most 3 s a gateway for each of both.
    pub async fn connect(options: HbaseOptions, targets: Vec<Target>) -> Result<HbaseSink, SinkError> {
        let pool = Pool::open(&options, Interface::Thrift2).await?;
        Ok(HbaseSink { places: RegisteredTargets::new(options, &targets), pool, reads: ReadMeter::default() })
    }

    /// Disables and deletes a table, if it is there.
    pub async fn drop_table(&self, table: &str) -> Result<(), SinkError> {
        let subject = Subject { what: "dropping a table", table, family: "" };
        let limit = self.places.options.admin_timeout;
        if !self.table_exists(&subject).await? {
            return Ok(());
        }
        let name = schema::table_name(table);
        // It fails on a table that an earlier attempt disabled; whether it can be deleted is what counts.
        let _ = self.pool.call(&subject, limit, table::disable(&name)).await;
        self.pool.call(&subject, limit, table::delete(&name)).await
    }

    /// One putMultiple or deleteMultiple.
    async fn mutate(
        &self,
        place: &TargetNames,
        what: &'static str,
        rows: usize,
        request: Request<()>,
    ) -> Result<(), SinkError> {
        let limit = self.places.options.operation_timeout;
        self.pool.write(&place.subject(what), limit, rows, request).await
    }

    async fn get(&self, place: &TargetNames, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let gets: Vec<Get<'_>> = keys.iter().map(|key| request::get(key, &place.family)).collect();
        self.gets(place, &gets).await?.into_iter().map(|result| self.stored(result)).collect()
    }

    /// One getMultiple: a result for each Get.
    async fn gets(&self, place: &TargetNames, gets: &[Get<'_>]) -> Result<Vec<Found>, SinkError> {
        let (request, limit) =
            (calls::get_multiple(&place.table, gets), self.places.options.operation_timeout);
        let results = self.pool.call(&place.subject("a read"), limit, request).await?;
        self.reads.count(1, results.iter().map(|result| result.cells.len()));
        if results.len() != gets.len() {
            let reason = format!("it sent {} rows for {} keys", results.len(), gets.len());
            return Err(self.places.refused("a read", reason));
        }
        Ok(results)
    }

    async fn scan_page(
        &self,
        place: &TargetNames,
        range: ScanRange,
        rows: usize,
    ) -> Result<Vec<StoredRow>, SinkError> {
        let rows = i32::try_from(rows).unwrap_or(i32::MAX);
        let results = self.scanned(place, &request::scan(&range, &place.family, rows)).await?;
        results.into_iter().filter_map(|result| self.stored(result).transpose()).collect()
    }

    fn stored(&self, result: Found) -> Result<Option<StoredRow>, SinkError> {
        request::stored_row(result).map_err(|reason| self.places.refused("a read", reason.into()))
    }
}

#[async_trait]
impl ReadRows for HbaseSink {
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
        let calls = split_names(wanted).map(|part| self.named_cells(place, part)).collect::<Vec<_>>();
        stream::iter(calls).buffered(self.places.calls_at_once()).try_concat().await
    }

    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError> {
        let place = self.places.get(target)?;
        pages::scan(range, |rest, rows| self.scan_page(place, rest, rows)).await
    }

    async fn scan_cells(&self, target: TargetId, range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        self.cells(self.places.get(target)?, range).await
    }

    async fn scan_keys(&self, target: TargetId, range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        self.keys(self.places.get(target)?, range).await
    }

    fn read_totals(&self) -> Option<ReadTotals> {
        Some(self.reads.total())
    }
}

#[async_trait]
impl ReadCounts for HbaseSink {
    async fn scan_counts(&self, target: TargetId, range: &ScanRange) -> Result<Vec<CountedRow>, SinkError> {
        self.counts(self.places.get(target)?, range).await
    }

    async fn read_counted(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError> {
        let place = self.places.get(target)?;
        let calls = split_names(wanted).map(|part| self.counted_rows(place, part)).collect::<Vec<_>>();
        stream::iter(calls).buffered(self.places.calls_at_once()).try_concat().await
    }
}

#[async_trait]
impl WriteRows for HbaseSink {
    async fn write(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError> {
        let place = self.places.get(target)?;
        let to = request::TableFamily { table: &place.table, family: &place.family };
        let written = request::mutations(rows, &to, self.places.call_bounds(CALL_ROWS_MAX))
            .map_err(|reason| self.places.refused("a write", reason))?;
        let deletes = stream::iter(written.deletes)
            .map(|call| self.mutate(place, "deletes", call.rows, calls::delete_multiple(call.arguments)));
        deletes.buffer_unordered(self.places.calls_at_once()).try_collect::<()>().await?;
        let puts = stream::iter(written.puts)
            .map(|call| self.mutate(place, "puts", call.rows, calls::put_multiple(call.arguments)));
        puts.buffer_unordered(self.places.calls_at_once()).try_collect::<()>().await
    }

    async fn write_counted(&self, target: TargetId, write: &CountedWrite) -> Result<bool, SinkError> {
        self.mutate_counted(self.places.get(target)?, write).await
    }

    fn write_p99(&self) -> Option<Duration> {
        self.pool.write_p99()
    }
}

#[async_trait]
impl Tables for HbaseSink {
    async fn describe(&self, target: TargetId) -> Result<TableState, SinkError> {
        let place = self.places.get(target)?;
        let descriptor = self.descriptor(place).await?;
        let family = &place.target.family;
        Ok(descriptor.map_or(TableState::Missing, |descriptor| schema::table_state(&descriptor, family)))
    }

    async fn create(&self, target: &Target, run_id: &str, purge_deletes_ms: u64) -> Result<(), SinkError> {
        let place = TargetNames::new(target);
        let sharing = schema::sharing(target, self.places.targets());
        if let Some(families) = self.families(&place).await? {
            return super::require_family(target, families.iter());
        }
        if self.places.options.transport == Transport::Framed {
            // A framed gateway takes the whole frame for a split key.
            let statement =
                schema::shell_statement(&sharing, run_id, purge_deletes_ms, self.places.options.regions_max);
            let reason = format!("a framed gateway cannot create tables; in the HBase shell: {statement}");
            return Err(self.places.refused("creating a table", reason));
        }
        let descriptor = schema::descriptor(&sharing, run_id, purge_deletes_ms);
        let splits = schema::split_keys(&sharing, self.places.options.regions_max);
        let (subject, limit) = (place.subject("creating a table"), self.places.options.admin_timeout);
        let Err(error) = self.pool.call(&subject, limit, table::create(&descriptor, &splits)).await else {
            return Ok(());
        };
        // Somebody else may have been faster, or the reply was lost.
        match self.families(&place).await {
            Ok(Some(families)) => super::require_family(target, families.iter()),
            _ => Err(error),
        }
    }

    async fn server_clock_ms(&self, target: TargetId) -> Result<u64, SinkError> {
        self.read_clock(self.places.get(target)?).await
    }
}

/// Single cells in groups that one getMultiple may ask for: about as many cells as rows of other reads.
fn split_names(wanted: &[CellNames]) -> impl Iterator<Item = &[CellNames]> {
    let mut rest = wanted;
    std::iter::from_fn(move || {
        let mut cells = 0;
        let fit = rest.iter().take_while(|names| {
            let first = cells == 0;
            cells += names.qualifiers.len() + 1;
            first || cells <= CALL_ROWS_MAX
        });
        let (part, behind) = rest.split_at(fit.count());
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}

impl HbaseSink {
    /// Asked beforehand where it matters, because the error for a missing table may be its bare name.
    async fn table_exists(&self, subject: &Subject<'_>) -> Result<bool, SinkError> {
        let request = table::exists(&schema::table_name(subject.table));
        self.pool.call(subject, self.places.options.operation_timeout, request).await
    }

    /// `None` when the table does not exist.
    async fn descriptor(&self, place: &TargetNames) -> Result<Option<table::Table>, SinkError> {
        let subject = place.subject("describing a table");
        if !self.table_exists(&subject).await? {
            return Ok(None);
        }
        let request = table::describe(&schema::table_name(subject.table));
        self.pool.call(&subject, self.places.options.operation_timeout, request).await.map(Some)
    }

    async fn families(&self, place: &TargetNames) -> Result<Option<Vec<String>>, SinkError> {
        Ok(self.descriptor(place).await?.map(|descriptor| schema::families(&descriptor)))
    }
}
