//! Reads cell by cell, and counted rows.

use super::calls::{self, Condition, Found, Get, Scan};
use super::cell_pages::{self, Ask};
use super::registered::PROBE_ROW;
use super::wire::{self, Cell, Column, Marker};
use super::{HbaseSink, TargetNames, filter, request};
use crate::model::Tick;
use crate::sink::cells::{
    self, COUNT, COUNT_TICK, COUNTS_FAMILY, CellNames, CellRange, CountChange, CountedRow, CountedWrite,
};
use crate::sink::{ScanRange, SinkError, StoredRow};
use bytes::Bytes;

/// Rows of counts, or keys, of one page.
const ROWS_MAX: usize = 5_000;

impl HbaseSink {
    pub(super) async fn cells(
        &self,
        place: &TargetNames,
        range: &CellRange,
    ) -> Result<Vec<StoredRow>, SinkError> {
        cell_pages::scan(range, |page, ask| self.cell_page(place, page, ask)).await
    }

    async fn cell_page(
        &self,
        place: &TargetNames,
        range: CellRange,
        ask: Ask,
    ) -> Result<Vec<StoredRow>, SinkError> {
        let rows = i32::try_from(ask.rows).unwrap_or(i32::MAX);
        let scan = Scan {
            start: &range.start,
            stop: &range.stop,
            family: &place.family,
            rows,
            filter: filter::of(range.after.as_ref(), range.names_only),
            batch: Some(i32::try_from(ask.batch).unwrap_or(i32::MAX)),
            ..Scan::default()
        };
        self.scanned(place, &scan).await?.into_iter().filter_map(|row| self.stored(row).transpose()).collect()
    }

    pub(super) async fn keys(&self, place: &TargetNames, range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        let keys = self.pages(place, range, |scan| Scan { filter: Some(filter::first_names()), ..scan });
        Ok(keys
            .await?
            .into_iter()
            .filter_map(|result| result.row)
            .map(|row| Bytes::copy_from_slice(&row))
            .collect())
    }

    pub(super) async fn counts(
        &self,
        place: &TargetNames,
        range: &ScanRange,
    ) -> Result<Vec<CountedRow>, SinkError> {
        let counts = self.pages(place, range, |scan| Scan { family: COUNTS_FAMILY.as_bytes(), ..scan });
        counts.await?.into_iter().filter_map(|result| self.counted(result).transpose()).collect()
    }

    /// Whole rows of a range, page by page, without that of the clock's probe.
    async fn pages(
        &self,
        place: &TargetNames,
        range: &ScanRange,
        ask: impl Fn(Scan<'_>) -> Scan<'_>,
    ) -> Result<Vec<Found>, SinkError> {
        let (mut rest, mut found) = (range.clone(), Vec::<Found>::new());
        while !rest.is_empty() {
            let wanted = rest.limit.min(ROWS_MAX);
            let rows = i32::try_from(wanted).unwrap_or(i32::MAX);
            let results = self.scanned(place, &ask(request::scan(&rest, &place.family, rows))).await?;
            let last =
                results.last().and_then(|result| result.row.clone()).filter(|_| results.len() == wanted);
            found.extend(results.into_iter().filter(|result| result.row.as_deref() != Some(PROBE_ROW)));
            let Some(last) = last else { break };
            rest = ScanRange { limit: range.limit.saturating_sub(found.len()), ..rest.after(&last) };
        }
        Ok(found)
    }

    pub(super) async fn named_cells(
        &self,
        place: &TargetNames,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError> {
        // No names would mean all cells of the row.
        let has_names = |names: &&CellNames| !names.qualifiers.is_empty();
        let gets: Vec<Get<'_>> =
            wanted.iter().filter(has_names).map(|names| get(&place.family, names)).collect();
        let mut results = self.gets(place, &gets).await?.into_iter();
        let rows = wanted.iter().map(|names| match has_names(&names) {
            true => results.next().map_or(Ok(None), |result| self.stored(result)),
            false => Ok(None),
        });
        rows.collect()
    }

    pub(super) async fn counted_rows(
        &self,
        place: &TargetNames,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError> {
        let with_counts = |names| {
            let mut get = get(&place.family, names);
            // with values: a filter that leaves those of items out would have to be one on families, and HBase's
            // FamilyFilter ends the row
            get.columns.push(Column::whole(COUNTS_FAMILY.as_bytes()));
            get
        };
        let gets: Vec<Get<'_>> = wanted.iter().map(with_counts).collect();
        let results = self.gets(place, &gets).await?;
        let rows = results.into_iter().zip(wanted).map(|(result, names)| {
            let row = self.counted(result)?;
            Ok(row.unwrap_or_else(|| CountedRow { row: names.row.clone(), ..CountedRow::default() }))
        });
        rows.collect()
    }

    /// `None` for a row that does not exist.
    fn counted(&self, result: Found) -> Result<Option<CountedRow>, SinkError> {
        let Some(row) = result.row.filter(|_| !result.cells.is_empty()) else { return Ok(None) };
        let mut counted = CountedRow { row: Bytes::copy_from_slice(&row), ..CountedRow::default() };
        for cell in result.cells {
            if &cell.family[..] != COUNTS_FAMILY.as_bytes() {
                counted.present.push(Bytes::copy_from_slice(&cell.qualifier));
                continue;
            }
            let number = cells::count_number(&cell.value)
                .ok_or_else(|| self.places.refused("a read", "a count or its tick has not 8 bytes".into()))?;
            match &cell.qualifier[..] {
                COUNT => counted.count = Some(number),
                COUNT_TICK => counted.tick = Some(Tick(number)),
                _ => {}
            }
        }
        counted.present.sort_unstable();
        Ok(Some(counted))
    }

    pub(super) async fn mutate_counted(
        &self,
        place: &TargetNames,
        write: &CountedWrite,
    ) -> Result<bool, SinkError> {
        let stamp =
            request::timestamp(write.tick).map_err(|reason| self.places.refused("a write", reason))?;
        let cells = write.puts.iter().map(|(qualifier, value)| (&qualifier[..], &value[..]));
        request::check_row(&write.row, cells, &place.family, self.places.options.cell_bytes_max)
            .map_err(|reason| self.places.refused("a write", reason))?;
        let expected = write.expected.map_or_else(Bytes::new, |tick| cells::count_bytes(tick.0));
        let condition = Condition {
            table: &place.table,
            row: &write.row,
            family: COUNTS_FAMILY.as_bytes(),
            qualifier: COUNT_TICK,
            expected: &expected,
        };
        let (delete, put) = mutations(place, write, stamp);
        let request = calls::check_and_mutate(&condition, delete.as_deref(), Some(&put));
        let limit = self.places.options.operation_timeout;
        self.pool.call(&place.subject("a counted write"), limit, request).await
    }

    pub(super) async fn scanned(
        &self,
        place: &TargetNames,
        scan: &Scan<'_>,
    ) -> Result<Vec<Found>, SinkError> {
        let (request, limit) =
            (calls::scanner_results(&place.table, scan), self.places.options.operation_timeout);
        let results = self.pool.call(&place.subject("a scan"), limit, request).await?;
        self.reads.count(1, results.iter().map(|result| result.cells.len()));
        Ok(results)
    }
}

/// The mutations of a counted write: a TDelete with markers of items and of the row's count, if there are any, and a
/// TPut.
fn mutations(place: &TargetNames, write: &CountedWrite, stamp: i64) -> (Option<Vec<u8>>, Vec<u8>) {
    let (items, counts, timestamp) = (&place.family[..], COUNTS_FAMILY.as_bytes(), Some(stamp));
    let tick = cells::count_bytes(write.tick.0);
    let number = match write.count {
        CountChange::Set(number) => Some(cells::count_bytes(number)),
        CountChange::Keep | CountChange::Remove => None,
    };
    let cell = |family, qualifier, value| Cell { family, qualifier, value, timestamp };
    let mut puts: Vec<Cell<'_>> = write.puts.iter().map(|(name, value)| cell(items, name, value)).collect();
    puts.push(cell(counts, COUNT_TICK, &tick));
    puts.extend(number.iter().map(|number| cell(counts, COUNT, number)));

    let mark = |family, name| Column { family, qualifier: Some(name), timestamp };
    let mut marked: Vec<Column<'_>> = write.delete_columns.iter().map(|name| mark(items, name)).collect();
    if matches!(write.count, CountChange::Remove) {
        marked.push(mark(counts, COUNT));
    }
    let (mut put, mut delete) = (Vec::new(), Vec::new());
    wire::put(&mut put, &write.row, puts.len(), puts.into_iter());
    let count = marked.len();
    wire::delete(&mut delete, &write.row, Marker::Columns, count, marked.into_iter());
    ((count > 0).then_some(delete), put)
}

fn get<'a>(family: &'a [u8], names: &'a CellNames) -> Get<'a> {
    let column = |qualifier: &'a Bytes| Column { family, qualifier: Some(qualifier), timestamp: None };
    Get { row: &names.row, columns: names.qualifiers.iter().map(column).collect() }
}
