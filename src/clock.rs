//! Time and randomness, as seams.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock that ticks stay near (I6). Sleeping and deadlines go through `tokio::time`,
/// which tests pause.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
    /// Microseconds since 1970, of the same clock.
    fn now_micros(&self) -> u64;
}

/// Read once from the system, then advanced by the monotonic clock, so that later jumps of the
/// system's clock do nothing.
#[derive(Debug)]
pub struct SteadyClock {
    wall_at_start: Duration,
    start: Instant,
}

impl SteadyClock {
    /// Reads the system's clock, for the only time.
    pub fn start() -> SteadyClock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SteadyClock { wall_at_start: wall, start: Instant::now() }
    }
}

impl Clock for SteadyClock {
    fn now_ms(&self) -> u64 {
        self.now_micros() / 1_000
    }

    fn now_micros(&self) -> u64 {
        (self.wall_at_start + self.start.elapsed()).as_micros() as u64
    }
}

/// Another clock, read between two readings of ours; microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub before: u64,
    pub theirs: u64,
    pub after: u64,
}

impl Reading {
    /// How far theirs is ahead of ours, and how far off that may be: half of the round trip.
    pub fn skew(&self) -> (i64, i64) {
        let uncertainty = self.uncertainty();
        let middle = self.before.saturating_add(uncertainty);
        (signed(self.theirs).saturating_sub(signed(middle)), signed(uncertainty))
    }

    pub fn uncertainty(&self) -> u64 {
        self.after.saturating_sub(self.before) / 2
    }
}

fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// Where random numbers come from (lease tokens, back-off).
pub trait Entropy: Send + Sync {
    /// Uniform over all 64 bits; each call gives the next number of the sequence.
    fn next_u64(&self) -> u64;
}

/// The operating system's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}

/// A reproducible sequence, for tests and the simulation (splitmix64).
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// Equal seeds give equal sequences.
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn next_u64(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
