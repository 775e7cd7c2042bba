//! Reads cell by cell, and counted rows.

use super::cell_pages::{self, Ask};
use super::thrift::{
    TColumn, TColumnValue, TCompareOperator, TDelete, TDeleteType, TGet, TMutation, TPut, TResult,
    TRowMutations, TScan,
};
use super::{HbaseSink, Place, filter, gateway, request};
use crate::model::Tick;
use crate::sink::cells::{
    self, COUNT, COUNT_TICK, COUNTS_FAMILY, CellNames, CellRange, CountChange, CountedRow, CountedWrite,
};
use crate::sink::{ScanRange, SinkError, StoredRow};
use bytes::Bytes;

/// Rows of counts, or keys, of one page.
const ROWS_MAX: usize = 5_000;

impl HbaseSink {
    pub(super) async fn cells(&self, place: &Place, range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        cell_pages::scan(range, |page, ask| self.cell_page(place, page, ask)).await
    }

    async fn cell_page(
        &self,
        place: &Place,
        range: CellRange,
        ask: Ask,
    ) -> Result<Vec<StoredRow>, SinkError> {
        let rows = i32::try_from(ask.rows).unwrap_or(i32::MAX);
        let bound = |key: &Bytes| (!key.is_empty()).then(|| key.clone());
        let scan = TScan {
            start_row: bound(&range.start),
            stop_row: bound(&range.stop),
            columns: Some(vec![whole(&place.family)]),
            caching: Some(rows),
            filter_string: filter::of(range.after.as_ref(), range.names_only),
            batch_size: Some(i32::try_from(ask.batch).unwrap_or(i32::MAX)),
            ..TScan::default()
        };
        self.scanned(place, scan, rows)
            .await?
            .into_iter()
            .filter_map(|row| self.stored(row).transpose())
            .collect()
    }

    pub(super) async fn keys(&self, place: &Place, range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        let keys =
            self.pages(place, range, |scan| TScan { filter_string: Some(filter::first_names()), ..scan });
        Ok(keys
            .await?
            .into_iter()
            .filter_map(|result| result.row)
            .map(|row| Bytes::copy_from_slice(&row))
            .collect())
    }

    pub(super) async fn counts(
        &self,
        place: &Place,
        range: &ScanRange,
    ) -> Result<Vec<CountedRow>, SinkError> {
        let family = Bytes::from_static(COUNTS_FAMILY.as_bytes());
        let counts = self.pages(place, range, |scan| TScan { columns: Some(vec![whole(&family)]), ..scan });
        counts.await?.into_iter().filter_map(|result| self.counted(result).transpose()).collect()
    }

    /// Whole rows of a range, page by page.
    async fn pages(
        &self,
        place: &Place,
        range: &ScanRange,
        ask: impl Fn(TScan) -> TScan,
    ) -> Result<Vec<TResult>, SinkError> {
        let (mut rest, mut found) = (range.clone(), Vec::<TResult>::new());
        while !rest.is_empty() {
            let wanted = rest.limit.min(ROWS_MAX);
            let rows = i32::try_from(wanted).unwrap_or(i32::MAX);
            let results = self.scanned(place, ask(request::scan(&rest, &place.family, rows)), rows).await?;
            let last =
                results.last().and_then(|result| result.row.clone()).filter(|_| results.len() == wanted);
            found.extend(results);
            let Some(last) = last else { break };
            rest = ScanRange { limit: range.limit.saturating_sub(found.len()), ..rest.after(&last) };
        }
        Ok(found)
    }

    pub(super) async fn named_cells(
        &self,
        place: &Place,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let get = |names: &CellNames| TGet {
            row: names.row.clone(),
            columns: Some(columns(&place.family, &names.qualifiers).collect()),
            filter_string: None,
        };
        // No names would mean all cells of the row.
        let has_names = |names: &&CellNames| !names.qualifiers.is_empty();
        let mut results =
            self.gets(place, wanted.iter().filter(has_names).map(get).collect()).await?.into_iter();
        let rows = wanted.iter().map(|names| match has_names(&names) {
            true => results.next().map_or(Ok(None), |result| self.stored(result)),
            false => Ok(None),
        });
        rows.collect()
    }

    pub(super) async fn counted_rows(
        &self,
        place: &Place,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError> {
        let counts = Bytes::from_static(COUNTS_FAMILY.as_bytes());
        let get = |names: &CellNames| {
            let mut columns: Vec<TColumn> = columns(&place.family, &names.qualifiers).collect();
            columns.push(whole(&counts));
            // with values: a filter that leaves those of items out would have to be one on families, and HBase's
            // FamilyFilter ends the row
            TGet { row: names.row.clone(), columns: Some(columns), filter_string: None }
        };
        let results = self.gets(place, wanted.iter().map(get).collect()).await?;
        let rows = results.into_iter().zip(wanted).map(|(result, names)| {
            let row = self.counted(result)?;
            Ok(row.unwrap_or_else(|| CountedRow { row: names.row.clone(), ..CountedRow::default() }))
        });
        rows.collect()
    }

    /// `None` for a row that does not exist.
    fn counted(&self, result: TResult) -> Result<Option<CountedRow>, SinkError> {
        let Some(row) = result.row.filter(|_| !result.column_values.is_empty()) else { return Ok(None) };
        let mut counted = CountedRow { row: Bytes::copy_from_slice(&row), ..CountedRow::default() };
        for cell in result.column_values {
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
        place: &Place,
        write: &CountedWrite,
    ) -> Result<bool, SinkError> {
        let stamp =
            request::timestamp(write.tick).map_err(|reason| self.places.refused("a write", reason))?;
        let cells = write.puts.iter().map(|(qualifier, value)| (&qualifier[..], &value[..]));
        request::check_row(&write.row, cells, &place.family, self.places.options.cell_bytes_max)
            .map_err(|reason| self.places.refused("a write", reason))?;
        let (table, row) = (place.table.clone(), write.row.clone());
        let mutations = TRowMutations { row: row.clone(), mutations: mutations(place, write, stamp) };
        let expected = write.expected.map_or_else(Bytes::new, |tick| cells::count_bytes(tick.0));
        let call = |client: gateway::Client| async move {
            let (family, tick) =
                (Bytes::from_static(COUNTS_FAMILY.as_bytes()), Bytes::from_static(COUNT_TICK));
            // "absent" is EQUAL to empty bytes; a missing value is a NullPointerException there
            let equal = TCompareOperator::EQUAL;
            client.check_and_mutate(table, row, family, tick, equal, expected, mutations).await
        };
        self.pool.call(&place.subject("a counted write"), self.places.options.operation_timeout, call).await
    }

    async fn scanned(&self, place: &Place, scan: TScan, rows: i32) -> Result<Vec<TResult>, SinkError> {
        let (table, limit) = (place.table.clone(), self.places.options.operation_timeout);
        let call =
            |client: gateway::Client| async move { client.get_scanner_results(table, scan, rows).await };
        let results = self.pool.call(&place.subject("a scan"), limit, call).await?;
        self.reads.count(1, results.iter().map(|result| result.column_values.len()));
        Ok(results)
    }
}

/// The mutations of a counted write: markers and puts of items, and the row's count.
fn mutations(place: &Place, write: &CountedWrite, stamp: i64) -> Vec<TMutation> {
    let counts = Bytes::from_static(COUNTS_FAMILY.as_bytes());
    let put = |family: &Bytes, qualifier: Bytes, value: Bytes| TColumnValue {
        family: family.clone(),
        qualifier,
        value,
        timestamp: Some(stamp),
    };
    let mut puts: Vec<TColumnValue> =
        write.puts.iter().map(|(name, value)| put(&place.family, name.clone(), value.clone())).collect();
    puts.push(put(&counts, Bytes::from_static(COUNT_TICK), cells::count_bytes(write.tick.0)));
    let mark = |family: &Bytes, qualifier: Bytes| TColumn {
        family: family.clone(),
        qualifier: Some(qualifier),
        timestamp: Some(stamp),
    };
    let mut markers: Vec<TColumn> =
        write.delete_columns.iter().map(|name| mark(&place.family, name.clone())).collect();
    match write.count {
        CountChange::Keep => {}
        CountChange::Set(number) => {
            puts.push(put(&counts, Bytes::from_static(COUNT), cells::count_bytes(number)))
        }
        CountChange::Remove => markers.push(mark(&counts, Bytes::from_static(COUNT))),
    }
    let delete = TDelete {
        row: write.row.clone(),
        columns: Some(markers),
        delete_type: Some(TDeleteType::DELETE_COLUMNS),
    };
    let put = TPut { row: write.row.clone(), column_values: puts, attributes: None };
    let delete = delete.columns.as_ref().is_some_and(|columns| !columns.is_empty()).then_some(delete);
    delete.map(TMutation::DeleteSingle).into_iter().chain([TMutation::Put(put)]).collect()
}

fn whole(family: &Bytes) -> TColumn {
    TColumn { family: family.clone(), qualifier: None, timestamp: None }
}

fn columns<'a>(family: &'a Bytes, qualifiers: &'a [Bytes]) -> impl Iterator<Item = TColumn> + 'a {
    let column = |qualifier: &Bytes| TColumn {
        family: family.clone(),
        qualifier: Some(qualifier.clone()),
        timestamp: None,
    };
    qualifiers.iter().map(column)
}
