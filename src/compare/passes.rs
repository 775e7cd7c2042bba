//! The two passes of a comparison, each a walk over one side whose items are looked up on the other one:
//! - [`SourcePass`] walks over MySQL, and finds what HBase lacks or has otherwise;
//! - [`TargetPass`] walks over the names in HBase, and finds what MySQL does not have there.

use super::Sides;
use super::difference::difference;
use super::reading::Reading;
use super::source::{SourceReader, TableWalk};
use super::target::{Bring, TargetWalk};
use crate::model::{Row, Value};
use crate::sink::ScanRange;
use crate::sink::layout::{Address, AddressParts, Codec, ItemWrite};
use crate::source::KeyRange;
use std::collections::BTreeSet;
use std::vec::IntoIter;

/// Items that are looked up on the other side at once.
const LOOK_UPS_AT_ONCE: usize = 2_000;

impl<'a, R: Reading> Sides<'a, R> {
    /// `list` and `rows_max` as for [`TableWalk::new`].
    pub fn source_pass(&self, list: Option<&'a [Value]>, rows_max: u32) -> SourcePass<'a, R> {
        SourcePass { sides: *self, walk: TableWalk::new(self.source(), list, rows_max) }
    }

    pub fn target_pass(&self, ranges: Vec<ScanRange>) -> TargetPass<'a, R> {
        TargetPass { sides: *self, source: self.source(), ranges: ranges.into_iter(), walk: None }
    }

    /// The rest of the whole table behind a primary key; `None`: all of it.
    pub fn source_pass_behind(&self, after: Option<Vec<Value>>, rows_max: u32) -> SourcePass<'a, R> {
        SourcePass { sides: *self, walk: TableWalk::behind(self.source(), after, rows_max) }
    }

    /// The rest of one range behind an item; `None`: all of it. Its first page has `range.limit` names.
    pub fn target_pass_behind(&self, range: ScanRange, behind: Option<&Address>) -> TargetPass<'a, R> {
        let walk = Some(TargetWalk::behind(*self, range, Bring::Names, behind));
        TargetPass { sides: *self, source: self.source(), ranges: Vec::new().into_iter(), walk }
    }
}

/// MySQL's items, looked up in HBase.
pub struct SourcePass<'a, R> {
    sides: Sides<'a, R>,
    walk: TableWalk<'a, R>,
}

/// Some items of MySQL, and the range of primary keys that they were read by.
pub struct SourcePiece {
    pub range: KeyRange,
    pub items: Vec<SourceItem>,
}

/// An item of MySQL.
pub struct SourceItem {
    pub row: Row,
    /// Where it belongs.
    pub address: Address,
    /// HBase lacks it, or has other cells there.
    pub differs: bool,
}

impl<R: Reading> SourcePass<'_, R> {
    /// The next piece, of those items that `keep` holds for; `None` after the last one.
    pub async fn next(
        &mut self,
        keep: impl Fn(&Row, &Address) -> bool,
    ) -> Result<Option<SourcePiece>, R::Error> {
        let Some((rows, range)) = self.walk.next().await? else { return Ok(None) };
        let Sides { mapping, target, by, .. } = self.sides;
        let mut kept: Vec<(Row, ItemWrite)> = Vec::new();
        for row in rows.into_iter().filter(|row| by.takes_row(mapping, row)) {
            let write = Codec::of(mapping, target).item_write(&row).map_err(|cause| by.no_place(cause))?;
            if keep(&row, &write.address) {
                kept.push((row, write));
            }
        }
        let mut differ = Vec::with_capacity(kept.len());
        for part in kept.chunks(LOOK_UPS_AT_ONCE) {
            let addresses: Vec<Address> = part.iter().map(|(_, write)| write.address.clone()).collect();
            let stored = self.sides.items(&addresses).await?;
            let pairs = part.iter().zip(&stored);
            differ
                .extend(pairs.map(|((_, write), stored)| difference(Some(write), stored.as_ref()).is_some()));
        }
        let item = |((row, write), differs): ((Row, ItemWrite), bool)| {
            let ItemWrite { address, .. } = write;
            SourceItem { row, address, differs }
        };
        Ok(Some(SourcePiece { range, items: kept.into_iter().zip(differ).map(item).collect() }))
    }
}

/// HBase's items, looked up in MySQL.
pub struct TargetPass<'a, R> {
    sides: Sides<'a, R>,
    source: SourceReader<'a, R>,
    ranges: IntoIter<ScanRange>,
    walk: Option<TargetWalk<'a, R>>,
}

/// The name of an item in HBase.
pub struct TargetItem {
    pub address: Address,
    /// `None`: nothing of this mapping has such an address.
    pub parts: Option<AddressParts>,
    /// A look-up by its keys has found it in MySQL, at this address.
    pub in_source: bool,
}

impl<R: Reading> TargetPass<'_, R> {
    /// The next page, of those names that `keep` holds for; `None` after the last one.
    pub async fn next(
        &mut self,
        keep: impl Fn(&Address) -> bool,
    ) -> Result<Option<Vec<TargetItem>>, R::Error> {
        let Some(mut names) = self.names().await? else { return Ok(None) };
        names.retain(keep);
        let sides = self.sides;
        let Sides { mapping, target, .. } = sides;
        names.retain(|address| sides.takes_address(address));
        let item = |address: Address| {
            let parts = Codec::of(mapping, target).split(&address);
            TargetItem { address, parts, in_source: false }
        };
        let mut items: Vec<TargetItem> = names.into_iter().map(item).collect();
        for part in items.chunks_mut(LOOK_UPS_AT_ONCE) {
            self.look_up(part).await?;
        }
        Ok(Some(items))
    }

    async fn names(&mut self) -> Result<Option<Vec<Address>>, R::Error> {
        loop {
            if let Some(walk) = &mut self.walk
                && let Some(found) = walk.next().await?
            {
                return Ok(Some(found.into_iter().map(|found| found.address).collect()));
            }
            let Some(range) = self.ranges.next() else { return Ok(None) };
            self.walk = Some(TargetWalk::new(self.sides, range, Bring::Names));
        }
    }

    async fn look_up(&mut self, items: &mut [TargetItem]) -> Result<(), R::Error> {
        let Sides { mapping, target, by, .. } = self.sides;
        let parts = items.iter().filter_map(|item| item.parts.as_ref());
        let wanted: Vec<_> = parts.map(|parts| (parts.key.clone(), parts.item.clone())).collect();
        let mut there = BTreeSet::new();
        for row in self.source.items(&wanted).await? {
            there.insert(Codec::of(mapping, target).address(&row).map_err(|cause| by.no_place(cause))?);
        }
        items.iter_mut().for_each(|item| item.in_source = there.contains(&item.address));
        Ok(())
    }
}
