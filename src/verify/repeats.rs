//! Rows of MySQL that belong at one address: HBase can hold one item of them.
//!
//! The look-ups cannot tell: each row finds an item. The scan can, in the partitions whose digests differ (a digest is
//! a sum over rows, so that a second row at an address changes it). A row that moves to another primary key while it is
//! scanned is seen twice too, so both are read again in one read view, by the ranges that they were found in: two rows
//! that one view shows are two rows.

use super::account::Account;
use super::digest::item_hash;
use super::report::VerifyTargetReport;
use super::view::View;
use super::{Verification, VerifyError};
use crate::compare::ItemKey;
use crate::model::{Mapping, Target};
use crate::sink::layout::{Address, Codec};
use crate::source::KeyRange;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Addresses that are remembered, some 30 MB of them. What lies beyond is only found by the number of rows.
const SEEN_MAX: usize = 1 << 19;
/// Addresses with several rows that are read again.
const FOUND_MAX: usize = 1 << 16;
/// Views that are opened, should the connection break.
const VIEWS: u32 = 3;

/// Addresses of one target that the scan of MySQL has come upon.
#[derive(Default)]
pub struct Repeats {
    /// Where each was first seen.
    seen: FxHashMap<u128, Arc<KeyRange>>,
    found: BTreeMap<Address, Repeat>,
}

struct Repeat {
    key: ItemKey,
    /// Where its rows lie.
    ranges: Vec<Arc<KeyRange>>,
}

impl Repeats {
    /// Takes in a row that lies in `range`.
    pub fn see(&mut self, address: &Address, range: &Arc<KeyRange>, key: impl FnOnce() -> ItemKey) {
        let hash = hash(address);
        let Some(first) = self.seen.get(&hash) else {
            if self.seen.len() < SEEN_MAX {
                self.seen.insert(hash, range.clone());
            }
            return;
        };
        if self.found.len() < FOUND_MAX || self.found.contains_key(address) {
            let new = || Repeat { key: key(), ranges: vec![first.clone()] };
            self.found.entry(address.clone()).or_insert_with(new).ranges.push(range.clone());
        }
    }

    /// Whether the scan has come upon an address, as far as it is remembered.
    pub fn may_have_seen(&self, address: &Address) -> bool {
        self.seen.len() >= SEEN_MAX || self.seen.contains_key(&hash(address))
    }

    /// Reads again, and counts into `report` and `account` what one read view shows several times.
    pub async fn confirm(
        self,
        with: &Verification,
        (mapping, target): (&Mapping, &Target),
        report: &mut VerifyTargetReport,
        account: &mut Account,
    ) -> Result<(), VerifyError> {
        if self.found.is_empty() || with.settings.failpoints.duplicates_hidden() {
            return Ok(());
        }
        for _ in 0..VIEWS {
            let Some(rows) = self.rows(with, (mapping, target)).await? else { continue };
            for (address, rows) in rows.into_iter().filter(|(_, rows)| *rows > 1) {
                report.repeated(mapping, &self.found[&address].key, rows);
                account.repeats(&address, rows - 1);
            }
            return Ok(());
        }
        report.unsettled += self.found.len() as u64;
        Ok(())
    }

    /// How many rows one view has at each address; `None` when the view was lost.
    async fn rows(
        &self,
        with: &Verification,
        (mapping, target): (&Mapping, &Target),
    ) -> Result<Option<BTreeMap<Address, u64>>, VerifyError> {
        let mut view = View::open(with).await?;
        let mut ranges: Vec<&Arc<KeyRange>> = self.found.values().flat_map(|repeat| &repeat.ranges).collect();
        ranges.sort_by_key(|range| Arc::as_ptr(range));
        ranges.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let mut rows: BTreeMap<Address, u64> = BTreeMap::new();
        for range in ranges {
            let Some(found) = view.rows(mapping, range).await? else { return Ok(None) };
            for row in &found {
                let address = Codec::of(mapping, target).address(row)?;
                if self.found.contains_key(&address) {
                    *rows.entry(address).or_default() += 1;
                }
            }
        }
        Ok(Some(rows))
    }
}

fn hash(address: &Address) -> u128 {
    item_hash(&address.row, &[(address.cell.as_deref().unwrap_or_default(), &[])])
}
