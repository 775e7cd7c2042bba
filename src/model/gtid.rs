//! GTIDs and GTID sets, tagged GTIDs (MySQL 8.3 and later) included.
//!
//! The textual form is MySQL's ("GTID Sets", MySQL reference manual, section 19.1.3.1):
//! `uuid[:tag]:first[-last][:first[-last]...]`, parts separated by commas; after a tag, a later
//! `:tag:` in the same part starts that tag's intervals.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Who numbered a transaction: a server's UUID and, for a tagged GTID, the tag (else empty).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Of the server that committed the transaction first.
    pub uuid: Uuid,
    /// At most 32 characters, in lower case; empty: untagged (before MySQL 8.3 all are).
    pub tag: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)?;
        if !self.tag.is_empty() {
            write!(f, ":{}", self.tag)?;
        }
        Ok(())
    }
}

/// One transaction's identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    /// Numbers are counted for each origin alone.
    pub origin: Origin,
    /// From 1.
    pub number: u64,
}

impl Gtid {
    /// The transaction `number` of the server `uuid`.
    pub fn untagged(uuid: Uuid, number: u64) -> Gtid {
        Gtid { origin: Origin { uuid, tag: String::new() }, number }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.number)
    }
}

/// A closed range of transaction numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Inside the interval.
    pub first: u64,
    /// Inside the interval; at least `first`.
    pub last: u64,
}

/// A set of GTIDs: for each origin, disjoint and non-adjacent intervals in rising order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GtidSet {
    origins: BTreeMap<Origin, Vec<Interval>>,
}

/// A text that is not a GTID set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a GTID set: {text:?} ({reason})")]
pub struct GtidParseError {
    /// The part that is none.
    pub text: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl GtidSet {
    /// Whether it holds no transaction.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Every origin with its intervals, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Origin, &[Interval])> {
        self.origins.iter().map(|(origin, intervals)| (origin, intervals.as_slice()))
    }

    /// Adds one GTID. Amortised constant time when numbers arrive in rising order.
    pub fn insert(&mut self, gtid: &Gtid) {
        if let Some(intervals) = self.origins.get_mut(&gtid.origin) {
            insert_interval(intervals, Interval { first: gtid.number, last: gtid.number });
        } else {
            let interval = Interval { first: gtid.number, last: gtid.number };
            self.origins.insert(gtid.origin.clone(), vec![interval]);
        }
    }

    /// Adds `first..=last` of one origin.
    pub fn insert_interval(&mut self, origin: &Origin, interval: Interval) {
        insert_interval(self.origins.entry(origin.clone()).or_default(), interval);
    }

    /// Adds all of `other`.
    pub fn union_with(&mut self, other: &GtidSet) {
        for (origin, intervals) in &other.origins {
            let mine = self.origins.entry(origin.clone()).or_default();
            for interval in intervals {
                insert_interval(mine, *interval);
            }
        }
    }

    /// Whether the transaction is one of the set.
    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.origins
            .get(&gtid.origin)
            .is_some_and(|intervals| covers(intervals, Interval { first: gtid.number, last: gtid.number }))
    }

    /// Whether every GTID of `other` is in this set.
    pub fn contains_set(&self, other: &GtidSet) -> bool {
        other.origins.iter().all(|(origin, theirs)| {
            let mine = self.origins.get(origin).map_or(&[][..], Vec::as_slice);
            theirs.iter().all(|interval| covers(mine, *interval))
        })
    }

    /// The GTIDs of this set that are not in `other`.
    pub fn minus(&self, other: &GtidSet) -> GtidSet {
        let mut rest = GtidSet::default();
        for (origin, intervals) in &self.origins {
            let theirs = other.origins.get(origin).map_or(&[][..], Vec::as_slice);
            let left: Vec<Interval> =
                intervals.iter().flat_map(|interval| subtract(*interval, theirs)).collect();
            if !left.is_empty() {
                rest.origins.insert(origin.clone(), left);
            }
        }
        rest
    }

    /// The numbers between the intervals of each origin, and before its first: what a set that came
    /// about without gaps would hold too.
    pub fn holes(&self) -> GtidSet {
        let mut holes = GtidSet::default();
        for (origin, intervals) in &self.origins {
            let mut next = 1;
            for interval in intervals {
                if interval.first > next {
                    holes.insert_interval(origin, Interval { first: next, last: interval.first - 1 });
                }
                next = interval.last + 1;
            }
        }
        holes
    }

    /// The highest number of each origin.
    pub fn newest(&self) -> impl Iterator<Item = Gtid> {
        self.origins.iter().filter_map(|(origin, intervals)| {
            let number = intervals.last()?.last;
            Some(Gtid { origin: origin.clone(), number })
        })
    }

    /// How many GTIDs the set holds.
    pub fn count(&self) -> u64 {
        self.origins.values().flatten().map(|interval| interval.last - interval.first + 1).sum()
    }
}

fn covers(intervals: &[Interval], wanted: Interval) -> bool {
    let at = intervals.partition_point(|interval| interval.last < wanted.first);
    intervals.get(at).is_some_and(|i| i.first <= wanted.first && wanted.last <= i.last)
}

fn insert_interval(intervals: &mut Vec<Interval>, added: Interval) {
    if let Some(last) = intervals.last_mut()
        && last.first <= added.first
        && added.first <= last.last.saturating_add(1)
    {
        last.last = last.last.max(added.last);
        return;
    }
    let from = intervals.partition_point(|i| i.last.saturating_add(1) < added.first);
    let to = intervals.partition_point(|i| i.first <= added.last.saturating_add(1));
    let merged = intervals[from..to]
        .iter()
        .fold(added, |sum, i| Interval { first: sum.first.min(i.first), last: sum.last.max(i.last) });
    intervals.splice(from..to, [merged]);
}

fn subtract(interval: Interval, holes: &[Interval]) -> Vec<Interval> {
    let mut left = Vec::new();
    let mut first = interval.first;
    for hole in holes.iter().filter(|h| h.last >= interval.first && h.first <= interval.last) {
        if hole.first > first {
            left.push(Interval { first, last: hole.first - 1 });
        }
        first = hole.last.saturating_add(1);
    }
    if first <= interval.last {
        left.push(Interval { first, last: interval.last });
    }
    left
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (origin, intervals) in &self.origins {
            write!(f, "{separator}{origin}")?;
            for interval in intervals {
                write!(f, ":{}", interval.first)?;
                if interval.last > interval.first {
                    write!(f, "-{}", interval.last)?;
                }
            }
            separator = ",";
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = GtidParseError;

    fn from_str(text: &str) -> Result<GtidSet, GtidParseError> {
        let fail = |reason| GtidParseError { text: text.chars().take(200).collect(), reason };
        let mut set = GtidSet::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut tokens = part.split(':').map(str::trim);
            let uuid = tokens.next().and_then(|token| Uuid::parse_str(token).ok());
            let mut origin = Origin {
                uuid: uuid.ok_or_else(|| fail("a part must begin with a UUID"))?,
                tag: String::new(),
            };
            let mut intervals = 0;
            for token in tokens {
                if token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                    origin.tag = token.to_ascii_lowercase();
                    continue;
                }
                let (first, last) = token.split_once('-').unwrap_or((token, token));
                let first: u64 = first.trim().parse().map_err(|_| fail("a number is not a number"))?;
                let last: u64 = last.trim().parse().map_err(|_| fail("a number is not a number"))?;
                if first == 0 || last < first || last > i64::MAX as u64 {
                    return Err(fail("an interval is empty or out of range"));
                }
                set.insert_interval(&origin, Interval { first, last });
                intervals += 1;
            }
            if intervals == 0 {
                return Err(fail("a part has no interval"));
            }
        }
        Ok(set)
    }
}

impl FromStr for Gtid {
    type Err = GtidParseError;

    fn from_str(text: &str) -> Result<Gtid, GtidParseError> {
        let set: GtidSet = text.parse()?;
        let mut origins = set.origins.into_iter();
        match (origins.next(), origins.next()) {
            (Some((origin, intervals)), None) if set_of_one(&intervals) => {
                Ok(Gtid { origin, number: intervals[0].first })
            }
            _ => Err(GtidParseError { text: text.to_owned(), reason: "not one GTID" }),
        }
    }
}

fn set_of_one(intervals: &[Interval]) -> bool {
    intervals.len() == 1 && intervals[0].first == intervals[0].last
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(Gtid);
serde_as_text!(GtidSet);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const A: &str = "00000000-0000-0000-0000-00000000000a";
    const B: &str = "00000000-0000-0000-0000-00000000000b";

    fn set(text: &str) -> GtidSet {
        text.parse().expect("a GTID set")
    }

    #[test]
    fn text_round_trips_and_is_normalised() {
        assert_eq!(set(&format!("{A}:5:1-3:4,\n{B}:7")).to_string(), format!("{A}:1-5,{B}:7"));
        assert_eq!(set(&format!("{A}:1:foo:2-3")).to_string(), format!("{A}:1,{A}:foo:2-3"));
        assert_eq!(set("").to_string(), "");
        for bad in ["x:1", A, &format!("{A}:0"), &format!("{A}:3-2"), &format!("{A}:-1"), &format!("{A}:1-")]
        {
            assert!(bad.parse::<GtidSet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn containment_is_not_a_maximum() {
        let executed = set(&format!("{A}:1-5:7-9"));
        assert!(!executed.contains_set(&set(&format!("{A}:6"))));
        assert!(executed.contains_set(&set(&format!("{A}:7-9"))));
        assert!(!executed.contains_set(&set(&format!("{B}:1"))));
        assert_eq!(executed.holes(), set(&format!("{A}:6")));
    }

    fn numbers(set: &GtidSet) -> BTreeSet<u64> {
        set.iter().flat_map(|(_, i)| i.iter().flat_map(|i| i.first..=i.last)).collect()
    }

    fn of(numbers: &BTreeSet<u64>) -> GtidSet {
        let mut set = GtidSet::default();
        for number in numbers {
            set.insert(&Gtid::untagged(Uuid::nil(), *number));
        }
        set
    }

    proptest! {
        #[test]
        fn algebra_agrees_with_plain_sets(
            order in proptest::collection::vec(1u64..30, 0..40),
            b in proptest::collection::btree_set(1u64..30, 0..20),
        ) {
            let a: BTreeSet<u64> = order.iter().copied().collect();
            let mut inserted = GtidSet::default();
            for number in &order {
                inserted.insert(&Gtid::untagged(Uuid::nil(), *number));
            }
            prop_assert_eq!(&inserted, &of(&a));
            let mut union = of(&a);
            union.union_with(&of(&b));
            prop_assert_eq!(numbers(&union), a.union(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(numbers(&of(&a).minus(&of(&b))), a.difference(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(of(&a).contains_set(&of(&b)), b.is_subset(&a));
            prop_assert_eq!(of(&a).count(), a.len() as u64);
            prop_assert_eq!(of(&a).to_string().parse::<GtidSet>().unwrap(), of(&a));
        }
    }
}
