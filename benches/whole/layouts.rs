//! `layouts`: the table of most cases, tailed and copied into each layout. HBase's cost follows the number of cells, and how many
//! rows they are spread over.

use crate::configuration::{LAYOUTS, Layout, Move};
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use crate::measure::{Report, Round, bound};
use crate::{moved, rows, show};
use std::collections::BTreeMap;
use tailfill::sink::RowWrite;

/// Every so manieth row is looked up afterwards.
const LOOK_UP_EVERY: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Tail,
    Backfill,
}

fn name_of(side: Side, layout: &Layout) -> String {
    let side = match side {
        Side::Tail => "tail",
        Side::Backfill => "backfill",
    };
    format!("{side}-{}", layout.name)
}

/// Both sides into every layout in turns.
pub async fn run(ground: &Ground, backlog: &Backlog, say: &dyn Fn(&str)) -> anyhow::Result<Vec<Report>> {
    let mut expected: Vec<Vec<RowWrite>> = Vec::new();
    for layout in &LAYOUTS {
        let what = Move { ground, source_table: FOLLOWS, case: "none", layout: layout.lines, hbase: "" };
        expected.push(rows::some_of(&what, backlog, LOOK_UP_EVERY).await?);
    }
    let mut rounds: BTreeMap<(Side, usize), Vec<Round>> = BTreeMap::new();
    for number in 1..=ground.scale.rounds {
        for side in [Side::Tail, Side::Backfill] {
            for (place, layout) in LAYOUTS.iter().enumerate() {
                let name = name_of(side, layout);
                let what =
                    Move { ground, source_table: FOLLOWS, case: &name, layout: layout.lines, hbase: "" };
                let round = match side {
                    Side::Tail => moved::tail_as(&what, backlog, &expected[place]).await?,
                    Side::Backfill => {
                        moved::backfill_as(&what, backlog.edges.len() as u64, &expected[place]).await?
                    }
                };
                say(&format!("round {number}, {name}: {} rows/s", show::grouped(round.whole.rate())));
                rounds.entry((side, place)).or_default().push(round);
            }
        }
    }
    let report = |(&(side, place), own): (&(Side, usize), &Vec<Round>)| {
        let mut report = Report::of(name_of(side, &LAYOUTS[place]), own);
        if place > 0 {
            let tall = rounds.get(&(side, 0)).map_or(&[][..], Vec::as_slice);
            report.compare(&name_of(side, &LAYOUTS[0]), own, tall, bound(tall, own));
        }
        report
    };
    Ok(rounds.iter().map(report).collect())
}
