//! Reads cell by cell, and counted rows.

use super::thrift::{
    TColumn, TColumnValue, TCompareOperator, TDelete, TDeleteType, TGet, TMutation, TPut, TResult,
    TRowMutations, TScan,
};
use super::{HbaseSink, Place, filter, gateway, request};
use crate::model::Tick;
use crate::sink::cells::{
    self, COUNT, COUNT_TICK, COUNTS_FAMILY, CellNames, CellRange, CountChange, CountedRow, CountedWrite,
    next_row,
};
use crate::sink::{ScanRange, SinkError, StoredRow};
use bytes::Bytes;

/// Cells of the first page of a scan, before it is known what they weigh.
const FIRST_CELLS: usize = 1_000;
/// Cells of one page at most.
const CELLS_MAX: usize = 20_000;
/// Bytes that a page should have at most.
const PAGE_BYTES: usize = 4 << 20;
/// Rows of counts, or keys, of one page.
const ROWS_MAX: usize = 5_000;

/// How a scan asks: as many rows as are likely to have the cells that are left, and no more than about twice these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ask {
    /// Results.
    rows: usize,
    /// Cells of one result; a row with more comes in several.
    batch: usize,
}

/// What a scan has learnt of the rows that it reads.
#[derive(Debug, Default)]
struct Shape {
    results: usize,
    cells: usize,
    bytes: usize,
}

impl Shape {
    fn ask(&self, left: usize) -> Ask {
        if self.cells == 0 {
            return Ask { rows: 1, batch: left.clamp(1, FIRST_CELLS) };
        }
        let by_bytes = PAGE_BYTES / self.bytes.div_ceil(self.cells).max(1);
        let cells = left.min(CELLS_MAX).min(by_bytes).max(1);
        let a_row = self.cells.div_ceil(self.results).max(1);
        let rows = cells.div_ceil(a_row);
        Ask { rows, batch: (2 * cells.div_ceil(rows)).min(cells).max(1) }
    }

    fn learn(&mut self, row: &StoredRow) {
        self.results += 1;
        self.cells += row.cells.len();
        let cell =
            |cell: &crate::sink::StoredCell| row.row.len() + cell.qualifier.len() + cell.value.len() + 40;
        self.bytes += row.cells.iter().map(cell).sum::<usize>();
    }
}

impl HbaseSink {
    pub(super) async fn cells(&self, place: &Place, range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        let (mut found, mut shape): (Vec<StoredRow>, _) = (Vec::new(), Shape::default());
        let (mut rest, mut left) = (range.clone(), range.limit);
        while left > 0 && !rest.is_empty() {
            let ask = shape.ask(left);
            // a filter on qualifiers would hold for every row, so the rest of a row is asked for alone
            let page = match &rest.after {
                Some(_) => CellRange { stop: next_row(&rest.start), ..rest.clone() },
                None => rest.clone(),
            };
            let ask = if rest.after.is_some() { Ask { rows: 1, ..ask } } else { ask };
            let results = self.cell_page(place, &page, ask).await?;
            let (count, last_is_whole) =
                (results.len(), results.last().is_none_or(|row| row.cells.len() < ask.batch));
            for row in results {
                shape.learn(&row);
                left = left.saturating_sub(row.cells.len());
                append(&mut found, row);
            }
            match found.last().filter(|_| count > 0) {
                Some(last) if !last_is_whole => {
                    let qualifier = last.cells.last().map(|cell| cell.qualifier.clone()).unwrap_or_default();
                    rest = rest.behind(&last.row.clone(), &qualifier);
                }
                _ if rest.after.is_some() => rest = CellRange { start: page.stop, after: None, ..rest },
                Some(last) if count == ask.rows => rest = CellRange { start: next_row(&last.row), ..rest },
                _ => break,
            }
        }
        cut(&mut found, range.limit);
        Ok(found)
    }

    async fn cell_page(
        &self,
        place: &Place,
        range: &CellRange,
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
        let results = self.gets(place, wanted.iter().map(get).collect()).await?;
        results.into_iter().map(|result| self.stored(result)).collect()
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
                .ok_or_else(|| self.nonsense("a read", "a count or its tick has not 8 bytes".into()))?;
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
        let stamp = request::timestamp(write.tick).map_err(|reason| self.nonsense("a write", reason))?;
        let cells = write.puts.iter().map(|(qualifier, value)| (&qualifier[..], &value[..]));
        request::check_row(&write.row, cells, &place.family, self.options.cell_bytes_max)
            .map_err(|reason| self.nonsense("a write", reason))?;
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
        self.pool.call(&place.subject("a counted write"), self.options.operation_timeout, call).await
    }

    async fn scanned(&self, place: &Place, scan: TScan, rows: i32) -> Result<Vec<TResult>, SinkError> {
        let (table, limit) = (place.table.clone(), self.options.operation_timeout);
        let call =
            |client: gateway::Client| async move { client.get_scanner_results(table, scan, rows).await };
        let results = self.pool.call(&place.subject("a scan"), limit, call).await?;
        self.reads.count(&results);
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

/// Adds a row, or the next part of the last one.
fn append(found: &mut Vec<StoredRow>, row: StoredRow) {
    match found.last_mut() {
        Some(last) if last.row == row.row => last.cells.extend(row.cells),
        _ => found.push(row),
    }
}

/// Leaves the first `limit` cells.
fn cut(found: &mut Vec<StoredRow>, limit: usize) {
    let mut left = limit;
    for row in found.iter_mut() {
        row.cells.truncate(left);
        left -= row.cells.len();
    }
    found.retain(|row| !row.cells.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_asks_for_about_the_cells_that_are_left_and_never_for_twice_as_many() {
        let shape = |results, cells| Shape { results, cells, bytes: cells * 100 };
        assert_eq!(Shape::default().ask(5_000), Ask { rows: 1, batch: 1_000 });
        assert_eq!(Shape::default().ask(10), Ask { rows: 1, batch: 10 });
        assert_eq!(shape(1, 1_000).ask(4_000), Ask { rows: 4, batch: 2_000 }, "one row may be larger");
        assert_eq!(shape(10, 10).ask(100), Ask { rows: 100, batch: 2 });
        for (results, cells, left) in [(1, 1_000, 9), (3, 7, 1), (50, 60, 4_999), (1, 1_000, usize::MAX)] {
            let Ask { rows, batch } = shape(results, cells).ask(left);
            assert!(
                rows >= 1 && batch >= 1 && rows * batch <= 2 * left.min(CELLS_MAX) + rows,
                "{rows} x {batch}"
            );
        }
    }

    #[test]
    fn large_cells_make_small_pages() {
        let shape = Shape { results: 1, cells: 4, bytes: 4 << 20 };
        assert_eq!(shape.ask(1_000), Ask { rows: 1, batch: 4 });
    }
}
