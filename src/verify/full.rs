//! The full comparison: every item and every cell of every target.
//!
//! First both sides are read once, MySQL by primary key and HBase by row key, and reduced to digests
//! ([`SetDigest`](super::digest::SetDigest)). Where these are equal nothing differs. In the partitions in
//! which they are not, rows are compared one by one: those of MySQL are looked up in HBase, which finds what
//! is missing or different, and those of HBase in MySQL, which finds what is extra. What still differs is a
//! candidate and goes to [`Confirmer`](super::confirm::Confirmer).
//!
//! Memory: two digests of 1 MiB for each target of a mapping, one chunk of MySQL, and one page of HBase for each of
//! [`SCANS_AT_ONCE`] scans.

use super::compare::{difference, expected_cells, stored_cells};
use super::confirm::{Candidate, Confirmer};
use super::digest::{SetDigest, Suspects};
use super::read::{SinkReader, SourceReader};
use super::report::{Report, TargetReport};
use super::scan::{BucketWalk, TableWalk, buckets};
use super::tail::{Tail, Watch, brief};
use super::{Meter, Stage, VerifyError, under_way};
use crate::model::{Mapping, Row, Target};
use crate::sink::layout::{self, ItemWrite};
use crate::sink::{ScanRange, Sink, StoredRow, tall};
use crate::source::{Source, SourceError};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Scans of salt buckets under way at the same time.
pub const SCANS_AT_ONCE: usize = 4;

/// Keys that are looked up in MySQL, or in HBase, at once.
const LOOK_UPS_AT_ONCE: usize = 2_000;

/// Everything a comparison needs.
#[derive(Clone)]
pub struct Verification {
    pub source: Arc<dyn Source>,
    pub sink: Arc<dyn Sink>,
    pub mappings: Vec<Mapping>,
    pub tail: Tail,
    pub settings: Settings,
    pub meter: Arc<Meter>,
}

/// The numbers of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rows of one SELECT.
    pub chunk_rows: u32,
    /// How often a row that moves is looked at again before it is given up as unsettled.
    pub rounds: u32,
    /// How long the tail is waited for.
    pub wait_max: Duration,
    /// How long a read that fails in passing is repeated.
    pub retry_for: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            chunk_rows: 2_000,
            rounds: 5,
            wait_max: Duration::from_secs(120),
            retry_for: Duration::from_secs(60),
        }
    }
}

/// Compares all targets of all mappings. Reads only.
///
/// # Errors
/// A server that stays away, or a row that has no row key. That nothing can be judged is no error
/// but in the report.
pub async fn full(with: &Verification) -> Result<Report, VerifyError> {
    let begin = Instant::now();
    let mut report = Report::new(&with.mappings);
    let done = compare(with, &mut report).await;
    let cannot_judge = match done {
        Ok(()) => None,
        Err(VerifyError::CannotJudge { reason }) => Some(reason),
        Err(error) => return Err(error),
    };
    report.finish(cannot_judge, begin.elapsed());
    Ok(report)
}

async fn compare(with: &Verification, report: &mut Report) -> Result<(), VerifyError> {
    with.meter.enter(Stage::CatchingUp);
    let watch = Watch::begin(with.tail.clone(), &*with.source, with.settings.wait_max).await?;
    let mut rest = report.targets.as_mut_slice();
    for mapping in &with.mappings {
        // The report has every target, in the same order.
        let (reports, others) = rest.split_at_mut(mapping.targets.len());
        rest = others;
        let suspects = suspects(with, mapping, reports).await?;
        for ((target, report), suspects) in mapping.targets.iter().zip(reports).zip(suspects) {
            if suspects.any() {
                with.meter.enter(Stage::LookingCloser);
                Closer { with, watch: &watch, mapping, target, suspects }.look(report).await?;
            }
        }
    }
    mind_moves(with, &watch, report).await
}

/// Without a live tail: differences count only if no mapped table changed since the last run left it; where both
/// sides are equal, a source that went on is worth a note.
async fn mind_moves(with: &Verification, watch: &Watch, report: &mut Report) -> Result<(), VerifyError> {
    let Some(moved) = watch.moved(&*with.source).await? else { return Ok(()) };
    let mut reasons = Vec::new();
    if !moved.behind.is_empty() {
        reasons.push(format!("the source lacks {} that the last run has read", brief(&moved.behind)));
    }
    if report.targets.iter().all(TargetReport::is_equal) {
        if !moved.ahead.is_empty() {
            report.notes.push(format!("the source went on since: {}", brief(&moved.ahead)));
        }
        report.notes.extend(reasons);
        return Ok(());
    }
    let touching = match under_way::touching(with, moved.since).await {
        Err(VerifyError::Source(SourceError::PositionLost { reason, .. })) => {
            return Err(VerifyError::CannotJudge {
                reason: format!("no tail runs, and the binlog since the last run: {reason}"),
            });
        }
        done => done?,
    };
    if !touching.is_empty() {
        reasons.push(format!("mapped tables were changed by {}", brief(&touching)));
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "no tail runs, so the source must stand still where the last run left it, but {}; let `tailfill run` \
         catch up first, or compare while it runs",
        reasons.join(", and ")
    );
    Err(VerifyError::CannotJudge { reason })
}

/// Reads a mapping and its targets once, and tells for each target where the two may differ.
async fn suspects(
    with: &Verification,
    mapping: &Mapping,
    reports: &mut [TargetReport],
) -> Result<Vec<Suspects>, VerifyError> {
    with.meter.enter(Stage::Reading);
    // In a task of its own (which ends with the set): hashing what HBase sends would keep MySQL waiting.
    let (sink_side, targets) = (with.clone(), mapping.targets.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { sink_digests(&sink_side, &targets).await });
    let expected = source_digests(with, mapping).await?;
    let stored = match tasks.join_next().await.expect("one was started") {
        Ok(stored) => stored?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    for (report, digest) in reports.iter_mut().zip(&expected) {
        report.items_compared = digest.rows();
    }
    Ok(expected.iter().zip(&stored).map(|(expected, stored)| expected.differing(stored)).collect())
}

/// What should be in each target of a mapping.
async fn source_digests(with: &Verification, mapping: &Mapping) -> Result<Vec<SetDigest>, VerifyError> {
    let mut reader = SourceReader::new(&*with.source, with.settings.retry_for, &with.meter);
    let mut digests: Vec<SetDigest> = mapping.targets.iter().map(|_| SetDigest::new()).collect();
    let mut walk = TableWalk::new(mapping, with.settings.chunk_rows);
    while let Some(rows) = walk.next(&mut reader).await? {
        for (target, digest) in mapping.targets.iter().zip(&mut digests) {
            for row in &rows {
                let write = layout::item_write(mapping, target, row)?;
                digest.add(&write.address.row, &expected_cells(&write));
            }
        }
    }
    Ok(digests)
}

/// What is in each target.
async fn sink_digests(with: &Verification, targets: &[Target]) -> Result<Vec<SetDigest>, VerifyError> {
    let reader = SinkReader::new(&*with.sink, with.settings.retry_for, &with.meter);
    let digests: Vec<Mutex<SetDigest>> = targets.iter().map(|_| Mutex::new(SetDigest::new())).collect();
    let scans = targets.iter().zip(&digests).flat_map(|(target, digest)| {
        buckets(target).into_iter().map(move |bucket| digest_bucket(reader, target, bucket, digest))
    });
    let scans: Vec<_> = scans.collect();
    stream::iter(scans).buffer_unordered(SCANS_AT_ONCE).try_collect::<()>().await?;
    Ok(digests
        .into_iter()
        .map(|digest| digest.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect())
}

async fn digest_bucket(
    reader: SinkReader<'_>,
    target: &Target,
    bucket: ScanRange,
    digest: &Mutex<SetDigest>,
) -> Result<(), VerifyError> {
    let mut walk = BucketWalk::new(target, bucket);
    while let Some(rows) = walk.next(&reader).await? {
        let mut digest = digest.lock().unwrap_or_else(PoisonError::into_inner);
        for row in &rows {
            digest.add(&row.row, &stored_cells(row));
        }
    }
    Ok(())
}

/// Compares row by row, in the suspect partitions of one target.
struct Closer<'a> {
    with: &'a Verification,
    watch: &'a Watch,
    mapping: &'a Mapping,
    target: &'a Target,
    suspects: Suspects,
}

impl Closer<'_> {
    async fn look(&self, report: &mut TargetReport) -> Result<(), VerifyError> {
        let mut confirmer = Confirmer::new(self.with, self.watch, self.mapping, self.target);
        self.missing_or_different(&mut confirmer, report).await?;
        self.extra(&mut confirmer, report).await?;
        confirmer.work(report).await
    }

    fn readers(&self) -> (SourceReader<'_>, SinkReader<'_>) {
        let (with, retry_for) = (self.with, self.with.settings.retry_for);
        let source = SourceReader::new(&*with.source, retry_for, &with.meter);
        (source, SinkReader::new(&*with.sink, retry_for, &with.meter))
    }

    /// Looks MySQL's rows up in HBase.
    async fn missing_or_different(
        &self,
        confirmer: &mut Confirmer<'_>,
        report: &mut TargetReport,
    ) -> Result<(), VerifyError> {
        let (mut source, sink) = self.readers();
        let mut walk = TableWalk::new(self.mapping, self.with.settings.chunk_rows);
        while let Some(rows) = walk.next(&mut source).await? {
            let mut wanted: Vec<(ItemWrite, &Row)> = Vec::new();
            for row in &rows {
                let write = layout::item_write(self.mapping, self.target, row)?;
                if self.suspects.has(&write.address.row) {
                    wanted.push((write, row));
                }
            }
            for part in wanted.chunks(LOOK_UPS_AT_ONCE) {
                let keys: Vec<Bytes> = part.iter().map(|(write, _)| write.address.row.clone()).collect();
                let stored = sink.read(self.target.id, &keys).await?;
                for ((write, row), stored) in part.iter().zip(stored) {
                    if difference(Some(write), stored.as_ref()).is_some() {
                        let values = |columns: &[usize]| columns.iter().map(|i| row[*i].clone()).collect();
                        let key = Some((values(&self.mapping.key), values(&self.mapping.item)));
                        confirmer.add(Candidate { row: write.address.row.clone(), key });
                    }
                }
            }
            if confirmer.is_full() {
                confirmer.work(report).await?;
            }
        }
        Ok(())
    }

    /// Looks HBase's rows up in MySQL.
    async fn extra(
        &self,
        confirmer: &mut Confirmer<'_>,
        report: &mut TargetReport,
    ) -> Result<(), VerifyError> {
        let (mut source, sink) = self.readers();
        for bucket in buckets(self.target) {
            let mut walk = BucketWalk::new(self.target, bucket);
            while let Some(mut rows) = walk.next(&sink).await? {
                rows.retain(|row| self.suspects.has(&row.row));
                for part in rows.chunks(LOOK_UPS_AT_ONCE) {
                    self.look_up(&mut source, part, confirmer).await?;
                }
                if confirmer.is_full() {
                    confirmer.work(report).await?;
                }
            }
        }
        Ok(())
    }

    async fn look_up(
        &self,
        source: &mut SourceReader<'_>,
        rows: &[StoredRow],
        confirmer: &mut Confirmer<'_>,
    ) -> Result<(), VerifyError> {
        let key_of = |row: &StoredRow| {
            let parts = tall::split_row_key(self.mapping, self.target, &row.row)?;
            Some((parts.key, parts.item))
        };
        let keys: Vec<_> = rows.iter().map(key_of).collect();
        let wanted: Vec<_> = keys.iter().flatten().cloned().collect();
        let mut expected = BTreeSet::new();
        for row in source.items(self.mapping, &wanted).await? {
            expected.insert(layout::address(self.mapping, self.target, &row)?.row);
        }
        for (row, key) in rows.iter().zip(keys) {
            if !expected.contains(&row.row) {
                confirmer.add(Candidate { row: row.row.clone(), key });
            }
        }
        Ok(())
    }
}
