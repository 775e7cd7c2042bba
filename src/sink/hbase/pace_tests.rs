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

#[test]
fn gateways_in_front_of_one_hbase_do_not_outbid_each_other() {
    for seed in 0..SEEDS {
        let mut world = World { gateways: 2, workers: 20, ..World::new(4, seed) }.start();
        world.run(60);
        let rate = world.run(120);
        assert!(world.share_between(1, 3) > 0.75, "seed {seed}: {:?}", world.pace);
        assert!(rate > 0.9 * world.best(), "seed {seed}: {rate:.0} of {:.0}", world.best());
    }
}

#[test]
fn four_workers_that_wait_for_their_calls_are_enough_to_learn_from() {
    for seed in 0..SEEDS {
        let mut world = World { workers: 4, ..World::new(4, seed) }.start();
        world.run(60);
        let rate = world.run(120);
        assert!(rate > 0.9 * world.best(), "seed {seed}: {rate:.0} of {:.0}", world.best());
    }
}

#[test]
fn a_bound_of_one_call_is_kept() {
    let mut world = World::new(3, 1);
    world.pace = Pace::new(1, 1);
    (0..world.workers).for_each(|_| world.pace.asked(Duration::ZERO));
    world.run(60);
    assert_eq!(world.share_between(1, 1), 1.0);
}

#[test]
fn a_demand_below_the_number_of_calls_teaches_nothing() {
    let mut world = World { workers: 1, ..World::new(6, 1) }.start();
    world.run(120);
    assert_eq!(world.share_between(2, 2), 1.0);
    assert!(world.pace.usual.is_none() && world.pace.trial.is_none());
}

#[test]
fn a_hbase_that_becomes_slower_gets_fewer_calls_for_a_while() {
    for seed in 0..SEEDS {
        let mut world = World::new(3, seed);
        world.run(60);
        let before = world.pace.calls;
        world.row_ms *= 3.0;
        world.run(10);
        let least = world.used.iter().min().copied();
        assert!(least <= Some(before / 2), "seed {seed}, {before} before: {:?}", world.pace);
        world.run(50);
        let rate = world.run(120);
        assert!(rate > 0.9 * world.best(), "seed {seed}, slow: {rate:.0} of {:.0}", world.best());
        world.row_ms /= 3.0;
        world.run(10);
        let rate = world.run(120);
        assert!(rate > 0.9 * world.best(), "seed {seed}, fast again: {rate:.0} of {:.0}", world.best());
    }
}

#[test]
fn calls_that_take_two_seconds_get_fewer_rows_and_more_again_once_they_are_short() {
    for seed in 0..SEEDS {
        let mut world = World::new(2, seed);
        world.run(10);
        assert_eq!(world.pace.rows(), ROWS_MAX);
        world.row_ms = 1.0;
        world.run(60);
        assert!((ROWS_MIN..=1_000).contains(&world.pace.rows()), "seed {seed}: {:?}", world.pace);
        // So slow that fewer rows do not help: what is left is to send fewer calls.
        world.row_ms = 6.0;
        world.run(60);
        assert_eq!((world.pace.calls(), world.pace.rows()), (1, ROWS_MIN), "seed {seed}: {:?}", world.pace);
        world.row_ms = 0.03;
        world.run(30);
        assert_eq!(world.pace.rows(), ROWS_MAX, "seed {seed}: {:?}", world.pace);
        let rate = world.run(60);
        assert!(rate > 0.9 * world.best(), "seed {seed}: {rate:.0} of {:.0}", world.best());
    }
}

#[test]
fn calls_that_were_long_together_count_once() {
    let mut pace = Pace::new(8, 1);
    let (begun, end) = (Duration::ZERO, Duration::from_secs(2));
    (0..4).for_each(|_| pace.asked(begun));
    pace.ended(end, Ended::Answered { begun, rows: 2_000 });
    pace.ended(end, Ended::Unanswered { begun });
    pace.ended(end, Ended::Unanswered { begun });
    assert_eq!((pace.rows(), pace.demand), (1_000, 1));
    pace.asked(end);
    pace.ended(end * 2, Ended::Answered { begun: end, rows: 1_000 });
    assert_eq!(pace.rows(), 500);
}

#[test]
fn short_calls_that_are_not_full_get_no_more_rows() {
    let mut pace = Pace::new(8, 1);
    pace.rows = 1_000;
    let mut now = Duration::ZERO;
    pace.asked(now);
    pace.asked(now);
    for _ in 0..1_000 {
        let begun = now;
        now += Duration::from_millis(30);
        pace.ended(now, Ended::Answered { begun, rows: 900 });
        pace.asked(now);
    }
    assert_eq!(pace.rows(), 1_000);
}

#[test]
fn small_calls_are_not_paced() {
    let pace = Pace::new(8, 1);
    assert!(!pace.is_bulk(1, 100) && !pace.is_bulk(499, 50_000));
    assert!(pace.is_bulk(500, 50_000) && pace.is_bulk(2_000, 300_000));
    assert!(pace.is_bulk(1, 4 << 20), "one large row is much work");
}

/// Whatever happens, and in whatever order: the numbers stay in their bounds and no call is counted twice.
#[test]
fn numbers_stay_in_their_bounds() {
    for seed in 0..200 {
        let entropy = SeededEntropy::new(seed);
        let below = |end: u64| entropy.next_u64() % end;
        let calls_max = 1 + below(9) as usize;
        let mut pace = Pace::new(calls_max, 1 + below(3) as usize);
        let (mut now, mut under_way) = (Duration::ZERO, Vec::new());
        for _ in 0..3_000 {
            now += Duration::from_millis([0, 1, 20, 400][below(4) as usize]);
            if under_way.is_empty() || below(2) == 0 {
                pace.asked(now);
                under_way.push(now);
            } else {
                let begun = under_way.swap_remove(below(under_way.len() as u64) as usize);
                let rows = 1 + below(2_000) as usize;
                pace.ended(
                    now,
                    match below(8) {
                        0 => Ended::NotSent,
                        1 => Ended::Unanswered { begun },
                        _ => Ended::Answered { begun, rows },
                    },
                );
            }
            assert!((1..=calls_max).contains(&pace.calls()), "seed {seed}: {pace:?}");
            assert!((ROWS_MIN..=ROWS_MAX).contains(&pace.rows()), "seed {seed}: {pace:?}");
            assert_eq!(pace.demand, under_way.len(), "seed {seed}");
        }
    }
}
