//! Counts that are not the number of a row's cells: taken away, and counted again at a mark of their own.
//!
//! Only where the state says that rows are counted: before that the count pass is still to come. While a count is away
//! the state says `counting`, durably, so that a run that ends in between has it counted by the next one's pass.

use super::job::{Job, Scope};
use super::scan::ranges;
use super::settle::note;
use crate::lock::ListId;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::counts::walk;
use crate::pipeline::jobs::requests;
use crate::pipeline::jobs::{self, Touch, Touched, What};
use crate::protocol::ProtocolError;
use crate::protocol::count::{Recount, Recounting};
use crate::sink::cells::CellRange;
use crate::sink::layout::Address;
use crate::sink::{CellNames, CountedRow, wide};
use crate::status::{Awaited, Kind};
use crate::store::records::CountsState;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Cells of one page when they are counted.
const PAGE: usize = 20_000;

/// A row whose count is to be counted again.
struct Wrong {
    row: Bytes,
    list: ListId,
    name: String,
}

/// Compares the counts of what is re-copied with the cells, and has those counted again that do not fit.
pub async fn look(job: &Job<'_>, copy: &Copy) -> Result<(), ProtocolError> {
    let counts = &job.shared.counts;
    let state = || counts.state(copy.target.id);
    let targets = job.parts.plan.written_to();
    let is_counting =
        || state() == CountsState::Counting && job.shared.counting && !targets.is_parked(copy.target.id);
    if is_counting() {
        job.waits(Awaited::new(Kind::Counts, ""));
        targets.until(async || !is_counting()).await;
        job.goes_on();
    }
    if !copy.target.counted || state() != CountsState::Counted {
        return Ok(());
    }
    job.does(&format!("compares the counts of {}", copy.target.table));
    for range in ranges(job, &copy.target) {
        let mut next = Some(range.start.clone());
        while let Some(start) = next {
            let page = job
                .tried(|| async {
                    Ok(walk::page(&*job.parts.sink, copy.target.id, &start, range.limit).await?)
                })
                .await?;
            next = page.next.clone().filter(|next| range.stop.is_empty() || *next < range.stop);
            let inside = |row: &Bytes| range.stop.is_empty() || *row < range.stop;
            let mut wrong: Vec<Wrong> = Vec::new();
            for row in page.uncounted.into_iter().filter(inside) {
                wrong.extend(of_ours(job, copy, row));
            }
            let counted: Vec<Bytes> = page.counted.into_iter().filter(inside).collect();
            let stop = next.clone().unwrap_or_else(|| range.stop.clone());
            for row in ill_fitting(job, copy, &counted, &start, &stop).await? {
                if let Some(found) = of_ours(job, copy, row)
                    && !fits(job, copy, &found.row).await?
                {
                    wrong.push(found);
                }
            }
            recount(job, copy, wrong).await?;
        }
    }
    Ok(())
}

/// Those of `rows`, all that are counted from `start` to `stop`, whose counts are not surely right: by a few calls for all
/// of them. One that was written to in between is not: a wrong count may have looked right.
async fn ill_fitting(
    job: &Job<'_>,
    copy: &Copy,
    rows: &[Bytes],
    start: &Bytes,
    stop: &Bytes,
) -> Result<Vec<Bytes>, ProtocolError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let before = say(job, copy, rows).await?;
    let (start, stop) = (start.clone(), stop.clone());
    let range = CellRange { start, stop, limit: PAGE, after: None, names_only: true };
    let cells = tally(job, copy, range).await?;
    let after = say(job, copy, rows).await?;
    let fits = |row: &CountedRow| row.count == Some(cells.get(&row.row).copied().unwrap_or(0));
    let rested = before.iter().zip(&after).map(|(before, after)| before == after && fits(after));
    Ok(rows.iter().zip(rested).filter(|(_, fits)| !fits).map(|(row, _)| row.clone()).collect())
}

/// What rows say of themselves.
async fn say(job: &Job<'_>, copy: &Copy, rows: &[Bytes]) -> Result<Vec<CountedRow>, ProtocolError> {
    let name = |row: &Bytes| CellNames { row: row.clone(), qualifiers: Vec::new() };
    let names: Vec<CellNames> = rows.iter().map(name).collect();
    let names = &names;
    job.tried(|| async { Ok(job.parts.sink.read_counted(copy.target.id, names).await?) }).await
}

/// How many cells each row of a range has.
async fn tally(
    job: &Job<'_>,
    copy: &Copy,
    mut range: CellRange,
) -> Result<BTreeMap<Bytes, u64>, ProtocolError> {
    let mut tally: BTreeMap<Bytes, u64> = BTreeMap::new();
    loop {
        let asked = &range;
        let rows =
            job.tried(|| async { Ok(job.parts.sink.scan_cells(copy.target.id, asked).await?) }).await?;
        for row in &rows {
            *tally.entry(row.row.clone()).or_default() += row.cells.len() as u64;
        }
        match range.rest(&rows) {
            Some(rest) => range = rest,
            None => return Ok(tally),
        }
    }
}

/// `None`: a row of no list that takes part.
fn of_ours(job: &Job<'_>, copy: &Copy, row: Bytes) -> Option<Wrong> {
    let (mapping, target) = (&copy.mapping, &copy.target);
    let parts = wide::split_row_key(mapping, target, &row)?;
    let list = ListId::new(mapping.id.0, parts.list.list_key);
    let takes_part = match &job.scope {
        Scope::All => job.parts.plan.cohort().has(parts.list.list_key),
        Scope::Lists(_) => job.has(list),
    };
    let name = |touched: &dyn Touched| touched.name(mapping, &parts.list.key, &[]);
    let name = job.recopies.touched().map_or_else(String::new, name);
    takes_part.then(|| Wrong { list, name, row: row.clone() })
}

/// Whether a row's count is the number of its cells, at a moment at which nobody wrote to it. A row that is always
/// written to does not fit: it is counted again, which is right whatever it says.
async fn fits(job: &Job<'_>, copy: &Copy, row: &Bytes) -> Result<bool, ProtocolError> {
    const LOOKS: usize = 3;
    for _ in 0..LOOKS {
        let before = say(job, copy, std::slice::from_ref(row)).await?;
        let cells = cells(job, copy, row).await?;
        if say(job, copy, std::slice::from_ref(row)).await? == before {
            return Ok(before.first().is_some_and(|row| row.count == Some(cells)));
        }
    }
    Ok(false)
}

async fn cells(job: &Job<'_>, copy: &Copy, row: &Bytes) -> Result<u64, ProtocolError> {
    let range = CellRange { names_only: true, ..CellRange::of_row(row, PAGE) };
    Ok(tally(job, copy, range).await?.get(row).copied().unwrap_or(0))
}

async fn recount(job: &Job<'_>, copy: &Copy, wrong: Vec<Wrong>) -> Result<(), ProtocolError> {
    if wrong.is_empty() {
        return Ok(());
    }
    let touch = |one: &Wrong| Touch {
        address: Address { row: one.row.clone(), cell: None },
        name: one.name.clone(),
        what: What::Recounted,
        tick: None,
    };
    let touches: Vec<Touch> = wrong.iter().map(touch).collect();
    if !job.dry_run {
        note(job, &copy.target, &touches)?;
        let (parts, counts) = (job.parts, &job.shared.counts);
        counts.set(parts, copy, CountsState::Counting).await?;
        let rows: Vec<(ListId, Bytes)> = wrong.into_iter().map(|one| (one.list, one.row)).collect();
        ask(job, copy, Recounting::Forget, rows.clone()).await?;
        ask(job, copy, Recounting::Count, rows).await?;
        counts.set(parts, copy, CountsState::Counted).await?;
    }
    job.report(copy.target.id, |report| {
        report.recounted += touches.len() as u64;
        touches.iter().for_each(|touch| report.example(|| job.example(touch)));
    });
    Ok(())
}

/// Waits until it is done.
async fn ask(
    job: &Job<'_>,
    copy: &Copy,
    what: Recounting,
    rows: Vec<(ListId, Bytes)>,
) -> Result<(), ProtocolError> {
    let recount = Recount { target: copy.target.id, what, rows };
    match requests::recount(&job.shared.recounts, recount).await {
        true => Ok(()),
        false => Err(jobs::interrupted()),
    }
}
