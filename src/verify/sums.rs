//! Both sides read once, and reduced to digests.

use super::account::Account;
use super::digest::Suspects;
use super::pass::{Pass, SourceSide, TargetSide, Walks, lock};
use super::report::VerifyTargetReport;
use super::sample::Draw;
use super::tally::CountsSeen;
use super::{Stage, Verification, VerifyError};
use crate::compare::difference::{expected_cells, stored_cells};
use crate::compare::{
    Bring, Found, Passed, Reading, Sides, SourcePlace, TableWalk, TallyWalk, TargetWalk, buckets,
};
use crate::model::{Mapping, Row};
use crate::sink::ScanRange;
use crate::sink::layout::{Address, Codec, ItemWrite};
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Mutex;
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

/// Reads a mapping and its targets once, and tells for each target where the two may differ.
pub async fn suspects(
    with: &Verification,
    pass: &Pass,
    mapping: &Mapping,
    reports: &mut [VerifyTargetReport],
) -> Result<Vec<TargetSuspects>, VerifyError> {
    with.meter.enter(Stage::Reading);
    let draw = match with.settings.sample {
        // before anything is scanned
        Some(ask) => Draw::of(ask, with.source(mapping).count_rows().await?),
        None => Draw::ALL,
    };
    let counts = |at: usize| {
        let target = &mapping.targets[at];
        let due = with.counts_due.contains(&target.id);
        // counts are of whole rows, so a sample of items says nothing about them
        (target.counted && draw.is_all()).then(|| CountsSeen::new(due))
    };
    let walks = pass.walks(|| Walks::new(mapping, draw, counts));
    // In a task of its own (which ends with the set): hashing what HBase sends would keep MySQL waiting.
    let (sink_side, of, shared) = (with.clone(), mapping.clone(), walks.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { of_sink(&sink_side, &of, draw, &shared).await });
    of_source(with, mapping, &walks.source).await?;
    match tasks.join_next().await.expect("one was started") {
        Ok(done) => done?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
    let source = lock(&walks.source);
    let mut found = Vec::with_capacity(mapping.targets.len());
    for ((report, expected), stored) in reports.iter_mut().zip(&source.digests).zip(&walks.targets) {
        let stored = lock(stored);
        report.items_compared = expected.items();
        report.is_sample = !draw.is_all();
        report.mysql_rows_counted = source.rows_counted.unwrap_or_default();
        report.mysql_rows_shown = source.rows_shown;
        report.lists_compared = with.cohort.pilot().map(|_| source.lists.count());
        report.hbase_items_scanned = stored.scanned;
        if let Some(counts) = &stored.counts {
            counts.note(report);
        }
        let (items, account) = (expected.differing(&stored.digest), Account::of(expected, &stored.digest));
        found.push(TargetSuspects { items, account, counts: stored.counts.clone() });
    }
    Ok(found)
}

/// Reads MySQL's side, from where it was left.
async fn of_source(
    with: &Verification,
    mapping: &Mapping,
    side: &Mutex<SourceSide>,
) -> Result<(), VerifyError> {
    let mut source = with.source(mapping);
    if lock(side).rows_counted.is_none() {
        let rows = source.count_rows().await?;
        lock(side).rows_counted = Some(rows);
    }
    let place = lock(side).place.clone();
    let mut walk = TableWalk::new(source, None, with.settings.chunk_rows).go_on(place);
    while let Some((rows, range)) = walk.next().await? {
        add_rows(with, mapping, rows, (side, range.up_to.map_or(SourcePlace::End, SourcePlace::After)))?;
    }
    Ok(())
}

/// Takes in the rows of a chunk, behind which the walk is then: all of them and the place, or nothing.
fn add_rows(
    with: &Verification,
    mapping: &Mapping,
    mut rows: Vec<Row>,
    (side, behind): (&Mutex<SourceSide>, SourcePlace),
) -> Result<(), VerifyError> {
    let read = rows.len();
    if with.cohort.pilot().is_some() {
        rows.retain(|row| with.takes_row(mapping, row));
    }
    let mut writes: Vec<Vec<ItemWrite>> = Vec::with_capacity(mapping.targets.len());
    for target in &mapping.targets {
        let codec = Codec::of(mapping, target);
        writes.push(rows.iter().map(|row| codec.item_write(row)).collect::<Result<_, _>>()?);
    }
    let mut side = lock(side);
    if with.cohort.pilot().is_some() {
        let counted = side.rows_counted.unwrap_or_default();
        side.rows_counted = Some(counted.saturating_sub((read - rows.len()) as u64));
        rows.iter().for_each(|row| side.lists.see(mapping, row));
    }
    side.rows_shown += rows.len() as u64;
    for (digest, writes) in side.digests.iter_mut().zip(&writes) {
        writes.iter().for_each(|write| digest.add(&write.address, &expected_cells(write)));
    }
    side.place = behind;
    Ok(())
}

/// Reads HBase's side, from where it was left.
async fn of_sink(
    with: &Verification,
    mapping: &Mapping,
    draw: Draw,
    walks: &Walks,
) -> Result<(), VerifyError> {
    let scans = mapping.targets.iter().zip(&walks.targets).flat_map(|(target, side)| {
        let sides = with.sides(mapping, target);
        buckets(target).into_iter().enumerate().map(move |(at, bucket)| async move {
            match draw.is_all() {
                true => add_bucket(sides, (at, bucket), side).await,
                false => add_drawn(sides, bucket, draw, side).await,
            }
        })
    });
    let scans: Vec<_> = scans.collect();
    stream::iter(scans).buffer_unordered(SCANS_AT_ONCE).try_collect::<()>().await
}

async fn add_bucket(
    sides: Sides<'_, Verification>,
    (at, bucket): (usize, ScanRange),
    side: &Mutex<TargetSide>,
) -> Result<(), VerifyError> {
    let mut walk = TallyWalk::new(sides, bucket, Bring::Values);
    if let Some(place) = lock(side).buckets[at].clone() {
        walk = walk.go_on(place);
    }
    loop {
        let passed = walk.next().await?;
        let place = walk.place();
        // a page and the place behind it are taken in together
        let mut side = lock(side);
        let is_over = passed.is_none();
        match passed {
            Some(Passed::Items(items)) => {
                let takes_part = |item: &&Found| sides.takes_address(&item.address);
                for item in items.iter().filter(takes_part) {
                    side.scanned += 1;
                    side.digest.add(&item.address, &stored_cells(&item.stored));
                }
            }
            Some(Passed::Rows(rows)) => {
                if let Some(counts) = &mut side.counts {
                    let takes_part = rows.iter().filter(|tally| sides.takes_wide_row(&tally.row));
                    takes_part.for_each(|tally| counts.add(tally));
                }
            }
            None => {}
        }
        side.buckets[at] = Some(place);
        if is_over {
            return Ok(());
        }
    }
}

/// Scans for names, and reads what is drawn of them. So the values of all others stay where they are.
async fn add_drawn(
    sides: Sides<'_, Verification>,
    bucket: ScanRange,
    draw: Draw,
    side: &Mutex<TargetSide>,
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
            read_drawn(sides, std::mem::take(&mut drawn), side).await?;
        }
    }
    read_drawn(sides, drawn, side).await?;
    lock(side).scanned += scanned;
    Ok(())
}

/// Takes in what HBase has where a scan has come upon names. It may be gone by now.
async fn read_drawn(
    sides: Sides<'_, Verification>,
    drawn: Vec<Address>,
    side: &Mutex<TargetSide>,
) -> Result<(), VerifyError> {
    for part in drawn.chunks(DRAWN_AT_ONCE) {
        let rows = sides.items(part).await?;
        let mut side = lock(side);
        for (address, row) in part.iter().zip(&rows) {
            if let Some(row) = row {
                side.digest.add(address, &stored_cells(row));
            }
        }
    }
    Ok(())
}
