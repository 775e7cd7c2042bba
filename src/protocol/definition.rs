//! What the content of a target's rows depends on besides the binlog.
//!
//! A journaled batch may be cut again with its tick (I2) when every target that had a part in it would get the same
//! bytes. So each target has a definition of its own: one that joins or leaves changes nothing for the others. A
//! copy that was begun under one definition cannot go on under another: its rows would be of two kinds. That a table
//! has a column more that no target uses changes nothing: rows are counted by table.

use crate::model::{Mapping, TargetDefinition};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What the batches of a journal were cut under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The lists that take part, and the tables whose rows are counted.
    base: String,
    /// TargetDefinition by target.
    targets: BTreeMap<String, String>,
}

impl Fingerprint {
    /// Of mappings and a cohort's name.
    pub fn of(mappings: &[Mapping], cohort: &str) -> Fingerprint {
        let mut tables: Vec<String> =
            mappings.iter().map(|mapping| mapping.schema.name.to_string()).collect();
        tables.sort();
        tables.dedup();
        let targets = mappings.iter().flat_map(|mapping| {
            mapping.targets.iter().map(|target| {
                let content = format!("{:?};{}", TargetDefinition::of(mapping, target), mapping.id.0);
                (format!("{}/{}/{}", mapping.name, target.table, target.family), hash(&content))
            })
        });
        Fingerprint {
            base: hash(&format!("tailfill batches 3;{cohort};{}", tables.join(";"))),
            targets: targets.collect(),
        }
    }

    /// Whether batches that were cut under `before` are the same now, for every target that had a part in them and is
    /// still there.
    pub fn cuts_like(&self, before: &Fingerprint) -> bool {
        let same = |(name, definition): (&String, &String)| {
            self.targets.get(name).is_none_or(|now| now == definition)
        };
        self.base == before.base && before.targets.iter().all(same)
    }

    /// As the store keeps it.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("texts are JSON")
    }

    /// Reads [`Fingerprint::text`]; one that cannot be read is like no other.
    pub fn read(text: &str) -> Fingerprint {
        serde_json::from_str(text).unwrap_or_default()
    }
}

fn hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fixtures::followers;
    use std::sync::Arc;

    fn of(mapping: &Mapping) -> Fingerprint {
        Fingerprint::of(std::slice::from_ref(mapping), "all")
    }

    #[test]
    fn a_target_that_joins_or_leaves_lets_the_others_be_cut_again() {
        let both = followers();
        let one = Mapping { targets: vec![both.targets[1].clone()], ..both.clone() };
        assert!(of(&both).cuts_like(&of(&one)) && of(&one).cuts_like(&of(&both)));
        assert_eq!(Fingerprint::read(&of(&both).text()), of(&both));
    }

    #[test]
    fn what_changes_bytes_or_row_numbers_is_not_cut_again() {
        let before = followers();
        let mut other = before.clone();
        other.targets[0].columns = vec![3];
        assert!(!of(&other).cuts_like(&of(&before)));
        assert!(!Fingerprint::of(std::slice::from_ref(&before), "only-1").cuts_like(&of(&before)));
        let mut schema = (*before.schema).clone();
        schema.name.table = "another".into();
        let second = Mapping { schema: Arc::new(schema), ..before.clone() };
        assert!(
            !Fingerprint::of(&[before.clone(), second], "all").cuts_like(&of(&before)),
            "its rows are counted"
        );
        assert!(!of(&before).cuts_like(&Fingerprint::read("of an earlier build")));
        let mut wider = (*before.schema).clone();
        wider.columns.push(wider.columns[3].clone());
        let wider = Mapping { schema: Arc::new(wider), ..before.clone() };
        assert!(of(&wider).cuts_like(&of(&before)), "no target uses the new column");
    }
}
