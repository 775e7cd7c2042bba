//! The walk over everything: each row of MySQL is looked up in HBase, and each item of HBase in MySQL, once a walk.
//!
//! It goes target by target in the order of the configuration: through MySQL by primary key, then through HBase bucket by
//! bucket, a few rows a step. A step keeps nothing open, and where the walk is can be made durable after each one. What is
//! there during a whole walk is looked up once on each side; what comes or goes meanwhile is among the recent changes.

use crate::compare::{SourceItem, TargetItem, buckets, item_key};
use crate::model::{Mapping, Target, TargetId, Value};
use crate::sink::ScanRange;
use crate::sink::layout::Address;
use crate::store::records::{WalkRecord, WalkSide, WalkedTarget};
use crate::verify::report::Candidate;
use crate::verify::{Verification, VerifyError};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Where a walk is, and what it has found.
#[derive(Clone)]
pub struct Walk {
    pub began_at_ms: u64,
    /// The place of the target in the order of the configuration.
    at: usize,
    side: Side,
    /// Those that it has come to.
    pub targets: Vec<WalkedTarget>,
}

#[derive(Clone, Debug, PartialEq)]
enum Side {
    Mysql { after: Option<Vec<Value>> },
    Hbase { bucket: usize, behind: Option<Address> },
}

const FIRST: Side = Side::Mysql { after: None };

/// What a step has looked at.
pub struct Step<'a> {
    pub mapping: &'a Mapping,
    pub target: &'a Target,
    /// Rows and items that were looked up on the other side.
    pub looked: usize,
    /// Those that did not look equal.
    pub differ: Vec<Candidate>,
    next: (usize, Side),
}

/// The target at a place.
fn target_at(with: &Verification, at: usize) -> Option<(&Mapping, &Target)> {
    with.mappings
        .iter()
        .flat_map(|mapping| mapping.targets.iter().map(move |target| (mapping, target)))
        .nth(at)
}

impl Walk {
    pub fn begin(now_ms: u64) -> Walk {
        Walk { began_at_ms: now_ms, at: 0, side: FIRST, targets: Vec::new() }
    }

    /// Continues where a record says, if its target is still there; else from the beginning.
    pub fn continued(record: WalkRecord, with: &Verification, now_ms: u64) -> Walk {
        let WalkRecord { began_at_ms, targets, side } = record;
        let place = || {
            let last = targets.last()?;
            let mut at = 0;
            while let Some((mapping, target)) = target_at(with, at) {
                if is_it(last, mapping, target) {
                    return Some((at, side_of(side?)?));
                }
                at += 1;
            }
            None
        };
        match place() {
            Some((at, side)) => Walk { began_at_ms, at, side, targets },
            None => Walk::begin(now_ms),
        }
    }

    pub fn record(&self, with: &Verification) -> WalkRecord {
        let side = match &self.side {
            Side::Mysql { after } => WalkSide::Mysql { after: after.clone() },
            Side::Hbase { bucket, behind } => {
                let text =
                    |Address { row, cell }: &Address| (hex::encode(row), cell.as_ref().map(hex::encode));
                WalkSide::Hbase { bucket: *bucket, behind: behind.as_ref().map(text) }
            }
        };
        let mut walk = self.clone();
        let side = target_at(with, self.at).map(|(mapping, target)| {
            walk.in_target(mapping, target);
            side
        });
        WalkRecord { began_at_ms: walk.began_at_ms, targets: walk.targets, side }
    }

    /// Where it is: the target, and `mysql` or `hbase`.
    pub fn place<'w>(&self, with: &'w Verification) -> Option<(&'w Mapping, &'w Target, &'static str)> {
        let (mapping, target) = target_at(with, self.at)?;
        let side = if matches!(self.side, Side::Mysql { .. }) { "mysql" } else { "hbase" };
        Some((mapping, target, side))
    }

    /// Rows and items so far.
    pub fn rows(&self) -> u64 {
        self.targets.iter().map(|target| target.rows + target.items).sum()
    }

    /// Looks at the next rows, about `rows` of them, of a target that can be compared; others are passed over. `None`: the
    /// walk is through. The walk stays where it is until [`Walk::passed`].
    ///
    /// # Errors
    /// A server stays away.
    pub async fn step<'w>(
        &mut self,
        with: &'w Verification,
        comparable: &BTreeSet<TargetId>,
        rows: usize,
    ) -> Result<Option<Step<'w>>, VerifyError> {
        let (mapping, target) = loop {
            match target_at(with, self.at) {
                None => return Ok(None),
                Some((mapping, target)) if comparable.contains(&target.id) => break (mapping, target),
                Some(_) => (self.at, self.side) = (self.at + 1, FIRST),
            }
        };
        match &self.side {
            Side::Mysql { after } => self.of_mysql(with, (mapping, target), after.clone(), rows).await,
            Side::Hbase { bucket, behind } => {
                self.of_hbase(with, (mapping, target), (*bucket, behind.clone()), rows).await
            }
        }
        .map(Some)
    }

    async fn of_mysql<'w>(
        &self,
        with: &'w Verification,
        (mapping, target): (&'w Mapping, &'w Target),
        after: Option<Vec<Value>>,
        rows: usize,
    ) -> Result<Step<'w>, VerifyError> {
        let rows_max = u32::try_from(rows).unwrap_or(u32::MAX);
        let mut pass = with.sides(mapping, target).source_pass_behind(after, rows_max);
        let Some(piece) = pass.next(|_, _| true).await? else {
            let next = (self.at, Side::Hbase { bucket: 0, behind: None });
            return Ok(Step { mapping, target, looked: 0, differ: Vec::new(), next });
        };
        let looked = piece.items.len();
        let differ = piece.items.into_iter().filter(|item| item.differs);
        let candidate = |SourceItem { row, address, .. }: SourceItem| {
            let key = Some(item_key(mapping, &row));
            Candidate { address, key }
        };
        let differ = differ.map(candidate).collect();
        let side = match piece.range.up_to {
            Some(last) => Side::Mysql { after: Some(last) },
            None => Side::Hbase { bucket: 0, behind: None },
        };
        Ok(Step { mapping, target, looked, differ, next: (self.at, side) })
    }

    async fn of_hbase<'w>(
        &self,
        with: &'w Verification,
        (mapping, target): (&'w Mapping, &'w Target),
        (bucket, behind): (usize, Option<Address>),
        rows: usize,
    ) -> Result<Step<'w>, VerifyError> {
        let buckets = buckets(target);
        let Some(range) = buckets.get(bucket) else {
            return Ok(Step { mapping, target, looked: 0, differ: Vec::new(), next: (self.at + 1, FIRST) });
        };
        let range = ScanRange { limit: rows.max(1), ..range.clone() };
        let mut pass = with.sides(mapping, target).target_pass_behind(range, behind.as_ref());
        let seen: Mutex<(usize, Option<Address>)> = Mutex::default();
        let see = |address: &Address| {
            let mut seen = seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *seen = (seen.0 + 1, Some(address.clone()));
            true
        };
        let items = pass.next(see).await?.unwrap_or_default();
        let (names, last) = seen.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let looked = items.len();
        let differ = items.into_iter().filter(|item| !item.in_source);
        let candidate = |TargetItem { address, parts, .. }: TargetItem| Candidate {
            address,
            key: parts.map(|parts| (parts.key, parts.item)),
        };
        let differ = differ.map(candidate).collect();
        let next = match names < rows.max(1) {
            true if bucket + 1 < buckets.len() => (self.at, Side::Hbase { bucket: bucket + 1, behind: None }),
            true => (self.at + 1, FIRST),
            false => (self.at, Side::Hbase { bucket, behind: last }),
        };
        Ok(Step { mapping, target, looked, differ, next })
    }

    /// A step is done, and what differed is settled.
    pub fn passed(&mut self, step: &Step<'_>) {
        let is_mysql = matches!(self.side, Side::Mysql { .. });
        let of = self.in_target(step.mapping, step.target);
        *(if is_mysql { &mut of.rows } else { &mut of.items }) += step.looked as u64;
        (self.at, self.side) = step.next.clone();
    }

    /// What it has found in a target that it has come to.
    pub fn in_target(&mut self, mapping: &Mapping, target: &Target) -> &mut WalkedTarget {
        if !self.targets.last().is_some_and(|last| is_it(last, mapping, target)) {
            self.targets.push(WalkedTarget {
                mapping: mapping.name.clone(),
                table: target.table.clone(),
                family: target.family.clone(),
                ..WalkedTarget::default()
            });
        }
        self.targets.last_mut().expect("it was pushed if it was not there")
    }
}

fn is_it(walked: &WalkedTarget, mapping: &Mapping, target: &Target) -> bool {
    walked.mapping == mapping.name && walked.table == target.table && walked.family == target.family
}

/// `None`: it cannot be read.
fn side_of(side: WalkSide) -> Option<Side> {
    let bytes = |text: &str| hex::decode(text).ok().map(Bytes::from);
    Some(match side {
        WalkSide::Mysql { after } => Side::Mysql { after },
        WalkSide::Hbase { bucket, behind: None } => Side::Hbase { bucket, behind: None },
        WalkSide::Hbase { bucket, behind: Some((row, cell)) } => {
            let cell = match cell {
                Some(cell) => Some(bytes(&cell)?),
                None => None,
            };
            Side::Hbase { bucket, behind: Some(Address { row: bytes(&row)?, cell }) }
        }
    })
}
