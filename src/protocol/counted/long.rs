//! Rows that take longer to count than a lease lasts.

use crate::model::{TargetId, Tick};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// Rows that are remembered at most; beyond that the first ones are counted from their beginning again.
const ROWS_MAX: usize = 1_024;

/// How far rows are counted whose leases ran out meanwhile. What is remembered holds as long as `c:t` stands: nothing
/// is written to a counted row without moving it.
#[derive(Debug, Default)]
pub struct LongRows {
    rows: Mutex<BTreeMap<(TargetId, Bytes), SoFar>>,
}

/// The cells of a row that were counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    /// `c:t` since the count began.
    pub tick: Option<Tick>,
    pub cells: u64,
    /// The last cell that was counted.
    pub last: Option<Bytes>,
    pub complete: bool,
}

impl LongRows {
    /// Takes out what is known of a row whose `c:t` is `tick`.
    pub fn take(&self, target: TargetId, row: &Bytes, tick: Option<Tick>) -> SoFar {
        let known = self.rows().remove(&(target, row.clone()));
        known.filter(|so_far| so_far.tick == tick).unwrap_or(SoFar { tick, ..SoFar::default() })
    }

    pub(crate) fn keep(&self, target: TargetId, row: &Bytes, so_far: SoFar) {
        let mut rows = self.rows();
        if rows.len() >= ROWS_MAX {
            rows.pop_first();
        }
        rows.insert((target, row.clone()), so_far);
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<(TargetId, Bytes), SoFar>> {
        self.rows.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_holds_only_while_the_tick_stands() {
        let (long, row) = (LongRows::default(), Bytes::from_static(b"row"));
        let so_far = SoFar { tick: Some(Tick(3)), cells: 7, last: Some("x".into()), complete: false };
        long.keep(TargetId(0), &row, so_far.clone());
        assert_eq!(long.take(TargetId(0), &row, Some(Tick(3))), so_far);
        long.keep(TargetId(0), &row, so_far.clone());
        assert_eq!(long.take(TargetId(1), &row, Some(Tick(3))).cells, 0, "another target");
        let anew = SoFar { tick: Some(Tick(4)), ..SoFar::default() };
        assert_eq!(long.take(TargetId(0), &row, Some(Tick(4))), anew);
    }

    #[test]
    fn a_bounded_number_of_rows_is_remembered() {
        let long = LongRows::default();
        for row in 0..3_000_u32 {
            long.keep(TargetId(0), &Bytes::copy_from_slice(&row.to_be_bytes()), SoFar::default());
        }
        assert_eq!(long.rows().len(), ROWS_MAX);
    }
}
