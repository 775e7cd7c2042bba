//! Lists that could not be written: why, since when, and when they are asked for again.

use crate::lock::ListId;
use crate::status::{Awaited, Kind};
use tokio::time::Instant;

/// A list that is asked for again later.
pub(super) struct Aside {
    pub list: ListId,
    pub ask_again: Instant,
    pub why: Why,
    pub since: Instant,
}

/// Why a list is asked for again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// This process holds it: asked for at once when the in-process locks change. Others are not, because asking
    /// changes the locks, and so they would be asked for without end.
    HeldHere,
    HeldElsewhere,
    NotWritten,
}

impl Why {
    /// `unanswered`: what memcached said instead of an answer.
    fn awaited(self, count: usize, unanswered: Option<&str>) -> Awaited {
        match self {
            Why::HeldHere => Awaited::many(Kind::ListsHere, count),
            Why::HeldElsewhere => Awaited::leases(count, unanswered),
            Why::NotWritten => Awaited::many(Kind::ListsUnwritten, count),
        }
    }
}

/// What the tail waits for: how many lists of each kind, and since when the first of them.
pub(super) fn awaited(aside: &[Aside], unanswered: Option<&str>) -> Vec<(Awaited, Option<Instant>)> {
    let one = |why: Why| {
        let since = aside.iter().filter(|aside| aside.why == why).map(|aside| aside.since);
        let count = since.clone().count();
        (count > 0).then(|| (why.awaited(count, unanswered), since.min()))
    };
    [Why::HeldElsewhere, Why::HeldHere, Why::NotWritten].into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn who_holds_a_list_is_said_apart_from_writes_that_failed() {
        let begin = Instant::now();
        tokio::time::advance(Duration::from_secs(7)).await;
        let now = Instant::now();
        let aside = |why, since| Aside { list: ListId::new(0, b"1"), ask_again: now, why, since };
        let found = |aside: &[Aside], unanswered| {
            awaited(aside, unanswered)
                .into_iter()
                .map(|(one, since)| (one.kind, one.count, since))
                .collect::<Vec<_>>()
        };
        assert!(found(&[], None).is_empty());
        let aside = [
            aside(Why::NotWritten, now),
            aside(Why::HeldHere, now),
            aside(Why::NotWritten, begin),
            aside(Why::HeldElsewhere, begin),
        ];
        let [elsewhere, here, unwritten] =
            [(Kind::ListsElsewhere, 1, begin), (Kind::ListsHere, 1, now), (Kind::ListsUnwritten, 2, begin)]
                .map(|(kind, count, since)| (kind, count, Some(since)));
        assert_eq!(found(&aside, None), [elsewhere, here, unwritten]);
        let unanswered = (Kind::Memcached, 1, Some(begin));
        assert_eq!(found(&aside, Some("it is away")), [unanswered, here, unwritten]);
    }
}
