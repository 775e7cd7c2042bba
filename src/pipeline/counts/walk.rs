//! A walk over all rows of a counted target, in key order and page by page.

use crate::model::TargetId;
use crate::sink::cells::next_row;
use crate::sink::{CountedRow, ReadCounts, ScanRange, SinkError};
use bytes::Bytes;

/// Some rows in key order: all that lie between the page's beginning and its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Rows that have items, or a `c:t`, and no count.
    pub uncounted: Vec<Bytes>,
    pub counted: Vec<Bytes>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<Bytes>,
}

impl Page {
    pub fn rows(&self) -> usize {
        self.uncounted.len() + self.counted.len()
    }
}

/// Reads the page that begins at `start`.
pub async fn page(
    sink: &dyn ReadCounts,
    target: TargetId,
    start: &Bytes,
    limit: usize,
) -> Result<Page, SinkError> {
    let range = ScanRange { start: start.clone(), limit, ..ScanRange::default() };
    let keys = sink.scan_keys(target, &range).await?;
    let counts = sink.scan_counts(target, &range).await?;
    Ok(merge(keys, counts, limit))
}

/// Rows with items and rows of the family of counts, both in key order from one place on, `limit` of each at most.
fn merge(keys: Vec<Bytes>, counts: Vec<CountedRow>, limit: usize) -> Page {
    let last_key = keys.last().filter(|_| keys.len() >= limit);
    let last_count = counts.last().filter(|_| counts.len() >= limit).map(|row| &row.row);
    // beyond the end of a full answer there may be rows that are not in it
    let end = match (last_key, last_count) {
        (Some(key), Some(count)) => Some(key.min(count).clone()),
        (key, count) => key.or(count).cloned(),
    };
    let inside = |row: &Bytes| end.as_ref().is_none_or(|end| row <= end);
    let mut page = Page { next: end.as_ref().map(|end| next_row(end)), ..Page::default() };
    let (with, without): (Vec<CountedRow>, _) =
        counts.into_iter().filter(|row| inside(&row.row)).partition(|row| row.count.is_some());
    page.counted = with.into_iter().map(|row| row.row).collect();
    let uncounted = keys.into_iter().filter(|key| inside(key) && page.counted.binary_search(key).is_err());
    page.uncounted = uncounted.chain(without.into_iter().map(|row| row.row)).collect();
    page.uncounted.sort_unstable();
    page.uncounted.dedup();
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tick;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key(number: u8) -> Bytes {
        Bytes::copy_from_slice(&[number])
    }

    /// What a walk sees of rows that have items or not, and a count or not (`None`: no `c:t` either).
    fn walk(rows: &BTreeMap<u8, (bool, Option<bool>)>, limit: usize) -> (Vec<Bytes>, Vec<Bytes>) {
        let (mut uncounted, mut counted, mut start) = (Vec::new(), Vec::new(), Bytes::new());
        loop {
            let from = rows.iter().filter(|(number, _)| key(**number) >= start);
            let keys = from.clone().filter(|(_, (items, _))| *items).map(|(number, _)| key(*number));
            let counts = from.filter_map(|(number, (_, counts))| {
                let count = (*counts)?.then_some(1);
                Some(CountedRow { row: key(*number), tick: Some(Tick(1)), count, present: vec![] })
            });
            let page = merge(keys.take(limit).collect(), counts.take(limit).collect(), limit);
            uncounted.extend(page.uncounted);
            counted.extend(page.counted);
            match page.next {
                Some(next) => start = next,
                None => return (uncounted, counted),
            }
        }
    }

    proptest! {
        #[test]
        fn a_walk_sees_every_row_once_whatever_the_size_of_its_pages(
            rows in proptest::collection::btree_map(any::<u8>(), any::<(bool, Option<bool>)>(), 0..40),
            limit in 1_usize..9,
        ) {
            let of = |wanted: fn((bool, Option<bool>)) -> bool| {
                rows.iter().filter(|(_, row)| wanted(**row)).map(|(number, _)| key(*number)).collect::<Vec<_>>()
            };
            let uncounted = of(|(items, counts)| counts == Some(false) || (items && counts.is_none()));
            let counted = of(|(_, counts)| counts == Some(true));
            prop_assert_eq!(walk(&rows, limit), (uncounted, counted));
        }
    }
}
