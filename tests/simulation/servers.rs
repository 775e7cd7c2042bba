//! What happens to HBase's targets and to the source, beside single calls that fail.

use super::database::State;
use super::dice::Dice;
use super::profile::Failovers;
use super::tally::Thrown;
use super::world::{AwayServer, World};
use std::sync::Arc;
use std::time::Duration;
use tailfill::failpoints::Failpoints;
use tailfill::model::Tick;
use tokio::time::sleep;

/// Transactions at the end of the binlog that another server may have in another order.
const UNSETTLED: usize = 24;

/// Lets one target after the other be refused for a while, until the world is calm.
pub async fn refusals(world: Arc<World>) {
    while world.profile.refusals && !world.is_calm() {
        world.dice.pause(2_000, 12_000).await;
        let target = world.dice.pick(&world.mapping.targets);
        world.trace.note(format_args!("{} is refused", target.table));
        world.tally(Thrown::Refusal, 1);
        world.set_refused(Some(target.id));
        world.dice.pause(200, 3_000).await;
        world.set_refused(None);
        world.trace.note(format_args!("{} is taken again", target.table));
    }
}

/// Major compactions, to the end: hidden cells go, and delete markers that are older than the purge delay, unless a
/// write that is older still could arrive (I7).
pub async fn compactions(world: Arc<World>, failpoints: Failpoints) {
    let Some(purge_ms) = world.profile.purge_ms else { return };
    loop {
        world.dice.pause(500, 6_000).await;
        let purged = match failpoints.purge_delay_not_asked() {
            true => Tick(u64::MAX),
            false => world.oldest_that_may_arrive().min(Tick(world.clock.server_ms() - purge_ms)),
        };
        let gone = world.sink.compact(purged);
        world.trace.note(format_args!("HBase is compacted: {gone} markers below {purged} go"));
        world.tally(Thrown::Compaction, 1);
        world.tally(Thrown::Purged, gone);
    }
}

/// Another server takes the source's place, until the world is calm.
pub async fn failovers(world: Arc<World>) {
    loop {
        world.dice.pause(1_000, 15_000).await;
        if world.is_calm() {
            return;
        }
        let lossy = world.profile.failovers == Failovers::Lossy;
        if !fail_over(&world, lossy) {
            continue;
        }
        world.set_away(AwayServer::Source, true);
        world.dice.pause(100, 3_000).await;
        world.set_away(AwayServer::Source, false);
        if lossy {
            return;
        }
    }
}

/// `false`: there is nothing to lose.
fn fail_over(world: &World, lossy: bool) -> bool {
    let mut state = world.database.state();
    let (order, swaps) = match lossy {
        true => (without_the_last(&state, &world.dice), 0),
        false => another_order(&state, &world.dice),
    };
    let lost = state.order().len() - order.len();
    if lossy && lost == 0 {
        return false;
    }
    state.take_over(order, world.dice.below(3));
    drop(state);
    world.trace.note(format_args!("another server takes over: {swaps} swaps, {lost} transactions are lost"));
    world.tally(if lossy { Thrown::Lossy } else { Thrown::Failover }, 1);
    world.tally(Thrown::Reordered, swaps);
    true
}

/// The last transactions that the engine has not committed: the server waited for a replica to have them, and none has.
fn without_the_last(state: &State, dice: &Dice) -> Vec<u64> {
    let order = state.order();
    let under_way = order.iter().rev().take_while(|number| !state.is_committed(**number)).count() as u64;
    let lost = if under_way == 0 { 0 } else { dice.between(1, under_way) };
    order[..order.len() - lost as usize].to_vec()
}

/// Transactions that change no item in common may have been committed the other way around.
fn another_order(state: &State, dice: &Dice) -> (Vec<u64>, u64) {
    let mut order = state.order().to_vec();
    let first = order.len().saturating_sub(UNSETTLED);
    let mut swaps = 0;
    for _ in 0..dice.pick(&[0, 4, 40]) {
        let at = first + dice.below((order.len() - first) as u64) as usize;
        if at + 1 < order.len() && state.are_independent(order[at], order[at + 1]) {
            order.swap(at, at + 1);
            swaps += 1;
        }
    }
    (order, swaps)
}

/// Lets the engine commit what it has published.
pub async fn all_committed(world: &World) {
    while !world.database.state().all_committed() {
        sleep(Duration::from_millis(10)).await;
    }
}
