//! `beside`: tail and backfill of this build and of another one, in turns.

use crate::configuration::Move;
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use crate::measure::BenchReport;
use crate::moved::Side;
use crate::rows::{self, LOOK_UP_EVERY};
use crate::turns::{self, Way};
use anyhow::Context;

/// Both programs in turns; this build is compared with the other one.
pub async fn run(ground: &Ground, backlog: &Backlog, say: &dyn Fn(&str)) -> anyhow::Result<Vec<BenchReport>> {
    let other = ground.beside.as_deref().context("name the other build with --beside PROGRAM")?;
    let expected = rows::some_of(&ground.tall(FOLLOWS, "none"), backlog, LOOK_UP_EVERY).await?;
    let way = |side, case, tailfill, base| Way {
        side,
        what: Move { tailfill, ..ground.tall(FOLLOWS, case) },
        expected: &expected,
        base,
    };
    let ways = [
        way(Side::Tail, "tail-other", other, 0),
        way(Side::Tail, "tail-this", &ground.tailfill, 0),
        way(Side::Backfill, "backfill-other", other, 2),
        way(Side::Backfill, "backfill-this", &ground.tailfill, 2),
    ];
    let rounds = turns::run(&ways, ground.scale.rounds, backlog, say).await?;
    Ok(turns::reports(&ways, &rounds))
}
