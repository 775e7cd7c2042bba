//! Marks: what a SELECT has surely seen (I3).
//!
//! A mark `m` is taken between two batches: everything sealed before has a tick below `m`, everything
//! later one above. It is *safe* once the source has engine-committed everything that was sealed below
//! it and everything before the start of the tail; a SELECT that opens its read view after that shows
//! each row as it is after all changes below `m`. Whether that is so, the source judges.

use super::journaled::Journaled;
use crate::model::{Reached, Tick};
use crate::source::{Source, SourceError};

/// A mark on its way to being safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnprovenMark {
    /// What chunks write with, once the mark is safe.
    pub tick: Tick,
    /// Everything sealed below it, a transaction as soon as its first part is sealed.
    pub proof: Reached,
    /// When it was taken, milliseconds since 1970.
    pub taken_ms: u64,
}

/// A mark that the source has passed: what chunks write with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeMark {
    tick: Tick,
    taken_ms: u64,
}

/// Asks the source whether its engine has committed all of the proof: the safe mark, or what is not committed yet.
pub async fn prove(
    mark: &Journaled<UnprovenMark>,
    source: &dyn Source,
) -> Result<Result<SafeMark, Reached>, SourceError> {
    Ok(judged(mark, source.uncommitted(&mark.get().proof).await?))
}

/// The same, where the source has said what of the proof is `uncommitted`.
pub fn judged(mark: &Journaled<UnprovenMark>, uncommitted: Reached) -> Result<SafeMark, Reached> {
    let UnprovenMark { tick, taken_ms, .. } = *mark.get();
    if uncommitted.is_empty() { Ok(SafeMark { tick, taken_ms }) } else { Err(uncommitted) }
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
        let set = |text: &str| text.parse::<Reached>().expect("a set");
        let proof = set("00000000-0000-0000-0000-00000000000a:1-7");
        let mark = Journaled::with_proof(UnprovenMark { tick: Tick(5), proof, taken_ms: 5 });
        let judged = |executed: &str| judged(&mark, mark.get().proof.minus(&set(executed)));
        let missing = set("00000000-0000-0000-0000-00000000000a:6");
        assert_eq!(judged("00000000-0000-0000-0000-00000000000a:1-5:7-9"), Err(missing));
        assert!(judged("00000000-0000-0000-0000-00000000000a:1-9").is_ok());
    }
}
