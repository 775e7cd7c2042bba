//! An absence is proven before it is believed: what a scan has shown and a look-up does not find is gone, or there is a
//! contradiction, which stops whoever comes upon it.
//!
//! One read view tells the two apart: nothing changes in it. The scan in it rests on no look-up by a text.

use super::Sides;
use super::items::{ItemKey, item_key};
use super::reading::Reading;
use crate::failpoints::Failpoints;
use crate::sink::layout::{Address, Codec};
use crate::source::SourceError;
use std::collections::BTreeSet;

/// Items of MySQL at `addresses`, which a look-up by their keys did not find. Reads once, without a retry.
///
/// # Errors
/// `Contradiction` where a read view has one of them, and the look-up does not find it there either.
pub async fn items_are_gone<R: Reading>(
    Sides { source, mapping, target, .. }: Sides<'_, R>,
    wanted: &[ItemKey],
    addresses: &BTreeSet<&Address>,
) -> Result<(), R::Error> {
    if wanted.is_empty() || Failpoints::default().absence_believed() {
        return Ok(());
    }
    let mut snapshot = source.snapshot().await?;
    snapshot.hold_view().await?;
    let mut shown = Vec::new();
    for row in snapshot.items_by_scan(mapping, wanted).await? {
        let address = Codec::of(mapping, target).address(&row)?;
        if addresses.contains(&address) {
            shown.push((address, item_key(mapping, &row)));
        }
    }
    let keys: Vec<ItemKey> = shown.iter().map(|(_, key)| key.clone()).collect();
    let mut found = BTreeSet::new();
    if !keys.is_empty() {
        for row in snapshot.items(mapping, &keys).await? {
            found.insert(Codec::of(mapping, target).address(&row)?);
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
