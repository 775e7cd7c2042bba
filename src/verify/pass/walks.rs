//! Both sides of one mapping, as far as they were read.

use super::super::digest::{SetDigest, take};
use super::super::sample::Draw;
use super::super::tally::{CountsRecord, CountsSeen};
use crate::compare::{SourcePlace, TallyPlace, buckets};
use crate::model::{Mapping, Value};
use crate::sink::layout;
use rustc_hash::{FxHashSet, FxHasher};
use serde::{Deserialize, Serialize};
use std::hash::Hasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Both sides of one mapping. A place and what lies behind it change in one piece, under one lock.
pub struct Walks {
    pub source: Mutex<SourceSide>,
    /// In the order of the mapping's targets.
    pub targets: Vec<Mutex<TargetSide>>,
}

/// What MySQL has of a mapping.
pub struct SourceSide {
    /// Up to where rows were taken in.
    pub place: SourcePlace,
    /// By a count of its own, less the rows of lists that do not take part; `None`: not counted yet.
    pub rows_counted: Option<u64>,
    /// By the walk.
    pub rows_shown: u64,
    pub lists: ListsSeen,
    /// What should be in each target.
    pub digests: Vec<SetDigest>,
}

/// What HBase has of one target.
pub struct TargetSide {
    pub digest: SetDigest,
    /// Items that were come upon, drawn or not.
    pub scanned: u64,
    /// `None` in a target without counts.
    pub counts: Option<CountsSeen>,
    /// Up to where items were taken in, by salt bucket; `None`: nothing of it was.
    pub buckets: Vec<Option<TallyPlace>>,
}

/// Locks what no method leaves half done.
pub fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Walks {
    /// Nothing was read yet. `counts`: what to see of the counts of each target.
    pub fn new(mapping: &Mapping, draw: Draw, mut counts: impl FnMut(usize) -> Option<CountsSeen>) -> Walks {
        let source = SourceSide {
            place: SourcePlace::Start,
            rows_counted: None,
            rows_shown: 0,
            lists: ListsSeen::default(),
            digests: mapping.targets.iter().map(|_| SetDigest::of(draw)).collect(),
        };
        let side = |(at, target)| TargetSide {
            digest: SetDigest::of(draw),
            scanned: 0,
            counts: counts(at),
            buckets: vec![None; buckets(target).len()],
        };
        let targets = mapping.targets.iter().enumerate().map(side).map(Mutex::new).collect();
        Walks { source: Mutex::new(source), targets }
    }

    /// As they were kept; `None`: they are of another mapping.
    pub(super) fn of(mapping: &Mapping, record: WalksRecord) -> Option<Walks> {
        let WalksRecord { place, rows_counted, rows_shown, lists_more, targets, sums } = record;
        let targets_fit = mapping.targets.len() == targets.len() && targets.len() == sums.targets.len();
        if !targets_fit || sums.source.len() != targets.len() {
            return None;
        }
        let lists = ListsSeen { seen: sums.lists.into_iter().collect(), more: lists_more, last: None };
        let source = SourceSide { place, rows_counted, rows_shown, lists, digests: sums.source };
        let mut sides = Vec::with_capacity(targets.len());
        for ((target, record), digest) in mapping.targets.iter().zip(targets).zip(sums.targets) {
            let TargetRecord { scanned, counts, buckets: places } = record;
            if places.len() != buckets(target).len() {
                return None;
            }
            let counts = match counts {
                Some(record) => Some(CountsSeen::of(record)?),
                None => None,
            };
            sides.push(Mutex::new(TargetSide { digest, scanned, counts, buckets: places }));
        }
        Some(Walks { source: Mutex::new(source), targets: sides })
    }
}

/// [`Walks`] as they are kept.
#[derive(Serialize, Deserialize)]
pub struct WalksRecord {
    place: SourcePlace,
    rows_counted: Option<u64>,
    rows_shown: u64,
    lists_more: u64,
    targets: Vec<TargetRecord>,
    /// Stands behind the rest.
    #[serde(skip)]
    sums: Sums,
}

#[derive(Serialize, Deserialize)]
struct TargetRecord {
    scanned: u64,
    counts: Option<CountsRecord>,
    buckets: Vec<Option<TallyPlace>>,
}

#[derive(Default)]
struct Sums {
    lists: Vec<u64>,
    source: Vec<SetDigest>,
    targets: Vec<SetDigest>,
}

impl WalksRecord {
    pub(super) fn of(walks: &Walks) -> WalksRecord {
        let source = lock(&walks.source);
        let mut record = WalksRecord {
            place: source.place.clone(),
            rows_counted: source.rows_counted,
            rows_shown: source.rows_shown,
            lists_more: source.lists.more,
            targets: Vec::with_capacity(walks.targets.len()),
            sums: Sums {
                lists: source.lists.seen.iter().copied().collect(),
                source: source.digests.clone(),
                targets: Vec::with_capacity(walks.targets.len()),
            },
        };
        drop(source);
        for target in &walks.targets {
            let side = lock(target);
            let counts = side.counts.as_ref().map(CountsSeen::record);
            record.targets.push(TargetRecord {
                scanned: side.scanned,
                counts,
                buckets: side.buckets.clone(),
            });
            record.sums.targets.push(side.digest.clone());
        }
        record
    }

    /// Appends what is not in the JSON.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let Sums { lists, source, targets } = &self.sums;
        to.extend((lists.len() as u64).to_be_bytes());
        lists.iter().for_each(|list| to.extend(list.to_be_bytes()));
        source.iter().chain(targets).for_each(|digest| digest.write(to));
    }

    /// Takes it from the beginning of `bytes`; `None`: they are no such thing.
    pub(super) fn read(&mut self, bytes: &mut &[u8]) -> Option<()> {
        for _ in 0..take(bytes).map(u64::from_be_bytes)? {
            self.sums.lists.push(take(bytes).map(u64::from_be_bytes)?);
        }
        for _ in &self.targets {
            self.sums.source.push(SetDigest::read(bytes)?);
        }
        for _ in &self.targets {
            self.sums.targets.push(SetDigest::read(bytes)?);
        }
        Some(())
    }

    /// Whether the place of the walk over MySQL is read back as it was written.
    pub(super) fn comes_back(&self) -> bool {
        let written = serde_json::to_vec(&self.place).ok();
        written
            .and_then(|text| serde_json::from_slice(&text).ok())
            .is_some_and(|read: SourcePlace| read == self.place)
    }
}

#[cfg(test)]
impl WalksRecord {
    pub fn forget_a_target(&mut self) {
        _ = (self.targets.pop(), self.sums.source.pop(), self.sums.targets.pop());
    }

    pub fn forget_a_bucket(&mut self) {
        self.targets.iter_mut().for_each(|target| _ = target.buckets.pop());
    }
}

/// The lists of a pilot that have rows, by the beginnings of their names. Beyond [`LISTS_MAX`] only new neighbours are told
/// apart, so that memory has a bound: a list whose rows do not lie together counts as several then.
#[derive(Default)]
pub struct ListsSeen {
    seen: FxHashSet<u64>,
    more: u64,
    last: Option<u64>,
}

/// Lists that are told apart exactly: 8 MiB.
const LISTS_MAX: usize = 1_000_000;

impl ListsSeen {
    pub fn see(&mut self, mapping: &Mapping, row: &[Value]) {
        let Ok(list_key) = layout::list_key(mapping, row) else { return };
        let mut hasher = FxHasher::default();
        hasher.write(&list_key);
        let name = hasher.finish();
        if self.last.replace(name) == Some(name) || self.seen.contains(&name) {
            return;
        }
        match self.seen.len() < LISTS_MAX {
            true => drop(self.seen.insert(name)),
            false => self.more += 1,
        }
    }

    pub fn count(&self) -> u64 {
        self.seen.len() as u64 + self.more
    }
}
