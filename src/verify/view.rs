//! One read view of MySQL, in which nothing moves. Where it is lost, what was read in it cannot be read on.

use super::{Verification, VerifyError};
use crate::compare::retry;
use crate::error::Disposition;
use crate::model::{Mapping, Row, Value};
use crate::source::{EachRow, KeyRange, Snapshot, SourceError, Wanted};

/// A read view that is open.
pub struct View {
    snapshot: Box<dyn Snapshot>,
}

impl View {
    pub async fn open(with: &Verification) -> Result<View, VerifyError> {
        let open = || async {
            let mut snapshot = with.source.snapshot().await?;
            snapshot.hold_view().await?;
            Ok(View { snapshot })
        };
        retry(with, open).await
    }

    /// The rows of `range`; `None` when the view is gone.
    pub async fn rows(
        &mut self,
        mapping: &Mapping,
        range: &KeyRange,
    ) -> Result<Option<Vec<Row>>, VerifyError> {
        unless_lost(self.snapshot.rows(mapping, range).await)
    }

    /// Lends the rows of some lists to `take`, possibly with those of lists whose keys look alike. `None` when the view is
    /// gone; `take` may have seen some rows then.
    pub async fn each_of_lists(
        &mut self,
        mapping: &Mapping,
        lists: &[&[Value]],
        chunk_rows: u32,
        take: &mut EachRow<'_>,
    ) -> Result<Option<()>, VerifyError> {
        unless_lost(each_of_lists(&mut *self.snapshot, mapping, lists, chunk_rows, take).await)
    }
}

fn unless_lost<T>(read: Result<T, SourceError>) -> Result<Option<T>, VerifyError> {
    match read {
        Err(error) if error.disposition() == Disposition::Retry => {
            tracing::warn!(%error, "a read view was lost");
            Ok(None)
        }
        done => Ok(Some(done?)),
    }
}

/// By the index that begins with the list key; where there is none, the table is read in chunks.
async fn each_of_lists(
    snapshot: &mut dyn Snapshot,
    mapping: &Mapping,
    lists: &[&[Value]],
    chunk_rows: u32,
    take: &mut EachRow<'_>,
) -> Result<(), SourceError> {
    let mut range = KeyRange::default();
    if mapping.list_key_leads() {
        return snapshot.each_row(mapping, Wanted::OfLists { range: &range, lists }, take).await;
    }
    if mapping.list_key_leads_a_unique_key() {
        for list in lists {
            snapshot.each_row(mapping, Wanted::List { key: list, range: &range }, take).await?;
        }
        return Ok(());
    }
    loop {
        range.up_to = snapshot.chunk_end(mapping.table, range.after.as_deref(), chunk_rows).await?;
        snapshot.each_row(mapping, Wanted::OfLists { range: &range, lists }, take).await?;
        if range.up_to.is_none() {
            return Ok(());
        }
        range.after = range.up_to.take();
    }
}
