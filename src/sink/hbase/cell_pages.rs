//! Scans cell by cell, in pages: requests that do not depend on each other.

use super::registered::PROBE_ROW;
use crate::sink::cells::{CellRange, next_row};
use crate::sink::{SinkError, StoredRow};
use bytes::Bytes;
use std::future::Future;

/// Cells of the first page of a scan, before it is known what they weigh.
const FIRST_CELLS: usize = 1_000;
/// Cells of one page at most.
const CELLS_MAX: usize = 20_000;
/// Bytes that a page should have at most.
const PAGE_BYTES: usize = 4 << 20;
/// How a scan asks: as many rows as are likely to have the cells that are left, and no more than about twice these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Results.
    pub rows: usize,
    /// Cells of one result; a row with more comes in several.
    pub batch: usize,
}

/// What a scan has learnt of the rows that it reads.
#[derive(Debug, Default)]
struct Shape {
    results: usize,
    cells: usize,
    bytes: usize,
}

impl Shape {
    fn next_page(&self, left: usize) -> Ask {
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

/// The cells of `range` without those of the clock's probe, at most as many as it says. `page` answers what is asked, and less only where the range ends.
pub async fn scan<F>(
    range: &CellRange,
    mut page: impl FnMut(CellRange, Ask) -> F,
) -> Result<Vec<StoredRow>, SinkError>
where
    F: Future<Output = Result<Vec<StoredRow>, SinkError>>,
{
    let (mut found, mut shape): (Vec<StoredRow>, _) = (Vec::new(), Shape::default());
    let (mut rest, mut left) = (range.clone(), range.limit);
    while left > 0 && !rest.is_empty() {
        let ask = shape.next_page(left);
        // a filter on qualifiers would hold for every row, so the rest of a row is asked for alone
        let part = match &rest.after {
            Some(_) => CellRange { stop: next_row(&rest.start), ..rest.clone() },
            None => rest.clone(),
        };
        let ask = if rest.after.is_some() { Ask { rows: 1, ..ask } } else { ask };
        let results = page(part.clone(), ask).await?;
        let count = results.len();
        let last = results.last().map(|row| End::of(row, ask.batch));
        for row in results.into_iter().filter(|row| row.row != PROBE_ROW) {
            shape.learn(&row);
            left = left.saturating_sub(row.cells.len());
            append(&mut found, row);
        }
        match last {
            Some(End { row, cut_behind: Some(qualifier) }) => rest = rest.behind(&row, &qualifier),
            _ if rest.after.is_some() => rest = CellRange { start: part.stop, after: None, ..rest },
            Some(End { row, .. }) if count == ask.rows => rest = CellRange { start: next_row(&row), ..rest },
            _ => break,
        }
    }
    cut(&mut found, range.limit);
    Ok(found)
}

/// Where a page ends.
struct End {
    row: Bytes,
    /// Its last cell, if the row may have more.
    cut_behind: Option<Bytes>,
}

impl End {
    fn of(last: &StoredRow, batch: usize) -> End {
        let is_cut = last.cells.len() >= batch;
        let cell = last.cells.last().filter(|_| is_cut);
        End { row: last.row.clone(), cut_behind: cell.map(|cell| cell.qualifier.clone()) }
    }
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
    use crate::model::Tick;
    use crate::sink::StoredCell;
    use futures::FutureExt;
    use std::future::ready;

    #[test]
    fn a_scan_asks_for_about_the_cells_that_are_left_and_never_for_twice_as_many() {
        let shape = |results, cells| Shape { results, cells, bytes: cells * 100 };
        assert_eq!(Shape::default().next_page(5_000), Ask { rows: 1, batch: 1_000 });
        assert_eq!(Shape::default().next_page(10), Ask { rows: 1, batch: 10 });
        assert_eq!(shape(1, 1_000).next_page(4_000), Ask { rows: 4, batch: 2_000 }, "one row may be larger");
        assert_eq!(shape(10, 10).next_page(100), Ask { rows: 100, batch: 2 });
        for (results, cells, left) in [(1, 1_000, 9), (3, 7, 1), (50, 60, 4_999), (1, 1_000, usize::MAX)] {
            let Ask { rows, batch } = shape(results, cells).next_page(left);
            assert!(
                rows >= 1 && batch >= 1 && rows * batch <= 2 * left.min(CELLS_MAX) + rows,
                "{rows} x {batch}"
            );
        }
    }

    #[test]
    fn large_cells_make_small_pages() {
        let shape = Shape { results: 1, cells: 4, bytes: 4 << 20 };
        assert_eq!(shape.next_page(1_000), Ask { rows: 1, batch: 4 });
    }

    /// A row with as many cells as in `names`.
    fn row(key: &'static [u8], names: &[&'static str]) -> StoredRow {
        let cell = |name: &&'static str| StoredCell {
            qualifier: (*name).into(),
            value: Bytes::new(),
            tick: Tick(1),
        };
        StoredRow { row: Bytes::from_static(key), cells: names.iter().map(cell).collect() }
    }

    /// What a gateway answers: results of no more than so many cells.
    fn page(rows: &[StoredRow], range: &CellRange, ask: Ask) -> Vec<StoredRow> {
        let within =
            |row: &&StoredRow| row.row >= range.start && (range.stop.is_empty() || row.row < range.stop);
        let results = rows.iter().filter(within).flat_map(|row| {
            let after = |cell: &&StoredCell| range.after.as_ref().is_none_or(|after| cell.qualifier > *after);
            let cells: Vec<StoredCell> = row.cells.iter().filter(after).cloned().collect();
            let parts = cells
                .chunks(ask.batch)
                .map(|cells| StoredRow { cells: cells.to_vec(), row: row.row.clone() });
            parts.collect::<Vec<_>>()
        });
        results.take(ask.rows).collect()
    }

    #[test]
    fn a_scan_goes_on_behind_the_probes_of_the_clock_and_never_shows_them() {
        let probes = row(PROBE_ROW, &["1", "2", "3"]);
        let table = [row(b"a", &["1", "2"]), row(b"b", &["1"]), probes, row(b"\xff\0", &["1", "2"])];
        for rows in [&table[2..3], &table[..3], &table[2..], &table[..]] {
            for limit in 0..9 {
                let range = CellRange { limit, ..CellRange::default() };
                let found = scan(&range, |range, ask| ready(Ok(page(rows, &range, ask))));
                let found = found.now_or_never().expect("it does not wait").expect("no page fails");
                let mut shown: Vec<_> = rows.iter().filter(|row| row.row != PROBE_ROW).cloned().collect();
                cut(&mut shown, limit);
                assert_eq!(found, shown, "{limit} of {}", rows.len());
            }
        }
    }
}
