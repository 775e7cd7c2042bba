//! Scans in pages: requests that do not depend on each other, so that each may go to another gateway.

use super::request::Page;
use crate::sink::{ScanRange, SinkError, StoredRow};
use std::future::Future;

/// The rows of `range`. `page` reads at most so many rows from the start of a range, and fewer only where it ends.
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
        rows.extend(found);
        match rows.last() {
            Some(last) if !is_last => rest = rest.after(&last.row),
            _ => break,
        }
        rest.limit = rest.limit.min(range.limit.saturating_sub(rows.len()));
    }
    Ok(rows)
}
