//! Who waits for what, and since when: put here by those who wait, read by the status and the display.

use crate::protocol::ProtocolError;
use crate::status::{Awaited, Concern, Kind, Wait, Warning, Who};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// A part of a run that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiter {
    /// What comes before the tasks.
    Start,
    /// The reader of the binlog.
    Source,
    /// The writer, for HBase.
    Sink,
    /// The writer, for lists.
    Lists,
    Mark,
    /// A worker, by its number.
    Backfill(usize),
    Counts,
    Recopy,
    Verify,
    End,
}

impl Waiter {
    fn who(self) -> Who {
        match self {
            Waiter::Start => Who::Start,
            Waiter::Source | Waiter::Sink | Waiter::Lists => Who::Tail,
            Waiter::Mark => Who::Mark,
            Waiter::Backfill(_) => Who::Backfill,
            Waiter::Counts => Who::Counts,
            Waiter::Recopy => Who::Recopy,
            Waiter::Verify => Who::Verify,
            Waiter::End => Who::Run,
        }
    }
}

/// What is waited for where a call failed and is repeated.
pub fn trouble(error: &ProtocolError) -> Awaited {
    let kind = match error {
        ProtocolError::Sink(_) => Kind::Hbase,
        _ => Kind::Source,
    };
    Awaited::new(kind, error.to_string())
}

/// All waits and concerns of a run.
#[derive(Default)]
pub struct Waits {
    waits: BTreeMap<(Waiter, Kind), (Awaited, Instant)>,
    concerns: BTreeMap<Concern, (String, Instant)>,
}

impl Waits {
    /// Now this is all that `waiter` waits for, each since the time given, or else since it began to wait for that kind.
    pub fn set(&mut self, waiter: Waiter, awaited: impl IntoIterator<Item = (Awaited, Option<Instant>)>) {
        let before = self.take(waiter);
        for (awaited, since) in awaited {
            let known = before.iter().find(|(kind, _)| *kind == awaited.kind).map(|(_, since)| *since);
            let since = since.or(known).unwrap_or_else(Instant::now);
            self.waits.insert((waiter, awaited.kind), (awaited, since));
        }
    }

    /// Ends what `waiter` waits for: the kinds, and since when.
    pub fn take(&mut self, waiter: Waiter) -> Vec<(Kind, Instant)> {
        let kinds: Vec<Kind> =
            self.waits.keys().filter(|(of, _)| *of == waiter).map(|(_, kind)| *kind).collect();
        let take = |kind| self.waits.remove(&(waiter, kind)).map(|(_, since)| (kind, since));
        kinds.into_iter().filter_map(take).collect()
    }

    /// Nobody waits any more.
    pub fn forget(&mut self) {
        self.waits.clear();
    }

    pub fn is_waited_for(&self, kind: Kind) -> bool {
        self.waits.keys().any(|(_, awaited)| *awaited == kind)
    }

    /// Every wait. Workers that wait for the same are one, as long as the first of them, with all their lists.
    pub fn waits(&self, now_ms: u64) -> Vec<Wait> {
        let mut waits: Vec<(Who, Awaited, Instant)> = Vec::new();
        for ((waiter, _), (awaited, since)) in &self.waits {
            let same = |(who, other, _): &&mut (Who, Awaited, Instant)| {
                *who == waiter.who() && Awaited { count: awaited.count, ..other.clone() } == *awaited
            };
            match waits.iter_mut().find(same) {
                Some((_, other, first)) => {
                    other.count += awaited.count;
                    *first = (*first).min(*since);
                }
                None => waits.push((waiter.who(), awaited.clone(), *since)),
            }
        }
        let wait = |(who, awaited, since)| Wait::new(who, awaited, ms_of(since, now_ms));
        waits.into_iter().map(wait).collect()
    }

    pub fn warn(&mut self, concern: Concern, detail: String) {
        let since = self.concerns.get(&concern).map_or_else(Instant::now, |(_, since)| *since);
        self.concerns.insert(concern, (detail, since));
    }

    pub fn calm(&mut self, concern: Concern) {
        self.concerns.remove(&concern);
    }

    pub fn warnings(&self, now_ms: u64) -> Vec<Warning> {
        let warning = |(concern, (detail, since)): (&Concern, &(String, Instant))| {
            Warning::new(*concern, detail.clone(), ms_of(*since, now_ms))
        };
        self.concerns.iter().map(warning).collect()
    }
}

/// A moment in milliseconds since 1970.
pub fn ms_of(moment: Instant, now_ms: u64) -> u64 {
    now_ms.saturating_sub(u64::try_from(moment.elapsed().as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_goes_on_keeps_its_beginning_and_another_kind_begins_anew() {
        let mut waits = Waits::default();
        let now = |waits: &Waits| {
            waits.waits(1_000_000).iter().map(|wait| (wait.kind, wait.since_ms)).collect::<Vec<_>>()
        };
        let one = |kind, count| (Awaited::many(kind, count), None);
        waits.set(Waiter::Lists, [one(Kind::ListsHere, 2), one(Kind::ListsElsewhere, 1)]);
        advance(Duration::from_secs(3)).await;
        waits.set(Waiter::Lists, [one(Kind::ListsElsewhere, 7), one(Kind::ListsUnwritten, 1)]);
        assert_eq!(now(&waits), [(Kind::ListsElsewhere, 997_000), (Kind::ListsUnwritten, 1_000_000)]);
        waits.take(Waiter::Lists);
        assert!(now(&waits).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn workers_that_wait_for_the_same_are_one_with_all_their_lists() {
        let mut waits = Waits::default();
        for (worker, lists) in [(0, 3), (1, 4)] {
            waits.set(Waiter::Backfill(worker), [(Awaited::many(Kind::ListsHere, lists), None)]);
            advance(Duration::from_secs(2)).await;
        }
        let found = waits.waits(1_000_000);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].count, found[0].since_ms), (7, 996_000));
        assert_eq!(found[0].words, "the backfill waits for 7 lists that another part of this run holds");
    }
}
