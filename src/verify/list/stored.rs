//! One list in HBase: some of its items in its order, an item, its size.
//!
//! Reads no more than `sink::answer` says; where that is the whole list, a page at a time.

use super::place::{self, Position};
use crate::compare::items::{tall_item, wide_items};
use crate::compare::{Bring, Found, Once, Page, Sides, TargetWalk};
use crate::model::{Layout, ListPart, Mapping, Target, Value};
use crate::sink::cells::CellRange;
use crate::sink::layout::{self, Address, Codec};
use crate::sink::{ScanRange, answer, parts, tall};
use crate::verify::VerifyError;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Rows, or cells, of one page where much is read.
const PAGE: usize = 5_000;
/// Keys of segments that are looked up first, going backwards; twice as many with each further look.
const SEGMENTS_FIRST: usize = 4;

/// A list as a target holds it.
pub struct StoredList<'a> {
    pub sides: Sides<'a, Once<VerifyError>>,
    pub mapping: &'a Mapping,
    pub target: &'a Target,
    pub key: &'a [Value],
    /// Encoded.
    pub list_key: &'a [u8],
}

impl StoredList<'_> {
    /// Some items, in the order that is asked for.
    pub async fn part(&self, part: &ListPart) -> Result<Vec<Found>, VerifyError> {
        if !answer::keeps_order(self.mapping, self.target) {
            return self.sorted(part).await;
        }
        match (self.target.layout, part.reversed) {
            (Layout::Tall, _) => self.rows(part).await,
            (Layout::Wide, false) => self.first_cells(part).await,
            (Layout::Wide, true) => self.last_cells(part.limit as usize).await,
        }
    }

    /// The item with these values: at its address, or wherever a walk finds it. Then it may stand at several order values,
    /// when one was left over.
    pub async fn has(&self, item: &[Value]) -> Result<Vec<Found>, VerifyError> {
        let mut addresses = Vec::new();
        if parts::order_of(self.mapping, self.target).is_none() {
            addresses.push(Codec::of(self.mapping, self.target).address_of(self.key, None, item)?);
        } else {
            let is_it = |address: &Address| {
                Codec::of(self.mapping, self.target).split(address).is_some_and(|parts| parts.item == item)
            };
            let keep = |found: Found| addresses.extend(Some(found.address).filter(|address| is_it(address)));
            self.walk(Bring::Names, keep).await?;
        }
        self.at(&addresses).await
    }

    /// What lies at these addresses, in their order.
    pub async fn at(&self, addresses: &[Address]) -> Result<Vec<Found>, VerifyError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.sides.items(addresses).await?;
        let found = addresses.iter().zip(stored);
        Ok(found
            .filter_map(|(address, stored)| Some(Found { address: address.clone(), stored: stored? }))
            .collect())
    }

    /// Lends every item of the list, in the order of addresses.
    pub async fn walk(&self, bring: Bring, each: impl FnMut(Found)) -> Result<(), VerifyError> {
        self.walk_in(self.range(false, PAGE), bring, each).await
    }

    /// Lends every item of one row.
    pub async fn walk_row(
        &self,
        row: &Bytes,
        bring: Bring,
        each: impl FnMut(Found),
    ) -> Result<(), VerifyError> {
        self.walk_in(ScanRange::of_row(row, PAGE), bring, each).await
    }

    async fn walk_in(
        &self,
        range: ScanRange,
        bring: Bring,
        mut each: impl FnMut(Found),
    ) -> Result<(), VerifyError> {
        let mut walk = TargetWalk::new(self.sides, range, bring);
        while let Some(found) = walk.next().await? {
            found.into_iter().for_each(&mut each);
        }
        Ok(())
    }

    async fn rows(&self, part: &ListPart) -> Result<Vec<Found>, VerifyError> {
        let mut range = self.range(part.reversed, part.limit as usize);
        if let Some(after) = &part.after {
            let address = self.address(after.order.as_ref(), &after.item)?;
            range = range.after(&address.row);
        }
        Ok(self.sides.rows(&range).await?.found.into_iter().map(tall_item).collect())
    }

    async fn first_cells(&self, part: &ListPart) -> Result<Vec<Found>, VerifyError> {
        let mut range = self.cells(part.limit as usize);
        if let Some(after) = &part.after {
            let Address { row, cell } = self.address(after.order.as_ref(), &after.item)?;
            range = CellRange { start: row, after: cell, ..range };
        }
        Ok(self.sides.cells(&range).await?.found.into_iter().flat_map(wide_items).collect())
    }

    /// The last cells, the last one first. Rows are read from the last one on, each from its beginning, because cells cannot be read
    /// backwards: what is read and not wanted lies in one row.
    async fn last_cells(&self, limit: usize) -> Result<Vec<Found>, VerifyError> {
        let mut found = Vec::new();
        if self.target.segment.is_none() {
            return self.last_of_row(&layout::list_prefix(self.target, self.list_key), limit).await;
        }
        let mut next = Some(self.range(true, SEGMENTS_FIRST));
        while let Some(range) = next.filter(|_| found.len() < limit) {
            let Page { found: rows, rest } = self.sides.keys(&range).await?;
            for row in &rows {
                if found.len() < limit {
                    found.extend(self.last_of_row(row, limit - found.len()).await?);
                }
            }
            next = rest.map(|rest| ScanRange { limit: (range.limit * 2).min(PAGE), ..rest });
        }
        Ok(found)
    }

    async fn last_of_row(&self, row: &Bytes, limit: usize) -> Result<Vec<Found>, VerifyError> {
        let mut last = VecDeque::new();
        let keep = |found: Found| {
            if last.len() >= limit {
                last.pop_front();
            }
            last.push_back(found);
        };
        self.walk_row(row, Bring::Values, keep).await?;
        Ok(last.into_iter().rev().collect())
    }

    /// Some items of a target whose addresses are in another order than the list: the whole list is read, and no more kept
    /// than asked for.
    async fn sorted(&self, part: &ListPart) -> Result<Vec<Found>, VerifyError> {
        let after = part
            .after
            .as_ref()
            .map(|after| place::of_cursor(self.mapping, self.target, after))
            .transpose()?;
        let limit = part.limit as usize;
        let mut kept: BTreeMap<Position, Found> = BTreeMap::new();
        let keep = |found: Found| {
            let cells = found.stored.cells.iter().map(|cell| (&cell.qualifier, &cell.value));
            let position = place::of_item(self.mapping, self.target, &found.address, cells);
            if after.as_ref().is_some_and(|after| position <= *after) {
                return;
            }
            kept.insert(position, found);
            if kept.len() > limit {
                let _ = if part.reversed { kept.pop_first() } else { kept.pop_last() };
            }
        };
        self.walk(Bring::Values, keep).await?;
        Ok(if part.reversed { kept.into_values().rev().collect() } else { kept.into_values().collect() })
    }

    /// The rows of the list.
    pub fn range(&self, reversed: bool, limit: usize) -> ScanRange {
        tall::list_range(self.target, self.list_key, reversed, limit)
    }

    fn cells(&self, limit: usize) -> CellRange {
        let ScanRange { start, stop, .. } = self.range(false, limit);
        CellRange { start, stop, limit, ..CellRange::default() }
    }

    fn address(&self, order: Option<&Value>, item: &[Value]) -> Result<Address, VerifyError> {
        Ok(Codec::of(self.mapping, self.target).address_of(self.key, order, item)?)
    }
}
