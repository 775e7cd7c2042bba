//! Scans cell by cell, in pages: requests that do not depend on each other.

use crate::sink::cells::{CellRange, next_row};
use crate::sink::{SinkError, StoredRow};
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

/// The cells of `range`, at most as many as it says. `page` answers what is asked, and less only where the range ends.
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
        let ask = shape.ask(left);
        // a filter on qualifiers would hold for every row, so the rest of a row is asked for alone
        let part = match &rest.after {
            Some(_) => CellRange { stop: next_row(&rest.start), ..rest.clone() },
            None => rest.clone(),
        };
        let ask = if rest.after.is_some() { Ask { rows: 1, ..ask } } else { ask };
        let results = page(part.clone(), ask).await?;
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
            _ if rest.after.is_some() => rest = CellRange { start: part.stop, after: None, ..rest },
            Some(last) if count == ask.rows => rest = CellRange { start: next_row(&last.row), ..rest },
            _ => break,
        }
    }
    cut(&mut found, range.limit);
    Ok(found)
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
