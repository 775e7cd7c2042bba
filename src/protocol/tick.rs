//! Handing out ticks (I1, I6).

use crate::clock::Clock;
use crate::model::Tick;
use std::sync::Arc;

/// The one giver of ticks of a run. Strictly rising: `max(last + 1, now)`, so that ticks follow the
/// wall clock except where it stands still or was set back.
pub struct Ticks {
    last: Tick,
    clock: Arc<dyn Clock>,
}

impl Ticks {
    /// Ticks above `last`, the highest that the journal knows (I1 across restarts).
    pub fn above(last: Tick, clock: Arc<dyn Clock>) -> Ticks {
        Ticks { last, clock }
    }

    /// A tick that nobody had before.
    pub fn take(&mut self) -> Tick {
        let tick = self.last.after(self.clock.now_ms());
        debug_assert!(tick > self.last, "I1: ticks strictly rise");
        self.last = tick;
        tick
    }

    /// The highest tick handed out.
    pub fn last(&self) -> Tick {
        self.last
    }

    /// How far ticks are ahead of the clock, in milliseconds (I6): above 0 when the clock was set
    /// back, or when more than one batch a millisecond is sealed.
    pub fn lead_ms(&self) -> u64 {
        self.last.0.saturating_sub(self.clock.now_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Hands(AtomicU64);

    impl Clock for Hands {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
        fn now_micros(&self) -> u64 {
            self.now_ms() * 1_000
        }
    }

    proptest! {
        #[test]
        fn ticks_strictly_rise_whatever_the_clock_does(times in proptest::collection::vec(0u64..1000, 1..50)) {
            let hands = Arc::new(Hands(AtomicU64::new(0)));
            let mut ticks = Ticks::above(Tick(500), hands.clone());
            let mut last = Tick(500);
            for now in times {
                hands.0.store(now, Ordering::Relaxed);
                let tick = ticks.take();
                prop_assert!(tick > last && tick.0 >= now);
                prop_assert_eq!(tick.0, now.max(last.0 + 1));
                last = tick;
            }
        }
    }
}
