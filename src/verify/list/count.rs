//! How many items a list has in HBase: what its rows say of themselves, or what a walk counts.

use super::stored::StoredList;
use crate::compare::{Bring, Page};
use crate::sink::{CountedRow, layout};
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
        let mut next = Some(self.range(false, PAGE));
        while let Some(range) = next {
            let Page { found: rows, rest } = self.sides.counts(&range).await?;
            found.extend(rows.into_iter().filter_map(|CountedRow { row, count, .. }| Some((row, count?))));
            next = rest;
        }
        Ok(found)
    }

    /// The rows that have items, or may have.
    async fn segments(&self, counts: &BTreeMap<Bytes, u64>) -> Result<Vec<Bytes>, VerifyError> {
        if self.target.segment.is_none() {
            let only = layout::list_prefix(self.target, self.list_key);
            return Ok(if counts.contains_key(&only) { vec![] } else { vec![only] });
        }
        let (mut found, mut next) = (Vec::new(), Some(self.range(false, PAGE)));
        while let Some(range) = next {
            let Page { found: rows, rest } = self.sides.keys(&range).await?;
            found.extend(rows);
            next = rest;
        }
        Ok(found)
    }

    async fn cells_of(&self, row: &Bytes) -> Result<u64, VerifyError> {
        let mut cells = 0;
        self.walk_row(row, Bring::Names, |_| cells += 1).await?;
        Ok(cells)
    }
}
