//! A process: what it is made of, how it starts, and how it ends.

use super::busy::Busy;
use super::damage;
use super::dice::Dice;
use super::leases::Leases as LeasesOf;
use super::operator;
use super::repairs::{self, Asked};
use super::schema::MAPPING;
use super::sink::Gateway;
use super::source::Server;
use super::tally::Thrown;
use super::world::{Process, World, ZOMBIE_MS};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tailfill::failpoints::Failpoints;
use tailfill::lock::{LeaseOptions, LeaseServer, Leases, OnLoss};
use tailfill::model::bucket::bucket;
use tailfill::model::{FileLimits, Limits, Pilot, TargetId, Value};
use tailfill::pipeline::jobs::RecopyReport;
use tailfill::pipeline::{self, Finished, Holds, Parts, Progress, Recopies, RunOptions, Settings, Throttle};
use tailfill::protocol::plan::Cohort;
use tailfill::protocol::{Plan, ProtocolError};
use tailfill::sink::SinkError;
use tailfill::source::SourceError;
use tailfill::store::memory::MemoryStore;
use tailfill::store::{Store, StoreError};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A process that is asked to stop must be gone within this virtual time.
const STOP: Duration = Duration::from_secs(6);

/// What a process is asked to do.
pub struct Start {
    /// Only these lists.
    pub pilot: Option<PilotOf>,
    /// Not in its configuration.
    pub without: Option<TargetId>,
    pub options: RunOptions,
    pub settings: Settings,
    /// The re-copy that it is for.
    pub asked: Option<Asked>,
}

/// A pilot, and the lists of the world that are its own.
#[derive(Clone, Debug)]
pub struct PilotOf {
    pub pilot: Pilot,
    pub lists: BTreeSet<u64>,
}

impl PilotOf {
    /// The first `lists` lists: by their keys, or as a sample that has at least as many.
    pub fn first(lists: u64, sampled: bool) -> PilotOf {
        let mut pilot = Pilot::default();
        if !sampled {
            (0..lists).for_each(|list| pilot.add(MAPPING, vec![Value::UInt(list)]));
            return PilotOf { pilot, lists: (0..lists).collect() };
        }
        let bucket_of = |list: u64| bucket(MAPPING, &list.to_string());
        let buckets = (0..lists).map(bucket_of).max().unwrap_or_default() + 1;
        pilot.sample(MAPPING, buckets);
        PilotOf { pilot, lists: (0..LISTS_MAX).filter(|list| bucket_of(*list) < buckets).collect() }
    }
}

/// Far more lists than a world has.
const LISTS_MAX: u64 = 10_000;

/// A process that runs.
pub struct Running {
    world: Arc<World>,
    pub process: Arc<Process>,
    stop: CancellationToken,
    pub task: JoinHandle<Result<Finished, ProtocolError>>,
    progress: Arc<Progress>,
    recopies: Recopies,
    asked: Option<Asked>,
    /// Asks for re-copies while it goes on.
    asking: Option<JoinHandle<()>>,
    /// Pauses, resumes and throttles it.
    operator: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn start(world: &Arc<World>, start: Start) -> Running {
        let Start { pilot, without, options, settings, asked } = start;
        let process = Process::with(world, world.next_process(), settings.failpoints);
        world.books().process_starts();
        let mut mapping = world.mapping.clone();
        mapping.targets.retain(|target| Some(target.id) != without);
        world.books().not_joined = without;
        let cohort = pilot.as_ref().map_or(Cohort::All, |of| {
            Cohort::of(of.pilot.clone(), std::slice::from_ref(&world.mapping)).expect("numbers are keys")
        });
        if let Some(of) = &pilot {
            world.tally(Thrown::PilotRun, 1);
            world.books().knows_cohort(cohort.name(), of.lists.clone());
        }
        world.trace.note(format_args!(
            "process {} starts, without {without:?}, cohort {}, {options:?}, for {:?}, batch_rows {}, batch_wait {:?}, chunk_rows {}",
            process.number,
            cohort.name(),
            asked.as_ref().map(|asked| &asked.ask),
            settings.batch_rows,
            settings.batch_wait,
            settings.limits.limits.chunk_rows,
        ));
        let horizon = settings.late_write;
        let plan = Plan::new(vec![mapping], cohort);
        let parts = parts(&process, plan, settings, world.store.take_over());
        let (stop, progress) = (CancellationToken::new(), parts.progress.clone());
        let recopies = match &asked {
            Some(asked) => {
                world.tally(Thrown::AloneRun, 1);
                repairs::alone(world, asked)
            }
            None if world.profile.recopies => repairs::taken(world),
            None => Recopies::none(),
        };
        if world.profile.damage && !world.is_calm() {
            damage::may_land_late(world, horizon);
        }
        let asks = world.profile.recopies && asked.is_none() && !world.is_calm();
        let asking = asks.then(|| {
            let here =
                |of: PilotOf| of.lists.into_iter().filter(|list| *list < world.profile.lists).collect();
            let pilot = pilot.map(here);
            tokio::spawn(repairs::ask_sometimes(world.clone(), recopies.clone(), pilot))
        });
        let mut operator = Vec::new();
        if world.profile.pauses && !world.is_calm() {
            let dice = |turn| Dice::new(process.number ^ world.profile.transactions.rotate_left(turn));
            operator.push(tokio::spawn(operator::pauses(world.clone(), parts.levers.clone(), dice(32))));
            operator.push(tokio::spawn(operator::throttles(world.clone(), parts.levers.clone(), dice(40))));
        }
        let task = tokio::spawn(pipeline::run_with(parts, options, recopies.clone(), stop.clone()));
        Running { world: world.clone(), process, stop, task, progress, recopies, asked, asking, operator }
    }

    /// kill -9.
    pub async fn crash(mut self) {
        self.world.trace.note(format_args!("process {} crashes", self.process.number));
        self.world.tally(Thrown::Crash, 1);
        self.kill().await;
    }

    /// The process is thought dead, another one takes over, and it lives on for a while.
    pub fn turn_into_zombie(mut self, zombies: &mut JoinSet<()>) {
        let (world, life) = (self.world.clone(), self.world.dice.millis(1, ZOMBIE_MS));
        world.trace.note(format_args!("process {} is thought dead", self.process.number));
        world.tally(Thrown::Zombie, 1);
        let may_send = world.books().lowest_replayed();
        may_send.into_iter().for_each(|tick| world.flies(tick));
        zombies.spawn(async move {
            let _ = timeout(life, &mut self.task).await;
            self.kill().await;
            may_send.into_iter().for_each(|tick| world.landed(tick));
        });
    }

    /// How it ended, if it did in time.
    pub async fn stop(&mut self) -> Option<Result<Finished, ProtocolError>> {
        self.world.trace.note(format_args!("process {} is asked to stop", self.process.number));
        self.world.tally(Thrown::Stop, 1);
        self.stop.cancel();
        match timeout(STOP, &mut self.task).await {
            Ok(ended) => Some(ended.expect("a run does not panic")),
            Err(_) => {
                let text = format!("process {} does not stop", self.process.number);
                self.world.books().violation(text);
                self.kill().await;
                None
            }
        }
    }

    /// Ends it where it stands, if it has not ended by itself.
    pub async fn kill(&mut self) {
        if !self.task.is_finished() {
            self.task.abort();
            let _ = (&mut self.task).await;
        }
        self.is_over().await;
    }

    /// It has ended: nothing of it goes on, and what its re-copy did is noted.
    pub async fn is_over(&mut self) {
        self.asking.take().into_iter().chain(self.operator.drain(..)).for_each(|helper| helper.abort());
        self.process.bury().await;
        if let Some(asked) = self.asked.take() {
            let over = self.reports().into_iter().filter(|report| report.state.is_over());
            over.for_each(|report| repairs::settle(&self.world, &asked, &report));
        }
    }

    pub fn reports(&self) -> Vec<RecopyReport> {
        self.recopies.reports()
    }

    pub fn waits(&self) -> Vec<String> {
        self.progress.waits(0).into_iter().map(|wait| wait.words).collect()
    }
}

/// Whether something that the world did may have ended a run like this.
pub fn may_end_with(world: &World, error: &ProtocolError) -> bool {
    let parked = world.books().parked();
    let (failed_over, lost) = {
        let state = world.database.state();
        (state.server() > 0, !state.lost().is_empty())
    };
    match error {
        ProtocolError::Store(StoreError::Io { .. }) => world.profile.store_trouble > 0,
        ProtocolError::Parked { .. } => !parked.is_empty(),
        ProtocolError::Sink(SinkError::Refused { .. }) => world.profile.refusals,
        ProtocolError::Refused { reason, .. } if reason == "every target is parked" => !parked.is_empty(),
        // where the purge delay is a matter of seconds, an outage may be longer than half of it
        ProtocolError::Refused { reason, .. } if reason.starts_with("the newest safe mark is") => {
            world.profile.purge_ms.is_some()
        }
        // what lies behind an older position that `--from` names may not be readable
        ProtocolError::Refused { reason, .. } if reason.contains("rows of social.follows after that") => {
            world.profile.statements > 0
        }
        // nor may it be one of the new server, whose binlog has them in another order
        ProtocolError::Refused { reason, .. } if reason.starts_with("this position leaves out") => {
            failed_over
        }
        ProtocolError::CannotCut { .. } => failed_over,
        // the new server goes on with another transaction than the one that was under way
        ProtocolError::Source(SourceError::NotUnderstood { .. }) => failed_over,
        ProtocolError::Source(SourceError::PositionLost { .. }) => lost,
        // connections that break again and again while it waits for what the source has lost
        ProtocolError::GaveUp { cause, .. } => lost && matches!(**cause, ProtocolError::Source(_)),
        _ => false,
    }
}

/// What bounds how late something can come.
fn bounds(world: &World, failpoints: Failpoints) -> Settings {
    let mut settings = Settings { failpoints, ..Settings::default() };
    // a zombie goes on sending for a while, which a state that is locked does not allow
    settings.late_write = world.latest() + Duration::from_millis(ZOMBIE_MS);
    if let Some(purge_ms) = world.profile.purge_ms {
        settings.mark_age_max = Duration::from_millis(purge_ms / 2);
    }
    if world.profile.failovers != super::profile::Failovers::Never {
        settings.source_wait = Duration::from_secs(15);
    }
    settings
}

pub fn settings_at_the_end(world: &World, failpoints: Failpoints) -> Settings {
    let batch_rows = world.dice.pick(&[1, 4, 4, 9, 2_000]);
    Settings { batch_rows, limits: limits(4, 4), count_rows: 2, ..bounds(world, failpoints) }
}

pub fn settings(world: &World, failpoints: Failpoints) -> Settings {
    let (dice, slow) = (&world.dice, world.profile.slow_copy);
    Settings {
        batch_rows: dice.pick(&[1, 4, 4, 9, 2_000]),
        batch_wait: Duration::from_millis(dice.pick(&[1, 5, 40, 150])),
        window_rows: dice.pick(&[3, 16_384]),
        queue_rows: dice.pick(&[10, 65_536, 65_536]),
        writes_at_once: dice.between(1, 4) as usize,
        checkpoint_every: Duration::from_millis(dice.pick(&[10, 100, 1_000])),
        mark_every: Duration::from_millis(dice.pick(&[20, 200, 1_000])),
        limits: {
            let workers = dice.between(1, if slow { 2 } else { 4 }) as usize;
            limits(workers, dice.between(1, if slow { 2 } else { 8 }) as u32)
        },
        span_chunks: dice.pick(&[1, 2, 16]),
        count_rows: dice.pick(&[1, 1, 2, 500]),
        ..bounds(world, failpoints)
    }
}

fn limits(workers: usize, chunk_rows: u32) -> FileLimits {
    FileLimits {
        limits: Limits { workers, chunk_rows, tail_write: None, ..Limits::default() },
        replicas: 1,
        ..FileLimits::default()
    }
}

fn parts(process: &Arc<Process>, plan: Plan, settings: Settings, store: MemoryStore) -> Parts {
    let world = &process.world;
    let (expiry, margin) = if world.profile.short_leases { (1_500, 500) } else { (5_000, 2_000) };
    let lease_options = LeaseOptions {
        expiry: Duration::from_millis(expiry),
        margin: Duration::from_millis(margin),
        on_loss: world.dice.pick(&[OnLoss::Degrade, OnLoss::Degrade, OnLoss::Wait]),
        reply_timeout: Duration::from_secs(1),
    };
    let server: Option<Arc<dyn LeaseServer>> =
        if world.profile.leases { Some(Arc::new(LeasesOf(process.clone()))) } else { None };
    let owner = format!("process{}", process.number);
    let live_for = lease_options.expiry - lease_options.margin;
    if server.is_none() {
        process.without_leases();
    }
    let throttle = Throttle::new(settings.limits.clone(), Arc::new(Busy(process.clone())));
    Parts {
        source_name: "simulated".into(),
        source: Arc::new(Server::new(process)),
        sink: Arc::new(Gateway { process: process.clone(), live_for }),
        store: Arc::new(store) as Arc<dyn Store>,
        leases: Leases::new(server, vec![MAPPING.into()], lease_options, world.dice.entropy(), owner),
        clock: world.clock.clone(),
        plan: Arc::new(plan),
        settings: Arc::new(settings),
        progress: Arc::new(Progress::default()),
        holds: Holds::default(),
        levers: tailfill::pipeline::Levers::default(),
        throttle,
        definitions: tailfill::pipeline::Definitions::default(),
        recent: tailfill::pipeline::Recent::default(),
    }
}

/// The rooms of a process on its own, with a store that nothing disturbs.
pub fn parts_for_tests(process: &Arc<Process>, settings: Settings) -> Parts {
    let plan = Plan::new(vec![process.world.mapping.clone()], Cohort::All);
    parts(process, plan, settings, MemoryStore::new())
}
