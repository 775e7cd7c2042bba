//! Marks: what a SELECT has surely seen (I3).
//!
//! A mark `m` is taken between two batches: everything sealed before has a tick below `m`, everything
//! later one above. It is *safe* once the source has engine-committed everything that was sealed below
//! it and everything before the start of the tail; a SELECT that opens its read view after that shows
//! each row as it is after all changes below `m`. `gtid_executed` is compared by containment, never
//! by a maximum, because engines commit out of order.

use super::journaled::Journaled;
use crate::model::{GtidSet, Tick};

/// A mark on its way to being safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnprovenMark {
    pub tick: Tick,
    /// Everything sealed below it, a transaction as soon as its first part is sealed.
    pub proof: GtidSet,
    /// When it was taken, milliseconds since 1970.
    pub taken_ms: u64,
}

/// A mark that the source has passed: what chunks write with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeMark {
    tick: Tick,
    taken_ms: u64,
}

/// The safe mark, if the source's engine has committed all of the proof.
pub fn prove(mark: &Journaled<UnprovenMark>, executed: &GtidSet) -> Option<SafeMark> {
    let UnprovenMark { tick, proof, taken_ms } = mark.get();
    executed.contains_set(proof).then_some(SafeMark { tick: *tick, taken_ms: *taken_ms })
}

/// A mark without proof: what I3 forbids.
#[cfg(feature = "failpoints")]
pub fn pretend_safe(tick: Tick, taken_ms: u64) -> SafeMark {
    SafeMark { tick, taken_ms }
}

impl SafeMark {
    /// What a chunk's cells are stamped with.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// When it was taken, milliseconds since 1970.
    pub fn taken_ms(&self) -> u64 {
        self.taken_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_safe_by_containment_and_not_by_the_highest_number() {
        let set = |text: &str| text.parse::<GtidSet>().expect("a set");
        let proof = set("00000000-0000-0000-0000-00000000000a:1-7");
        let mark = Journaled::with_proof(UnprovenMark { tick: Tick(5), proof, taken_ms: 5 });
        assert_eq!(prove(&mark, &set("00000000-0000-0000-0000-00000000000a:1-5:7-9")), None);
        assert!(prove(&mark, &set("00000000-0000-0000-0000-00000000000a:1-9")).is_some());
    }
}
