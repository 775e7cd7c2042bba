//! Counts that do not fit, confirmed: from a row whose count looks wrong to one that is wrong.
//!
//! A list that many people follow never stands still, and a list of a million items takes seconds to read, so
//! nothing here waits for a moment without a change. A round:
//! 1. the executed set G0; wait until the tail has written it; open a read view of MySQL;
//! 2. read `c:t` of the rows (A); the binlog outside G0 up to its end, for the items that it touches in these rows;
//!    read `c:n`, `c:t` and which of the touched items are there, each row in one Get (B). Where `c:t` is the same
//!    in A and B nothing was done to the row in between, so that B shows what A would have, and what A shows is in
//!    the binlog that was read since;
//! 3. count the items of the lists in the view, without the touched ones.
//!
//! An item that no transaction outside G0 touches is the same in the view and in B. So `c:n` has to be the number of
//! those in the view and of the touched ones in B. Rows to which something was done between A and B go through step 2
//! again, with B as A. What never finds such a moment is judged in a [`turn`] of its list, where HBase stands at one place of
//! the binlog.

use super::digest::Suspects;
use super::report::{Miscounted, VerifyTargetReport};
use super::tail::Watch;
use super::tally::{CountsSeen, Judged, judge};
use super::under_way::{self, Feed};
use super::view::View;
use super::{Verification, VerifyError, turn};
use crate::compare::{Bring, Passed, RowTally, Sides, TallyWalk, buckets};
use crate::model::{ColumnValue, Mapping, Reached, Target, Value};
use crate::sink::layout::{Address, Codec};
use crate::sink::{CellNames, CountedRow, SinkError, wide};
use crate::source::SourceError;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

/// Rows whose counts are confirmed together.
const ROWS_AT_ONCE: usize = 1_000;

/// How often a row is looked at for a moment in which nothing is done to it (some milliseconds), in one round.
const LOOKS_MAX: u32 = 20;

/// Where counts are looked at.
pub struct CountSuspects {
    /// Rows that had not as many cells as they say, and rows that were written to meanwhile.
    pub seen: CountsSeen,
    /// Rows whose cells are not those of MySQL, so that a count which fits them is wrong.
    pub uneven: Suspects,
}

impl CountSuspects {
    fn call_for(&self, tally: &RowTally, due: bool) -> bool {
        match judge(tally, due) {
            Judged::Fits => self.uneven.has_row(&tally.row),
            Judged::Suspect | Judged::Moved => {
                self.seen.suspects.has_row(&tally.row) || self.uneven.has_row(&tally.row)
            }
            Judged::Open => false,
        }
    }
}

/// Confirms the counts that are suspect into `report`. Where a row had not as many cells as it says, the names of all
/// cells are read again first.
pub async fn confirm(
    with: &Verification,
    watch: &Watch,
    (mapping, target): (&Mapping, &Target),
    suspects: CountSuspects,
    report: &mut VerifyTargetReport,
) -> Result<(), VerifyError> {
    let sides = with.sides(mapping, target);
    let due = with.counts_due.contains(&target.id);
    let mut confirmer = CountConfirmer { with, watch, mapping, target, sides, due, pending: BTreeMap::new() };
    for row in &suspects.seen.moved {
        confirmer.add(row.clone());
        confirmer.work_if_full(report).await?;
    }
    if suspects.seen.suspects.any() || suspects.uneven.any() {
        for bucket in buckets(target) {
            let mut walk = TallyWalk::new(sides, bucket, Bring::Names);
            while let Some(passed) = walk.next().await? {
                let Passed::Rows(rows) = passed else { continue };
                let called_for = |tally: &RowTally| {
                    suspects.call_for(tally, due)
                        && !suspects.seen.moved.contains(&tally.row)
                        && sides.takes_wide_row(&tally.row)
                };
                rows.into_iter().filter(called_for).for_each(|tally| confirmer.add(tally.row));
                confirmer.work_if_full(report).await?;
            }
        }
    }
    confirmer.work(report).await
}

/// Rows, each with the key of its list; `None` for a row key that is none of the mapping.
type Rows = BTreeMap<Bytes, Option<Vec<Value>>>;

/// Confirms the counts of one target.
pub struct CountConfirmer<'a> {
    with: &'a Verification,
    watch: &'a Watch,
    mapping: &'a Mapping,
    target: &'a Target,
    sides: Sides<'a, Verification>,
    due: bool,
    pending: Rows,
}

/// A row of HBase at one moment.
struct Stood {
    count: Option<u64>,
    /// Its items that transactions outside G0 touch, and how many of them it has.
    touched: BTreeSet<Bytes>,
    touched_present: u64,
}

impl CountConfirmer<'_> {
    fn add(&mut self, row: Bytes) {
        let list = wide::split_row_key(self.mapping, self.target, &row).map(|parts| parts.list.key);
        self.pending.insert(row, list);
        self.with.meter.candidates.fetch_add(1, Relaxed);
    }

    async fn work_if_full(&mut self, report: &mut VerifyTargetReport) -> Result<(), VerifyError> {
        match self.pending.len() >= ROWS_AT_ONCE {
            true => self.work(report).await,
            false => Ok(()),
        }
    }

    /// Confirms all rows, in rounds.
    async fn work(&mut self, report: &mut VerifyTargetReport) -> Result<(), VerifyError> {
        let mut moving = std::mem::take(&mut self.pending);
        let count = moving.len() as u64;
        for _ in 0..self.with.settings.rounds {
            if moving.is_empty() {
                break;
            }
            moving = self.round(moving, report).await?;
        }
        while !moving.is_empty() {
            let behind = moving.keys().nth(turn::AT_ONCE).cloned();
            let rest = behind.map(|behind| moving.split_off(&behind)).unwrap_or_default();
            let left = self.in_turn(std::mem::replace(&mut moving, rest), report).await?;
            report.unsettled += left.len() as u64;
        }
        self.with.meter.candidates.fetch_sub(count, Relaxed);
        Ok(())
    }

    /// Gives back what never stood still.
    async fn round(&self, mut rows: Rows, report: &mut VerifyTargetReport) -> Result<Rows, VerifyError> {
        let before = self.with.source.executed().await?;
        self.watch.written(&before).await?;
        let mut view = View::open(self.with).await?;
        let stood = match self.stand(&rows, before).await {
            // The next round asks again.
            Err(VerifyError::Source(SourceError::Unavailable { address, reason })) => {
                tracing::warn!(%address, %reason, "the binlog could not be read");
                return Ok(rows);
            }
            done => done?,
        };
        let Some(untouched) = self.untouched(&mut view, &rows, &stood).await? else { return Ok(rows) };
        self.judge(&mut rows, stood, &untouched, report);
        Ok(rows)
    }

    /// Judges those rows of which it is known how they stood, and takes them out.
    fn judge(
        &self,
        rows: &mut Rows,
        stood: BTreeMap<Bytes, Stood>,
        untouched: &BTreeMap<Bytes, u64>,
        report: &mut VerifyTargetReport,
    ) {
        for (row, stood) in stood {
            let Some(list) = rows.remove(&row) else { continue };
            let expected = untouched.get(&row).copied().unwrap_or(0) + stood.touched_present;
            let may_be_absent = !self.due || expected == 0;
            if stood.count != Some(expected) && !(stood.count.is_none() && may_be_absent) {
                let segment = wide::split_row_key(self.mapping, self.target, &row).and_then(|p| p.segment);
                let list = list.map(|key| (key, segment));
                report.miscounted(self.mapping, Miscounted { row: &row, list, found: stood.count, expected });
            }
        }
    }

    /// Judges rows that never rest, in a turn of their lists. Gives back those that nobody holds up.
    async fn in_turn(&self, mut rows: Rows, report: &mut VerifyTargetReport) -> Result<Rows, VerifyError> {
        let (with, names) = (self.with, rows.keys().map(|row| (row.clone(), BTreeSet::new())).collect());
        let mut lists: Vec<Vec<Value>> = rows.values().flatten().cloned().collect();
        lists.dedup(); // the segments of a list lie together
        let read = async || self.read(&names).await;
        let Some((found, sealed)) = turn::held_up(self.watch, self.mapping, &lists, read).await? else {
            return Ok(rows);
        };
        if !self.watch.committed(&*with.source, &sealed).await? {
            return Ok(rows);
        }
        let mut view = View::open(with).await?;
        let mut before: BTreeMap<Bytes, BTreeMap<Bytes, bool>> = BTreeMap::new();
        let see = |Address { row, cell }: Address, was: Option<&[ColumnValue<'_>]>| {
            if let Some(cell) = cell.filter(|_| rows.contains_key(&row)) {
                before.entry(row).or_default().entry(cell).or_insert(was.is_some());
            }
        };
        turn::stood_before(with, (self.mapping, self.target), sealed, see).await?;
        let stood = found.into_iter().map(|CountedRow { row, count, .. }| {
            let items = before.remove(&row).unwrap_or_default();
            let touched_present = items.values().filter(|was_there| **was_there).count() as u64;
            (row, Stood { count, touched: items.into_keys().collect(), touched_present })
        });
        let stood: BTreeMap<Bytes, Stood> = stood.collect();
        if let Some(untouched) = self.untouched(&mut view, &rows, &stood).await? {
            self.judge(&mut rows, stood, &untouched, report);
        }
        Ok(rows)
    }

    /// Finds a moment for each row, of which the binlog tells what it shows. Rows without one are left out.
    async fn stand(&self, rows: &Rows, before: Reached) -> Result<BTreeMap<Bytes, Stood>, VerifyError> {
        let mut touched: BTreeMap<Bytes, BTreeSet<Bytes>> =
            rows.keys().map(|row| (row.clone(), BTreeSet::new())).collect();
        let mut stood = BTreeMap::new();
        let mut feed = match self.watch.is_live() {
            true => Some(Feed::open(self.with, before).await?),
            false => None,
        };
        let mut earlier = self.read(&touched).await?;
        for _ in 0..LOOKS_MAX {
            if let Some(feed) = &mut feed {
                feed.read(|_, change| {
                    for Address { row, cell } in under_way::addresses(self.mapping, self.target, change) {
                        if let Some(touched) = touched.get_mut(&row) {
                            touched.extend(cell);
                        }
                    }
                })
                .await?;
            }
            let now = self.read(&touched).await?;
            for (earlier, now) in earlier.iter().zip(&now).filter(|(earlier, now)| earlier.tick == now.tick) {
                let Some(touched) = touched.remove(&earlier.row) else { continue };
                let touched_present = now.present.len() as u64;
                stood.insert(now.row.clone(), Stood { count: now.count, touched, touched_present });
            }
            if touched.is_empty() {
                break;
            }
            earlier = now.into_iter().filter(|row| touched.contains_key(&row.row)).collect();
        }
        Ok(stood)
    }

    /// In the order of the rows.
    async fn read(&self, touched: &BTreeMap<Bytes, BTreeSet<Bytes>>) -> Result<Vec<CountedRow>, VerifyError> {
        let names = touched
            .iter()
            .map(|(row, cells)| CellNames { row: row.clone(), qualifiers: cells.iter().cloned().collect() });
        self.sides.counted(&names.collect::<Vec<_>>()).await
    }

    /// How many items MySQL has in each row, without the touched ones; `None` when the view was lost.
    async fn untouched(
        &self,
        view: &mut View,
        rows: &Rows,
        stood: &BTreeMap<Bytes, Stood>,
    ) -> Result<Option<BTreeMap<Bytes, u64>>, VerifyError> {
        let mut lists: Vec<&[Value]> = stood.keys().filter_map(|row| rows.get(row)?.as_deref()).collect();
        lists.dedup(); // the segments of a list lie together
        let mut counts: BTreeMap<Bytes, u64> = BTreeMap::new();
        let mut bad: Option<SinkError> = None;
        let mut take = |row: &[Value]| match Codec::of(self.mapping, self.target).address(row) {
            Ok(Address { row, cell: Some(cell) }) => {
                if stood.get(&row).is_some_and(|stood| !stood.touched.contains(&cell)) {
                    *counts.entry(row).or_default() += 1;
                }
            }
            Ok(Address { cell: None, .. }) => {}
            Err(error) => drop(bad.get_or_insert(error)),
        };
        let chunk_rows = self.with.settings.chunk_rows;
        let whole = view.each_of_lists(self.mapping, &lists, chunk_rows, &mut take).await?;
        match bad {
            Some(error) => Err(error.into()),
            None => Ok(whole.map(|()| counts)),
        }
    }
}
