//! `tail`, `backfill` and `huge`: the real program from MySQL to HBase, into a new table with a new state.

use crate::case::Case;
use crate::child::{Status, Tailfill};
use crate::configuration::Move;
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground, HUGE, compare};
use crate::measure::Round;
use crate::trace::{Sample, Trace};
use anyhow::ensure;
use mysql_async::prelude::Queryable;
use std::path::Path;
use std::time::{Duration, Instant};
use tailfill::sink::RowWrite;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a link that gets slow lets through, bytes a second.
const SLOW_RATE: u32 = 4_000_000;

/// The backlog by the binlog; or the whole table by SELECTs, beside a tail without work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Tail,
    Backfill,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Side::Tail => "tail",
            Side::Backfill => "backfill",
        }
    }

    fn rows(self, status: &Status) -> u64 {
        match self {
            Side::Tail => status.written(),
            Side::Backfill => status.copied(),
        }
    }

    /// Whether the work has begun: the first change was read, or workers may read chunks.
    fn has_begun(self, status: &Status) -> bool {
        match self {
            Side::Tail => status.changes() > 0,
            Side::Backfill => status.has("/mark"),
        }
    }
}

/// Either side of the table of most cases into one HBase row for each item.
pub async fn tall(
    ground: &Ground,
    case: Case,
    side: Side,
    backlog: &Backlog,
    expected: &[RowWrite],
) -> anyhow::Result<Round> {
    side_as(&ground.tall(FOLLOWS, &case.name()), side, backlog, expected).await
}

/// The same in any way; some of the rows may be `expected`.
pub async fn side_as(
    what: &Move<'_>,
    side: Side,
    backlog: &Backlog,
    expected: &[RowWrite],
) -> anyhow::Result<Round> {
    let rows = backlog.edges.len() as u64;
    match side {
        Side::Tail => {
            let arguments = ["run", "--tail-only", "--from", &backlog.before, "--until", "caught-up"];
            into_new_table(what, side, &arguments, rows, expected).await
        }
        Side::Backfill => into_new_table(what, side, &["run", "--until", "caught-up"], rows, expected).await,
    }
}

async fn into_new_table(
    what: &Move<'_>,
    side: Side,
    arguments: &[&str],
    rows: u64,
    expected: &[RowWrite],
) -> anyhow::Result<Round> {
    let ground = what.ground;
    let program = what.tailfill;
    let (sink, mapping) = what.sink().await?;
    ground.forget_table(&sink, what.case).await?;
    let folder = what.folder()?;
    Tailfill::complete(program, &folder, &["init"]).await?;
    ground.quiet().await?;
    let round = watch(what, &folder, side, arguments, rows).await?;
    compare(&sink, &mapping, expected).await?;
    ground.forget_table(&sink, what.case).await?;
    Ok(round)
}

/// One transaction with all rows, by the binlog.
pub async fn huge(ground: &Ground) -> anyhow::Result<Round> {
    let name = Case::Huge.name();
    let (sink, _) = ground.sink(HUGE, &name).await?;
    ground.forget_table(&sink, &name).await?;
    let folder = ground.folder(HUGE, &name)?;
    let before = ground.executed().await?;
    let rows = ground.scale.huge_rows;
    let mut conn = ground.connect().await?;
    conn.query_drop(format!("SET cte_max_recursion_depth = {rows}")).await?;
    conn.query_drop(format!(
        "INSERT INTO {HUGE} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
         SELECT (i * 2654435761) % 100003, i, TIMESTAMPADD(SECOND, i, '2024-01-01'), CONCAT('note ', LPAD(i, 15, '0')) \
         FROM n"
    ))
    .await?;
    conn.disconnect().await?;
    Tailfill::complete(&ground.tailfill, &folder, &["init"]).await?;
    ground.quiet().await?;
    let arguments = ["run", "--tail-only", "--from", &before, "--until", "caught-up"];
    let round = watch(&ground.tall(HUGE, &name), &folder, Side::Tail, &arguments, rows).await?;
    ground.forget_table(&sink, &name).await?;
    Ok(round)
}

/// Runs tailfill to its end and looks at it all the time.
async fn watch(
    what: &Move<'_>,
    folder: &Path,
    side: Side,
    arguments: &[&str],
    rows: u64,
) -> anyhow::Result<Round> {
    let started = Instant::now();
    let mut run = Tailfill::start(what.tailfill, folder, arguments)?;
    let mut is_first_half = true;
    what.slows.iter().for_each(|link| link.set_rate(0));
    let meter = what.ground.meter(run.pid());
    let (mut trace, mut last) = (Trace::default(), None);
    loop {
        // its CPU time can be read until its end is taken note of
        let (at, cpu) = (Instant::now(), meter.read()?);
        if let Some(ended) = run.ended()? {
            run.check(ended)?;
            // it ends with code 0 only when all is written, maybe before anybody looked again
            trace.push(true, Sample { at, rows, cpu });
            break;
        }
        let status = run.status().await;
        let begun = status.as_ref().is_some_and(|status| side.has_begun(status));
        let seen = status.as_ref().map_or(0, |status| side.rows(status));
        ensure!(seen <= rows, "{seen} rows were written and there are {rows}");
        if is_first_half && seen > rows / 2 {
            is_first_half = false;
            what.slows.iter().for_each(|link| link.set_rate(SLOW_RATE));
        }
        trace.push(begun, Sample { at, rows: seen, cpu });
        last = status.or(last);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let mut round = Round::of(trace.halves(rows)?);
    round.memory_high = Some(run.memory_high());
    round.last_status = last;
    round.process_seconds = started.elapsed().as_secs_f64();
    Ok(round)
}
