//! Both sides read once, and reduced to digests.

use super::account::Account;
use super::digest::{SetDigest, Suspects};
use super::report::VerifyTargetReport;
use super::tally::CountsSeen;
use super::{Stage, Verification, VerifyError};
use crate::compare::difference::{expected_cells, stored_cells};
use crate::compare::{Bring, Passed, Sides, TableWalk, TallyWalk, buckets};
use crate::model::{Mapping, Target};
use crate::sink::ScanRange;
use crate::sink::layout::Codec;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinSet;

/// Scans of salt buckets under way at the same time.
pub const SCANS_AT_ONCE: usize = 4;

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
    counts: Option<CountsSeen>,
}

/// Reads a mapping and its targets once, and tells for each target where the two may differ.
pub async fn suspects(
    with: &Verification,
    mapping: &Mapping,
    reports: &mut [VerifyTargetReport],
) -> Result<Vec<TargetSuspects>, VerifyError> {
    with.meter.enter(Stage::Reading);
    // In a task of its own (which ends with the set): hashing what HBase sends would keep MySQL waiting.
    let (sink_side, of) = (with.clone(), mapping.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { of_sink(&sink_side, &of).await });
    let (rows_counted, expected) = of_source(with, mapping).await?;
    let stored = match tasks.join_next().await.expect("one was started") {
        Ok(stored) => stored?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let mut found = Vec::with_capacity(stored.len());
    for ((report, expected), Stored { digest, counts }) in reports.iter_mut().zip(expected).zip(stored) {
        report.items_compared = expected.items();
        report.mysql_rows_counted = rows_counted;
        report.hbase_items_scanned = digest.items();
        if let Some(counts) = &counts {
            counts.note(report);
        }
        let (items, account) = (expected.differing(&digest), Account::of(&expected, &digest));
        found.push(TargetSuspects { items, account, counts });
    }
    Ok(found)
}

/// How many rows MySQL counts, and what should be in each target of a mapping.
async fn of_source(with: &Verification, mapping: &Mapping) -> Result<(u64, Vec<SetDigest>), VerifyError> {
    let mut source = with.source(mapping);
    let rows_counted = source.count_rows().await?;
    let mut digests: Vec<SetDigest> = mapping.targets.iter().map(|_| SetDigest::new()).collect();
    let mut walk = TableWalk::new(source, None, with.settings.chunk_rows);
    while let Some((rows, _)) = walk.next().await? {
        for (target, digest) in mapping.targets.iter().zip(&mut digests) {
            for row in &rows {
                let write = Codec::of(mapping, target).item_write(row)?;
                digest.add(&write.address, &expected_cells(&write));
            }
        }
    }
    Ok((rows_counted, digests))
}

/// What is in each target.
async fn of_sink(with: &Verification, mapping: &Mapping) -> Result<Vec<Stored>, VerifyError> {
    let nothing = |target: &Target| {
        let counts = target.counted.then(|| CountsSeen::new(with.counts_due.contains(&target.id)));
        Mutex::new(Stored { digest: SetDigest::new(), counts })
    };
    let stored: Vec<Mutex<Stored>> = mapping.targets.iter().map(nothing).collect();
    let scans = mapping.targets.iter().zip(&stored).flat_map(|(target, stored)| {
        buckets(target).into_iter().map(move |bucket| add_bucket(with.sides(mapping, target), bucket, stored))
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
                items.iter().for_each(|item| stored.digest.add(&item.address, &stored_cells(&item.stored)));
            }
            Passed::Rows(rows) => {
                let Some(counts) = &mut stored.counts else { continue };
                rows.iter().for_each(|row| counts.add(row));
            }
        }
    }
    Ok(())
}
