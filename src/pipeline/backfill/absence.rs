//! The absence of whole lists is proven before it is believed, as [`crate::compare::items_are_gone`] proves that of items.

use crate::failpoints::Failpoints;
use crate::lock::ListId;
use crate::model::Value;
use crate::pipeline::backfill::planning;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::copies::span::{Piece, PieceRows};
use crate::protocol::ProtocolError;
use crate::sink::layout;
use crate::source::{Source, SourceError, Wanted};
use std::collections::BTreeSet;

/// Lists of a copy's `pieces`, which a scan has shown, and of which their look-up found no row.
///
/// # Errors
/// `Contradiction` where a read view shows a row of one of them, and the look-up does not find it there either.
pub async fn lists_are_gone(
    source: &dyn Source,
    copy: &Copy,
    pieces: &[&Piece],
) -> Result<(), ProtocolError> {
    if pieces.is_empty() || Failpoints::default().absence_believed() {
        return Ok(());
    }
    let mut snapshot = source.snapshot().await?;
    snapshot.hold_view().await?;
    for pieces in pieces.chunk_by(|a, b| a.reads_with(b)) {
        let PieceRows::OfList { range, .. } = &pieces[0].what else { continue };
        let missed: BTreeSet<ListId> = pieces.iter().flat_map(|piece| &piece.lists).copied().collect();
        let mut shown = planning::list_sizes(copy, range, &mut *snapshot).await?;
        shown.retain(|size| missed.contains(&size.list));
        let keys: Vec<&[Value]> = shown.iter().map(|size| &size.key[..]).collect();
        let mut found = BTreeSet::new();
        if !keys.is_empty() {
            let wanted = Wanted::OfLists { range, lists: &keys };
            let mut take = |row: &[Value]| {
                let list_key = layout::list_key(&copy.mapping, row);
                found.extend(list_key.ok().map(|key| ListId::new(copy.mapping.id.0, &key)));
            };
            snapshot.each_row(&copy.mapping, wanted, &mut take).await?;
        }
        if let Some(lost) = shown.iter().find(|size| !found.contains(&size.list)) {
            return Err(SourceError::contradiction(&copy.mapping, &copy.mapping.key, &lost.key).into());
        }
    }
    Ok(())
}
