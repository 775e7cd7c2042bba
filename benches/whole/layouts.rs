//! `layouts`: the table of most cases, tailed and copied into each layout. HBase's cost follows the number of cells, and how many
//! rows they are spread over.

use crate::configuration::{LAYOUTS, Move};
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use crate::measure::BenchReport;
use crate::moved::Side;
use crate::rows::{self, LOOK_UP_EVERY};
use crate::turns::{self, Way};

/// Both sides into every layout in turns.
pub async fn run(ground: &Ground, backlog: &Backlog, say: &dyn Fn(&str)) -> anyhow::Result<Vec<BenchReport>> {
    let mut expected = Vec::new();
    for layout in &LAYOUTS {
        let what = Move { layout: layout.lines, ..ground.tall(FOLLOWS, "none") };
        expected.push(rows::some_of(&what, backlog, LOOK_UP_EVERY).await?);
    }
    let mut named = Vec::new();
    for side in [Side::Tail, Side::Backfill] {
        for (place, layout) in LAYOUTS.iter().enumerate() {
            named.push((side, place, format!("{}-{}", side.name(), layout.name)));
        }
    }
    let ways = named.iter().enumerate().map(|(at, (side, place, name))| Way {
        side: *side,
        what: Move { layout: LAYOUTS[*place].lines, ..ground.tall(FOLLOWS, name) },
        expected: &expected[*place],
        base: at - place,
    });
    let ways: Vec<Way<'_>> = ways.collect();
    let rounds = turns::run(&ways, ground.scale.rounds, backlog, say).await?;
    Ok(turns::reports(&ways, &rounds))
}
