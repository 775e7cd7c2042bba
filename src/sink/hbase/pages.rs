//! Scans in pages: requests that do not depend on each other, so that each may go to another gateway.

use super::registered::PROBE_ROW;
use super::request::Page;
use crate::sink::{ScanRange, SinkError, StoredRow};
use std::future::Future;

/// The rows of `range` without that of the clock's probe. `page` reads at most so many rows from the start of a range, and fewer only where it ends.
pub async fn scan<F>(
    range: &ScanRange,
    mut page: impl FnMut(ScanRange, usize) -> F,
) -> Result<Vec<StoredRow>, SinkError>
where
    F: Future<Output = Result<Vec<StoredRow>, SinkError>>,
{
    let mut rest = range.clone();
    let mut rows: Vec<StoredRow> = Vec::new();
    let mut size = Page::default();
    while !rest.is_empty() {
        let wanted = size.rows().min(rest.limit);
        let found = page(rest.clone(), wanted).await?;
        let is_last = found.len() < wanted;
        size.learn(&found);
        let last = found.last().map(|row| row.row.clone());
        rows.extend(found.into_iter().filter(|row| row.row != PROBE_ROW));
        match last {
            Some(last) if !is_last => rest = rest.after(&last),
            _ => break,
        }
        rest.limit = rest.limit.min(range.limit.saturating_sub(rows.len()));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tick;
    use crate::sink::StoredCell;
    use bytes::Bytes;
    use futures::FutureExt;
    use std::future::ready;

    fn row(key: &'static [u8]) -> StoredRow {
        let cell = StoredCell { qualifier: Bytes::new(), value: Bytes::new(), tick: Tick(1) };
        StoredRow { row: Bytes::from_static(key), cells: vec![cell] }
    }

    #[test]
    fn a_scan_goes_on_behind_the_probe_of_the_clock_and_never_shows_it() {
        let table = [b"a", b"b", PROBE_ROW, b"\xff\0", b"\xff\x01"].map(row);
        for rows in [&table[2..3], &table[..3], &table[2..], &table[..]] {
            for limit in 0..7 {
                let page = |range: ScanRange, most: usize| {
                    let found = rows.iter().filter(|row| row.row >= range.start);
                    ready(Ok(found.take(most).cloned().collect::<Vec<_>>()))
                };
                let range = ScanRange { limit, ..ScanRange::default() };
                let found =
                    scan(&range, page).now_or_never().expect("it does not wait").expect("no page fails");
                let shown: Vec<_> =
                    rows.iter().filter(|row| row.row != PROBE_ROW).take(limit).cloned().collect();
                assert_eq!(found, shown, "{limit} of {}", rows.len());
            }
        }
    }
}
