//! The cohort: which lists take part so far.
//!
//! The tail writes changes of these lists alone, and only they are copied. A cohort never gets smaller: a list that left it
//! would miss changes without anybody noticing.

use crate::model::bucket::{BUCKETS, bucket, key_name};
use crate::model::{ColumnValue, Mapping, MappingId, Pilot, Value};
use crate::sink::{SinkError, layout};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which lists take part.
#[derive(Clone, Debug, Default)]
pub enum Cohort {
    /// Every list of every mapping.
    #[default]
    All,
    /// Those of a pilot.
    Only(Arc<Lists>),
}

/// The lists of a pilot, as rows are compared with them.
#[derive(Debug, Default)]
pub struct Lists {
    pilot: Pilot,
    /// By [`MappingId`].
    mappings: Vec<ListsOf>,
}

/// Those of one mapping.
#[derive(Debug, Default)]
pub struct ListsOf {
    /// Encoded list key to its values, in encoded order.
    keys: BTreeMap<Vec<u8>, Vec<Value>>,
    /// Lists whose buckets are below take part.
    buckets: u32,
}

/// How the lists of a mapping that take part are found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// All rows of the table are looked at.
    ByScan,
    /// One by one; encoded list key to its values, in encoded order.
    ByKeys(&'a BTreeMap<Vec<u8>, Vec<Value>>),
}

impl Cohort {
    /// The lists of a pilot. What `mappings` do not have has no lists.
    ///
    /// # Errors
    /// A key that has no form in HBase.
    pub fn of(pilot: Pilot, mappings: &[Mapping]) -> Result<Cohort, SinkError> {
        let lists_of = |mapping: &Mapping| {
            let Some(lists) = pilot.mappings.get(&mapping.name) else { return Ok(ListsOf::default()) };
            let key = |values: &Vec<Value>| Ok((layout::list_key_of(mapping, values)?, values.clone()));
            let keys = lists.keys.iter().map(key).collect::<Result<_, SinkError>>()?;
            Ok(ListsOf { keys, buckets: lists.buckets })
        };
        let mappings = mappings.iter().map(lists_of).collect::<Result<_, SinkError>>()?;
        Ok(Cohort::Only(Arc::new(Lists { pilot, mappings })))
    }

    /// What a person has named; `None`: all lists.
    pub fn pilot(&self) -> Option<&Pilot> {
        match self {
            Cohort::All => None,
            Cohort::Only(lists) => Some(&lists.pilot),
        }
    }

    /// The cohort's name in the store: `all`, or `only-` and 16 hex digits of a SHA-256 of its lists.
    pub fn name(&self) -> String {
        let Cohort::Only(lists) = self else { return "all".into() };
        let mut digest = Sha256::new();
        let with_some = || lists.mappings.iter().filter(|of| !of.is_empty());
        match (with_some().next(), with_some().count(), lists.pilot.mappings.len()) {
            // as earlier builds named it
            (Some(of), 1, 1) if of.buckets == 0 => {
                of.keys.keys().for_each(|key| digest_part(&mut digest, key));
            }
            _ => {
                for (mapping, lists) in &lists.pilot.mappings {
                    digest_part(&mut digest, mapping.as_bytes());
                    digest_part(&mut digest, &lists.buckets.to_be_bytes());
                    let mut keys: Vec<String> = lists.keys.iter().map(|key| format!("{key:?}")).collect();
                    keys.sort();
                    keys.dedup();
                    digest_part(&mut digest, &(keys.len() as u64).to_be_bytes());
                    keys.iter().for_each(|key| digest_part(&mut digest, key.as_bytes()));
                }
            }
        }
        format!("only-{}", hex::encode(&digest.finalize()[..8]))
    }

    /// Whether a list takes part.
    pub fn has(&self, mapping: &Mapping, list_key: &[u8]) -> bool {
        match self {
            Cohort::All => true,
            Cohort::Only(lists) => lists.of(mapping.id).is_some_and(|of| of.has(mapping, list_key)),
        }
    }

    /// Whether a row's list does. A row whose list key has no form in HBase is in no pilot.
    pub fn has_row(&self, mapping: &Mapping, row: &[ColumnValue<'_>]) -> bool {
        match self {
            Cohort::All => true,
            Cohort::Only(_) => layout::list_key(mapping, row).is_ok_and(|key| self.has(mapping, &key)),
        }
    }

    /// How the lists of a mapping are found.
    pub fn found(&self, mapping: MappingId) -> Found<'_> {
        const NONE: &BTreeMap<Vec<u8>, Vec<Value>> = &BTreeMap::new();
        match self {
            Cohort::All => Found::ByScan,
            Cohort::Only(lists) => match lists.of(mapping) {
                Some(of) if of.buckets > 0 => Found::ByScan,
                of => Found::ByKeys(of.map_or(NONE, |of| &of.keys)),
            },
        }
    }

    /// About how many of a table's `rows` are of lists that take part; 0 where nobody knows.
    pub fn share_of(&self, mapping: MappingId, rows: u64) -> u64 {
        match self {
            Cohort::All => rows,
            Cohort::Only(lists) => {
                let buckets = lists.of(mapping).map_or(0, |of| of.buckets);
                (u128::from(rows) * u128::from(buckets) / u128::from(BUCKETS)) as u64
            }
        }
    }

    /// Whether every list of `other` is in this one, too.
    pub fn contains(&self, other: &Cohort, mappings: &[Mapping]) -> bool {
        let (Cohort::Only(mine), Cohort::Only(theirs)) = (self, other) else {
            return matches!(self, Cohort::All);
        };
        // lists of a mapping that the configuration lost are parked with it, and are none fewer
        mappings.iter().all(|mapping| {
            let Some(theirs) = theirs.of(mapping.id) else { return true };
            let has = |key: &Vec<u8>| self.has(mapping, key);
            let buckets = mine.of(mapping.id).map_or(0, |of| of.buckets);
            buckets >= theirs.buckets && theirs.keys.keys().all(has)
        })
    }
}

impl Lists {
    fn of(&self, mapping: MappingId) -> Option<&ListsOf> {
        self.mappings.get(usize::from(mapping.0))
    }
}

impl ListsOf {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.buckets == 0
    }

    fn has(&self, mapping: &Mapping, list_key: &[u8]) -> bool {
        if self.keys.contains_key(list_key) {
            return true;
        }
        let in_sample = |key: Vec<Value>| bucket(&mapping.name, &key_name(mapping, &key)) < self.buckets;
        self.buckets > 0 && layout::key_of_list(mapping, list_key).is_some_and(in_sample)
    }
}

fn digest_part(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_be_bytes());
    digest.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fixtures::followers;

    /// A cohort of these lists, and of so many buckets.
    fn cohort(lists: &[u64], buckets: u32) -> Cohort {
        let mut pilot = Pilot::default();
        lists.iter().for_each(|list| pilot.add("m", vec![Value::UInt(*list)]));
        pilot.sample("m", buckets);
        Cohort::of(pilot, &[followers()]).expect("numbers are keys")
    }

    fn key(list: u64) -> Vec<u8> {
        layout::list_key_of(&followers(), &[Value::UInt(list)]).expect("a number is a key")
    }

    #[test]
    fn a_pilot_has_the_lists_that_are_named_and_those_of_its_sample() {
        let mapping = followers();
        let sample = cohort(&[], 100_000);
        let of_sample: Vec<u64> = (0..1_000).filter(|list| sample.has(&mapping, &key(*list))).collect();
        let by_hand: Vec<u64> = (0..1_000).filter(|list| bucket("m", &list.to_string()) < 100_000).collect();
        assert_eq!(of_sample, by_hand);
        assert!((60..140).contains(&of_sample.len()), "about a tenth: {}", of_sample.len());
        let named = (0..).find(|list| !of_sample.contains(list)).expect("there is one");
        assert!(cohort(&[named], 100_000).has(&mapping, &key(named)));
        assert!(!cohort(&[named], 0).has(&mapping, &key(of_sample[0])));
    }

    #[test]
    fn a_wider_pilot_contains_a_narrower_one_and_not_the_other_way_round() {
        let mappings = [followers()];
        let sampled = (0..).find(|list| bucket("m", &list.to_string()) < 1_000).expect("one");
        let rising = [cohort(&[1, sampled], 0), cohort(&[1], 1_000), cohort(&[1, 2], 50_000), Cohort::All];
        for (place, narrower) in rising.iter().enumerate() {
            for wider in &rising[place..] {
                assert!(wider.contains(narrower, &mappings));
            }
            for wider in &rising[place + 1..] {
                assert!(!narrower.contains(wider, &mappings));
            }
        }
        assert!(!cohort(&[2], 0).contains(&cohort(&[1], 0), &mappings));
    }

    #[test]
    fn names_tell_pilots_apart_and_do_not_depend_on_the_order_of_keys() {
        assert_eq!(cohort(&[1, 2], 0).name(), cohort(&[2, 1], 0).name());
        assert_eq!(cohort(&[1, 2], 7).name(), cohort(&[2, 1, 1], 7).name());
        let names = [cohort(&[1], 0), cohort(&[1], 7), cohort(&[], 7), cohort(&[], 8), Cohort::All];
        let names: std::collections::BTreeSet<String> = names.iter().map(Cohort::name).collect();
        assert_eq!(names.len(), 5);
    }
}
