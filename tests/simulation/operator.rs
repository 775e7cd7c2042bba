//! An operator who pauses, moves and resumes runs while everything else goes on; with dice of his own.

use super::database;
use super::dice::Dice;
use super::tally::Thrown;
use super::world::World;
use std::sync::Arc;
use tailfill::clock::Clock;
use tailfill::model::{FileLimits, Lever, LimitKey, LimitsAsk, Wanted, Work};
use tailfill::pipeline::Levers;
use tailfill::pipeline::jobs::levers::{self, LeverAsk};
use tailfill::pipeline::jobs::limits;
use tailfill::pipeline::jobs::moves::{Course, Destination, MoveAsk};

/// Pauses and resumes what a process does, until it ends.
pub async fn pauses(world: Arc<World>, levers: Levers, dice: Dice) {
    loop {
        dice.pause(10, 1_500).await;
        let works: &[&[Work]] = &[&[Work::Tail], &[Work::Backfill], &Work::ALL];
        set(&world, &levers, dice.pick(works), Wanted::Paused).await;
        dice.pause(1, 2_500).await;
        if dice.chance(400) {
            moves(&world, &levers, &dice).await;
            dice.pause(1, 1_000).await;
        }
        set(&world, &levers, &Work::ALL, Wanted::Running).await;
    }
}

/// Sets limits of the copy and ends them again, until the process ends.
pub async fn throttles(world: Arc<World>, levers: Levers, dice: Dice) {
    loop {
        dice.pause(10, 2_000).await;
        let some: &[&[(&str, &[&str])]] = &[
            &[("backfill.rows_per_second", &["5", "20", "100"])],
            &[("backfill.workers", &["1", "3", "6"])],
            &[("backfill.chunk_rows", &["1", "3", "9"])],
            &[("throttle.threads_running", &["10", "50", "90"])],
            &[("throttle.query", &["SELECT 1"]), ("throttle.query_max", &["10", "50", "90"])],
            &[("throttle.replica_lag", &["10s", "50s"]), ("backfill.workers", &["2"])],
        ];
        let set = dice.pick(some).iter().map(|(key, values)| (key.to_string(), dice.pick(values).to_owned()));
        let ask = LimitsAsk { set: set.collect(), ..LimitsAsk::default() };
        if levers.change_limits(&file_limits(), &ask, world.clock.now_ms()).await.is_ok() {
            world.trace.note(format_args!("limits are set: {:?}", ask.set));
            world.tally(Thrown::Limited, 1);
        }
        dice.pause(100, 4_000).await;
        let ended = levers.change_limits(&file_limits(), &no_limits(), world.clock.now_ms()).await;
        if ended.is_ok_and(|changed| !changed.is_empty()) {
            world.trace.note(format_args!("no limits are set any more"));
        }
    }
}

/// As the processes have them, but for what no limit changes.
fn file_limits() -> FileLimits {
    FileLimits { replicas: 1, ..FileLimits::default() }
}

fn no_limits() -> LimitsAsk {
    LimitsAsk {
        unset: LimitKey::ALL.iter().map(|key| key.name().to_owned()).collect(),
        ..LimitsAsk::default()
    }
}

async fn set(world: &World, levers: &Levers, works: &[Work], wanted: Wanted) {
    let ask = LeverAsk { works: works.to_vec(), lever: lever(world, wanted) };
    // a process that starts refuses, and so does a store in trouble
    let Ok(set) = levers.set(&ask).await else { return };
    for work in set.changed {
        world.trace.note(format_args!("the {} is {} from now on", work.name(), wanted.name()));
        let kind = match (work, wanted) {
            (Work::Tail, Wanted::Paused) => Thrown::TailPaused,
            (Work::Backfill, Wanted::Paused) => Thrown::BackfillPaused,
            (_, Wanted::Running) => Thrown::Resumed,
        };
        world.tally(kind, 1);
    }
}

/// Moves the tail, which a run whose tail is not paused refuses.
async fn moves(world: &World, levers: &Levers, dice: &Dice) {
    let executed = world.database.state().executed().clone();
    let checkpointed = world.books().checkpointed().cloned().unwrap_or_default();
    let last =
        (1..=executed.count()).take_while(|number| executed.contains(&database::gtid(*number))).count();
    let read = (1..=last as u64).take_while(|number| checkpointed.contains(&database::gtid(*number))).count();
    let (last, read) = (last as u64, read as u64);
    let to = |number| Destination::To(database::position(database::up_to(number)));
    // what is missed is copied again, which only some worlds do
    let may_miss = world.profile.recopies && last > read;
    let (destination, kind) = match dice.below(10) {
        0 if may_miss => (to(dice.between(read + 1, last)), Thrown::MovedOver),
        1 if may_miss => {
            let skipped = database::gtid(dice.between(read + 1, last));
            (Destination::Without(skipped), Thrown::Skipped)
        }
        _ => (to(dice.between(read / 2, read)), Thrown::MovedBack),
    };
    let works: &[&[Work]] = &[&[], &[Work::Tail], &Work::ALL];
    let (lever, resumes) = (lever(world, Wanted::Running), dice.pick(works).to_vec());
    // a run that begins earlier meanwhile makes a gap of what was a move back
    let accept_gap = world.profile.recopies;
    let ask = MoveAsk { destination, accept_gap, lever, resumes };
    let moved = levers.move_tail(&ask).await;
    world.trace.note(format_args!("the tail is asked for {:?}: {moved:?}", ask.destination));
    if moved.is_ok_and(|moved| moved.course != Course::Stays) {
        world.tally(kind, 1);
    }
}

fn lever(world: &World, wanted: Wanted) -> Lever {
    Lever { wanted, by: "operator".into(), at_ms: world.clock.now_ms(), reason: String::new() }
}

/// At the end of a seed nothing stays paused, and no limit is set.
pub async fn resumes_all(world: &World) {
    let ask = LeverAsk { works: Work::ALL.to_vec(), lever: lever(world, Wanted::Running) };
    let store = world.store.take_over();
    levers::set_in(&store, &ask).await.expect("the world is calm");
    let changed = limits::change_in(&store, &file_limits(), &no_limits(), world.clock.now_ms()).await;
    changed.expect("the world is calm");
}
