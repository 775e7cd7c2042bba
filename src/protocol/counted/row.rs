//! One row's work.

use super::long::SoFar;
use super::retry::{Retry, Stop};
use super::rows::{CountedRows, RowQueue};
use crate::failpoints::{KillPoint, kill_at};
use crate::lock::ListId;
use crate::model::Tick;
use crate::protocol::count::{CountMode, RowWork, Step, WorkKind, after, step};
use crate::protocol::write::{counted_before, uncompared};
use crate::sink::{CellNames, CellRange, CountedRow, CountedWrite, SinkError};

/// Cells that are counted between two looks at the deadline.
const CELLS_AT_ONCE: usize = 20_000;

/// A row at work.
pub struct Row<'a> {
    with: &'a CountedRows<'a>,
    mode: CountMode,
    queue: RowQueue,
    /// The row, and all items that the queue touches.
    names: CellNames,
    /// The row as it is; `None`: to be read again.
    known: Option<CountedRow>,
    /// All cells of the row, as they were when `c:t` was this.
    whole: Option<(Option<Tick>, u64)>,
    retry: Retry,
}

/// What became of it.
pub struct RowEnd {
    pub list: ListId,
    /// Items written, and counts set or taken away.
    pub done: u64,
    /// As [`Counted::steps`](super::Counted::steps).
    pub steps: u64,
    pub outcome: Result<(), Stop>,
    pub trouble: Option<SinkError>,
}

impl<'a> Row<'a> {
    pub fn new(
        with: &'a CountedRows<'a>,
        mode: CountMode,
        queue: RowQueue,
        names: CellNames,
        found: CountedRow,
    ) -> Row<'a> {
        Row { with, mode, queue, names, known: Some(found), whole: None, retry: Retry::default() }
    }

    pub async fn work_off(mut self) -> RowEnd {
        let (mut done, mut steps, mut outcome) = (0, 0, Ok(()));
        for work in std::mem::take(&mut self.queue.works) {
            match self.one(&work).await {
                Ok(items) => (done, steps) = (done + items, steps + u64::from(items > 0)),
                Err(stop) => {
                    outcome = Err(stop);
                    break;
                }
            }
        }
        if let (Err(_), Some((tick, cells))) = (&outcome, self.whole) {
            self.keep(SoFar { tick, cells, last: None, complete: true });
        }
        RowEnd { list: self.queue.list, done, steps, outcome, trouble: self.retry.trouble }
    }

    /// Does the work of one tick.
    async fn one(&mut self, work: &RowWork) -> Result<u64, Stop> {
        loop {
            self.retry.check(self.with.held)?;
            let found = self.found().await?;
            let whole = self.whole.filter(|(tick, _)| *tick == found.tick).map(|(_, cells)| cells);
            // what was handed out is journaled by now, and nothing else may stand in c:t
            let highest = self.with.highest();
            let foreign = |tick: &Tick| *tick > highest && !self.with.failpoints.foreign_ticks_taken();
            let step = match found.tick.filter(foreign) {
                Some(_) => Step::Foreign,
                None => step(&found, work, self.mode, whole),
            };
            match step {
                Step::Foreign => return Err(Stop::Refused(self.foreign(&found))),
                Step::Done => {
                    self.known = Some(found);
                    return Ok(0);
                }
                Step::CountCells => {
                    self.whole = Some((found.tick, self.cells(found.tick).await?));
                    self.known = Some(found);
                }
                Step::Write(write) => match self.send(&write, work).await {
                    Ok(true) => {
                        match work.what {
                            WorkKind::Batch { .. } => kill_at(KillPoint::CountedItemsWritten),
                            WorkKind::Count => kill_at(KillPoint::CountWritten),
                            WorkKind::Forget => {}
                        }
                        self.known = Some(after(found, &write));
                        return Ok((write.puts.len() + write.delete_columns.len()).max(1) as u64);
                    }
                    Ok(false) => {} // c:t has moved: read again
                    Err(error) => self.retry.after(error).await?,
                },
            }
        }
    }

    fn foreign(&self, found: &CountedRow) -> SinkError {
        let tick = found.tick.map_or(0, |tick| tick.0);
        SinkError::ForeignTick { table: self.with.table(self.queue.target), tick }
    }

    async fn found(&mut self) -> Result<CountedRow, Stop> {
        if let Some(found) = self.known.take() {
            return Ok(found);
        }
        let names = std::slice::from_ref(&self.names);
        let mut found = self.with.read(self.queue.target, names, &mut self.retry).await?;
        Ok(found.pop().unwrap_or_else(|| CountedRow { row: self.names.row.clone(), ..CountedRow::default() }))
    }

    async fn send(&self, write: &CountedWrite, work: &RowWork) -> Result<bool, SinkError> {
        if matches!(work.what, WorkKind::Count) {
            kill_at(KillPoint::RowCounted);
        }
        let (held, sink, target) = (self.with.held, self.with.sink, self.queue.target);
        match self.with.failpoints.count_by_plain_put() {
            true => uncompared(held.deadline(), sink, target, write).await,
            false => counted_before(held.deadline(), sink, target, write).await,
        }
    }

    /// How many cells the row has, `c:t` being `tick`: over several leases, if need be.
    async fn cells(&mut self, tick: Option<Tick>) -> Result<u64, Stop> {
        let mut so_far = self.with.long.take(self.queue.target, &self.queue.row, tick);
        while !so_far.complete {
            if let Err(stop) = self.more_cells(&mut so_far).await {
                self.keep(so_far);
                return Err(stop);
            }
        }
        Ok(so_far.cells)
    }

    async fn more_cells(&mut self, so_far: &mut SoFar) -> Result<(), Stop> {
        let range = CellRange::of_row(&self.queue.row, CELLS_AT_ONCE);
        let range = CellRange { after: so_far.last.clone(), names_only: true, ..range };
        let read = self.with.sink.scan_cells(self.queue.target, &range);
        if let Some(rows) = self.retry.attempt(self.with.held, read).await? {
            let cells = rows.first().map_or(&[][..], |row| &row.cells);
            so_far.cells += cells.len() as u64;
            so_far.complete = cells.len() < CELLS_AT_ONCE;
            so_far.last = cells.last().map(|cell| cell.qualifier.clone()).or(so_far.last.take());
        }
        Ok(())
    }

    fn keep(&self, so_far: SoFar) {
        self.with.long.keep(self.queue.target, &self.queue.row, so_far);
    }
}
