//! The life of one seed: processes that come and go, and a last one that must catch up.

use super::app::Application;
use super::books::SeenOfCounts;
use super::checker::{self, Difference};
use super::database;
use super::leases;
use super::schema::{Item, MAPPING};
use super::sink::Gateway;
use super::source::Server;
use super::store::Hook;
use super::world::{LATEST, Process, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tailfill::failpoints::Failpoints;
use tailfill::lock::{LeaseOptions, LeaseServer, Leases, OnLoss};
use tailfill::pipeline::{self, Finished, Parts, Progress, RunOptions, Settings};
use tailfill::protocol::plan::Cohort;
use tailfill::protocol::{Plan, ProtocolError};
use tailfill::sink::layout;
use tailfill::store::memory::MemoryStore;
use tailfill::store::{Store, StoreError};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The last process, which nothing disturbs, must catch up within this virtual time.
const PROGRESS: Duration = Duration::from_secs(120);
/// A process that is asked to stop must be gone within this virtual time.
const STOP: Duration = Duration::from_secs(6);

/// How a seed ended.
pub struct Report {
    pub seed: u64,
    pub hash: u64,
    pub virtual_seconds: f64,
    pub differences: Vec<Difference>,
    pub violations: Vec<String>,
    pub seen_of_counts: SeenOfCounts,
    /// What happened to the items that went wrong, when asked for.
    pub story: String,
}

impl Report {
    pub fn is_good(&self) -> bool {
        self.differences.is_empty() && self.violations.is_empty()
    }

    /// The first thing that is wrong.
    pub fn headline(&self) -> String {
        let differences = self.differences.iter().map(ToString::to_string);
        let first = self.violations.iter().cloned().chain(differences).next();
        format!("seed {}: {}", self.seed, first.unwrap_or_else(|| "nothing is wrong".into()))
    }
}

/// Plays one seed.
pub fn play(seed: u64, failpoints: Failpoints, with_story: bool) -> Report {
    let _watch = Watch::over(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let world = World::new(seed, with_story);
        let start = tokio::time::Instant::now();
        let differences =
            Life { world: world.clone(), failpoints, processes: 0, zombies: JoinSet::new() }.live().await;
        let violations = world.books().violations().to_vec();
        let seen_of_counts = world.books().seen_of_counts;
        let items: BTreeSet<Item> =
            differences.iter().flat_map(|difference| difference.items.clone()).collect();
        let items: Vec<Item> = items.into_iter().collect();
        Report {
            seed,
            hash: world.trace.hash(),
            virtual_seconds: start.elapsed().as_secs_f64(),
            differences,
            violations,
            seen_of_counts,
            story: world.trace.story(&items),
        }
    })
}

/// Ends the test when a seed takes far too long in real time: something spins without virtual time passing,
/// which no time-out inside the simulation can see.
struct Watch {
    _over: std::sync::mpsc::Sender<()>,
}

impl Watch {
    fn over(seed: u64) -> Watch {
        let (over, ended) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(120)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                eprintln!(
                    "seed {seed} spins: replay it with TAILFILL_SEED={seed}, and look where with a debugger"
                );
                std::process::abort();
            }
        });
        Watch { _over: over }
    }
}

struct Life {
    world: Arc<World>,
    failpoints: Failpoints,
    processes: u64,
    /// Processes that were thought dead and woke up.
    zombies: JoinSet<()>,
}

/// A process that runs.
struct Running {
    process: Arc<Process>,
    stop: CancellationToken,
    task: JoinHandle<Result<Finished, ProtocolError>>,
    progress: Arc<Progress>,
}

impl Life {
    async fn live(mut self) -> Vec<Difference> {
        let world = self.world.clone();
        Hook::install(&world);
        world.trace.note(format_args!("{:?}", world.profile));
        let pilot = world.dice.between(1, 2);
        world.books().pilot = (0..pilot).collect();
        let mut application = Application::new(&world);
        application.fill();
        let application = tokio::spawn(application.run());
        let restarts = tokio::spawn(leases::restart_sometimes(world.clone()));
        let outages = tokio::spawn(leases::outages(world.clone()));
        for index in 0..world.profile.runs {
            world.dice.pause(0, 300).await;
            self.one_run(index).await;
        }
        application.await.expect("the application does not fail");
        restarts.abort();
        outages.abort();
        world.calm_down();
        while !world.database.state().all_committed() {
            sleep(Duration::from_millis(10)).await;
        }
        world.trace.note(format_args!("the world is calm"));
        self.last_run().await;
        while self.zombies.join_next().await.is_some() {}
        let late = tokio::time::Instant::now() + LATEST * 2;
        while world.in_flight.load(SeqCst) > 0 {
            assert!(tokio::time::Instant::now() < late, "a late write never lands");
            sleep(Duration::from_millis(100)).await;
        }
        world.books().check_chunks_cover();
        world.books().check_counted();
        let mut differences = checker::compare(&world).await;
        differences.extend(checker::compare_counts(&world).await);
        differences
    }

    /// A process that is ended by something, or by itself.
    async fn one_run(&mut self, index: u64) {
        let world = self.world.clone();
        let dice = &world.dice;
        if world.profile.clock_jumps && dice.chance(400) {
            let jump = dice.pick(&[-3_600_000, -60_000, -500, 500, 60_000, 86_400_000]);
            world.trace.note(format_args!("the clock jumps by {jump} ms"));
            world.clock.jump(jump);
        }
        let options = self.options(index);
        let all_targets = index >= world.profile.joins_after;
        let mut running = self.start(index < world.profile.pilot_runs, all_targets, options, self.settings());
        let life = dice.millis(1, world.profile.life_ms * 2);
        let ended = tokio::select! { biased;
            ended = &mut running.task => Some(ended),
            () = sleep(life) => None,
            () = soon_after_counting_begins(&world) => None,
        };
        match ended {
            Some(ended) => self.ended(&running, ended.expect("a run does not panic")).await,
            None => match dice.below(10) {
                0..6 => self.crash(running).await,
                6..8 => self.turn_into_zombie(running),
                _ => self.stop(running).await,
            },
        }
        if dice.chance(300) {
            dice.pause(500, 12_000).await;
        }
    }

    async fn last_run(&mut self) {
        let options =
            RunOptions { tail: true, backfill: true, from: None, until_caught_up: true, accept_gap: false };
        let settings = Settings { failpoints: self.failpoints, ..Settings::default() };
        let settings =
            Settings { batch_rows: self.settings().batch_rows, chunk_rows: 4, count_rows: 2, ..settings };
        let mut running = self.start(false, true, options, settings);
        let outcome = timeout(PROGRESS, &mut running.task).await;
        let waits = running.waits();
        let violation = match outcome {
            Ok(Ok(Ok(Finished::CaughtUp))) => None,
            Ok(Ok(other)) => Some(format!("the last process ended with {other:?}")),
            Ok(Err(panic)) => Some(format!("the last process panicked: {panic}")),
            Err(_) => Some(format!("the last process does not catch up; it waits for {waits:?}")),
        };
        running.kill().await;
        if let Some(violation) = violation {
            self.world.books().violation(violation);
        }
    }

    fn options(&self, index: u64) -> RunOptions {
        let (world, dice) = (&self.world, &self.world.dice);
        let backfill_only = dice.chance(50);
        let from = if world.profile.replays && dice.chance(250) { self.older_position() } else { None };
        RunOptions {
            tail: !backfill_only,
            backfill: backfill_only || index >= world.profile.tail_only_runs,
            from,
            until_caught_up: dice.chance(300),
            accept_gap: false,
        }
    }

    /// A position between two transactions, not after the checkpoint.
    fn older_position(&self) -> Option<tailfill::model::Position> {
        let world = &self.world;
        let executed = world.database.state().executed().clone();
        let highest = (1..=executed.count())
            .take_while(|number| {
                let gtid = database::gtid(*number);
                let checkpointed = world.books().checkpointed().is_none_or(|gtids| gtids.contains(&gtid));
                checkpointed && executed.contains(&gtid)
            })
            .count() as u64;
        Some(database::position(database::up_to(world.dice.between(highest / 2, highest))))
    }

    fn settings(&self) -> Settings {
        let (dice, slow) = (&self.world.dice, self.world.profile.slow_copy);
        Settings {
            batch_rows: dice.pick(&[1, 4, 4, 9, 2_000]),
            batch_wait: Duration::from_millis(dice.pick(&[1, 5, 40, 150])),
            window_rows: dice.pick(&[3, 16_384]),
            queue_rows: dice.pick(&[10, 65_536, 65_536]),
            writes_at_once: dice.between(1, 4) as usize,
            checkpoint_every: Duration::from_millis(dice.pick(&[10, 100, 1_000])),
            mark_every: Duration::from_millis(dice.pick(&[20, 200, 1_000])),
            backfill_workers: dice.between(1, if slow { 2 } else { 4 }) as usize,
            chunk_rows: dice.between(1, if slow { 2 } else { 8 }) as u32,
            span_chunks: dice.pick(&[1, 2, 16]),
            count_rows: dice.pick(&[1, 1, 2, 500]),
            failpoints: self.failpoints,
            ..Settings::default()
        }
    }

    fn start(&mut self, pilot: bool, all_targets: bool, options: RunOptions, settings: Settings) -> Running {
        self.processes += 1;
        let world = &self.world;
        let process = Process::new(world, self.processes);
        world.books().process_starts();
        let mut mapping = world.mapping.clone();
        let last = if all_targets { None } else { mapping.targets.pop() };
        world.books().not_joined = last.map(|target| target.id);
        let lists = world.books().pilot.clone();
        let cohort = if pilot { self.only(&lists) } else { Cohort::All };
        world.trace.note(format_args!(
            "process {} starts, {} targets, cohort {}, {options:?}, batch_rows {}, batch_wait {:?}, chunk_rows {}",
            process.number,
            mapping.targets.len(),
            cohort.name(),
            settings.batch_rows,
            settings.batch_wait,
            settings.chunk_rows,
        ));
        let plan = Plan::new(vec![mapping], cohort);
        let parts = parts(&process, plan, settings, world.store.take_over());
        let stop = CancellationToken::new();
        let progress = parts.progress.clone();
        let task = tokio::spawn(pipeline::run(parts, options, stop.clone()));
        Running { process, stop, task, progress }
    }

    fn only(&self, lists: &BTreeSet<u64>) -> Cohort {
        let key = |list: &u64| {
            let values = vec![tailfill::model::Value::UInt(*list)];
            (layout::list_key_of(&self.world.mapping, &values).expect("a number is a key"), values)
        };
        Cohort::Only(lists.iter().map(key).collect::<BTreeMap<_, _>>())
    }

    /// kill -9.
    async fn crash(&mut self, mut running: Running) {
        self.world.trace.note(format_args!("process {} crashes", running.process.number));
        running.kill().await;
    }

    /// The process is thought dead, another one takes over, and it lives on for a while.
    fn turn_into_zombie(&mut self, mut running: Running) {
        let (world, life) = (self.world.clone(), self.world.dice.millis(1, 5_000));
        world.trace.note(format_args!("process {} is thought dead", running.process.number));
        self.zombies.spawn(async move {
            let _ = timeout(life, &mut running.task).await;
            running.kill().await;
        });
    }

    async fn stop(&mut self, mut running: Running) {
        self.world.trace.note(format_args!("process {} is asked to stop", running.process.number));
        running.stop.cancel();
        match timeout(STOP, &mut running.task).await {
            Ok(ended) => self.ended(&running, ended.expect("a run does not panic")).await,
            Err(_) => {
                let text = format!("process {} does not stop", running.process.number);
                self.world.books().violation(text);
                self.crash(running).await;
            }
        }
    }

    /// A run ended by itself: only a failed commit may be the reason, or that it is done.
    async fn ended(&self, running: &Running, outcome: Result<Finished, ProtocolError>) {
        running.process.bury().await;
        let number = running.process.number;
        self.world.trace.note(format_args!("process {number} ended: {outcome:?}"));
        match outcome {
            Ok(_) => {}
            Err(ProtocolError::Store(StoreError::Io { .. })) if self.world.profile.store_trouble > 0 => {}
            Err(error) => {
                let text = format!("process {number} ended with an error: {error} ({error:?})");
                self.world.books().violation(text);
            }
        }
    }
}

/// Most processes that begin to count rows do not complete that.
async fn soon_after_counting_begins(world: &World) {
    world.counting.notified().await;
    if world.dice.chance(300) {
        std::future::pending::<()>().await;
    }
    world.dice.pause(0, world.dice.pick(&[50, 400, 2_000])).await;
}

impl Running {
    /// Ends it where it stands, if it has not ended by itself.
    async fn kill(&mut self) {
        if !self.task.is_finished() {
            self.task.abort();
            let _ = (&mut self.task).await;
        }
        self.process.bury().await;
    }

    fn waits(&self) -> Vec<String> {
        self.progress.waits()
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
        if world.profile.leases { Some(Arc::new(leases::Leases(process.clone()))) } else { None };
    let owner = format!("process{}", process.number);
    let live_for = lease_options.expiry - lease_options.margin;
    if server.is_none() {
        process.without_leases();
    }
    Parts {
        source_name: "simulated".into(),
        source: Arc::new(Server(process.clone())),
        sink: Arc::new(Gateway { process: process.clone(), live_for }),
        store: Arc::new(store) as Arc<dyn Store>,
        leases: Leases::new(server, vec![MAPPING.into()], lease_options, world.dice.entropy(), owner),
        clock: world.clock.clone(),
        plan: Arc::new(plan),
        settings: Arc::new(settings),
        progress: Arc::new(Progress::default()),
    }
}

/// The rooms of a process on its own, with a store that nothing disturbs.
pub fn parts_for_tests(process: &Arc<Process>, settings: Settings) -> Parts {
    let plan = Plan::new(vec![process.world.mapping.clone()], Cohort::All);
    parts(process, plan, settings, MemoryStore::new())
}
