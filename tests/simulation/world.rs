//! Everything that outlives a process: the servers, the books, the clock.

use super::books::Books;
use super::database::Database;
use super::dice::Dice;
use super::profile::Profile;
use super::schema;
use super::tally::{Tally, Thrown};
use super::trace::Trace;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tailfill::clock::Clock;
use tailfill::failpoints::Failpoints;
use tailfill::lock::MemoryLeases;
use tailfill::model::{Mapping, TargetId, Tick, TransactionId};
use tailfill::sink::memory::MemorySink;
use tailfill::store::memory::MemoryStore;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A process that is thought dead lives on for so long at most, milliseconds.
pub const ZOMBIE_MS: u64 = 2_000;

pub struct World {
    pub dice: Dice,
    pub profile: Profile,
    pub trace: Trace,
    pub clock: Arc<WallClock>,
    pub mapping: Mapping,
    pub database: Database,
    pub sink: MemorySink,
    pub leases: MemoryLeases,
    pub store: MemoryStore,
    pub in_flight: AtomicI64,
    /// Rows begin to be counted.
    pub counting: Notify,
    processes: AtomicU64,
    calm: AtomicBool,
    away: [AtomicBool; 3],
    refused: Mutex<Option<TargetId>>,
    /// The ticks of writes that were sent and have not landed, and of those that zombies may send.
    flying: Mutex<BTreeMap<Tick, u64>>,
    tally: Mutex<Tally>,
    books: Mutex<Books>,
}

impl World {
    pub fn new(seed: u64, with_story: bool) -> Arc<World> {
        let (dice, profile) = World::drawn(seed);
        World::of(dice, profile, with_story)
    }

    /// What kind of world a seed is, and its dice from there on.
    pub fn drawn(seed: u64) -> (Dice, Profile) {
        let dice = Dice::new(seed);
        let mut profile = Profile::draw(&dice);
        profile.draw_more(&Dice::new(!seed));
        profile.draw_repairs(&Dice::new(seed.rotate_left(32) ^ 0x5eed));
        profile.draw_definitions(&Dice::new(seed.rotate_left(16) ^ 0xdef));
        profile.draw_pilot(&Dice::new(seed.rotate_left(8) ^ 0x9110));
        profile.draw_operator(&Dice::new(seed.rotate_left(48) ^ 0x1e7e6));
        (dice, profile)
    }

    pub fn of(dice: Dice, profile: Profile, with_story: bool) -> Arc<World> {
        let mut mapping = schema::mapping(profile.bare, profile.wide);
        if let Some(form) = profile.packed {
            mapping = schema::with_packed(mapping, form);
        }
        let clock = Arc::new(WallClock { start: Instant::now(), offset_ms: AtomicI64::new(0) });
        let sink = MemorySink::with_tables(&mapping.targets, clock.clone());
        let database = Database::default();
        let books = Books::new(mapping.clone(), database.clone(), sink.clone(), &profile);
        Arc::new(World {
            trace: Trace::new(with_story),
            leases: MemoryLeases::new(),
            store: MemoryStore::new(),
            in_flight: AtomicI64::new(0),
            counting: Notify::new(),
            processes: AtomicU64::new(0),
            calm: AtomicBool::new(false),
            away: Default::default(),
            refused: Mutex::default(),
            flying: Mutex::default(),
            tally: Mutex::default(),
            books: Mutex::new(books),
            dice,
            profile,
            clock,
            mapping,
            database,
            sink,
        })
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        held(&self.books)
    }

    /// Whether this call goes wrong; never once the world is calm.
    pub fn trouble(&self, per_mille: u64) -> bool {
        !self.is_calm() && self.dice.chance(per_mille)
    }

    /// Whether nothing of this server can be reached just now.
    pub fn is_away(&self, server: AwayServer) -> bool {
        !self.is_calm() && self.away[server as usize].load(SeqCst)
    }

    pub fn set_away(&self, server: AwayServer, away: bool) {
        self.away[server as usize].store(away, SeqCst);
    }

    /// Whether HBase refuses this target just now.
    pub fn is_refused(&self, target: TargetId) -> bool {
        !self.is_calm() && *held(&self.refused) == Some(target)
    }

    pub fn set_refused(&self, target: Option<TargetId>) {
        *held(&self.refused) = target;
    }

    /// The number of a process that begins.
    pub fn next_process(&self) -> u64 {
        self.processes.fetch_add(1, SeqCst) + 1
    }

    pub fn tally(&self, kind: Thrown, times: u64) {
        held(&self.tally).add(kind, times);
    }

    pub fn tallied(&self) -> Tally {
        held(&self.tally).clone()
    }

    /// Something with this tick may still land, until [`World::landed`].
    pub fn flies(&self, tick: Tick) {
        *held(&self.flying).entry(tick).or_default() += 1;
    }

    pub fn landed(&self, tick: Tick) {
        let mut flying = held(&self.flying);
        let left = flying.get_mut(&tick).expect("it flew");
        *left -= 1;
        if *left == 0 {
            flying.remove(&tick);
        }
    }

    /// Nothing below this tick can arrive any more, but what chunks and re-copies write with marks, whose age the run
    /// bounds.
    pub fn oldest_that_may_arrive(&self) -> Tick {
        let replayed = self.books().lowest_replayed();
        let flying = held(&self.flying).first_key_value().map(|(tick, _)| *tick);
        replayed.into_iter().chain(flying).min().unwrap_or(Tick(u64::MAX))
    }

    /// Late writes land at most this much later.
    pub fn latest(&self) -> Duration {
        Duration::from_millis(self.profile.latest_ms)
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(SeqCst)
    }

    /// From now on no call fails (late writes still land).
    pub fn calm_down(&self) {
        self.calm.store(true, SeqCst);
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().expect("nothing panics while it is held")
}

/// A server that can be away for a while.
#[derive(Clone, Copy, Debug)]
pub enum AwayServer {
    Gateway,
    Leases,
    Source,
}

/// Virtual time, from a fixed date, plus what jumps of the system's clock between processes add.
#[derive(Debug)]
pub struct WallClock {
    start: Instant,
    offset_ms: AtomicI64,
}

impl WallClock {
    pub fn jump(&self, milliseconds: i64) {
        self.offset_ms.fetch_add(milliseconds, SeqCst);
    }
}

/// 2023-11-14, 22:13:20.
const BEGIN_MICROS: i64 = 1_700_000_000_000_000;

impl WallClock {
    /// The clocks of HBase's servers do not jump.
    pub fn server_ms(&self) -> u64 {
        (BEGIN_MICROS / 1_000) as u64 + self.start.elapsed().as_millis() as u64
    }
}

impl Clock for WallClock {
    fn now_ms(&self) -> u64 {
        self.now_micros() / 1_000
    }

    fn now_micros(&self) -> u64 {
        let elapsed = self.start.elapsed().as_micros() as i64;
        (BEGIN_MICROS + elapsed + self.offset_ms.load(SeqCst) * 1_000) as u64
    }
}

/// One process: what its doubles share. A process that was killed must not call them any more.
pub struct Process {
    pub number: u64,
    pub world: Arc<World>,
    pub failpoints: Failpoints,
    /// The transaction behind which rows are left out, as streams have reported it.
    parked_at: Mutex<Option<TransactionId>>,
    state: Mutex<ProcessState>,
}

#[derive(Default)]
struct ProcessState {
    dead: bool,
    calls: u64,
    /// By lease key: when the last `add` that was granted was asked for.
    granted: BTreeMap<String, Instant>,
    /// There is no lease server.
    local_only: bool,
    /// When the lease server last failed it: leases may come from the local locks alone since.
    lease_trouble: Option<Instant>,
    /// It has not answered since: the process remembers that, however long it asks nothing, and where several ask at
    /// once then, only one of them does.
    leases_away: bool,
}

/// A call of a process into a double; the call is over, or dropped, when this is dropped.
pub struct Call {
    process: Arc<Process>,
}

impl Process {
    pub fn new(world: &Arc<World>, number: u64) -> Arc<Process> {
        Process::with(world, number, Failpoints::default())
    }

    /// The same with mechanisms turned off.
    pub fn with(world: &Arc<World>, number: u64, failpoints: Failpoints) -> Arc<Process> {
        let (parked_at, state) = (Mutex::default(), Mutex::default());
        Arc::new(Process { number, world: world.clone(), failpoints, parked_at, state })
    }

    pub fn parked_at(&self) -> MutexGuard<'_, Option<TransactionId>> {
        held(&self.parked_at)
    }

    pub fn call(self: &Arc<Process>, what: &str) -> Call {
        let mut state = self.state();
        state.calls += 1;
        if state.dead {
            self.world.books().violation(format!("process {} is dead and calls {what}", self.number));
        }
        Call { process: self.clone() }
    }

    /// Lets what was killed go down, and checks that all of it did.
    pub async fn bury(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut state = self.state();
        state.dead = true;
        if state.calls > 0 {
            let text = format!("process {} is dead and {} calls of it live on", self.number, state.calls);
            self.world.books().violation(text);
        }
    }

    pub fn without_leases(&self) {
        self.state().local_only = true;
    }

    pub fn lease_granted(&self, key: &str, asked: Instant) {
        self.state().granted.insert(key.to_owned(), asked);
    }

    pub fn lease_trouble(&self) {
        let mut state = self.state();
        (state.lease_trouble, state.leases_away) = (Some(Instant::now()), true);
    }

    pub fn lease_answer(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.leases_away) {
            state.lease_trouble = Some(Instant::now());
        }
    }

    /// When the process asked for the lease that it has of this list; `None` when that cannot be known, because
    /// the server failed it lately.
    pub fn lease_asked(&self, key: &str, lately: Duration) -> Option<Option<Instant>> {
        let state = self.state();
        if state.local_only
            || state.leases_away
            || state.lease_trouble.is_some_and(|at| at.elapsed() <= lately)
        {
            return None;
        }
        Some(state.granted.get(key).copied())
    }

    fn state(&self) -> MutexGuard<'_, ProcessState> {
        self.state.lock().expect("nothing panics while it is held")
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.process.state().calls -= 1;
    }
}
