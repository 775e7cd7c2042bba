//! An absence is proven before it is believed: what a scan has shown and a look-up does not find is gone, or there is a
//! contradiction, which stops whoever comes upon it.
//!
//! One read view tells the two apart: nothing changes in it. The scan in it rests on no look-up by a text.

use crate::failpoints::Failpoints;
use crate::lock::ListId;
use crate::model::{Mapping, Target, Value};
use crate::pipeline::backfill::planning;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::copies::span::{Piece, What};
use crate::protocol::ProtocolError;
use crate::sink::layout::{self, Address};
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
        let What::OfList { range, .. } = &pieces[0].what else { continue };
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

/// List and item key.
pub type ItemKey = (Vec<Value>, Vec<Value>);

/// Items of MySQL at `addresses`, which a look-up by their keys did not find.
///
/// # Errors
/// `Contradiction` where a read view has one of them, and the look-up does not find it there either.
pub async fn items_are_gone(
    source: &dyn Source,
    (mapping, target): (&Mapping, &Target),
    wanted: &[ItemKey],
    addresses: &BTreeSet<&Address>,
) -> Result<(), ProtocolError> {
    if wanted.is_empty() || Failpoints::default().absence_believed() {
        return Ok(());
    }
    let mut snapshot = source.snapshot().await?;
    snapshot.hold_view().await?;
    let mut shown = Vec::new();
    for row in snapshot.items_by_scan(mapping, wanted).await? {
        let address = layout::address(mapping, target, &row)?;
        if addresses.contains(&address) {
            let values = |columns: &[usize]| columns.iter().map(|i| row[*i].clone()).collect::<Vec<_>>();
            shown.push((address, (values(&mapping.key), values(&mapping.item))));
        }
    }
    let keys: Vec<ItemKey> = shown.iter().map(|(_, key)| key.clone()).collect();
    let mut found = BTreeSet::new();
    if !keys.is_empty() {
        for row in snapshot.items(mapping, &keys).await? {
            found.insert(layout::address(mapping, target, &row)?);
        }
    }
    match shown.into_iter().find(|(address, _)| !found.contains(address)) {
        None => Ok(()),
        Some((_, (key, item))) => {
            let columns = [&mapping.key[..], &mapping.item].concat();
            Err(SourceError::contradiction(mapping, &columns, &[key, item].concat()).into())
        }
    }
}
