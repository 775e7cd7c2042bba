//! `lag` and `both`: an application writes at a steady pace while a tail, and a backfill beside it, follow.

use crate::application::{Application, Rows};
use crate::case::Case;
use crate::child::{Status, Tailfill};
use crate::ground::{FOLLOWS, Ground};
use crate::measure::{BenchReport, Round, bound, ratio};
use crate::probe::{self, Lags, Lists};
use crate::processes::Meter;
use crate::show::grouped;
use crate::trace::{Sample, Span, Trace};
use anyhow::{Context, ensure};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tailfill::model::Mapping;
use tailfill::sink::hbase::HbaseSink;
use tokio::time::sleep;

pub const NO_ANSWER: &str = "tailfill does not answer";
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bound on what takes seconds.
const SOON: Duration = Duration::from_secs(60);
const COPIED_WITHIN: Duration = Duration::from_secs(3_600);

/// One run beside an application.
#[derive(Clone, Debug)]
pub struct Beside {
    pub round: Round,
    pub lags: Lags,
    /// Transactions of the application a second.
    pub rate: f64,
    /// Lag as tailfill tells it, over its whole run: p50 and p99, milliseconds.
    pub own_lag_ms: (Option<f64>, Option<f64>),
}

/// A tail of a table that nothing is copied of.
pub async fn lag(ground: &Ground, rows: &Arc<Rows>) -> anyhow::Result<BenchReport> {
    let mut runs = Vec::new();
    for _ in 0..ground.scale.rounds {
        runs.push(lag_round(ground, rows).await?);
    }
    let mut report = report(&Case::Lag.name(), ground.scale.rate, &runs);
    // as many rows as the application wrote: a pace, and no rate of tailfill's
    report.rows_per_second = None;
    Ok(report)
}

/// The backfill of the whole table, beside the same application, in turns with one whose workers all copy at all times;
/// `alone`: the rounds of `backfill`.
pub async fn both(ground: &Ground, rows: &Arc<Rows>, alone: &[Round]) -> anyhow::Result<Vec<BenchReport>> {
    let (mut runs, mut all_workers) = (Vec::new(), Vec::new());
    for _ in 0..ground.scale.rounds {
        all_workers.push(both_round(ground, rows, &["throttle", "set", "throttle.tail_write=off"]).await?);
        runs.push(both_round(ground, rows, &["throttle", "show"]).await?);
    }
    let rounds = |runs: &[Beside]| runs.iter().map(|run| run.round.clone()).collect::<Vec<Round>>();
    let (own, others) = (rounds(&runs), rounds(&all_workers));
    let mut yielding = report(&Case::Both.name(), ground.scale.rate, &runs);
    yielding.compare(&Case::Backfill.name(), &own, alone, bound(alone, &own));
    let by_all = ratio(&own, &others, |round| Some(round.whole));
    yielding.more.insert("rate_by_that_of_both-all-workers".into(), json!(by_all));
    let mut all = report("both-all-workers", ground.scale.rate, &all_workers);
    all.compare(&Case::Backfill.name(), &others, alone, bound(alone, &others));
    Ok(vec![all, yielding])
}

/// `asked`: transactions a second.
pub fn report(case: &str, asked: u32, runs: &[Beside]) -> BenchReport {
    let rounds: Vec<Round> = runs.iter().map(|run| run.round.clone()).collect();
    let mut report = BenchReport::of(case, &rounds);
    let lags = Lags::of(&runs.iter().map(|run| run.lags.clone()).collect::<Vec<_>>());
    (report.p50_ms, report.p99_ms) = (lags.quantile(0.5), lags.quantile(0.99));
    let rate = runs.iter().map(|run| run.rate).sum::<f64>() / runs.len() as f64;
    let each = |share| runs.iter().map(|run| run.lags.quantile(share)).collect::<Vec<_>>();
    let own = |pick: fn(&Beside) -> Option<f64>| runs.iter().map(pick).collect::<Vec<_>>();
    let (own_p50, own_p99) = (own(|run| run.own_lag_ms.0), own(|run| run.own_lag_ms.1));
    for (name, value) in [
        ("transactions_per_second_asked", json!(asked)),
        ("transactions_per_second", json!(rate)),
        ("probes", json!(lags.count())),
        ("max_ms", json!(lags.quantile(1.0))),
        ("p50_ms_by_round", json!(each(0.5))),
        ("p99_ms_by_round", json!(each(0.99))),
        ("tailfill_p50_ms_by_round", json!(own_p50)),
        ("tailfill_p99_ms_by_round", json!(own_p99)),
    ] {
        report.more.insert(name.to_owned(), value);
    }
    let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    let list = |values: &[Option<f64>]| values.iter().map(|value| ms(*value)).collect::<Vec<_>>().join(", ");
    report.sentences.push(format!(
        "{}: commit to readable in HBase p50 {} ms, p99 {} ms, longest {} ms ({} probes) at {} transactions/s of {} asked; \
         tailfill itself says p50 {}, p99 {}",
        case,
        ms(report.p50_ms),
        ms(report.p99_ms),
        ms(lags.quantile(1.0)),
        grouped(lags.count() as f64),
        grouped(rate),
        grouped(f64::from(asked)),
        list(&own_p50),
        list(&own_p99),
    ));
    report
}

/// What a run with a new state and a new table begins with.
pub struct Prepared {
    pub folder: PathBuf,
    pub sink: HbaseSink,
    pub mapping: Mapping,
}

pub async fn prepare(ground: &Ground, case: Case) -> anyhow::Result<Prepared> {
    let name = case.name();
    let (sink, mapping) = ground.sink(FOLLOWS, &name).await?;
    ground.forget_table(&sink, &name).await?;
    let folder = ground.folder(FOLLOWS, &name)?;
    Tailfill::complete(&ground.tailfill, &folder, &["init"]).await?;
    ground.quiet().await?;
    Ok(Prepared { folder, sink, mapping })
}

async fn lag_round(ground: &Ground, rows: &Arc<Rows>) -> anyhow::Result<Beside> {
    let Prepared { folder, sink, mapping } = prepare(ground, Case::Lag).await?;
    let mut run = Tailfill::start(&ground.tailfill, &folder, &["run", "--tail-only"])?;
    run.until("the tail was at work", SOON, Status::is_tailing).await?;
    let application = Application::start(ground, rows).await?;
    sleep(ground.scale.warm_up).await;
    let meter = ground.meter(run.pid());
    let before = run.status().await.context(NO_ANSWER)?;
    let begin = Sample { at: Instant::now(), rows: before.changes(), cpu: meter.read()? };
    let during = async {
        sleep(ground.scale.steady).await;
        Ok(())
    };
    let lags = probe::probe(ground, &sink, &mapping, &rows.lists(), during).await?;
    let status = run.status().await.context(NO_ANSWER)?;
    let end = Sample { at: Instant::now(), rows: status.changes(), cpu: meter.read()? };
    let rate = application.stop().await?;
    let mut round = Round::whole(Span::between(end.rows.saturating_sub(begin.rows), &begin, &end));
    round.memory_high = Some(run.memory_high());
    run.stop().await?;
    ground.forget_table(&sink, &Case::Lag.name()).await?;
    Ok(Beside { round, lags, rate, own_lag_ms: own_lag(&status) })
}

/// `lever`: what is done before the start.
async fn both_round(ground: &Ground, rows: &Arc<Rows>, lever: &[&str]) -> anyhow::Result<Beside> {
    let prepared = prepare(ground, Case::Both).await?;
    Tailfill::complete(&ground.tailfill, &prepared.folder, lever).await?;
    let application = Application::start(ground, rows).await?;
    let beside = beside_a_copy(ground, &prepared, application, &rows.lists()).await?;
    ground.forget_table(&prepared.sink, &Case::Both.name()).await?;
    Ok(beside)
}

/// Copies a whole table while `application` changes it and probes are sent after its changes; ends all of it when the copy
/// is complete. The copy begins once the tail has caught up: what was committed while the run started is no lag beside a copy.
pub async fn beside_a_copy(
    ground: &Ground,
    prepared: &Prepared,
    application: Application,
    lists: &Lists,
) -> anyhow::Result<Beside> {
    let Prepared { folder, sink, mapping } = prepared;
    Tailfill::complete(&ground.tailfill, folder, &["pause", "backfill"]).await?;
    let mut run = Tailfill::start(&ground.tailfill, folder, &["run"])?;
    let (meter, mut trace, mut last) = (ground.meter(run.pid()), Trace::default(), None);
    run.until("there was a mark", SOON, |status| status.has("/mark")).await?;
    sleep(ground.scale.warm_up).await;
    Tailfill::complete(&ground.tailfill, folder, &["resume", "backfill"]).await?;
    let status = run.status().await.context(NO_ANSWER)?;
    trace.push(true, Sample { at: Instant::now(), rows: status.copied(), cpu: meter.read()? });
    let during = copying(&mut run, &meter, &mut trace, &mut last);
    let lags = probe::probe(ground, sink, mapping, lists, during).await?;
    let rate = application.stop().await?;
    let status = last.context(NO_ANSWER)?;
    let mut round = Round::of(trace.halves(trace.rows())?);
    round.memory_high = Some(run.memory_high());
    run.stop().await?;
    let own_lag_ms = own_lag(&status);
    round.last_status = Some(status);
    Ok(Beside { round, lags, rate, own_lag_ms })
}

/// Looks at a copy until it is complete.
async fn copying(
    run: &mut Tailfill,
    meter: &Meter,
    trace: &mut Trace,
    last: &mut Option<Status>,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let (at, cpu) = (Instant::now(), meter.read()?);
        let status = run.status().await.context(NO_ANSWER)?;
        trace.push(true, Sample { at, rows: status.copied(), cpu });
        let life = status.text("/targets/0/life_cycle").to_owned();
        *last = Some(status);
        if life == "caught_up" {
            return Ok(());
        }
        ensure!(begin.elapsed() < COPIED_WITHIN, "the copy does not come to its end; it is {life}");
        sleep(LOOK_EVERY).await;
    }
}

fn own_lag(status: &Status) -> (Option<f64>, Option<f64>) {
    (status.decimal("/lag/p50_ms"), status.decimal("/lag/p99_ms"))
}
