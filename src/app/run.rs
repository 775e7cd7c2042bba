//! `tailfill run`: composes the parts, minds the signals, shows the progress, says how it ended.

use super::alone::Alone;
use super::starting::Starting;
use super::state::{SOURCE, open_with_events, run_id};
use super::touched::TouchedFile;
use super::{RunOptions, StartAt, begun, by_history, connect, continuous, display, levers, output, pilot};
use crate::admin::{Taken, TakenPilot};
use crate::clock::SteadyClock;
use crate::config::Config;
use crate::error::{Exit, chain};
use crate::failure::Failure;
use crate::lock::LeaseServer;
use crate::model::Position;
use crate::pipeline::{self, Finished, Holds, Levers, Parts, Progress, Recopies};
use crate::protocol::{Plan, ProtocolError};
use crate::sink::Sink;
use crate::sink::null::NullSink;
use crate::source::Source;
use crate::source::mysql::MysqlSource;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A file would grow beyond a limit of the process; tokio has no name for it.
const SIGXFSZ: i32 = 25;

pub async fn run(config: &Config, options: RunOptions) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let stop = stop_on_signals()?;
    let recopies = match options.dry_run {
        true => Recopies::none(),
        false => Recopies::taken(Arc::new(TouchedFile::of(&config.state_dir))),
    };
    let composed = tokio::select! { biased;
        () = stop.cancelled() => return Ok(Exit::Interrupted),
        composed = compose(config, &options, &stop, &recopies) => composed?,
    };
    let Composed { parts, pipeline_options, null, admin, alone } = composed;
    let copying = pipeline_options.backfill;
    let (mappings, done) = (parts.plan.mappings().to_vec(), CancellationToken::new());
    let display = tokio::spawn(display::show(parts.clone(), mappings, copying, done.clone()));
    let rows_per_second = continuous_of(config, options.dry_run, &pipeline_options);
    let run = pipeline::run_with(parts.clone(), pipeline_options, recopies, stop.clone());
    let ended = continuous::beside(&parts, rows_per_second, run).await;
    note_end(&ended);
    done.cancel();
    let _ = display.await; // a display that fails is no reason to fail the run
    if let Some(admin) = admin {
        admin.close().await;
    }
    if let Some(alone) = alone {
        alone.end().await?;
    }
    let summary = Summary::of(&parts.progress, begin);
    if let Some(path) = &options.summary {
        summary.write(path)?;
    }
    let finished = ended?;
    output::answer(&summary.sentence(finished));
    if let Some(null) = null {
        let (rows, bytes) = (null.rows(), null.bytes());
        output::answer(&format!(
            "dry run: the run would have written {rows} rows with {bytes} bytes; it wrote nothing"
        ));
    }
    Ok(match finished {
        Finished::CaughtUp | Finished::Copied => Exit::Done,
        Finished::Stopped => Exit::Interrupted,
    })
}

/// How many rows a second the run compares by itself; `None`: none.
fn continuous_of(config: &Config, dry_run: bool, options: &pipeline::RunOptions) -> Option<u32> {
    let is_on = config.verify.continuous && options.tail && !dry_run;
    is_on.then_some(config.verify.rows_per_second)
}

/// A run for these re-copies alone: it tails, does them, and ends once it has caught up. `false`: it was stopped before.
pub async fn recopy_alone(config: &Config, recopies: &Recopies) -> Result<bool, Failure> {
    let stop = stop_on_signals()?;
    let options =
        RunOptions { mode: super::RunMode::TailOnly, until_caught_up: true, ..RunOptions::default() };
    let composed = tokio::select! { biased;
        () = stop.cancelled() => return Ok(false),
        composed = compose(config, &options, &stop, recopies) => composed?,
    };
    let Composed { parts, pipeline_options, admin, alone, .. } = composed;
    let ended = pipeline::run_with(parts, pipeline_options, recopies.clone(), stop.clone()).await;
    note_end(&ended);
    if let Some(admin) = admin {
        admin.close().await;
    }
    if let Some(alone) = alone {
        alone.end().await?;
    }
    Ok(ended? == Finished::CaughtUp)
}

/// For the event log.
fn note_end(ended: &Result<Finished, ProtocolError>) {
    match ended {
        Ok(finished) => tracing::debug!(event = "run_ended", "the run has {}", how(*finished)),
        Err(error) => tracing::debug!(event = "run_failed", "{}", chain(error)),
    }
}

fn how(finished: Finished) -> &'static str {
    match finished {
        Finished::CaughtUp => "caught up",
        Finished::Copied => "copied",
        Finished::Stopped => "stopped and checkpointed",
    }
}

struct Composed {
    parts: Parts,
    pipeline_options: pipeline::RunOptions,
    null: Option<Arc<NullSink>>,
    admin: Option<super::status::Serving>,
    alone: Option<Alone>,
}

async fn compose(
    config: &Config,
    options: &RunOptions,
    stop: &CancellationToken,
    recopies: &Recopies,
) -> Result<Composed, Failure> {
    // the state first: a second run with it is refused before anything else happens
    let store: Arc<dyn Store> = match options.dry_run {
        true => Arc::new(MemoryStore::new()),
        false => Arc::new(open_with_events(&config.state_dir).await?),
    };
    let begun = match options.dry_run {
        true => begun::of(config).await?,
        false => begun::of_store(&*store).await?,
    };
    levers::at_start(&*store, options.resume, options.until_caught_up).await?;
    if !options.dry_run {
        let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
        tracing::debug!(event = "run_started", version, pid, "a run has the state");
    }
    let starting = Arc::new(Starting::run(config));
    let (holds, levers, taken_pilot) = (Holds::default(), Levers::default(), TakenPilot::default());
    let throttle = connect::throttle(config);
    let taken = Taken {
        drain: stop.clone(),
        levers: levers.clone(),
        throttle: throttle.clone(),
        recopies: recopies.clone(),
        holds: holds.clone(),
        pilot: taken_pilot.clone(),
    };
    let mut admin = match options.dry_run {
        true => None,
        false => Some(super::status::serve(config, &starting, taken).await?),
    };
    let step = "MySQL: the definitions of the tables";
    let resolve = || by_history::resolve(config, &begun, &*store, recopies);
    let mut resolved = starting.step(step, resolve).await?;
    let read = "MySQL: the tables to be free of locks";
    starting.step(read, || readable(&resolved)).await?;
    let run_id = run_id(&*store).await?;
    let alone = match options.dry_run {
        true => None,
        false => {
            let begin = || Alone::begin(resolved.source.clone(), &run_id, config, stop.clone());
            Some(starting.step("MySQL: another run to leave this state or server_id", begin).await?)
        }
    };
    let cohort = pilot::of_run(&store, &resolved.mappings, &options.lists).await?;
    taken_pilot.set(cohort.pilot().cloned());
    let null = options.dry_run.then(|| Arc::new(NullSink::default()));
    let (sink, server): (Arc<dyn Sink>, Option<Arc<dyn LeaseServer>>) = match &null {
        Some(null) => (null.clone(), None),
        None => {
            let mappings = &resolved.mappings;
            let sink = starting.step("HBase's gateways", || connect::sink(config, mappings)).await?;
            let server = connect::lease_server(config);
            let accept = options.accept_unanswered;
            let (to, lock, state) = (&*sink, server.as_deref(), &*store);
            loop {
                let gate = || async {
                    let servers = super::check::Servers { mysql: &resolved, hbase: to, memcached: lock };
                    let looked = super::check::gate(config, servers, (state, recopies), accept).await;
                    match looked {
                        Err(failure) if failure.exit == Exit::Failed => {
                            readable(&resolved).await.and(Err(failure))
                        }
                        looked => looked,
                    }
                };
                let Err(refused) = starting.questions("the checks of the start", gate).await else { break };
                // a table may have gone since its definition was read
                let now = starting.step(step, resolve).await?;
                if now.by_history == resolved.by_history {
                    return Err(refused);
                }
                resolved = now;
            }
            (sink, server.map(|server| server as Arc<dyn LeaseServer>))
        }
    };
    let plan = Arc::new(Plan::new(resolved.mappings.clone(), cohort));
    let from = match &options.from {
        Some(start) => {
            let found = || position(&resolved.source, start);
            Some(starting.step("MySQL: the position to start from", found).await?)
        }
        None => None,
    };
    let (tail, backfill) = options.mode.sides();
    let (until_caught_up, accept_gap) = (options.until_caught_up, options.accept_gap);
    let pipeline_options = pipeline::RunOptions { tail, backfill, from, until_caught_up, accept_gap };
    let recent = continuous_of(config, options.dry_run, &pipeline_options).map(continuous::recent);
    let parts = Parts {
        source_name: SOURCE.to_owned(),
        source: resolved.source.clone(),
        sink,
        leases: connect::leases(config, server, &resolved.mappings, &run_id),
        store,
        clock: Arc::new(SteadyClock::start()),
        plan,
        settings: Arc::new(connect::settings(config)),
        progress: Arc::new(Progress::default()),
        holds,
        levers,
        throttle,
        definitions: pipeline::Definitions::default(),
        recent: recent.unwrap_or_default(),
    };
    starting.step("MySQL: about how many rows the tables have", || estimate(&parts)).await?;
    if let Some(admin) = &mut admin {
        admin.go_live(&parts, run_id);
    }
    Ok(Composed { parts, pipeline_options, null, admin, alone })
}

/// Whether somebody keeps the tables from being read.
async fn readable(resolved: &connect::Resolved) -> Result<(), Failure> {
    let tables = resolved.mappings.iter().map(|mapping| &mapping.schema.name);
    Ok(resolved.source.readable(tables).await?)
}

pub(super) async fn position(source: &MysqlSource, start: &StartAt) -> Result<Position, Failure> {
    Ok(match start {
        StartAt::FileOffset { file, offset } => source.position_at(file, *offset).await?,
        StartAt::Reached(reached) => source.position_of(reached.clone()),
        StartAt::Now => source.start().await?,
        StartAt::Earliest => source.earliest().await?,
        StartAt::Moment { micros } => source.at_moment(*micros).await?,
    })
}

/// Row estimates of the tables, for the bars.
async fn estimate(parts: &Parts) -> Result<(), Failure> {
    let mut snapshot = parts.source.snapshot().await?;
    for mapping in parts.plan.mappings() {
        let all = snapshot.estimated_rows(mapping.table).await?;
        let rows = parts.plan.cohort().share_of(mapping.id, all);
        for target in &mapping.targets {
            parts.progress.copy(target.id, mapping.id, |copy| copy.rows_estimated = rows);
        }
    }
    Ok(())
}

/// The first SIGINT or SIGTERM drains; a second one ends the process at once.
fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let hear = |kind| signal(kind).map_err(|error| Failure::new(Exit::Failed, error));
    let (mut interrupt, mut terminate) = (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?);
    // nobody listens: it is enough that it does not end the process, whose write fails as on a full disk
    drop(hear(SignalKind::from_raw(SIGXFSZ))?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!(
            "stopping: tailfill writes what it has sealed, and checkpoints; a second Ctrl-C ends at once"
        );
        token.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(Exit::Interrupted as i32);
    });
    Ok(stop)
}

async fn either(a: &mut Signal, b: &mut Signal) {
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
    }
}

/// What a run did, as one flat JSON object.
#[derive(Debug, Serialize)]
struct Summary {
    rows_copied: u64,
    /// Rows of counted targets whose items were counted.
    rows_counted: u64,
    changes_tailed: u64,
    inserts: u64,
    updates: u64,
    deletes: u64,
    deletes_while_copying: u64,
    transactions: u64,
    batches: u64,
    lag_p50_ms: f64,
    lag_p99_ms: f64,
    seconds: f64,
}

impl Summary {
    fn of(progress: &Progress, begin: Instant) -> Summary {
        let counts = &progress.totals;
        let lag = progress.over_the_run();
        Summary {
            rows_copied: progress.copies().values().map(|copy| copy.rows_here).sum(),
            rows_counted: progress.copies().values().map(|copy| copy.counts.rows_done).sum(),
            changes_tailed: counts.changes(),
            inserts: counts.inserts.load(Relaxed),
            updates: counts.updates.load(Relaxed),
            deletes: counts.deletes.load(Relaxed),
            deletes_while_copying: counts.deletes_while_copying.load(Relaxed),
            transactions: counts.transactions.load(Relaxed),
            batches: counts.batches.load(Relaxed),
            lag_p50_ms: lag.p50_ms,
            lag_p99_ms: lag.p99_ms,
            seconds: begin.elapsed().as_secs_f64(),
        }
    }

    fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::new(Exit::Failed, error))?;
        std::fs::write(path, text + "\n").map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("the summary cannot be written to {}: {error}", path.display()),
            )
        })
    }

    fn sentence(&self, finished: Finished) -> String {
        let how = how(finished);
        let counted = match self.rows_counted {
            0 => String::new(),
            rows => format!(", {rows} rows counted"),
        };
        // no transaction is written within no time: there was none with a change for HBase
        let lag = match self.lag_p50_ms > 0.0 {
            true => format!("; lag p50 {:.1} ms, p99 {:.1} ms", self.lag_p50_ms, self.lag_p99_ms),
            false => String::new(),
        };
        format!(
            "{how} after {:.1} s: {} rows copied{counted}; {} changes tailed ({} inserts, {} updates, {} deletes, \
             {} of these while copying){lag}",
            self.seconds,
            self.rows_copied,
            self.changes_tailed,
            self.inserts,
            self.updates,
            self.deletes,
            self.deletes_while_copying
        )
    }
}
