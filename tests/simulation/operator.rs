//! An operator who pauses and resumes runs while everything else goes on; with dice of his own.

use super::dice::Dice;
use super::tally::Thrown;
use super::world::World;
use std::sync::Arc;
use tailfill::clock::Clock;
use tailfill::model::{Lever, Wanted, Work};
use tailfill::pipeline::Levers;
use tailfill::pipeline::jobs::levers::{self, LeverAsk};

/// Pauses and resumes what a process does, until it ends.
pub async fn pauses(world: Arc<World>, levers: Levers, dice: Dice) {
    loop {
        dice.pause(10, 1_500).await;
        let works: &[&[Work]] = &[&[Work::Tail], &[Work::Backfill], &Work::ALL];
        set(&world, &levers, dice.pick(works), Wanted::Paused).await;
        dice.pause(1, 2_500).await;
        set(&world, &levers, &Work::ALL, Wanted::Running).await;
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

fn lever(world: &World, wanted: Wanted) -> Lever {
    Lever { wanted, by: "operator".into(), at_ms: world.clock.now_ms(), reason: String::new() }
}

/// At the end of a seed nothing stays paused.
pub async fn resumes_all(world: &World) {
    let ask = LeverAsk { works: Work::ALL.to_vec(), lever: lever(world, Wanted::Running) };
    levers::set_in(&world.store.take_over(), &ask).await.expect("the world is calm");
}
