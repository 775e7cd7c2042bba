use super::*;
use crate::clock::{Entropy, SeededEntropy};

const SEEDS: u64 = 20;
const STEP: Duration = Duration::from_millis(1);

/// HBase behind some gateways, in steps of a millisecond. `workers` ask for one call after another; calls that
/// are under way share what HBase can do.
struct World {
    pace: Pace,
    gateways: usize,
    workers: usize,
    /// Calls that HBase works on at full speed.
    capacity: usize,
    /// Milliseconds of a row while HBase has room.
    row_ms: f64,
    /// How much slower all gets with each call above the capacity.
    penalty: f64,
    entropy: SeededEntropy,
    now: Duration,
    calls: Vec<Call>,
    weather: f64,
    rows_done: usize,
    /// Numbers of calls in use, one for each step.
    used: Vec<usize>,
}

struct Call {
    begun: Duration,
    rows: usize,
    work_ms: f64,
}

impl World {
    fn new(capacity: usize, seed: u64) -> World {
        World {
            pace: Pace::new(8, 1),
            gateways: 1,
            workers: 12,
            capacity,
            row_ms: 0.03,
            penalty: 0.02,
            entropy: SeededEntropy::new(seed),
            now: Duration::ZERO,
            calls: Vec::new(),
            weather: 1.0,
            rows_done: 0,
            used: Vec::new(),
        }
        .start()
    }

    fn start(mut self) -> World {
        self.pace = Pace::new(8, self.gateways);
        for _ in 0..self.workers {
            self.pace.asked(self.now);
        }
        self
    }

    /// Between 0.8 and 1.2.
    fn noise(&self) -> f64 {
        0.8 + 0.4 * (self.entropy.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Calls that HBase completes at once, if each took as long as alone.
    fn speed(&self, under_way: usize) -> f64 {
        let above = under_way.saturating_sub(self.capacity);
        under_way.min(self.capacity) as f64 / (1.0 + self.penalty * above as f64)
    }

    /// Rows a second of the best number of calls, without noise.
    fn best(&self) -> f64 {
        self.speed(self.capacity) * 1_000.0 / self.row_ms
    }

    /// Runs for a time; returns the rows a second.
    fn run(&mut self, seconds: u64) -> f64 {
        (self.rows_done, self.used) = (0, Vec::new());
        for step in 0..seconds * 1_000 {
            if step % 1_000 == 0 {
                self.weather = self.noise();
            }
            self.step();
        }
        self.rows_done as f64 / seconds as f64
    }

    fn step(&mut self) {
        let limit = (self.pace.calls() * self.gateways).min(self.workers);
        self.used.push(self.pace.calls());
        while self.calls.len() < limit {
            let rows = self.pace.rows();
            let work_ms = rows as f64 * self.row_ms * self.noise();
            self.calls.push(Call { begun: self.now, rows, work_ms });
        }
        self.now += STEP;
        let each = self.speed(self.calls.len()) / self.calls.len() as f64 * self.weather;
        for call in &mut self.calls {
            call.work_ms -= each;
        }
        let done = self.calls.extract_if(.., |call| call.work_ms <= 0.0).collect::<Vec<_>>();
        for Call { begun, rows, .. } in done {
            self.rows_done += rows;
            self.pace.ended(self.now, Ended::Answered { begun, rows });
            self.pace.asked(self.now);
        }
    }

    /// The share of the time in which the number of calls was between these.
    fn share_between(&self, least: usize, most: usize) -> f64 {
        let between = self.used.iter().filter(|calls| (least..=most).contains(calls)).count();
        between as f64 / self.used.len() as f64
    }
}

#[test]
fn the_number_of_calls_ends_near_what_hbase_can_do_at_once() {
    for capacity in [1, 2, 3, 6] {
        let mut shares = 0.0;
        for seed in 0..SEEDS {
            let mut world = World::new(capacity, seed);
            world.run(60);
            let rate = world.run(240);
            let near = world.share_between(capacity.saturating_sub(1), capacity + 1);
            let what = format!("capacity {capacity}, seed {seed}: {rate:.0} rows/s, {near:.2} near");
            assert!(near > 0.75, "{what}");
            assert!(rate > 0.9 * world.best(), "{what} of {:.0}", world.best());
            shares += near / SEEDS as f64;
        }
        assert!(shares > 0.95, "capacity {capacity}: {shares:.2} near");
    }
}
