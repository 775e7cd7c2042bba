//! `decode` and `snapshot`: what reading costs, without a sink, on one core.
//!
//! Each has two lines. The first reads by the library's source and drops what comes. The second, `-encoded`, is the whole
//! pipeline as in `run --dry-run` (sealer, coalescer, layout; a store in memory) in front of a sink that only counts.

use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground, lease_options};
use crate::measure::{BenchReport, Round, median};
use crate::processes;
use crate::trace::{Sample, Span, Trace};
use anyhow::{Context, anyhow, ensure};
use serde_json::json;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tailfill::clock::{SteadyClock, SystemEntropy};
use tailfill::lock::Leases;
use tailfill::model::{Mapping, Position};
use tailfill::pipeline::{self, Finished, Holds, Parts, Progress, RunOptions, Settings};
use tailfill::protocol::Plan;
use tailfill::protocol::plan::Cohort;
use tailfill::sink::null::NullSink;
use tailfill::source::{KeyRange, MysqlSource, Snapshot, Source, StreamEvent};
use tailfill::store::memory::MemoryStore;
use tokio_util::sync::CancellationToken;

/// The core that everything of ours runs on; the servers may use all.
const CORE: usize = 0;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The kernel counts CPU time in hundredths of a second: less than this is no measurement.
const CPU_SECONDS_LEAST: f64 = 0.2;
const CHUNK_ROWS: u32 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Decode,
    DecodeEncoded,
    Snapshot,
    SnapshotEncoded,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Decode => "decode",
            Kind::DecodeEncoded => "decode-encoded",
            Kind::Snapshot => "snapshot",
            Kind::SnapshotEncoded => "snapshot-encoded",
        }
    }
}

pub async fn decode(ground: &Arc<Ground>, backlog: &Backlog) -> anyhow::Result<Vec<BenchReport>> {
    both(ground, backlog, Kind::Decode, Kind::DecodeEncoded).await
}

pub async fn snapshot(ground: &Arc<Ground>, backlog: &Backlog) -> anyhow::Result<Vec<BenchReport>> {
    both(ground, backlog, Kind::Snapshot, Kind::SnapshotEncoded).await
}

async fn both(
    ground: &Arc<Ground>,
    backlog: &Backlog,
    plain: Kind,
    encoded: Kind,
) -> anyhow::Result<Vec<BenchReport>> {
    let (mut plains, mut encodeds) = (Vec::new(), Vec::new());
    ground.quiet().await?;
    for _ in 0..ground.scale.rounds {
        plains.push(round(ground, backlog, plain).await?);
        encodeds.push(round(ground, backlog, encoded).await?);
    }
    let plain_report = report(plain, &plains);
    let mut encoded_report = report(encoded, &encodeds);
    encoded_report.compare(plain.name(), &encodeds, &plains, None);
    Ok(vec![plain_report, encoded_report])
}

fn report(kind: Kind, rounds: &[Round]) -> BenchReport {
    let mut report = BenchReport::of(kind.name(), rounds);
    let per_cpu_second = |round: &Round| {
        let seconds = round.whole.cpu.parts[0];
        (seconds >= CPU_SECONDS_LEAST).then(|| round.whole.rows as f64 / seconds)
    };
    let rate = median(rounds.iter().filter_map(per_cpu_second));
    report.more.insert("rows_per_cpu_second".into(), json!(rate));
    if let Some(rate) = rate {
        report.sentences.push(format!(
            "{}: {:.2} M rows per second of own CPU time",
            kind.name(),
            rate / 1e6
        ));
    }
    report
}

/// Reads all rows, again and again for some seconds.
async fn round(ground: &Arc<Ground>, backlog: &Backlog, kind: Kind) -> anyhow::Result<Round> {
    let (ground, before, rows) = (ground.clone(), backlog.before.clone(), backlog.edges.len() as u64);
    on_one_core(async move || {
        let mapping = ground.mapping(FOLLOWS, "none").await?;
        let source = Arc::new(ground.source(&mapping).await?);
        let from = source.position_of(before.parse()?);
        processes::forget_memory_high()?;
        let mut sum = Span { rows: 0, seconds: 0.0, cpu: processes::Cpu::default() };
        while sum.seconds < ground.scale.repeat.as_secs_f64() {
            let pass = pass(&ground, &source, &mapping, (&from, rows), kind).await?;
            sum.rows += pass.rows;
            sum.seconds += pass.seconds;
            sum.cpu = sum.cpu.plus(&pass.cpu);
        }
        let mut round = Round::whole(sum);
        round.memory_high = processes::memory_high(std::process::id());
        Ok(round)
    })
    .await
}

async fn pass(
    ground: &Ground,
    source: &Arc<MysqlSource>,
    mapping: &Mapping,
    (from, rows): (&Position, u64),
    kind: Kind,
) -> anyhow::Result<Span> {
    match kind {
        Kind::Decode => stream(ground, source, from, rows).await,
        Kind::Snapshot => chunks(ground, source, mapping, rows).await,
        Kind::DecodeEncoded => encoded(ground, source, mapping, Some(from.clone()), rows).await,
        Kind::SnapshotEncoded => encoded(ground, source, mapping, None, rows).await,
    }
}

async fn stream(ground: &Ground, source: &MysqlSource, from: &Position, rows: u64) -> anyhow::Result<Span> {
    let meter = ground.own_meter();
    let mut stream = source.stream(from).await?;
    let look = |rows| anyhow::Ok(Sample { at: Instant::now(), rows, cpu: meter.read()? });
    let (begin, mut seen) = (look(0)?, 0);
    while seen < rows {
        if let StreamEvent::Changes(changes) = stream.next().await? {
            let mut changes = changes.reader();
            while let Some(change) = changes.next_change()? {
                std::hint::black_box(change);
                seen += 1;
            }
        }
    }
    Ok(Span::between(rows, &begin, &look(rows)?))
}

/// Reads all rows by chunks, and drops them.
pub async fn chunks(
    ground: &Ground,
    source: &MysqlSource,
    mapping: &Mapping,
    rows: u64,
) -> anyhow::Result<Span> {
    let meter = ground.own_meter();
    let mut snapshot: Box<dyn Snapshot> = source.snapshot().await?;
    let look = |rows| anyhow::Ok(Sample { at: Instant::now(), rows, cpu: meter.read()? });
    let (begin, mut seen, mut after) = (look(0)?, 0, None);
    loop {
        let up_to = snapshot.chunk_end(mapping.table, after.as_deref(), CHUNK_ROWS).await?;
        let range = KeyRange { after: after.take(), up_to: up_to.clone() };
        seen += snapshot.rows(mapping, &range).await?.len() as u64;
        after = up_to;
        if after.is_none() {
            break;
        }
    }
    ensure!(seen == rows, "{seen} rows of {rows} were read");
    Ok(Span::between(rows, &begin, &look(rows)?))
}

/// The whole pipeline, with the settings that a configuration has by default: the tail from a position, or the backfill.
async fn encoded(
    ground: &Ground,
    source: &Arc<MysqlSource>,
    mapping: &Mapping,
    from: Option<Position>,
    rows: u64,
) -> anyhow::Result<Span> {
    let (meter, tail) = (ground.own_meter(), from.is_some());
    let names = vec![mapping.name.clone()];
    let sink = Arc::new(NullSink::default());
    let parts = Parts {
        source_name: "bench".to_owned(),
        source: source.clone(),
        sink: sink.clone(),
        store: Arc::new(MemoryStore::new()),
        leases: Leases::new(None, names, lease_options(), Arc::new(SystemEntropy), "bench".to_owned()),
        clock: Arc::new(SteadyClock::start()),
        plan: Arc::new(Plan::new(vec![mapping.clone()], Cohort::All)),
        settings: Arc::new(Settings::default()),
        progress: Arc::new(Progress::default()),
        holds: Holds::default(),
        levers: tailfill::pipeline::Levers::default(),
        throttle: tailfill::pipeline::Throttle::default(),
        definitions: tailfill::pipeline::Definitions::default(),
        recent: tailfill::pipeline::Recent::default(),
    };
    let (progress, stop) = (parts.progress.clone(), CancellationToken::new());
    let options = RunOptions { tail, backfill: !tail, from, until_caught_up: false, accept_gap: false };
    let run = pipeline::run(parts, options, stop.clone());
    tokio::pin!(run);
    let mut trace = Trace::default();
    loop {
        let begun = match tail {
            true => progress.totals.changes() > 0,
            false => progress.mark().is_some(),
        };
        trace.push(begun, Sample { at: Instant::now(), rows: sink.rows(), cpu: meter.read()? });
        if trace.rows() >= rows {
            stop.cancel();
        }
        tokio::select! {
            ended = &mut run => {
                // a backfill ends by itself
                ensure!(matches!(ended?, Finished::Stopped | Finished::Copied), "it ended as nobody asked for");
                break;
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    trace.push(true, Sample { at: Instant::now(), rows: sink.rows(), cpu: meter.read()? });
    ensure!(progress.totals.queued_rows.load(Relaxed) == 0, "rows were left over");
    Ok(trace.halves(rows)?.whole)
}

/// Runs `work` in a thread of its own whose runtime, and whatever that starts, stays on one core.
async fn on_one_core<T, F>(work: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    let (answer, answered) = tokio::sync::oneshot::channel();
    let worker = std::thread::Builder::new().name("one core".to_owned());
    worker.spawn(move || {
        // the receiver is gone only when the whole program ends
        let _ = answer.send(pinned(work));
    })?;
    answered.await.map_err(|_| anyhow!("the thread of a measurement has panicked"))?
}

fn pinned<T, F: Future<Output = anyhow::Result<T>>>(work: impl FnOnce() -> F) -> anyhow::Result<T> {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(CORE);
    rustix::thread::sched_setaffinity(None, &cores).context("this thread cannot be kept on one core")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work())
}
