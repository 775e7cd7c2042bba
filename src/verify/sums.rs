//! Both sides read once, and reduced to digests.

use super::account::Account;
use super::digest::{SetDigest, Suspects};
use super::report::VerifyTargetReport;
use super::sample::Draw;
use super::tally::CountsSeen;
use super::{Stage, Verification, VerifyError};
use crate::compare::difference::{expected_cells, stored_cells};
use crate::compare::{Bring, Found, Passed, Reading, Sides, TableWalk, TallyWalk, TargetWalk, buckets};
use crate::model::{Mapping, Target, Value};
use crate::sink::ScanRange;
use crate::sink::layout::{self, Address, Codec};
use futures::{StreamExt, TryStreamExt, stream};
use rustc_hash::{FxHashSet, FxHasher};
use std::hash::Hasher;
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinSet;

/// Scans of salt buckets under way at the same time.
pub const SCANS_AT_ONCE: usize = 4;
/// Items of a sample that are read at once.
const DRAWN_AT_ONCE: usize = 1_000;

/// Where a target may differ.
pub struct TargetSuspects {
    pub items: Suspects,
    /// What the two scans leave to be explained.
    pub account: Account,
    /// `None` in a target without counts.
    pub counts: Option<CountsSeen>,
}

/// What HBase has of one target.
struct Stored {
    digest: SetDigest,
    /// Items that were come upon, drawn or not.
    scanned: u64,
    counts: Option<CountsSeen>,
}

/// Reads a mapping and its targets once, and tells for each target where the two may differ.
pub async fn suspects(
    with: &Verification,
    mapping: &Mapping,
    reports: &mut [VerifyTargetReport],
) -> Result<Vec<TargetSuspects>, VerifyError> {
    with.meter.enter(Stage::Reading);
    let draw = match with.settings.sample {
        // before anything is scanned
        Some(ask) => Draw::of(ask, with.source(mapping).count_rows().await?),
        None => Draw::ALL,
    };
    // In a task of its own (which ends with the set): hashing what HBase sends would keep MySQL waiting.
    let (sink_side, of) = (with.clone(), mapping.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { of_sink(&sink_side, &of, draw).await });
    let Expected { rows_counted, rows_shown, lists, digests: expected } =
        of_source(with, mapping, draw).await?;
    let stored = match tasks.join_next().await.expect("one was started") {
        Ok(stored) => stored?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let mut found = Vec::with_capacity(stored.len());
    for ((report, expected), Stored { digest, scanned, counts }) in
        reports.iter_mut().zip(expected).zip(stored)
    {
        report.items_compared = expected.items();
        report.is_sample = !draw.is_all();
        report.mysql_rows_counted = rows_counted;
        report.mysql_rows_shown = rows_shown;
        report.lists_compared = lists;
        report.hbase_items_scanned = scanned;
        if let Some(counts) = &counts {
            counts.note(report);
        }
        let (items, account) = (expected.differing(&digest), Account::of(&expected, &digest));
        found.push(TargetSuspects { items, account, counts });
    }
    Ok(found)
}

/// What MySQL has of a mapping.
struct Expected {
    /// By a count of its own, less the rows of lists that do not take part.
    rows_counted: u64,
    /// By the walk.
    rows_shown: u64,
    /// Lists with rows, where only some take part.
    lists: Option<u64>,
    /// What should be in each target.
    digests: Vec<SetDigest>,
}

async fn of_source(with: &Verification, mapping: &Mapping, draw: Draw) -> Result<Expected, VerifyError> {
    let mut source = with.source(mapping);
    let (mut rows_counted, mut rows_shown) = (source.count_rows().await?, 0);
    let mut lists = ListsSeen::default();
    let mut digests: Vec<SetDigest> = mapping.targets.iter().map(|_| SetDigest::of(draw)).collect();
    let mut walk = TableWalk::new(source, None, with.settings.chunk_rows);
    while let Some((mut rows, _)) = walk.next().await? {
        if with.cohort.pilot().is_some() {
            let read = rows.len();
            rows.retain(|row| with.takes_row(mapping, row));
            rows_counted = rows_counted.saturating_sub((read - rows.len()) as u64);
            rows.iter().for_each(|row| lists.see(mapping, row));
        }
        rows_shown += rows.len() as u64;
        for (target, digest) in mapping.targets.iter().zip(&mut digests) {
            for row in &rows {
                let write = Codec::of(mapping, target).item_write(row)?;
                digest.add(&write.address, &expected_cells(&write));
            }
        }
    }
    let lists = with.cohort.pilot().map(|_| lists.count());
    Ok(Expected { rows_counted, rows_shown, lists, digests })
}

/// The lists of a pilot that have rows, by the beginnings of their names. Beyond [`LISTS_MAX`] only new neighbours are told
/// apart, so that memory has a bound: a list whose rows do not lie together counts as several then.
#[derive(Default)]
struct ListsSeen {
    seen: FxHashSet<u64>,
    more: u64,
    last: u64,
}

/// Lists that are told apart exactly: 8 MiB.
const LISTS_MAX: usize = 1_000_000;

impl ListsSeen {
    fn see(&mut self, mapping: &Mapping, row: &[Value]) {
        let Ok(list_key) = layout::list_key(mapping, row) else { return };
        let mut hasher = FxHasher::default();
        hasher.write(&list_key);
        let name = hasher.finish();
        if name == std::mem::replace(&mut self.last, name) || self.seen.contains(&name) {
            return;
        }
        match self.seen.len() < LISTS_MAX {
            true => drop(self.seen.insert(name)),
            false => self.more += 1,
        }
    }

    fn count(&self) -> u64 {
        self.seen.len() as u64 + self.more
    }
}

/// What is in each target. Counts are of whole rows, so a sample of items says nothing about them.
async fn of_sink(with: &Verification, mapping: &Mapping, draw: Draw) -> Result<Vec<Stored>, VerifyError> {
    let nothing = |target: &Target| {
        let has_counts = target.counted && draw.is_all();
        let counts = has_counts.then(|| CountsSeen::new(with.counts_due.contains(&target.id)));
        Mutex::new(Stored { digest: SetDigest::of(draw), scanned: 0, counts })
    };
    let stored: Vec<Mutex<Stored>> = mapping.targets.iter().map(nothing).collect();
    let scans = mapping.targets.iter().zip(&stored).flat_map(|(target, stored)| {
        let sides = with.sides(mapping, target);
        buckets(target).into_iter().map(move |bucket| async move {
            match draw.is_all() {
                true => add_bucket(sides, bucket, stored).await,
                false => add_drawn(sides, bucket, draw, stored).await,
            }
        })
    });
    let scans: Vec<_> = scans.collect();
    stream::iter(scans).buffer_unordered(SCANS_AT_ONCE).try_collect::<()>().await?;
    Ok(stored.into_iter().map(|stored| stored.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
}

async fn add_bucket(
    sides: Sides<'_, Verification>,
    bucket: ScanRange,
    stored: &Mutex<Stored>,
) -> Result<(), VerifyError> {
    let mut walk = TallyWalk::new(sides, bucket, Bring::Values);
    while let Some(passed) = walk.next().await? {
        let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
        match passed {
            Passed::Items(items) => {
                let takes_part = |item: &&Found| sides.takes_address(&item.address);
                for item in items.iter().filter(takes_part) {
                    stored.scanned += 1;
                    stored.digest.add(&item.address, &stored_cells(&item.stored));
                }
            }
            Passed::Rows(rows) => {
                let Some(counts) = &mut stored.counts else { continue };
                rows.iter()
                    .filter(|tally| sides.takes_wide_row(&tally.row))
                    .for_each(|tally| counts.add(tally));
            }
        }
    }
    Ok(())
}

/// Scans for names, and reads what is drawn of them. So the values of all others stay where they are.
async fn add_drawn(
    sides: Sides<'_, Verification>,
    bucket: ScanRange,
    draw: Draw,
    stored: &Mutex<Stored>,
) -> Result<(), VerifyError> {
    let mut walk = TargetWalk::new(sides, bucket, Bring::Names);
    let (mut drawn, mut scanned) = (Vec::new(), 0);
    while let Some(names) = walk.next().await? {
        let names = names.into_iter().map(|name| name.address);
        for address in names.filter(|address| sides.takes_address(address)) {
            scanned += 1;
            if draw.has(&address) {
                drawn.push(address);
            }
        }
        if drawn.len() >= DRAWN_AT_ONCE {
            read_drawn(sides, std::mem::take(&mut drawn), stored).await?;
        }
    }
    read_drawn(sides, drawn, stored).await?;
    stored.lock().unwrap_or_else(PoisonError::into_inner).scanned += scanned;
    Ok(())
}

/// Takes in what HBase has where a scan has come upon names. It may be gone by now.
async fn read_drawn(
    sides: Sides<'_, Verification>,
    drawn: Vec<Address>,
    stored: &Mutex<Stored>,
) -> Result<(), VerifyError> {
    for part in drawn.chunks(DRAWN_AT_ONCE) {
        let rows = sides.items(part).await?;
        let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
        for (address, row) in part.iter().zip(&rows) {
            if let Some(row) = row {
                stored.digest.add(address, &stored_cells(row));
            }
        }
    }
    Ok(())
}
