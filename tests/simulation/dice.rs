//! The one source of chance of a seed.

use std::sync::Arc;
use std::time::Duration;
use tailfill::clock::{Entropy, SeededEntropy};

/// A seeded sequence; clones draw from the same one.
#[derive(Clone)]
pub struct Dice(Arc<SeededEntropy>);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Arc::new(SeededEntropy::new(seed)))
    }

    pub fn entropy(&self) -> Arc<dyn Entropy> {
        self.0.clone()
    }

    /// A number in `0..bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    /// A number in `low..=high`.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `per_mille` of 1,000 cases.
    pub fn chance(&self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    pub fn pick<T: Clone>(&self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    pub fn millis(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    /// Sleeps between `low` and `high` milliseconds of virtual time; 0 does not even yield.
    pub async fn pause(&self, low: u64, high: u64) {
        let pause = self.millis(low, high);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}
