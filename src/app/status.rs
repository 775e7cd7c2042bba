//! What a run says of itself, made of its progress; and what a stopped one left in its state.

use super::lost_leases::LostLeases;
use super::purge::{self, Purge};
use super::starting::Starting;
use super::state::{SOURCE, stored_cohort};
use crate::admin::{AdminServer, Client, ClientError, Taken};
use crate::config::Config;
use crate::failure::Failure;
use crate::model::{LifeCycle, Pilot, Position, TargetDefinition};
use crate::pipeline::copies::chunks::Chunks;
use crate::pipeline::copies::cohorts;
use crate::pipeline::counts;
use crate::pipeline::jobs::levers;
use crate::pipeline::life::gaps;
use crate::pipeline::progress::lag::{Behind, Quantiles};
use crate::pipeline::progress::{CopyProgress, LagReading, RunPhase, RunPosition, ms_of};
use crate::pipeline::{Parts, Progress};
use crate::protocol::{Journal, plan::Cohort};
use crate::retry::{Patience, Pauses};
use crate::status::{
    Answers, Concern, CountsStatus, Gap, Kind, Lag, LagWindow, LeaseTotals, Mark, Phase, PositionStatus,
    Positions, Retries, Status, StatusSource, StoreTotals, TailTotals, TargetStatus, VerifyStatus, Warning,
};
use crate::store::records::{self, ChunkRecord, CopyKey, CountsState, GapRecord, LifeRecord};
use crate::store::redb::RedbStore;
use crate::store::{Space, Store, StoreError};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// How often the source is asked what it has, and the state for life cycles.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the source is asked how long it keeps its binlogs.
const KEPT_EVERY: Duration = Duration::from_secs(10);

/// The admin server of a run, with what it reads beside the progress.
pub struct Serving {
    server: AdminServer,
    looking: Vec<tokio::task::JoinHandle<()>>,
    /// Who answers now: the start, then the run.
    source: Arc<RwLock<StatusSource>>,
    begin: Instant,
}

impl Serving {
    pub async fn close(self) {
        for looking in self.looking {
            looking.abort();
            _ = looking.await; // it has the state until then
        }
        self.server.stop().await;
    }

    /// The run has begun: it answers from now on.
    pub fn go_live(&mut self, parts: &Parts, state_id: String) {
        let looked = Arc::new(Looked::default());
        self.looking.push(tokio::spawn(measure_source(parts.clone(), looked.clone())));
        self.looking.push(tokio::spawn(measure_run(parts.clone(), looked.clone())));
        let (parts, begin, started_at_ms) = (parts.clone(), self.begin, parts.clock.now_ms());
        let live: StatusSource = Arc::new(move || {
            let mut status = live(&parts, &looked);
            status.started_at_ms = started_at_ms;
            status.state_id.clone_from(&state_id);
            status.uptime_seconds = begin.elapsed().as_secs();
            status
        });
        *self.source.write().unwrap_or_else(|p| p.into_inner()) = live;
    }
}

/// What status shows and no task of the run counts.
#[derive(Default)]
struct Looked {
    source: Mutex<Option<Answers>>,
    hbase: Mutex<Option<Answers>>,
    life_cycles: Mutex<Vec<String>>,
    gaps: Mutex<Vec<Gap>>,
    /// Rows copied per second over the last look, for each target in order.
    rates: Mutex<Vec<f64>>,
    looks: AtomicU64,
    /// How long the source keeps its binlogs; `None`: without end, or not known yet.
    kept_for: Mutex<Option<Duration>>,
}

/// Starts the admin server of a run that is starting. `stop` is cancelled by `POST /stop`.
pub async fn serve(config: &Config, starting: &Arc<Starting>, taken: Taken) -> Result<Serving, Failure> {
    let starting = starting.clone();
    let first: StatusSource = Arc::new(move || starting.status());
    let source = Arc::new(RwLock::new(first));
    let answering = source.clone();
    let answer: StatusSource = Arc::new(move || {
        let now = answering.read().unwrap_or_else(|p| p.into_inner()).clone();
        now()
    });
    let server = AdminServer::start(config.admin.listen, &config.state_dir, answer, taken).await?;
    Ok(Serving { server, looking: Vec::new(), source, begin: Instant::now() })
}

/// Asks the source what it has, for the lag. A look without an answer is none: the lag grows meanwhile.
async fn measure_source(parts: Parts, looked: Arc<Looked>) {
    let mut asked: Option<Instant> = None;
    loop {
        if asked.is_none_or(|asked| asked.elapsed() >= KEPT_EVERY)
            && let Ok(kept_for) = parts.source.binlog_kept_for().await
        {
            *looked.kept_for.lock().unwrap_or_else(|p| p.into_inner()) = kept_for;
            asked = Some(Instant::now());
        }
        let at_micros = parts.clock.now_micros();
        if let Ok(has) = parts.source.executed().await {
            let written = parts.progress.positions().written.at.clone();
            let bytes = parts.source.bytes_since(&written).await.ok().flatten();
            parts.progress.source_answered(at_micros, has, bytes);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Notes which of the two servers answers. HBase is not asked for this: its answers to writes are what counts.
fn note_answers(parts: &Parts, looked: &Looked, behind: Behind) {
    let note = |of: &Mutex<Option<Answers>>, answers: bool| {
        let mut seen = of.lock().unwrap_or_else(|p| p.into_inner());
        if seen.is_none_or(|seen| seen.answers != answers) {
            *seen = Some(Answers { answers, since_ms: parts.clock.now_ms() });
        }
    };
    note(&looked.source, behind.source_answers && !parts.progress.is_waited_for(Kind::Source));
    note(&looked.hbase, !parts.progress.is_waited_for(Kind::Hbase));
}

async fn measure_run(parts: Parts, looked: Arc<Looked>) {
    let (mut rows_before, mut lost_leases): (Vec<u64>, _) = (Vec::new(), LostLeases::default());
    loop {
        note_answers(&parts, &looked, parts.progress.behind(parts.clock.now_micros()));
        let mut life_cycles = Vec::new();
        for (mapping, target) in parts.plan.targets() {
            let key = Chunks::copy_key(&parts.source_name, &parts.plan, mapping, target);
            life_cycles.push(life_cycle(&*parts.store, &key).await.to_string());
        }
        *looked.life_cycles.lock().unwrap_or_else(|p| p.into_inner()) = life_cycles;
        if let Ok(gaps) = open_gaps(&*parts.store).await {
            *looked.gaps.lock().unwrap_or_else(|p| p.into_inner()) = gaps;
        }
        let copies = parts.progress.copies();
        let rows: Vec<u64> =
            parts.plan.targets().map(|(_, t)| copies.get(&t.id).map_or(0, |copy| copy.rows_here)).collect();
        let seconds = LOOK_EVERY.as_secs_f64();
        let before = |index: usize| rows_before.get(index).copied().unwrap_or(0);
        let rates = rows.iter().enumerate().map(|(i, r)| r.saturating_sub(before(i)) as f64 / seconds);
        *looked.rates.lock().unwrap_or_else(|p| p.into_inner()) = rates.collect();
        rows_before = rows;
        lost_leases.update(&parts);
        looked.looks.fetch_add(1, Relaxed);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The gaps that are not made good yet.
async fn open_gaps(store: &dyn Store) -> Result<Vec<Gap>, StoreError> {
    let gap = |gap: GapRecord| Gap {
        from: place_of(&gap.from),
        to: place_of(&gap.to),
        reason: gap.reason,
        accepted_at_ms: gap.accepted_at_ms,
        mappings: gap.mappings,
    };
    let stored = gaps::stored(store).await?.gaps.into_iter();
    Ok(stored.filter(|gap| !gap.mappings.is_empty()).map(gap).collect())
}

fn place_of(position: &Position) -> PositionStatus {
    PositionStatus {
        gtids: position.reached.to_string(),
        file: position.file.clone(),
        offset: position.offset,
    }
}

async fn life_cycle(store: &dyn Store, key: &CopyKey) -> LifeCycle {
    let record: Result<Option<LifeRecord>, _> = records::read(store, Space::LifeCycle, &key.prefix()).await;
    record.ok().flatten().map_or(LifeCycle::New, |record| record.state)
}

fn live(parts: &Parts, looked: &Looked) -> Status {
    let reading = parts.progress.lag(parts.clock.now_micros());
    note_answers(parts, looked, reading.behind);
    let progress = &parts.progress;
    let counts = &progress.totals;
    let leases = parts.leases.counts();
    let commits = parts.store.counts();
    let now_ms = parts.clock.now_ms();
    let kept_for = *looked.kept_for.lock().unwrap_or_else(|p| p.into_inner());
    let purge = purge::ahead(kept_for, reading.behind.micros.map(Duration::from_micros));
    let mut status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        at_ms: now_ms,
        phase: phase(progress),
        pilot: parts.plan.cohort().pilot().is_some(),
        pilot_lists: parts.plan.cohort().pilot().map(Pilot::words),
        control: parts.levers.control(),
        throttle: parts.throttle.status(),
        purge_in_seconds: purge.map(|purge| purge.left.as_secs()),
        state_file_bytes: parts.store.file_bytes(),
        warnings: warnings(parts, purge, now_ms),
        positions: positions(progress),
        lag: lag(&reading),
        source: answers(&looked.source),
        hbase: answers(&looked.hbase),
        mark: progress.mark().map(|mark| Mark {
            tick: mark.tick.0,
            age_ms: parts.clock.now_ms().saturating_sub(mark.taken_ms),
        }),
        tick_lead_ms: counts.tick_lead_ms.load(Relaxed),
        tail: TailTotals {
            inserts: counts.inserts.load(Relaxed),
            updates: counts.updates.load(Relaxed),
            deletes: counts.deletes.load(Relaxed),
            batches: counts.batches.load(Relaxed),
            queued_rows: counts.queued_rows.load(Relaxed),
        },
        leases: LeaseTotals {
            acquired: leases.acquired_total,
            waits: leases.busy_local_total,
            elsewhere: leases.busy_elsewhere_total,
            tail_put_aside: counts.lists_put_aside.load(Relaxed),
            parts_put_aside: counts.chunks_put_aside.load(Relaxed),
            degraded: parts.leases.degraded().is_some(),
            released: leases.released_total,
            round_trips: leases.round_trips_total,
            waited_nanos: leases.waited_nanos_total,
            holding_nanos: leases.holding_nanos_total,
        },
        store: StoreTotals {
            commits: commits.commits_total,
            commit_nanos: commits.commit_nanos_total,
            journal_commits: commits.journal_commits_total,
            journal_commit_nanos: commits.journal_commit_nanos_total,
        },
        retries: Retries {
            source: counts.source_reconnects.load(Relaxed),
            sink: counts.sink_retries.load(Relaxed),
        },
        targets: live_targets(parts, looked),
        gaps: looked.gaps.lock().unwrap_or_else(|p| p.into_inner()).clone(),
        verify: VerifyStatus { continuous: progress.verified() },
        ..Status::default()
    };
    status.show_waits(progress.waits(now_ms));
    status
}

fn warnings(parts: &Parts, purge: Option<Purge>, now_ms: u64) -> Vec<Warning> {
    let mut warnings = parts.progress.warnings(now_ms);
    warnings.extend(purge.and_then(|purge| purge.warning()));
    if let Some(outage) = parts.leases.degraded() {
        warnings.push(Warning::new(Concern::LeasesDegraded, outage.reason, ms_of(outage.since, now_ms)));
    }
    warnings
}

fn phase(progress: &Progress) -> Phase {
    match progress.phase() {
        RunPhase::Starting => Phase::Starting,
        RunPhase::Replaying => Phase::Replaying,
        RunPhase::Running => Phase::Tailing,
        RunPhase::Copying => Phase::Copying,
        RunPhase::Draining => Phase::Draining,
        RunPhase::Ended => Phase::Ended,
    }
}

fn positions(progress: &Progress) -> Positions {
    let positions = progress.positions();
    let place = |place: &RunPosition| PositionStatus {
        gtids: place.reached.to_string(),
        file: place.at.file.to_string(),
        offset: place.at.offset,
    };
    Positions {
        received: place(&positions.received),
        sealed: place(&positions.sealed),
        written: place(&positions.written),
        checkpointed: place(&positions.checkpointed),
    }
}

fn lag(reading: &LagReading) -> Lag {
    let window = |quantiles: Quantiles| LagWindow {
        transactions: quantiles.transactions,
        p50_ms: quantiles.p50_ms,
        p99_ms: quantiles.p99_ms,
    };
    Lag {
        seconds: reading.behind.micros.map(|micros| micros as f64 / 1e6),
        bytes: reading.behind.bytes,
        p50_ms: reading.over_the_run.p50_ms,
        p99_ms: reading.over_the_run.p99_ms,
        last_minute: window(reading.last_minute),
        last_ten_minutes: window(reading.last_ten_minutes),
    }
}

fn answers(of: &Mutex<Option<Answers>>) -> Option<Answers> {
    *of.lock().unwrap_or_else(|p| p.into_inner())
}

fn live_targets(parts: &Parts, looked: &Looked) -> Vec<TargetStatus> {
    let copies = parts.progress.copies();
    let life_cycles = looked.life_cycles.lock().unwrap_or_else(|p| p.into_inner()).clone();
    let rates = looked.rates.lock().unwrap_or_else(|p| p.into_inner()).clone();
    let targets = parts.plan.targets().enumerate();
    targets
        .map(|(index, (mapping, target))| {
            let copy = copies.get(&target.id).cloned().unwrap_or_default();
            let life = life_cycles.get(index).cloned().unwrap_or_default();
            let rate = rates.get(index).copied().unwrap_or(0.0);
            let names = [&mapping.name, &target.table, &target.family];
            let columns = Some(TargetDefinition::of(mapping, target).column_names());
            TargetStatus { columns, ..target_status(names, &copy, life, rate) }
        })
        .collect()
}

/// `names`: of the mapping, the HBase table and the family.
fn target_status(
    [mapping, table, family]: [&String; 3],
    copy: &CopyProgress,
    life_cycle: String,
    rows_per_second: f64,
) -> TargetStatus {
    let rows_left = copy.rows_estimated.saturating_sub(copy.rows_done);
    let rows_a_chunk = copy.rows_done.checked_div(copy.chunks_done).unwrap_or(0).max(1);
    let chunks_total = match copy.all_known {
        true => copy.chunks_known,
        false => copy.chunks_known.max(copy.chunks_done + rows_left / rows_a_chunk),
    };
    let eta = (!copy.complete && rows_per_second > 1.0).then(|| (rows_left as f64 / rows_per_second) as u64);
    TargetStatus {
        mapping: mapping.clone(),
        table: table.clone(),
        family: family.clone(),
        life_cycle,
        columns: None,
        chunks_done: copy.chunks_done,
        chunks_to_do: copy.chunks_known - copy.chunks_done,
        chunks_total_estimate: chunks_total,
        rows_copied: copy.rows_done,
        rows_per_second,
        eta_seconds: eta,
        counts: copy.counts.state.map(|state| CountsStatus {
            state: state.name().to_owned(),
            rows_walked: copy.counts.rows_walked,
            rows_counted: copy.counts.rows_done,
        }),
    }
}

/// The status of the tailfill that runs with this configuration's state; when none runs, what the state
/// says.
pub async fn status(config: &Config) -> Result<Status, Failure> {
    match running_or_starting(config).await? {
        Some(status) => Ok(status),
        None => stored(config).await,
    }
}

/// The status of the run that has this configuration's state; `None` when none runs. Waits for one that is starting.
pub async fn running(config: &Config) -> Result<Option<Status>, ClientError> {
    let mut looks = Patience::for_ever(Pauses::OF_QUESTIONS);
    loop {
        match running_or_starting(config).await? {
            Some(status) if status.phase == Phase::Starting => _ = looks.again().await,
            status => return Ok(status),
        }
    }
}

async fn running_or_starting(config: &Config) -> Result<Option<Status>, ClientError> {
    let answer = match Client::open(&config.state_dir) {
        Ok(client) => client.status().await,
        Err(error) => Err(error),
    };
    match answer {
        Err(ClientError::NotRunning { .. }) => Ok(None),
        answer => answer.map(Some),
    }
}

/// What the state says, without asking a server.
async fn stored(config: &Config) -> Result<Status, Failure> {
    of_state(config, RedbStore::open_read_only(&config.state_dir).await?).await
}

/// The status of a state that no run has.
pub async fn of_state(config: &Config, store: RedbStore) -> Result<Status, Failure> {
    let journal = Journal::new(Arc::new(store), SOURCE);
    let mut status = Status { phase: Phase::Stopped, ..Status::default() };
    status.version = env!("CARGO_PKG_VERSION").to_owned();
    if let Some(recovered) = journal.recover().await? {
        let place = place_of(&recovered.checkpoint.position);
        // the next run reads and writes on from here
        (status.positions.received, status.positions.written) = (place.clone(), place.clone());
        status.positions.sealed = PositionStatus { gtids: recovered.sealed.to_string(), ..place.clone() };
        status.positions.checkpointed = place;
        if !recovered.checkpoint.replaying_until.is_empty() {
            status.warnings.push(Warning::new(Concern::ReplayAhead, String::new(), 0));
        }
    }
    let store = journal.store();
    status.state_file_bytes = store.file_bytes();
    status.gaps = open_gaps(&*store).await?;
    status.control = levers::stored(&*store).await?;
    let cohort = stored_cohort(&journal).await?;
    status.pilot = cohort != Cohort::All.name();
    let pilot = cohorts::stored_pilot(&*store, &cohort).await?;
    status.pilot_lists = pilot.as_ref().map(Pilot::words);
    for mapping in &config.mappings {
        for target in &mapping.targets {
            let key = CopyKey {
                source: SOURCE.to_owned(),
                mapping: mapping.name.clone(),
                cohort: cohort.clone(),
                target: format!("{}/{}", target.table, target.family),
            };
            let sampled = pilot.as_ref().and_then(|pilot| pilot.mappings.get(&mapping.name));
            let by_lists = status.pilot && sampled.is_none_or(|lists| lists.buckets == 0);
            let mut copy = match by_lists {
                true => Chunks::copied_by_a_pilot(&*store, &key).await?,
                false => stored_copy(&*store, &key).await?,
            };
            copy.counts.state = counts_of(&*store, target.counted, &key).await?;
            let record = records::read(&*store, Space::LifeCycle, &key.prefix()).await?;
            let LifeRecord { state, definition, .. } = record.unwrap_or_default();
            let names = [&mapping.name, &target.table, &target.family];
            let mut target = target_status(names, &copy, state.to_string(), 0.0);
            target.columns = definition.map(|definition| definition.column_names());
            status.targets.push(target);
        }
    }
    Ok(status)
}

/// How far a copy of all lists is.
async fn stored_copy(store: &dyn Store, key: &CopyKey) -> Result<CopyProgress, StoreError> {
    let mut copy = CopyProgress::default();
    for (_, value) in store.list(Space::Chunk, &key.prefix()).await? {
        let chunk: ChunkRecord = records::decode(&value)?;
        copy.chunks_known += 1;
        copy.chunks_done += u64::from(chunk.done);
        copy.rows_done += if chunk.done { chunk.rows } else { 0 };
        copy.all_known |= chunk.up_to.is_none();
    }
    copy.complete = copy.all_known && copy.chunks_done == copy.chunks_known;
    Ok(copy)
}

/// `None`: the target is not counted.
async fn counts_of(
    store: &dyn Store,
    counted: bool,
    key: &CopyKey,
) -> Result<Option<CountsState>, StoreError> {
    match counted {
        true => counts::stored(store, &key.prefix()).await.map(Some),
        false => Ok(None),
    }
}
