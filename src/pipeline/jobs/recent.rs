//! A uniform sample of what the tail has written lately, for one who compares it later.
//!
//! The writer offers each window once it is written. A reservoir keeps some of all rows that were offered since the sample
//! was last taken, each with the same probability (Li, "Reservoir-Sampling Algorithms of Time Complexity O(n(1+log(N/n)))",
//! algorithm L). How many rows are passed over before the next one is kept is drawn in advance: a window of which none is
//! kept costs one lock and the sum of its rows, and no row costs an allocation unless it is kept.

use crate::model::TargetId;
use crate::protocol::ListWrites;
use crate::sink::layout::Address;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Arc, Mutex, MutexGuard};

/// Where changes were written.
type Kept = Reservoir<(TargetId, Address)>;

/// A handle to the sample; clones share it. The default one keeps nothing, and costs nothing.
#[derive(Clone, Default)]
pub struct Recent {
    kept: Option<Arc<Mutex<Kept>>>,
}

impl Recent {
    /// A sample of `room` rows at most.
    pub fn keeping(room: usize) -> Recent {
        Recent { kept: Some(Arc::new(Mutex::new(Reservoir::new(room, rand::random())))) }
    }

    /// These were written.
    pub fn written<'a>(&self, writes: impl Iterator<Item = &'a ListWrites> + Clone) {
        let Some(mut kept) = self.reservoir() else { return };
        let rows: usize = writes.clone().map(ListWrites::len).sum();
        kept.offer(rows as u64, |nth| nth_of(writes.clone(), nth));
    }

    /// The sample of everything that was written since the last call.
    pub fn take(&self) -> Vec<(TargetId, Address)> {
        self.reservoir().map(|mut kept| kept.take()).unwrap_or_default()
    }

    fn reservoir(&self) -> Option<MutexGuard<'_, Reservoir<(TargetId, Address)>>> {
        // no method panics between two changes that belong together
        Some(self.kept.as_ref()?.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

fn nth_of<'a>(writes: impl Iterator<Item = &'a ListWrites>, nth: u64) -> Option<(TargetId, Address)> {
    let mut nth = usize::try_from(nth).ok()?;
    for writes in writes {
        if nth < writes.len() {
            return Some((writes.target, writes.address(nth)));
        }
        nth -= writes.len();
    }
    None
}

/// Some of the things that are offered, each with the same probability.
struct Reservoir<T> {
    room: usize,
    kept: Vec<T>,
    /// How many were offered.
    seen: u64,
    /// The number of the next one that is kept.
    next: u64,
    /// The largest of the random numbers that those in the reservoir would have (W in the paper).
    weight: f64,
    random: StdRng,
}

impl<T> Reservoir<T> {
    fn new(room: usize, seed: u64) -> Reservoir<T> {
        let (room, random) = (room.max(1), StdRng::seed_from_u64(seed));
        Reservoir { room, kept: Vec::new(), seen: 0, next: 0, weight: 1.0, random }
    }

    /// Takes some of `count` things in; `thing` makes the one of a number.
    fn offer(&mut self, count: u64, thing: impl Fn(u64) -> Option<T>) {
        let end = self.seen.saturating_add(count);
        while self.next < end {
            if let Some(thing) = thing(self.next - self.seen) {
                if self.kept.len() < self.room {
                    self.kept.push(thing);
                } else {
                    let place = self.random.random_range(0..self.room);
                    self.kept[place] = thing;
                }
            }
            self.draw_next();
        }
        self.seen = end;
    }

    fn draw_next(&mut self) {
        self.next = self.next.saturating_add(1);
        if self.kept.len() < self.room {
            return;
        }
        self.weight *= (self.unit().ln() / self.room as f64).exp();
        let passed_over = (self.unit().ln() / (1.0 - self.weight).ln()).floor();
        self.next = self.next.saturating_add(passed_over as u64);
    }

    /// Above 0, up to 1.
    fn unit(&mut self) -> f64 {
        1.0 - self.random.random::<f64>()
    }

    fn take(&mut self) -> Vec<T> {
        (self.seen, self.next, self.weight) = (0, 0, 1.0);
        std::mem::take(&mut self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of `things` is kept, offered in windows of these sizes again and again.
    fn kept(room: usize, things: u64, windows: &[u64], seeds: u64) -> Vec<u64> {
        let mut times = vec![0; things as usize];
        for seed in 0..seeds {
            let mut reservoir = Reservoir::new(room, seed);
            let (mut offered, mut sizes) = (0, windows.iter().cycle());
            while offered < things {
                let count = (*sizes.next().expect("they repeat")).min(things - offered);
                reservoir.offer(count, |nth| Some(offered + nth));
                offered += count;
            }
            let kept = reservoir.take();
            assert_eq!(kept.len() as u64, things.min(room as u64));
            kept.into_iter().for_each(|thing| times[thing as usize] += 1);
            assert_eq!((reservoir.seen, reservoir.take().len()), (0, 0), "it begins anew");
        }
        times
    }

    #[test]
    fn each_row_is_kept_with_the_same_probability_however_windows_are_cut() {
        const SEEDS: u64 = 4_000;
        for windows in [&[1][..], &[500], &[3, 1, 40]] {
            let times = kept(10, 100, windows, SEEDS);
            let expected = SEEDS as f64 / 10.0;
            let chi: f64 =
                times.iter().map(|seen| (*seen as f64 - expected).powi(2) / (expected * 0.9)).sum();
            // a hundred degrees of freedom: 100 is expected, with a standard deviation of 14
            assert!((chi - 100.0).abs() < 64.0, "{chi}: {times:?}");
            // one that prefers what comes first is noticed
            let unfair = times.iter().enumerate().map(|(at, seen)| *seen as f64 * (1.1 - at as f64 / 500.0));
            let chi: f64 = unfair.map(|seen| (seen - expected).powi(2) / (expected * 0.9)).sum();
            assert!((chi - 100.0).abs() > 64.0, "{chi}");
        }
    }

    #[test]
    fn fewer_rows_than_there_is_room_for_are_all_kept() {
        assert_eq!(kept(10, 7, &[2], 3), [3; 7]);
        assert!(kept(1, 1, &[1], 2).iter().all(|times| *times == 2));
    }

    #[test]
    fn one_that_keeps_nothing_gives_nothing() {
        let recent = Recent::default();
        recent.written(std::iter::empty());
        assert!(recent.take().is_empty());
    }
}
