//! How many items a list has in HBase: what its rows say of themselves, or what a walk counts.

use super::stored::{Bring, StoredList};
use crate::sink::cells::CellRange;
use crate::sink::{CountedRow, ScanRange, layout};
use crate::verify::VerifyError;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Rows of counts, or keys, of one page.
const PAGE: usize = 5_000;

/// The number of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub items: u64,
    /// Rows of a counted target that say no number yet, so that their cells were counted.
    pub rows_uncounted: u64,
}

impl StoredList<'_> {
    /// Of a counted target by its counts: one row for each segment, and the segments' keys, since a row that is not
    /// counted yet may have nothing in the family of counts.
    pub async fn count(&self) -> Result<Count, VerifyError> {
        if self.target.counted {
            return self.counted().await;
        }
        let mut count = Count::default();
        self.walk(Bring::Names, |_| count.items += 1).await?;
        Ok(count)
    }

    async fn counted(&self) -> Result<Count, VerifyError> {
        let mut counts = self.counts().await?;
        let mut count = Count::default();
        for row in self.segments(&counts).await? {
            match counts.remove(&row) {
                Some(number) => count.items += number,
                None => {
                    let cells = self.cells_of(&row).await?;
                    count.items += cells;
                    count.rows_uncounted += u64::from(cells > 0);
                }
            }
        }
        // a row whose last item went keeps its count, and has no key among the items
        count.items += counts.values().sum::<u64>();
        Ok(count)
    }

    /// The rows that have a count.
    async fn counts(&self) -> Result<BTreeMap<Bytes, u64>, VerifyError> {
        let mut found = BTreeMap::new();
        let mut range = self.range(false, PAGE);
        while !range.is_empty() {
            let rows = self.sink.scan_counts(self.target.id, &range).await?;
            let last = rows.last().filter(|_| rows.len() >= range.limit).map(|last| last.row.clone());
            found.extend(rows.into_iter().filter_map(|CountedRow { row, count, .. }| Some((row, count?))));
            let Some(last) = last else { break };
            range = range.after(&last);
        }
        Ok(found)
    }

    /// The rows that have items, or may have.
    async fn segments(&self, counts: &BTreeMap<Bytes, u64>) -> Result<Vec<Bytes>, VerifyError> {
        if self.target.segment.is_none() {
            let only = layout::list_prefix(self.target, self.list_key);
            return Ok(if counts.contains_key(&only) { vec![] } else { vec![only] });
        }
        let (mut found, mut range) = (Vec::new(), self.range(false, PAGE));
        while !range.is_empty() {
            let rows = self.sink.scan_keys(self.target.id, &range).await?;
            let rest = rows.last().filter(|_| rows.len() >= range.limit).map(|last| range.after(last));
            found.extend(rows);
            range = rest.unwrap_or(ScanRange { limit: 0, ..range });
        }
        Ok(found)
    }

    async fn cells_of(&self, row: &Bytes) -> Result<u64, VerifyError> {
        let mut cells = 0;
        let range = CellRange { names_only: true, ..CellRange::of_row(row, PAGE) };
        self.walk_cells(range, &mut |_| cells += 1).await?;
        Ok(cells)
    }
}
