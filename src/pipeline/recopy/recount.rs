//! Counts that are not the number of a row's cells: taken away, and counted again at a mark of their own.
//!
//! Only where the state says that rows are counted: before that the count pass is still to come. While a count is away
//! the state says `counting`, durably, so that a run that ends in between has it counted by the next one's pass.

use super::job::{PAGE, Scope};
use super::target::AtTarget;
use crate::compare::{Bring, PAGE_ITEMS_MAX, Passed, RowTally, TallyWalk};
use crate::lock::ListId;
use crate::pipeline::jobs::requests;
use crate::pipeline::jobs::{self, Touch, TouchKind, Touched};
use crate::protocol::ProtocolError;
use crate::protocol::count::{Recount, Recounting};
use crate::sink::layout::Address;
use crate::sink::{ScanRange, wide};
use crate::status::{Awaited, Kind};
use crate::store::records::CountsState;
use bytes::Bytes;

/// Rows that are counted again together.
const AT_ONCE: usize = 500;

/// A row whose count is to be counted again.
struct Wrong {
    row: Bytes,
    list: ListId,
    name: String,
}

/// Compares the counts of what is re-copied with the cells, and has those counted again that do not fit.
pub async fn compare(at: &AtTarget<'_>) -> Result<(), ProtocolError> {
    let AtTarget { job, copy } = *at;
    let counts = &job.shared.counts;
    let state = || counts.state(copy.target.id);
    let targets = job.parts.plan.written_to();
    let is_counting =
        || state() == CountsState::Counting && job.shared.counting && !targets.is_parked(copy.target.id);
    if is_counting() {
        job.set_waiting(Awaited::new(Kind::Counts, ""));
        targets.until(async || !is_counting()).await;
        job.set_not_waiting();
    }
    if !copy.target.counted || state() != CountsState::Counted {
        return Ok(());
    }
    job.set_doing(&format!("compares the counts of {}", copy.target.table));
    let mut wrong = Vec::new();
    for range in job.ranges(&copy.target) {
        let mut walk = TallyWalk::new(at.sides(job), range, Bring::Names);
        loop {
            let permit = job.permit(PAGE as u64).await;
            let Some(passed) = walk.next().await? else { break };
            let Passed::Rows(rows) = passed else { continue };
            permit.used(rows.len() as u64);
            for tally in rows.into_iter().filter(|tally| judge(tally) != Some(true)) {
                if let Some(found) = of_ours(at, &tally.row)
                    && (tally.count.is_none() || !fits(at, &tally.row).await?)
                {
                    wrong.push(found);
                }
            }
            if wrong.len() >= AT_ONCE {
                recount(at, std::mem::take(&mut wrong)).await?;
            }
        }
    }
    recount(at, wrong).await
}

/// Whether a row's count is the number of its cells; `None` for one that was written to meanwhile: a wrong count may have
/// looked right.
fn judge(tally: &RowTally) -> Option<bool> {
    tally.rested.then_some(tally.count == Some(tally.cells))
}

/// `None`: a row of no list that takes part.
fn of_ours(at: &AtTarget<'_>, row: &Bytes) -> Option<Wrong> {
    let AtTarget { job, copy } = *at;
    let (mapping, target) = (&copy.mapping, &copy.target);
    let parts = wide::split_row_key(mapping, target, row)?;
    let list = ListId::new(mapping.id.0, parts.list.list_key);
    let takes_part = match &job.scope {
        Scope::All => job.parts.plan.cohort().has(mapping, parts.list.list_key),
        Scope::Lists(_) => job.has(list),
    };
    let name = |touched: &dyn Touched| touched.name(mapping, &parts.list.key, &[]);
    let name = job.recopies.touched().map_or_else(String::new, name);
    takes_part.then(|| Wrong { list, name, row: row.clone() })
}

/// Whether a row's count is the number of its cells, at a moment at which nobody wrote to it. A row that is always
/// written to does not fit: it is counted again, which is right whatever it says.
async fn fits(at: &AtTarget<'_>, row: &Bytes) -> Result<bool, ProtocolError> {
    const LOOKS: usize = 3;
    for _ in 0..LOOKS {
        let mut walk = TallyWalk::new(at.sides(at.job), ScanRange::of_row(row, PAGE_ITEMS_MAX), Bring::Names);
        while let Some(passed) = walk.next().await? {
            if let Passed::Rows(rows) = passed
                && let Some(fits) = rows.iter().find_map(judge)
            {
                return Ok(fits);
            }
        }
    }
    Ok(false)
}

async fn recount(at: &AtTarget<'_>, wrong: Vec<Wrong>) -> Result<(), ProtocolError> {
    if wrong.is_empty() {
        return Ok(());
    }
    let AtTarget { job, copy } = *at;
    let touch = |one: &Wrong| Touch {
        address: Address { row: one.row.clone(), cell: None },
        name: one.name.clone(),
        what: TouchKind::Recounted,
        tick: None,
    };
    let touches: Vec<Touch> = wrong.iter().map(touch).collect();
    if !job.dry_run {
        job.note(&copy.target, &touches)?;
        let (parts, counts) = (job.parts, &job.shared.counts);
        counts.set(parts, copy, CountsState::Counting).await?;
        let rows: Vec<(ListId, Bytes)> = wrong.into_iter().map(|one| (one.list, one.row)).collect();
        request_recount(at, Recounting::Forget, rows.clone()).await?;
        request_recount(at, Recounting::Count, rows).await?;
        counts.set(parts, copy, CountsState::Counted).await?;
    }
    job.report(copy.target.id, |report| {
        report.recounted += touches.len() as u64;
        touches.iter().for_each(|touch| report.example(|| job.example(touch)));
    });
    Ok(())
}

/// Waits until it is done.
async fn request_recount(
    at: &AtTarget<'_>,
    what: Recounting,
    rows: Vec<(ListId, Bytes)>,
) -> Result<(), ProtocolError> {
    let AtTarget { job, copy } = *at;
    let recount = Recount { target: copy.target.id, what, rows };
    match requests::recount(&job.shared.recounts, recount).await {
        true => Ok(()),
        false => Err(jobs::interrupted()),
    }
}
