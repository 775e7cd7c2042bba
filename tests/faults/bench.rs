//! A world without chance troubles, and runs of the pipeline against it.

use super::gateway::{Gateway, Sent};
use super::source::Scripted;
use crate::simulation::checker;
use crate::simulation::database;
use crate::simulation::dice::Dice;
use crate::simulation::profile::{Profile, Wide};
use crate::simulation::schema::MAPPING;
use crate::simulation::world::{Process, World};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailfill::clock::Clock;
use tailfill::error::Disposition;
use tailfill::lock::{LeaseOptions, Leases, OnLoss};
use tailfill::model::{Position, Reached, Row, RowChange, TableId, TargetId, Tick, Value};
use tailfill::pipeline::{self, Finished, Holds, Parts, Progress, RunOptions, Settings, Throttle};
use tailfill::protocol::plan::Cohort;
use tailfill::protocol::{Journal, Plan, ProtocolError, Recovered};
use tailfill::sink::RowWrite;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// No run of these tests lasts longer, in virtual time.
const LONGEST: Duration = Duration::from_secs(300);

/// What a run that waits for the lease's expiry waits for.
pub const EXPIRY: Duration = Duration::from_secs(10);

/// The servers, which outlive the runs.
pub struct Bench {
    pub world: Arc<World>,
    pub gateway: Arc<Gateway>,
    pub source: Arc<Scripted>,
    pub settings: Settings,
    /// What a throttle reads of the servers.
    pub gauges: Arc<super::gauges::Scripted>,
    pub on_loss: OnLoss,
    /// The id of the state: runs of another one do not know each other's leases.
    pub owner: &'static str,
}

impl Bench {
    /// Servers without rows, and a state whose checkpoint stands before the first transaction. Every
    /// change is a batch of its own.
    pub async fn opened() -> Bench {
        let bench = Bench::unopened();
        bench.catches_up().await;
        bench
    }

    /// The same before the first start.
    pub fn unopened() -> Bench {
        Bench::with(None)
    }

    /// The same with a counted target, before all others: a row a list.
    pub fn with_counts() -> Bench {
        Bench::with(Some(Wide { counted: true, segment: None }))
    }

    /// The same with a wide target that is not counted: a row a list.
    pub fn with_wide_rows() -> Bench {
        Bench::with(Some(Wide { counted: false, segment: None }))
    }

    /// Servers whose source is a binlog in bytes, possibly with a counted target.
    pub fn in_bytes(counted: bool) -> Bench {
        let wide = counted.then_some(Wide { counted, segment: None });
        Bench::of(Profile { wide, bytes: true, ..Profile::draw(&Dice::new(1)) })
    }

    fn with(wide: Option<Wide>) -> Bench {
        Bench::of(Profile { wide, ..Profile::draw(&Dice::new(1)) })
    }

    fn of(profile: Profile) -> Bench {
        let dice = Dice::new(1);
        let world = World::of(dice, profile, false);
        world.calm_down();
        Bench {
            gateway: Arc::new(Gateway::new(world.sink.clone())),
            source: Arc::new(Scripted::new(Process::new(&world, 1))),
            world,
            gauges: Arc::default(),
            settings: Settings {
                batch_rows: 1,
                checkpoint_every: Duration::from_millis(100),
                retry_for: Duration::from_secs(20),
                ..Settings::default()
            },
            on_loss: OnLoss::Degrade,
            owner: "state",
        }
    }

    /// Commits one transaction and returns its number.
    pub fn commit(&self, changes: Vec<RowChange>) -> u64 {
        let number = self.world.database.publish(changes, self.world.clock.now_micros());
        self.world.database.commit(number, true);
        number
    }

    /// Runs the tail until it has caught up, or ends otherwise.
    pub async fn run(&self) -> Result<Finished, ProtocolError> {
        run(self.parts()).await
    }

    pub async fn catches_up(&self) {
        self.catches_up_with(self.parts()).await;
    }

    pub async fn catches_up_with(&self, parts: Parts) {
        assert_eq!(run(parts).await.expect("nothing that needs a person"), Finished::CaughtUp);
    }

    /// Runs to an end that needs a person.
    pub async fn fails(&self) -> ProtocolError {
        self.fails_with(self.parts()).await
    }

    pub async fn fails_with(&self, parts: Parts) -> ProtocolError {
        run(parts).await.expect_err("the script does not let it catch up")
    }

    /// Copies everything, and catches up.
    pub async fn copies(&self) {
        self.copies_with(self.parts()).await;
    }

    pub async fn copies_with(&self, parts: Parts) {
        let ended = timeout(LONGEST, copy(parts)).await.expect("nothing is in the way");
        assert_eq!(ended.expect("nothing that needs a person"), Finished::CaughtUp);
    }

    /// Tails from an older position with new ticks, and catches up.
    pub async fn replays_from(&self, from: Position) {
        let options = RunOptions {
            tail: true,
            backfill: true,
            from: Some(from),
            until_caught_up: true,
            accept_gap: false,
        };
        let run = pipeline::run(self.parts(), options, CancellationToken::new());
        let ended = timeout(LONGEST, run).await.expect("nothing is in the way");
        assert_eq!(ended.expect("nothing that needs a person"), Finished::CaughtUp);
    }

    pub fn parts(&self) -> Parts {
        let world = &self.world;
        let options = LeaseOptions { expiry: EXPIRY, on_loss: self.on_loss, ..LeaseOptions::default() };
        let (server, entropy) = (Arc::new(world.leases.clone()), world.dice.entropy());
        let leases = Leases::new(Some(server), vec![MAPPING.into()], options, entropy, self.owner.into());
        Parts {
            source_name: "simulated".into(),
            source: self.source.clone(),
            sink: self.gateway.clone(),
            store: Arc::new(world.store.clone()),
            leases,
            clock: world.clock.clone(),
            plan: Arc::new(Plan::new(vec![world.mapping.clone()], Cohort::All)),
            settings: Arc::new(self.settings.clone()),
            progress: Arc::new(Progress::default()),
            holds: Holds::default(),
            levers: tailfill::pipeline::Levers::default(),
            throttle: Throttle::new(self.settings.limits.clone(), self.gauges.clone()),
            definitions: tailfill::pipeline::Definitions::default(),
            recent: tailfill::pipeline::Recent::default(),
        }
    }

    /// What the next start would find.
    pub async fn recovered(&self) -> Recovered {
        let journal = Journal::new(Arc::new(self.world.store.clone()), "simulated");
        journal.recover().await.expect("reads do not fail").expect("it was opened")
    }

    pub async fn checkpointed(&self) -> Reached {
        self.recovered().await.checkpoint.position.reached
    }

    /// The ticks of the journaled batches above the checkpoint.
    pub async fn journaled(&self) -> Vec<Tick> {
        self.recovered().await.replay.iter().map(|batch| batch.tick).collect()
    }

    /// The sink shows exactly the engine's rows, and the checkpoint has reached the last of them.
    pub async fn assert_equal(&self) {
        let differences: Vec<String> =
            checker::compare(&self.world).await.iter().map(ToString::to_string).collect();
        assert_eq!(differences, Vec::<String>::new());
        let counts: Vec<String> =
            checker::compare_counts(&self.world).await.iter().map(ToString::to_string).collect();
        assert_eq!(counts, Vec::<String>::new());
        let published = self.world.database.state().published();
        assert_eq!(self.checkpointed().await, database::up_to(published));
        assert_eq!(self.journaled().await, []);
    }
}

/// A run that copies, tails, and ends once it has caught up.
pub async fn copy(parts: Parts) -> Result<Finished, ProtocolError> {
    let options =
        RunOptions { tail: true, backfill: true, from: None, until_caught_up: true, accept_gap: false };
    pipeline::run(parts, options, CancellationToken::new()).await
}

async fn run(parts: Parts) -> Result<Finished, ProtocolError> {
    let options =
        RunOptions { tail: true, backfill: false, from: None, until_caught_up: true, accept_gap: false };
    let run = pipeline::run(parts, options, CancellationToken::new());
    timeout(LONGEST, run).await.expect("every fault is over, or given up on, long before")
}

/// What was asked for by target, row and tick, however it was grouped into calls.
pub type Contents = BTreeMap<(TargetId, Bytes, Tick), RowWrite>;

/// The contents of some calls. A tick never means two things in one row (I2).
pub fn contents(sent: &[Sent]) -> Contents {
    let mut contents = Contents::new();
    for call in sent {
        for row in &call.rows {
            let key = (call.target, row.row.clone(), row.tick);
            let before = contents.insert(key, row.clone());
            assert!(before.is_none_or(|before| before == *row), "tick {} means two things", row.tick);
        }
    }
    contents
}

/// The part of some contents that lies in the first target.
pub fn in_first_target(contents: Contents) -> Contents {
    contents.into_iter().filter(|((target, ..), _)| *target == TargetId(0)).collect()
}

pub fn ticks(contents: &Contents) -> Vec<Tick> {
    let mut ticks: Vec<Tick> = contents.keys().map(|(_, _, tick)| *tick).collect();
    ticks.sort_unstable();
    ticks.dedup();
    ticks
}

/// A row of a list.
pub fn row(list: u64, item: u64, note: &str) -> Row {
    let text = Value::Text(note.to_owned().into());
    vec![Value::UInt(list), Value::UInt(item), Value::Int(7), text, Value::Null]
}

pub fn insert(row: &Row) -> RowChange {
    RowChange { table: TableId(0), before: None, after: Some(row.clone()) }
}

pub fn update(before: &Row, after: &Row) -> RowChange {
    RowChange { table: TableId(0), before: Some(before.clone()), after: Some(after.clone()) }
}

pub fn delete(row: &Row) -> RowChange {
    RowChange { table: TableId(0), before: Some(row.clone()), after: None }
}

/// The error is that retries of something went on for too long.
pub fn assert_gave_up(error: &ProtocolError, bound: Duration) {
    let ProtocolError::GaveUp { seconds, .. } = error else { panic!("not given up: {error:?}") };
    let bound = bound.as_secs();
    assert!((bound..bound + EXPIRY.as_secs()).contains(seconds), "gave up after {seconds} s");
    assert_eq!(error.disposition(), Disposition::Halt(tailfill::error::Exit::Failed));
}
