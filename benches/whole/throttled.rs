//! `throttle`: what a copy costs the application that works on the source, with and without a throttle.
//!
//! One run and one application at a steady pace, in phases: nothing is copied; a copy held by `throttle.threads_running`; one held
//! by `throttle.query`, which reads what the application says of itself; a copy without a throttle. The levers are pulled live,
//! as an operator does. MySQL and the application have cores of their own: in production HBase is on other machines, and what it
//! takes of a shared core is no cost of the copy to the source. A transaction counts from the moment at which it was due to its reply.

use crate::application::{Application, Rows};
use crate::case::Case;
use crate::child::{Status, Tailfill};
use crate::ground::Ground;
use crate::lag::{NO_ANSWER, Prepared, prepare};
use crate::measure::{BenchReport, Spread};
use crate::processes::{Apart, Servers};
use crate::show::grouped;
use anyhow::Context;
use hdrhistogram::Histogram;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const SOON: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the application says how long its transactions take, in milliseconds.
const SAYS_EVERY: Duration = Duration::from_millis(250);
/// What `throttle.query` lets through, by what the application says while nothing is copied.
const QUERY_MARGIN: f64 = 1.2;

/// A way to copy; the first copies nothing, and the others are compared with it.
const PHASES: [&str; 4] = ["nothing is copied", "throttle.threads_running", "throttle.query", "no throttle"];

/// What the application and the copy did in a phase.
struct Phase {
    /// Microseconds of each transaction.
    waited: Histogram<u64>,
    /// Of the server, at each look.
    threads: Vec<f64>,
    /// Rows a second.
    copied: f64,
}

impl Phase {
    fn ms(&self, quantile: f64) -> f64 {
        self.waited.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// All phases in turns, as many rounds as asked for.
pub async fn run(ground: &Ground, rows: &Arc<Rows>) -> anyhow::Result<BenchReport> {
    let mut rounds = Vec::new();
    let mut others = 0.0_f64;
    for _ in 0..ground.scale.rounds {
        let (phases, cores) = round(ground, rows).await?;
        others = others.max(cores);
        rounds.push(phases);
    }
    Ok(report(&rounds, others))
}

fn report(rounds: &[Vec<Phase>], others: f64) -> BenchReport {
    let mut report = BenchReport::bare(Case::Throttle.name(), rounds.len(), others);
    for (number, name) in PHASES.iter().enumerate() {
        // where the phases before have copied everything, this one has shown nothing
        let shown = |phases: &&Vec<Phase>| number == 0 || phases[number].copied > 0.0;
        let each = |pick: &dyn Fn(&[Phase]) -> f64| {
            Spread::of(rounds.iter().filter(shown).map(|phases| pick(phases)))
        };
        let p50 = each(&|phases| phases[number].ms(0.5));
        let p99 = each(&|phases| phases[number].ms(0.99));
        let ratio = each(&|phases| phases[number].ms(0.99) / phases[0].ms(0.99));
        let copied = each(&|phases| phases[number].copied);
        report.more.insert(
            (*name).to_owned(),
            json!({ "p50_ms": p50, "p99_ms": p99, "p99_by_nothing_copied": ratio, "rows_per_second": copied }),
        );
        let median = |spread: Option<Spread>| spread.map_or(0.0, |spread| spread.median);
        report.sentences.push(format!(
            "throttle, {name}: the application's p50 {:.1} ms, p99 {:.1} ms ({:.2} of that without a copy), {} rows/s copied",
            median(p50),
            median(p99),
            median(ratio),
            grouped(median(copied)),
        ));
    }
    report
}

async fn round(ground: &Ground, rows: &Arc<Rows>) -> anyhow::Result<(Vec<Phase>, f64)> {
    let Prepared { folder, sink, .. } = prepare(ground, Case::Throttle).await?;
    let mut conn = ground.connect().await?;
    conn.query_drop("CREATE TABLE IF NOT EXISTS health (id INT PRIMARY KEY, ms DOUBLE NOT NULL)").await?;
    conn.query_drop("REPLACE INTO health VALUES (1, 0)").await?;
    let lever = async |arguments: &[&str]| Tailfill::complete(&ground.tailfill, &folder, arguments).await;
    lever(&["pause", "backfill"]).await?;
    let mut run = Tailfill::start(&ground.tailfill, &folder, &["run"])?;
    run.until("the tail was at work", SOON, Status::is_tailing).await?;
    let Servers { mysql, gateway, hbase, memcached } = ground.servers;
    let _apart = Apart::keep(&[mysql, std::process::id()], &[hbase, gateway, memcached, run.pid()])?;
    let application = Application::start(ground, rows).await?;
    let (meter, begin) = (ground.meter(run.pid()), Instant::now());
    let before = meter.read()?;

    let alone = phase(ground, &mut run, &mut conn, &application).await?;
    let mut threads = alone.threads.clone();
    threads.sort_by(f64::total_cmp);
    let usual = threads.get(threads.len() * 9 / 10).copied().unwrap_or(1.0);
    let query = format!("throttle.query=SELECT ms FROM {}.health", ground.database);
    let query_max = format!("throttle.query_max={}", alone.ms(0.99) * QUERY_MARGIN);
    let signals: [(Vec<String>, &[&str]); 3] = [
        (vec![format!("throttle.threads_running={}", usual as u64)], &["throttle.threads_running"]),
        (vec![query, query_max], &["throttle.query", "throttle.query_max"]),
        (Vec::new(), &[]),
    ];
    let mut phases = vec![alone];
    for (set, unset) in signals {
        if !set.is_empty() {
            let set: Vec<&str> = set.iter().map(String::as_str).collect();
            lever(&[&["throttle", "set"], &set[..]].concat()).await?;
        }
        lever(&["resume", "backfill"]).await?;
        phases.push(phase(ground, &mut run, &mut conn, &application).await?);
        lever(&["pause", "backfill"]).await?;
        if !unset.is_empty() {
            lever(&[&["throttle", "unset"], unset].concat()).await?;
        }
    }
    let cores = meter.read()?.minus(&before).others() / begin.elapsed().as_secs_f64();
    application.stop().await?;
    run.stop().await?;
    ground.forget_table(&sink, &Case::Throttle.name()).await?;
    Ok((phases, cores))
}

/// Looks at the application for a while, and has it say how it is; ends when everything is copied.
async fn phase(
    ground: &Ground,
    run: &mut Tailfill,
    conn: &mut Conn,
    application: &Application,
) -> anyhow::Result<Phase> {
    sleep(ground.scale.warm_up).await;
    let status = run.status().await.context(NO_ANSWER)?;
    let (begin, copied) = (Instant::now(), status.copied());
    let was_complete = is_complete(&status);
    let (mut waited, mut lately) = (application.take_waited(), Histogram::<u64>::new(3)?);
    waited.reset();
    let (mut threads, mut said, mut end) = (Vec::new(), Instant::now(), status);
    while begin.elapsed() < ground.scale.steady && (was_complete || !is_complete(&end)) {
        sleep(LOOK_EVERY).await;
        let new = application.take_waited();
        waited.add(&new)?;
        lately.add(&new)?;
        if said.elapsed() >= SAYS_EVERY {
            let ms = lately.value_at_quantile(0.99) as f64 / 1_000.0;
            conn.exec_drop("UPDATE health SET ms = ? WHERE id = 1", (ms,)).await?;
            (said, threads) = (Instant::now(), [threads, vec![threads_running(conn).await?]].concat());
            lately.reset();
        }
        end = run.status().await.context(NO_ANSWER)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Phase { waited, threads, copied: end.copied().saturating_sub(copied) as f64 / seconds })
}

fn is_complete(status: &Status) -> bool {
    status.text("/targets/0/life_cycle") == "caught_up"
}

async fn threads_running(conn: &mut Conn) -> anyhow::Result<f64> {
    let found: Option<(String, f64)> = conn.query_first("SHOW GLOBAL STATUS LIKE 'Threads_running'").await?;
    Ok(found.context("MySQL does not say Threads_running")?.1)
}
