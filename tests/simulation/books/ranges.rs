//! Which rows of which transaction a batch of this epoch covers.

use super::super::database::gtid;
use std::collections::BTreeMap;
use tailfill::model::{Point, Reached, Tick};

/// From one opening of the tail to the next: what is replayed in it keeps its ticks.
#[derive(Default)]
pub struct Epoch {
    pub number: u64,
    /// Its ticks are above this one.
    pub above: u64,
    pub all_lists: bool,
    /// By transaction, in the order in which they were sealed.
    ranges: BTreeMap<u64, Vec<Range>>,
    /// Where the last batch ended: transaction and row.
    last: Option<(u64, u64)>,
}

/// Rows of one transaction.
struct Range {
    first: u64,
    /// `u64::MAX`: to its end.
    last: u64,
    tick: Tick,
}

impl Epoch {
    pub fn opened(before: &Epoch, above: u64) -> Epoch {
        Epoch { number: before.number + 1, above, all_lists: before.all_lists, ..Epoch::default() }
    }

    /// Takes a batch in. What is wrong with it (I2): it goes back, or leaves rows out. `in_order`: the binlog has its
    /// transactions in the order of their numbers, as that of the first server.
    pub fn take_in(
        &mut self,
        tick: Tick,
        (from, to): (&Point, &Point),
        gtids: &Reached,
        in_order: bool,
    ) -> Option<String> {
        let mut problem = None;
        let (first, end) =
            ((from.transaction.gtid().number, from.row), (to.transaction.gtid().number, to.row));
        let before = self.last.replace(end);
        if in_order && (end < first || before.is_some_and(|before| first <= before)) {
            problem = Some(format!("covers {from} to {to}, behind {before:?}"));
        }
        for number in numbers(gtids) {
            let first = if from.transaction == gtid(number) { from.row } else { 0 };
            let last = if to.transaction == gtid(number) { to.row } else { u64::MAX };
            let ranges = self.ranges.entry(number).or_default();
            let expected = ranges.last().map_or(0, |range| range.last.saturating_add(1));
            if first != expected {
                problem = Some(format!("goes on with row {first} of transaction {number}, not {expected}"));
            }
            ranges.push(Range { first, last, tick });
        }
        problem
    }

    /// The tick of the batch that covers a row of a transaction.
    pub fn tick_of(&self, (number, row): (u64, u64)) -> Option<Tick> {
        let ranges = self.ranges.get(&number)?;
        ranges.iter().find(|range| (range.first..=range.last).contains(&row)).map(|range| range.tick)
    }
}

/// The numbers of transactions.
pub fn numbers(gtids: &Reached) -> Vec<u64> {
    gtids.gtids().iter().flat_map(|(_, all)| all.iter().flat_map(|i| i.first..=i.last)).collect()
}
