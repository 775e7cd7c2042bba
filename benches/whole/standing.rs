//! `idle` and `restart`: what a run costs that has nothing to do, and how soon one works again after kill -9.

use crate::application::{Application, Rows};
use crate::case::Case;
use crate::child::{Status, Tailfill};
use crate::ground::Ground;
use crate::lag::{NO_ANSWER, Prepared, prepare};
use crate::measure::{BenchReport, Spread};
use crate::probe;
use crate::processes;
use anyhow::Context;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const SOON: Duration = Duration::from_secs(60);

/// A tail that has caught up, while nobody writes to its table and nobody asks for its status.
pub async fn idle(ground: &Ground) -> anyhow::Result<BenchReport> {
    let (mut cpu_shares, mut wakeups, mut memory, mut others) = (Vec::new(), Vec::new(), 0, 0.0_f64);
    for _ in 0..ground.scale.rounds {
        let Prepared { folder, sink, .. } = prepare(ground, Case::Idle).await?;
        let mut run = Tailfill::start(&ground.tailfill, &folder, &["run", "--tail-only"])?;
        run.until("the tail was at work", SOON, Status::is_tailing).await?;
        sleep(ground.scale.warm_up).await;
        let (meter, begin) = (ground.meter(run.pid()), Instant::now());
        let (cpu, woken) = (meter.read()?, processes::wakeups(run.pid())?);
        sleep(ground.scale.steady).await;
        let used = meter.read()?.minus(&cpu);
        let seconds = begin.elapsed().as_secs_f64();
        cpu_shares.push(used.parts[0] / seconds);
        wakeups.push(processes::wakeups(run.pid())?.saturating_sub(woken) as f64 / seconds);
        others = others.max(used.others() / seconds);
        run.status().await.context(NO_ANSWER)?;
        memory = memory.max(run.memory_high());
        run.stop().await?;
        ground.forget_table(&sink, &Case::Idle.name()).await?;
    }
    let mut report = BenchReport::bare(Case::Idle.name(), cpu_shares.len(), others);
    report.peak_memory_mb = Some(memory as f64 / 1e6);
    let (cpu, woken) = (Spread::of(cpu_shares), Spread::of(wakeups));
    report.more.insert("cpu_seconds_per_second".into(), json!(cpu));
    report.more.insert("wakeups_per_second".into(), json!(woken));
    if let (Some(cpu), Some(woken)) = (cpu, woken) {
        report.sentences.push(format!(
            "idle: {:.2} % of a core, {:.0} wakeups a second, {:.0} MB",
            cpu.median * 100.0,
            woken.median,
            memory as f64 / 1e6
        ));
    }
    Ok(report)
}

/// kill -9 in the middle of a copy with an application at work, then a start: until a row that is committed at that moment
/// can be read from HBase.
pub async fn restart(ground: &Ground, rows: &Arc<Rows>) -> anyhow::Result<BenchReport> {
    let mut restarts = Vec::new();
    for _ in 0..ground.scale.restarts {
        restarts.push(restart_once(ground, rows).await?);
    }
    let others = restarts.iter().map(|restart| restart.cores_of_others).fold(0.0, f64::max);
    let mut report = BenchReport::bare(Case::Restart.name(), restarts.len(), others);
    let memory = restarts.iter().map(|restart| restart.memory_high).max().unwrap_or(0);
    report.peak_memory_mb = Some(memory as f64 / 1e6);
    let seconds: Vec<f64> = restarts.iter().map(|restart| restart.seconds).collect();
    let spread = Spread::of(seconds.iter().copied()).context("it was started again")?;
    let while_copying = restarts.iter().filter(|restart| restart.while_copying).count();
    for (name, value) in [
        ("median_seconds", json!(spread.median)),
        ("worst_seconds", json!(spread.max)),
        ("seconds", json!(seconds)),
        ("kills_while_copying", json!(while_copying)),
        ("transactions_per_second", json!(restarts.iter().map(|restart| restart.rate).collect::<Vec<_>>())),
    ] {
        report.more.insert(name.to_owned(), value);
    }
    report.sentences.push(format!(
        "restart: {:.2} s from start after kill -9 to the first new row in HBase (median of {}; worst {:.2} s); {} of the \
         kills in the middle of a copy",
        spread.median,
        seconds.len(),
        spread.max,
        while_copying,
    ));
    Ok(report)
}

/// A kill and a start.
struct Restart {
    seconds: f64,
    memory_high: u64,
    while_copying: bool,
    rate: f64,
    cores_of_others: f64,
}

async fn restart_once(ground: &Ground, rows: &Arc<Rows>) -> anyhow::Result<Restart> {
    let Prepared { folder, sink, mapping } = prepare(ground, Case::Restart).await?;
    let application = Application::start(ground, rows).await?;
    let mut run = Tailfill::start(&ground.tailfill, &folder, &["run"])?;
    let under_way = |status: &Status| status.copied() > 0 && status.changes() > 0;
    let status = run.until("a copy was under way", SOON, under_way).await?;
    let while_copying = status.number("/targets/0/chunks_to_do") > 0;
    run.kill()?;
    let begin = Instant::now();
    let mut run = Tailfill::start(&ground.tailfill, &folder, &["run"])?;
    let meter = ground.meter(run.pid());
    let before = meter.read()?;
    let lists = rows.lists();
    let readable = tokio::select! {
        readable = probe::one(ground, &sink, &mapping, &lists, begin) => readable?,
        error = fails(&mut run) => return Err(error),
    };
    let cores_of_others = meter.read()?.minus(&before).others() / begin.elapsed().as_secs_f64();
    run.status().await.context(NO_ANSWER)?;
    let memory_high = run.memory_high();
    run.stop().await?;
    let rate = application.stop().await?;
    ground.forget_table(&sink, &Case::Restart.name()).await?;
    Ok(Restart { seconds: readable.as_secs_f64(), memory_high, while_copying, rate, cores_of_others })
}

/// Waits until the process ends, which it should not.
async fn fails(run: &mut Tailfill) -> anyhow::Error {
    match run.until("anybody asked it to", Duration::from_secs(600), |_| false).await {
        Ok(_) => anyhow::anyhow!("the status has been what it never is"),
        Err(error) => error,
    }
}
