//! A pilot: the lists that are moved before all others, as a person has named them.

use super::Value;
use super::bucket::{BUCKETS, share_text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Keys that a pilot names at most: they are in memory while a run is up, and in one record of the state.
pub const KEYS_MAX: usize = 100_000;

/// The lists of a pilot, by the name of their mapping. A mapping that is not in it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pilot {
    /// By the mapping's name.
    pub mappings: BTreeMap<String, PilotLists>,
}

/// The lists of one mapping: those that are named, and those of a sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PilotLists {
    /// Values of the key columns, in key order; each list once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Vec<Value>>,
    /// Lists whose [bucket](super::bucket::bucket) is below take part.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub buckets: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Pilot {
    /// Adds a list.
    pub fn add(&mut self, mapping: &str, key: Vec<Value>) {
        self.mappings.entry(mapping.to_owned()).or_default().keys.push(key);
    }

    /// Adds the lists of a mapping whose buckets are below `buckets`.
    pub fn sample(&mut self, mapping: &str, buckets: u32) {
        let lists = self.mappings.entry(mapping.to_owned()).or_default();
        lists.buckets = lists.buckets.max(buckets).min(BUCKETS);
    }

    /// How many lists are named.
    pub fn keys(&self) -> usize {
        self.mappings.values().map(|lists| lists.keys.len()).sum()
    }

    /// For people: `2 lists of followers; 1% of replies`.
    pub fn words(&self) -> String {
        let of = |(mapping, lists): (&String, &PilotLists)| {
            let named = match lists.keys.len() {
                0 => None,
                1 => Some("1 list".to_owned()),
                many => Some(format!("{many} lists")),
            };
            let sample = (lists.buckets > 0).then(|| share_text(lists.buckets));
            let parts: Vec<String> = sample.into_iter().chain(named).collect();
            format!("{} of {mapping}", parts.join(" and "))
        };
        let words: Vec<String> = self.mappings.iter().map(of).collect();
        if words.is_empty() { "no lists".to_owned() } else { words.join("; ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pilot_says_which_lists_it_has() {
        let mut pilot = Pilot::default();
        assert_eq!(pilot.words(), "no lists");
        pilot.add("followers", vec![Value::UInt(1)]);
        pilot.sample("replies", 10_000);
        assert_eq!(pilot.words(), "1 list of followers; 1% of replies");
        pilot.add("followers", vec![Value::UInt(2)]);
        pilot.sample("followers", 100);
        pilot.sample("followers", 10);
        assert_eq!(
            (pilot.words().as_str(), pilot.keys()),
            ("0.01% and 2 lists of followers; 1% of replies", 2)
        );
    }
}
