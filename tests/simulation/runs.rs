//! The life of one seed: processes that come and go, and a last one that must catch up.

mod end;

use super::app::Application;
use super::books::SeenOfCounts;
use super::checker::{self, Difference};
use super::process::{self, PilotOf, Running, Start};
use super::profile::Failovers;
use super::repairs::Asked;
use super::schema::Item;
use super::store::Hook;
use super::tally::{Tally, Thrown};
use super::world::World;
use super::{database, leases, operator, servers};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tailfill::failpoints::Failpoints;
use tailfill::model::TargetId;
use tailfill::pipeline::{Finished, RunOptions};
use tailfill::protocol::ProtocolError;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// How a seed ended.
pub struct SeedReport {
    pub seed: u64,
    pub hash: u64,
    pub virtual_seconds: f64,
    pub differences: Vec<Difference>,
    pub violations: Vec<String>,
    pub seen_of_counts: SeenOfCounts,
    pub tally: Tally,
    /// What happened to the items that went wrong, when asked for.
    pub story: String,
}

impl SeedReport {
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
pub fn play(seed: u64, failpoints: Failpoints, with_story: bool) -> SeedReport {
    let _watch = Watch::over(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let world = World::new(seed, with_story);
        let start = tokio::time::Instant::now();
        let differences =
            Life { world: world.clone(), failpoints, zombies: JoinSet::new(), cut_anew: false, pilot: 0 }
                .live()
                .await;
        let violations = world.books().violations().to_vec();
        let seen_of_counts = world.books().seen_of_counts;
        let mut tally = world.tallied();
        tally.add_all(&world.books().tally);
        let items: BTreeSet<Item> =
            differences.iter().flat_map(|difference| difference.items.clone()).collect();
        let items: Vec<Item> = items.into_iter().collect();
        SeedReport {
            seed,
            hash: world.trace.hash(),
            virtual_seconds: start.elapsed().as_secs_f64(),
            differences,
            violations,
            seen_of_counts,
            tally,
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
    /// Processes that were thought dead and woke up.
    zombies: JoinSet<()>,
    /// The journal could not be cut again: the next run replays from the checkpoint with new ticks.
    cut_anew: bool,
    /// The lists of the first pilot.
    pilot: u64,
}

impl Life {
    async fn live(mut self) -> Vec<Difference> {
        let world = self.world.clone();
        Hook::install(&world);
        world.trace.note(format_args!("{:?}", world.profile));
        self.pilot = world.dice.between(1, 2);
        let mut application = Application::new(&world);
        application.fill();
        let application = tokio::spawn(application.run());
        let troubles = self.troubles();
        let compactions = tokio::spawn(servers::compactions(world.clone(), self.failpoints));
        for index in 0..world.profile.runs {
            world.dice.pause(0, 300).await;
            self.one_run(index).await;
        }
        application.await.expect("the application does not fail");
        troubles.iter().for_each(AbortHandle::abort);
        world.calm_down();
        operator::resumes_all(&world).await;
        servers::all_committed(&world).await;
        world.trace.note(format_args!("the world is calm"));
        if self.lost_what_was_journaled() {
            self.halts().await;
            return Vec::new();
        }
        self.end().await;
        compactions.abort();
        let mut differences = checker::compare(&world).await;
        differences.extend(checker::compare_counts(&world).await);
        if differences.is_empty() && world.profile.recopies && world.dice.chance(400) {
            self.idle_recopy().await;
        }
        differences
    }

    fn troubles(&self) -> Vec<AbortHandle> {
        let world = &self.world;
        let mut troubles = vec![
            tokio::spawn(leases::restart_sometimes(world.clone())).abort_handle(),
            tokio::spawn(leases::outages(world.clone())).abort_handle(),
            tokio::spawn(servers::refusals(world.clone())).abort_handle(),
        ];
        if world.profile.failovers != Failovers::Never {
            troubles.push(tokio::spawn(servers::failovers(world.clone())).abort_handle());
        }
        troubles
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
        let pilot = (index < world.profile.pilot_runs).then(|| {
            let more = if world.profile.pilot_grows { index } else { 0 };
            world.tally(Thrown::PilotGrows, u64::from(more > 0));
            PilotOf::first(self.pilot + more, world.profile.pilot_sampled)
        });
        let asked = self.asks_alone(pilot.is_some());
        let settings = process::settings(&world, self.failpoints);
        let (options, without) = match asked {
            Some(_) => (self.recopy_options(), None),
            None => (self.options(index), self.left_out(index)),
        };
        let mut running =
            Running::start(&world, Start { pilot, without, options, settings, asked: asked.clone() });
        // one that takes re-copies begins the first when the horizon is over
        let shortest = if world.profile.recopies && dice.chance(750) { world.profile.life_ms } else { 1 };
        let life = dice.millis(shortest, world.profile.life_ms * 2);
        let ended = tokio::select! { biased;
            ended = &mut running.task => Some(ended),
            () = sleep(life) => None,
            () = soon_after_counting_begins(&world) => None,
        };
        match ended {
            Some(ended) => self.ended(&mut running, ended.expect("a run does not panic")).await,
            None => match dice.below(10) {
                0..6 => running.crash().await,
                6..8 => running.turn_into_zombie(&mut self.zombies),
                _ => {
                    if let Some(outcome) = running.stop().await {
                        self.ended(&mut running, outcome).await;
                    }
                }
            },
        }
        if dice.chance(300) {
            dice.pause(500, 12_000).await;
        }
    }

    /// Whether the run is for a re-copy alone: there must be something to go on from.
    fn asks_alone(&self, pilot: bool) -> Option<Asked> {
        let (world, dice) = (&self.world, &self.world.dice);
        if !world.profile.recopies || pilot || world.books().may_be_damaged().is_empty() {
            return None;
        }
        let likely = if world.books().parked().is_empty() { 120 } else { 450 };
        dice.chance(likely).then(|| Asked::of_all(world))
    }

    fn recopy_options(&mut self) -> RunOptions {
        let from = self.where_to_cut_anew();
        RunOptions { tail: true, backfill: false, from, until_caught_up: true, accept_gap: false }
    }

    /// After a failover a person names the checkpoint, where the journal cannot be cut again.
    fn where_to_cut_anew(&mut self) -> Option<tailfill::model::Position> {
        let from = self.world.books().checkpointed().cloned().filter(|_| self.cut_anew);
        self.cut_anew = false;
        from.map(database::position)
    }

    /// A target that the run's configuration has not, or not yet.
    fn left_out(&self, index: u64) -> Option<TargetId> {
        let (world, dice) = (&self.world, &self.world.dice);
        let targets = &world.mapping.targets;
        if index < world.profile.joins_after {
            world.tally(Thrown::Joined, u64::from(index + 1 == world.profile.joins_after));
            return targets.last().map(|target| target.id);
        }
        if !world.profile.leaves || targets.len() < 2 || !dice.chance(350) {
            return None;
        }
        world.tally(Thrown::LeftOut, 1);
        Some(dice.pick(targets).id)
    }

    fn options(&mut self, index: u64) -> RunOptions {
        let (world, dice) = (self.world.clone(), self.world.dice.clone());
        let backfill_only = dice.chance(50);
        let older = if world.profile.replays && dice.chance(250) { self.older_position() } else { None };
        let from = self.where_to_cut_anew().or(older);
        RunOptions {
            tail: !backfill_only,
            backfill: backfill_only || index >= world.profile.tail_only_runs,
            from,
            until_caught_up: dice.chance(if world.profile.recopies { 80 } else { 300 }),
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

    /// A run ended by itself: only what the world did to it may be the reason, or that it is done.
    async fn ended(&mut self, running: &mut Running, outcome: Result<Finished, ProtocolError>) {
        running.is_over().await;
        let (world, number) = (&self.world, running.process.number);
        world.trace.note(format_args!("process {number} ended: {outcome:?}"));
        let Err(error) = outcome else { return };
        if matches!(error, ProtocolError::CannotCut { .. }) {
            world.tally(Thrown::CannotCut, 1);
            self.cut_anew = true;
        }
        if !process::may_end_with(world, &error) {
            let text = format!("process {number} ended with an error: {error} ({error:?})");
            world.books().violation(text);
        }
    }
}

/// Most processes that begin to count rows do not complete that.
async fn soon_after_counting_begins(world: &World) {
    world.counting.notified().await;
    let likely = if world.profile.recopies { 800 } else { 300 };
    if world.dice.chance(likely) {
        std::future::pending::<()>().await;
    }
    world.dice.pause(0, world.dice.pick(&[50, 400, 2_000])).await;
}
