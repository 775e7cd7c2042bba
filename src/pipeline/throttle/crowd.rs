//! The policy: how many parts may be copied at once, by how long the tail's changes take to be written beside them
//! (docs/decisions/0016-the-copy-takes-as-many-workers-as-the-tail-bears.md).
//!
//! More workers than the servers have room for copy nothing faster: their calls queue up, and the tail's among them. So the
//! copy begins with one, takes one more while the tail's changes are written soon, and half of them when they are not. What
//! one worker costs the tail cannot be helped by having fewer; so it counts as what the tail bears.

use std::time::Duration;

/// Looks without trouble that one more worker takes, once there was trouble: at first, and at most.
const FIRST_PATIENCE: u32 = 8;
const LONGEST_PATIENCE: u32 = 64;
/// How much longer than beside one worker a change may take beside several.
const BEARABLE: f64 = 1.5;

/// Parts that may be under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crowd {
    allowed: usize,
    /// Looks without trouble since the last change of `allowed`.
    calm: u32,
    /// How many of them one more worker takes.
    patience: u32,
    /// What a change took beside one worker, at the newest look at that.
    beside_one: Option<Duration>,
    /// At the newest look that saw one written.
    newest: Option<Duration>,
    /// What it took when some were sent away last.
    too_long: Option<Duration>,
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd { allowed: 1, calm: 0, patience: 1, beside_one: None, newest: None, too_long: None }
    }
}

impl Crowd {
    /// Of `most` workers those that may take a part.
    pub fn allowed(&self, most: usize) -> usize {
        self.allowed.min(most)
    }

    /// Rows of a part, where a part has `chunk_rows` while all of `most` workers copy: twice as many while at most half of them
    /// do, so that more rows share what comes with every part (leases, a round trip to each server). All parts under way have
    /// no more rows together than those of `most` workers.
    pub fn part_rows(&self, chunk_rows: u32, most: usize) -> u32 {
        match self.allowed(most) * 2 <= most {
            true => chunk_rows.saturating_mul(2),
            false => chunk_rows,
        }
    }

    /// What a change may take, where a person wants `limit`.
    pub fn bearable(&self, limit: Duration) -> Duration {
        self.beside_one.map_or(limit, |beside_one| limit.max(beside_one.mul_f64(BEARABLE)))
    }

    /// What a change took at the newest look that saw one written.
    pub fn newest(&self) -> Option<Duration> {
        self.newest
    }

    /// What a change took when some of the workers were sent away, where not all of `most` may take a part again.
    pub fn too_long(&self, most: usize) -> Option<Duration> {
        self.too_long.filter(|_| self.allowed < most)
    }

    /// After a look. `took`: how long the changes that were written since the one before have waited for it, half of them at
    /// most; `None`: there were none.
    pub fn adapt(&mut self, took: Option<Duration>, limit: Duration, most: usize) {
        self.allowed = self.allowed.clamp(1, most.max(1));
        self.newest = took.or(self.newest);
        if self.allowed == 1
            && let Some(took) = took
        {
            self.beside_one = Some(took);
        }
        if let Some(took) = took.filter(|took| *took > self.bearable(limit)) {
            self.too_long = Some(took);
            (self.allowed, self.calm) = (self.allowed.div_ceil(2).max(1), 0);
            self.patience = (self.patience * 2).clamp(FIRST_PATIENCE, LONGEST_PATIENCE);
            return;
        }
        self.calm += 1;
        if self.calm >= self.patience && self.allowed < most {
            (self.allowed, self.calm) = (self.allowed + 1, 0);
        } else if self.calm >= LONGEST_PATIENCE {
            (self.patience, self.calm) = ((self.patience / 2).max(1), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: Duration = Duration::from_millis(10);

    fn looks() -> impl Strategy<Value = Vec<Option<u64>>> {
        proptest::collection::vec(proptest::option::of(0_u64..200), 0..300)
    }

    fn after(looks: &[Option<u64>], most: usize) -> Crowd {
        let mut crowd = Crowd::default();
        looks.iter().for_each(|ms| crowd.adapt(ms.map(Duration::from_millis), LIMIT, most));
        crowd
    }

    proptest! {
        #[test]
        fn there_is_always_one_and_never_more_than_there_are(looks in looks(), most in 1_usize..20) {
            let allowed = after(&looks, most).allowed(most);
            prop_assert!((1..=most).contains(&allowed));
        }

        #[test]
        fn whatever_was_before_all_work_again_when_nothing_is_tailed(looks in looks(), most in 1_usize..20) {
            let mut crowd = after(&looks, most);
            (0..LONGEST_PATIENCE * 20).for_each(|_| crowd.adapt(None, LIMIT, most));
            prop_assert_eq!(crowd.allowed(most), most);
        }
    }

    #[test]
    fn all_work_within_a_second_where_there_is_no_trouble() {
        assert_eq!(after(&[None, Some(3), Some(4)], 4).allowed(4), 4);
    }

    #[test]
    fn half_of_them_work_after_a_look_at_changes_that_wait_and_one_soon() {
        let crowd = after(&[Some(4), Some(4), Some(4), Some(30)], 4);
        assert_eq!(crowd.allowed(4), 2);
        let crowd = after(&[Some(4), Some(4), Some(4), Some(30), Some(30)], 4);
        assert_eq!(crowd.allowed(4), 1);
    }

    #[test]
    fn few_workers_copy_larger_parts_and_never_more_at_once_than_all_would() {
        for most in 1..20 {
            let mut crowd = Crowd::default();
            for _ in 0..most {
                let (allowed, rows) = (crowd.allowed(most), crowd.part_rows(2_000, most));
                assert_eq!(rows, if allowed <= most / 2 { 4_000 } else { 2_000 }, "{allowed} of {most}");
                assert!(allowed * rows as usize <= most * 2_000);
                crowd.adapt(None, LIMIT, most);
            }
        }
    }

    /// A server that is slow by itself does not keep the copy at one worker.
    #[test]
    fn what_one_worker_costs_is_borne() {
        assert_eq!(after(&[Some(100); 40], 4).allowed(4), 4);
        let mut crowd = after(&[Some(100)], 4);
        assert_eq!(crowd.bearable(LIMIT), Duration::from_millis(150));
        crowd.adapt(Some(Duration::from_millis(151)), LIMIT, 4);
        assert_eq!(crowd.allowed(4), 1);
    }

    #[test]
    fn one_that_was_too_many_is_tried_again_later_and_later() {
        let mut crowd = Crowd::default();
        let mut tries = Vec::new();
        for look in 0..200_u32 {
            let ms = if crowd.allowed(4) > 1 { 40 } else { 6 };
            if ms == 40 {
                tries.push(look);
            }
            crowd.adapt(Some(Duration::from_millis(ms)), LIMIT, 4);
        }
        let between: Vec<u32> = tries.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(between, [9, 17, 33, 65, 65]);
    }
}
