//! The full comparison: every item and every cell of every target.
//!
//! First both sides are read once ([`sums`](super::sums)), MySQL by primary key and HBase by row key and cell, and
//! reduced to digests ([`SetDigest`](super::digest::SetDigest)). Where these are equal nothing differs. In the
//! partitions in which they are not, items are compared one by one ([`Closer`]): those of MySQL are looked up in
//! HBase, which finds what is missing or different, and those of HBase in MySQL, which finds what is extra. What
//! still differs is a candidate and goes to [`Confirmer`](super::confirm::Confirmer).
//!
//! The same reading compares the count of each row with the cells that the row has; what does not fit goes to
//! [`CountConfirmer`](super::counts::CountConfirmer), which asks MySQL.
//!
//! Memory: two digests of 1 MiB for each target of a mapping, one chunk of MySQL, and one page of HBase for each of
//! [`SCANS_AT_ONCE`](super::sums::SCANS_AT_ONCE) scans; a page is one of cells, so it does not matter how many a row has.

use super::account::{self, Account};
use super::closer::Closer;
use super::digest::Suspects;
use super::pass::Pass;
use super::report::{VerifyReport, VerifyTargetReport};
use super::sums::{TargetSuspects, suspects};
use super::tail::{Watch, brief};
use super::verification::Verification;
use super::{Stage, VerifyError, counts, under_way};
use crate::advice;
use crate::model::{DateTime, Mapping, Pilot, Target};
use crate::source::SourceError;
use tokio::time::Instant;

/// Compares all targets of all mappings. Reads only.
///
/// # Errors
/// A server that stays away, or a row that has no row key. That nothing can be judged is no error
/// but in the report.
pub async fn full(with: &Verification) -> Result<VerifyReport, VerifyError> {
    full_pass(with, &Pass::new(Vec::new(), None)).await
}

/// The same as a pass that another process can go on with, or that goes on with the pass of another process.
///
/// # Errors
/// As of [`full`], and `NotResumed`.
pub async fn full_pass(with: &Verification, pass: &Pass) -> Result<VerifyReport, VerifyError> {
    let begin = Instant::now();
    let mut report = VerifyReport::new(&with.mappings);
    report.pilot = with.cohort.pilot().map(Pilot::words);
    report.sample = with.settings.sample.map(|ask| ask.items);
    let done = compare(with, pass, &mut report).await;
    let cannot_judge = match done {
        Ok(()) => None,
        Err(VerifyError::CannotJudge { reason }) => Some(reason),
        Err(error) => return Err(error),
    };
    if let Some((ms, times)) = pass.interrupted() {
        let at = DateTime::from_ms_since_epoch(ms).in_seconds();
        let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
        report.notes.push(format!(
            "it began at {at}, and was interrupted {times}: the first items were compared then"
        ));
        report.began_ms = Some(ms);
    }
    report.finish(cannot_judge, pass.worked_before() + begin.elapsed());
    Ok(report)
}

async fn compare(with: &Verification, pass: &Pass, report: &mut VerifyReport) -> Result<(), VerifyError> {
    with.meter.enter(Stage::CatchingUp);
    let watch = pass.watch(with).await?;
    let mut rest = report.targets.as_mut_slice();
    for (at, mapping) in with.mappings.iter().enumerate() {
        // The report has every target, in the same order.
        let (reports, others) = rest.split_at_mut(mapping.targets.len());
        rest = others;
        if let Some(found) = pass.done(at) {
            reports.iter_mut().zip(found).for_each(|(report, found)| *report = found);
            continue;
        }
        let suspects = suspects(with, pass, mapping, reports).await?;
        let mut accounts = Vec::with_capacity(suspects.len());
        for ((target, report), suspects) in mapping.targets.iter().zip(&mut *reports).zip(suspects) {
            accounts.push(confirm_suspects(with, &watch, (mapping, target), suspects, report).await?);
        }
        account::settle(with, &watch, mapping, &accounts, reports).await?;
        pass.mapping_done(reports);
    }
    pass.complete();
    let is_equal = report.targets.iter().all(VerifyTargetReport::is_equal);
    report.notes.extend(note_moves(with, &watch, is_equal).await?);
    Ok(())
}

/// Looks at the items, and then at the counts, of one target that may differ. What its scans leave to be explained.
async fn confirm_suspects(
    with: &Verification,
    watch: &Watch,
    (mapping, target): (&Mapping, &Target),
    TargetSuspects { items, mut account, counts }: TargetSuspects,
    report: &mut VerifyTargetReport,
) -> Result<Account, VerifyError> {
    let mut uneven = Suspects::none();
    if items.any() {
        with.meter.enter(Stage::LookingCloser);
        let closer = Closer { with, watch, mapping, target, suspects: &items };
        uneven = closer.confirm(report, &mut account).await?;
    }
    if let Some(seen) = counts
        && (seen.any() || uneven.any())
    {
        with.meter.enter(Stage::LookingCloser);
        let suspects = counts::CountSuspects { seen, uneven };
        counts::confirm(with, watch, (mapping, target), suspects, report).await?;
    }
    Ok(account)
}

/// Without a live tail: differences count only if no mapped table changed since the last run left it; where both
/// sides are equal, a source that went on is worth a note.
///
/// # Errors
/// `CannotJudge` where it changed, and the sides are not equal.
pub async fn note_moves(
    with: &Verification,
    watch: &Watch,
    is_equal: bool,
) -> Result<Vec<String>, VerifyError> {
    let Some(moved) = watch.moved(&*with.source).await? else { return Ok(Vec::new()) };
    let mut reasons = Vec::new();
    if !moved.behind.is_empty() {
        reasons.push(format!("MySQL lacks {} that the last run has read", brief(&moved.behind)));
    }
    if is_equal {
        let ahead = format!("MySQL has committed more since: {}", brief(&moved.ahead));
        return Ok((!moved.ahead.is_empty()).then_some(ahead).into_iter().chain(reasons).collect());
    }
    let touching = match under_way::touching(with, moved.since).await {
        Err(VerifyError::Source(SourceError::PositionLost { reason, .. })) => {
            return Err(VerifyError::CannotJudge {
                reason: format!(
                    "no run tails, and tailfill cannot read the binlog since the last run: {reason}"
                ),
            });
        }
        done => done?,
    };
    if !touching.is_empty() {
        reasons.push(format!("mapped tables were changed by {}", brief(&touching)));
    }
    if reasons.is_empty() {
        return Ok(Vec::new());
    }
    let reason = format!(
        "no run tails, so MySQL must not change after the last run, but {}; {}",
        reasons.join(", and "),
        advice::catch_up_first()
    );
    Err(VerifyError::CannotJudge { reason })
}
