//! Against MySQL, HBase and a tail in memory: what is found, what is forgotten, and what is never found.

use super::super::fixtures::{Call, World, edge, mapping, other_layouts, packed};
use super::{Continuous, RunView, keep_comparing};
use crate::model::{CellForm, Target, TargetId};
use crate::sink::layout::{Address, Codec};
use crate::status::ContinuousStatus;
use crate::store::memory::MemoryStore;
use crate::store::records::VerdictRecord;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Nothing takes longer, in virtual time.
const LONGEST: Duration = Duration::from_secs(7_200);

/// A run that does as a test says.
#[derive(Default)]
struct Script {
    waits_for: Option<String>,
    incomparable: BTreeSet<TargetId>,
    recent: Vec<(TargetId, Address)>,
    shown: ContinuousStatus,
    kept: Vec<VerdictRecord>,
}

struct Run {
    world: World,
    script: Mutex<Script>,
    turn: AtomicU64,
}

impl Run {
    fn of(world: &World) -> Arc<Run> {
        Arc::new(Run { world: world.clone(), script: Mutex::default(), turn: AtomicU64::new(0) })
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("nothing panics while it is held")
    }

    fn shown(&self) -> ContinuousStatus {
        self.script().shown.clone()
    }
}

#[async_trait]
impl RunView for Run {
    fn waits_for(&self) -> Option<String> {
        self.script().waits_for.clone()
    }

    fn turn(&self) -> u64 {
        self.turn.load(SeqCst)
    }

    async fn comparable(&self) -> BTreeSet<TargetId> {
        let targets = self.world.mapping.targets.iter().map(|target| target.id);
        targets.filter(|target| !self.script().incomparable.contains(target)).collect()
    }

    fn rows_estimated(&self, _: TargetId) -> u64 {
        30
    }

    fn take_recent(&self) -> Vec<(TargetId, Address)> {
        std::mem::take(&mut self.script().recent)
    }

    async fn keep(&self, verdict: VerdictRecord) {
        self.script().kept.push(verdict);
    }

    fn show(&self, status: ContinuousStatus) {
        self.script().shown = status;
    }

    fn now_ms(&self) -> u64 {
        1_700_000_000_000
    }
}

/// Three lists of ten items.
fn filled(world: World) -> World {
    for (followee, follower) in (0..3).flat_map(|list| (0..10).map(move |item| (list, item))) {
        world.change((followee, follower), Some(edge(followee, follower, 1, Some("note"))));
    }
    world
}

fn verification(world: &World, run: &Arc<Run>, store: &MemoryStore) -> Continuous {
    let (with, store) = (world.verification(true), Arc::new(store.clone()));
    Continuous { with, run: run.clone(), store, rows_per_second: 20 }
}

/// Compares until it shows something.
async fn until(by: &Continuous, run: &Run, what: impl Fn(&ContinuousStatus) -> bool) -> ContinuousStatus {
    let shows = async {
        loop {
            let shown = run.shown();
            if what(&shown) {
                return shown;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let compared = async {
        tokio::select! { biased;
            shown = shows => shown,
            never = keep_comparing(by) => match never {},
        }
    };
    match timeout(LONGEST, compared).await {
        Ok(shown) => shown,
        Err(_) => panic!("it does not come: {:?}", run.shown()),
    }
}

fn address(world: &World, target: &Target, followee: u64, follower: u64) -> Address {
    Codec::of(&world.mapping, target).address(&edge(followee, follower, 1, None)).expect("it has one")
}

fn worlds() -> [World; 3] {
    let mut alone = mapping();
    alone.targets = vec![packed(&alone.targets[1], CellForm::Msgpack)];
    [World::new(), World::of(other_layouts()), World::of(alone)].map(filled)
}

/// One item less, one more, and another value, in each target.
fn damage(world: &World) {
    for target in &world.mapping.targets {
        world.lose(target, &edge(0, 3, 1, None));
        let put = |of: Address, value: &str| {
            let name = of.cell.unwrap_or_else(|| if target.columns == [3] { "note" } else { "v" }.into());
            world.write(target, of.row, vec![(name, Bytes::copy_from_slice(value.as_bytes()))], vec![]);
        };
        put(address(world, target, 1, 4), "another");
        put(address(world, target, 2, 99), "stranger");
    }
}

fn mend(world: &World) {
    for target in &world.mapping.targets {
        for (followee, follower) in [(1, 4), (2, 99)] {
            world.lose(target, &edge(followee, follower, 1, None));
        }
        world.store_in(target, &edge(0, 3, 1, Some("note")));
        world.store_in(target, &edge(1, 4, 1, Some("note")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_extra_or_different_is_found_kept_and_forgotten_once_it_is_equal() {
    for world in worlds() {
        let (run, store) = (Run::of(&world), MemoryStore::new());
        let targets = world.mapping.targets.len() as u64;
        let by = verification(&world, &run, &store);
        let shown = until(&by, &run, |shown| shown.walks == 1).await;
        assert_eq!((shown.findings, shown.unsettled), (0, 0), "{shown:?}");
        let last = shown.last_walk.expect("one has ended");
        assert_eq!((last.rows, last.found), (2 * 30 * targets, 0), "each row once on each side");
        damage(&world);
        let shown = until(&by, &run, |shown| shown.walks == 3).await;
        assert_eq!((shown.findings, shown.found), (3 * targets, 3 * targets), "{shown:?}");
        for kind in ["missing", "extra", "different"] {
            assert!(shown.newest.iter().any(|finding| finding.kind == kind), "{kind}: {shown:?}");
        }
        let verdicts: Vec<(bool, u64)> =
            run.script().kept.iter().map(|verdict| (verdict.equal, verdict.confirmed)).collect();
        assert_eq!(verdicts[0], (true, 0));
        assert_eq!(verdicts.last().map(|(equal, _)| *equal), Some(false), "{verdicts:?}");
        // a restart remembers them, and looks at them first
        run.script().shown = ContinuousStatus::default();
        let by = verification(&world, &run, &store);
        let shown = until(&by, &run, |shown| shown.findings > 0).await;
        assert_eq!((shown.findings, shown.found, shown.walks), (3 * targets, 0, 0), "{shown:?}");
        mend(&world);
        let shown = until(&by, &run, |shown| shown.findings == 0).await;
        assert!(shown.checked.findings >= 3 * targets, "{shown:?}");
        let by = verification(&world, &run, &store);
        let shown = until(&by, &run, |shown| shown.walks > 0).await;
        assert_eq!((shown.findings, shown.found), (0, 0), "they are forgotten over a restart too");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recent_change_is_compared_without_the_walk() {
    let world = filled(World::new());
    let (run, store) = (Run::of(&world), MemoryStore::new());
    let by = verification(&world, &run, &store);
    until(&by, &run, |shown| shown.walks == 1).await;
    let target = world.mapping.targets[1].clone();
    world.lose(&target, &edge(1, 4, 1, None));
    run.script().recent =
        vec![(target.id, address(&world, &target, 1, 4)), (target.id, address(&world, &target, 1, 5))];
    // this walk begins anew, and is far from the second target
    let shown = until(&by, &run, |shown| shown.checked.recent > 0).await;
    assert_eq!((shown.findings, shown.checked.recent), (1, 2), "{shown:?}");
    assert_eq!((&*shown.newest[0].kind, &*shown.newest[0].table), ("missing", "has"));
}

/// Before each SELECT a change is committed, and written by the tail only when somebody asks where it is.
fn restless(world: &World) {
    for n in 0..3_000_u64 {
        let key = (n % 3, n % 10);
        world.before(Call::Items, move |world| {
            world.log(key, (n % 4 > 0).then(|| edge(key.0, key.1, 1, Some(&n.to_string()))));
            world.commit();
        });
        world.before(Call::Positions, World::tail);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_under_way_are_never_a_finding() {
    for world in [World::new(), World::of(other_layouts())].map(filled) {
        let (run, store) = (Run::of(&world), MemoryStore::new());
        restless(&world);
        let by = verification(&world, &run, &store);
        let all = world.mapping.targets.iter().flat_map(|target| (0..10).map(move |item| (target, item)));
        run.script().recent =
            all.map(|(target, item)| (target.id, address(&world, target, item % 3, item))).collect();
        let shown = until(&by, &run, |shown| shown.walks == 3).await;
        assert_eq!((shown.found, shown.unsettled), (0, 0), "{shown:?}");
        assert!(shown.checked.recent > 0, "{shown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_compared_while_the_run_waits_or_in_a_target_that_is_not_comparable() {
    let world = filled(World::new());
    let (run, store) = (Run::of(&world), MemoryStore::new());
    damage(&world);
    run.script().waits_for = Some("the tail, which is paused".into());
    let by = verification(&world, &run, &store);
    let shown = until(&by, &run, |shown| shown.waits_for.is_some()).await;
    assert_eq!((shown.checked.walk, shown.findings), (0, 0), "{shown:?}");
    {
        let mut script = run.script();
        (script.waits_for, script.incomparable) = (None, [TargetId(0)].into());
    }
    let shown = until(&by, &run, |shown| shown.walks == 2).await;
    assert_eq!(shown.findings, 3, "of the other target: {shown:?}");
    assert!(shown.newest.iter().all(|finding| finding.table == "has"), "{shown:?}");
    run.script().incomparable.clear();
    until(&by, &run, |shown| shown.findings == 6).await;
}

/// The tail is moved to an older position, and writes older states, after it was asked where it is.
#[tokio::test(start_paused = true)]
async fn what_a_tail_that_began_elsewhere_shows_is_no_finding() {
    let world = filled(World::new());
    let (run, store) = (Run::of(&world), MemoryStore::new());
    let by = verification(&world, &run, &store);
    until(&by, &run, |shown| shown.walks == 1).await;
    let target = world.mapping.targets[0].clone();
    world.lose(&target, &edge(1, 4, 1, None));
    let moved = run.clone();
    world.before(Call::BinlogEnd, move |world| {
        moved.turn.fetch_add(1, SeqCst);
        // and is where it was when the next look comes
        world.store_in(&world.mapping.targets[0], &edge(1, 4, 1, Some("note")));
    });
    let shown = until(&by, &run, |shown| shown.walks == 3).await;
    assert_eq!((shown.found, run.turn.load(SeqCst)), (0, 1), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_is_cut_short_goes_on_where_it_was() {
    let world = filled(World::of(other_layouts()));
    let (run, store) = (Run::of(&world), MemoryStore::new());
    for at in [25, 40, 90, 130, 200] {
        run.script().shown = ContinuousStatus::default();
        let by = verification(&world, &run, &store);
        let passed = |shown: &ContinuousStatus| shown.walk.as_ref().is_some_and(|walk| walk.rows >= at);
        until(&by, &run, passed).await;
        // its place is durable within half a minute
        let by = verification(&world, &run, &store);
        let _ = timeout(Duration::from_secs(1), keep_comparing(&by)).await;
    }
    run.script().shown = ContinuousStatus::default();
    let by = verification(&world, &run, &store);
    let shown = until(&by, &run, |shown| shown.walks == 1).await;
    let last = shown.last_walk.expect("one has ended");
    assert_eq!(last.rows, 2 * 30 * 4, "each row once on each side, however often it began");
    assert!(shown.checked.walk < last.rows, "{shown:?}");
}
