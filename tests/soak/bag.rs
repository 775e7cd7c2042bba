//! Drawing kinds of faults by a seed, so that each comes once before any comes twice.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Dice of one concern of one round: the same for the same seed, whatever the other concerns do.
pub fn dice(seed: u64, round: u64, concern: &str) -> StdRng {
    let name = concern.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(257).wrapping_add(byte.into()));
    StdRng::seed_from_u64(
        seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ name.wrapping_mul(0x2545_f491_4f6c_dd1d),
    )
}

pub fn between(dice: &mut StdRng, from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(dice.random_range(from_ms..to_ms))
}

/// All of them in some order, then all again in another.
pub struct Bag<T> {
    all: Vec<T>,
    left: Vec<T>,
}

impl<T: Clone> Bag<T> {
    pub fn of(all: Vec<T>) -> Bag<T> {
        Bag { all, left: Vec::new() }
    }

    pub fn draw(&mut self, dice: &mut StdRng) -> T {
        if self.left.is_empty() {
            self.left = self.all.clone();
            self.left.shuffle(dice);
        }
        self.left.pop().expect("a bag is never made empty")
    }

    /// It comes again, next.
    pub fn retry(&mut self, one: T) {
        self.left.push(one);
    }

    /// It comes again, as the last before all come again.
    pub fn put_back(&mut self, one: T) {
        self.left.insert(0, one);
    }
}
