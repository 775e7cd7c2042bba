//! Somebody who asks a process for re-copies, and keeps the books on what they mended.

use super::books::{Damage, ListIn};
use super::damage::{self, STRANGE_LISTS};
use super::schema::MAPPING;
use super::tally::Thrown;
use super::world::World;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tailfill::model::{Mapping, Value};
use tailfill::pipeline::Recopies;
use tailfill::pipeline::jobs::{Ask, Failed, JobState, RecopyReport, Touch, TouchKind, Touched};
use tokio::time::sleep;

/// How often somebody looks whether a job is over.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Notes what is touched, in the story.
struct Noted(Arc<World>);

impl Touched for Noted {
    fn name(&self, _: &Mapping, key: &[Value], item: &[Value]) -> String {
        format!("{key:?} {item:?}")
    }

    fn note(&self, _: &str, target: &str, touches: &[Touch]) -> std::io::Result<()> {
        for touch in touches {
            let kind = match touch.what {
                TouchKind::Written => Thrown::Written,
                TouchKind::Deleted => Thrown::Deleted,
                TouchKind::Recounted => Thrown::Recounted,
            };
            self.0.tally(kind, 1);
            let (name, what, tick) = (&touch.name, touch.what, touch.tick);
            self.0.trace.note(format_args!("a re-copy touches {name} in {target}: {what:?} @{tick:?}"));
        }
        Ok(())
    }
}

/// What is asked for.
#[derive(Clone)]
pub struct Asked {
    pub ask: Ask,
    /// `None`: all.
    lists: Option<BTreeSet<u64>>,
    /// What was damaged before that.
    known: Damage,
}

impl Asked {
    /// The mapping as a whole.
    pub fn of_all(world: &World) -> Asked {
        let ask = Ask { mapping: MAPPING.into(), lists: None, dry_run: false };
        Asked { ask, lists: None, known: world.books().damage() }
    }

    /// Something, within the `pilot` if there is one.
    fn any(world: &World, pilot: Option<&BTreeSet<u64>>) -> Asked {
        let dice = &world.dice;
        let whole = Asked::of_all(world);
        let dry_run = dice.chance(120);
        if dice.chance(450) {
            let lists = pilot.cloned();
            return Asked { ask: Ask { dry_run, ..whole.ask }, lists, ..whole };
        }
        let all: Vec<u64> = match pilot {
            Some(pilot) => pilot.iter().copied().collect(),
            None => (0..world.profile.lists).chain(STRANGE_LISTS).collect(),
        };
        let lists: BTreeSet<u64> = (0..dice.between(1, 3)).map(|_| dice.pick(&all)).collect();
        let keys = Some(lists.iter().map(|list| vec![Value::UInt(*list)]).collect());
        Asked { ask: Ask { lists: keys, dry_run, ..whole.ask }, lists: Some(lists), ..whole }
    }
}

/// The jobs of a run that takes some while it goes on.
pub fn taken(world: &Arc<World>) -> Recopies {
    Recopies::taken(Arc::new(Noted(world.clone())))
}

/// The jobs of a run that is for `asked` alone.
pub fn alone(world: &Arc<World>, asked: &Asked) -> Recopies {
    Recopies::only(Arc::new(Noted(world.clone())), [asked.ask.clone()])
}

/// Damages, asks and looks, until the world is calm or the run takes nothing any more.
pub async fn ask_sometimes(world: Arc<World>, recopies: Recopies, pilot: Option<BTreeSet<u64>>) {
    let mut soon = false;
    loop {
        world.dice.pause(200, if soon { 1_000 } else { 3_000 }).await;
        if world.is_calm() {
            return;
        }
        if world.profile.damage && world.dice.chance(700) {
            damage::some(&world);
        }
        let asked = Asked::any(&world, pilot.as_ref());
        world.trace.note(format_args!("somebody asks for {:?}", asked.ask));
        let Ok(number) = recopies.enqueue(asked.ask.clone()) else { return };
        while recopies.report(number).is_some_and(|report| !report.state.is_over()) {
            sleep(LOOK_AGAIN).await;
        }
        let Some(report) = recopies.report(number) else { return };
        soon = report.state == JobState::Done;
        settle(&world, &asked, &report);
    }
}

/// A job is over: what it mended is not damaged any more.
pub fn settle(world: &World, asked: &Asked, report: &RecopyReport) {
    world.trace.note(format_args!("a re-copy is over: {report:?}"));
    match &report.state {
        JobState::Done => {}
        JobState::Failed(Failed { reason, .. }) => {
            world.tally(Thrown::Unfinished, 1);
            if !may_fail_for(world, reason) {
                world.books().violation(format!("a re-copy failed: {reason}"));
            }
            return;
        }
        other => return world.books().violation(format!("a re-copy is over, and {other:?}")),
    }
    let kind = match (asked.ask.dry_run, &asked.ask.lists) {
        (true, _) => Thrown::DryRun,
        (false, None) => Thrown::OfAll,
        (false, Some(_)) => Thrown::OfLists,
    };
    world.tally(kind, 1);
    world.tally(Thrown::Unparked, report.targets.iter().filter(|target| target.unparked).count() as u64);
    if asked.ask.dry_run {
        return;
    }
    let mended: BTreeSet<ListIn> = mended_lists(world, asked, report);
    let mended = world.books().mended(&mended, &asked.known);
    world.tally(Thrown::Mended, mended);
}

/// The lists that it has compared, in the targets in which nothing was left as it was.
fn mended_lists(world: &World, asked: &Asked, report: &RecopyReport) -> BTreeSet<ListIn> {
    let clean = |table: &str| report.targets.iter().any(|target| target.table == table && target.left() == 0);
    let targets = world.mapping.targets.iter().filter(|target| clean(&target.table));
    let has = |list: u64| asked.lists.as_ref().is_none_or(|lists| lists.contains(&list));
    let lists: Vec<u64> = (0..world.profile.lists).chain(STRANGE_LISTS).filter(|list| has(*list)).collect();
    targets.flat_map(|target| lists.iter().map(move |list| (target.id, *list))).collect()
}

/// The tail has parked a target of the job while it went on.
pub fn parked_meanwhile(reason: &str) -> bool {
    reason.contains("parked, so HBase misses changes")
}

fn may_fail_for(world: &World, reason: &str) -> bool {
    let stopped = reason.contains("the run was stopped before");
    let parked = reason.contains("is parked, and missed changes") || parked_meanwhile(reason);
    let refused = reason.contains("refused") && world.profile.refusals;
    // a definition that it has proven could not be noted
    let lost = reason.contains("as the test asked") && world.profile.store_trouble > 0;
    let taken_over = reason.contains("in use by another tailfill");
    stopped || parked || refused || lost || taken_over
}
