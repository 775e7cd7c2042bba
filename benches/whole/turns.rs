//! Ways to move the table of most cases: they run in turns, and each is compared with one of them.

use crate::configuration::Move;
use crate::data::Backlog;
use crate::measure::{BenchReport, Round, bound};
use crate::moved::{self, Side};
use crate::show;
use tailfill::sink::RowWrite;

/// One of them; its move names it.
pub struct Way<'a> {
    pub side: Side,
    pub what: Move<'a>,
    /// Rows that are looked up afterwards.
    pub expected: &'a [RowWrite],
    /// The place of what it is compared with, which may be its own.
    pub base: usize,
}

/// All of them as often as there are rounds: the rounds of each.
pub async fn run(
    ways: &[Way<'_>],
    rounds: u32,
    backlog: &Backlog,
    say: &dyn Fn(&str),
) -> anyhow::Result<Vec<Vec<Round>>> {
    let mut all: Vec<Vec<Round>> = ways.iter().map(|_| Vec::new()).collect();
    for number in 1..=rounds {
        for (way, own) in ways.iter().zip(&mut all) {
            let round = moved::side_as(&way.what, way.side, backlog, way.expected).await?;
            say(&format!("round {number}, {}: {} rows/s", way.what.case, show::grouped(round.whole.rate())));
            own.push(round);
        }
    }
    Ok(all)
}

/// A report of each.
pub fn reports(ways: &[Way<'_>], rounds: &[Vec<Round>]) -> Vec<BenchReport> {
    let report = |(place, way): (usize, &Way<'_>)| {
        let own = &rounds[place];
        let mut report = BenchReport::of(way.what.case, own);
        if way.base != place {
            let base = &rounds[way.base];
            report.compare(ways[way.base].what.case, own, base, bound(base, own));
        }
        report
    };
    ways.iter().enumerate().map(report).collect()
}
