//! What a row image means at each position: the definitions of a source table, in the order of its stream.
//!
//! The entry that holds for a row is the last one whose `since` is contained in what the stream has read before the
//! row's transaction (docs/decisions/0008-schema-history.md).

use super::{Reached, TableName, TableSchema, TransactionId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A table's definition as far as the bytes of its rows depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Columns, keys and types, as they are at the position.
    pub schema: TableSchema,
    /// The expressions of stored generated columns, by column name.
    #[serde(default)]
    pub generated: BTreeMap<String, String>,
    /// Foreign keys that delete or change rows without a word in the binlog.
    #[serde(default)]
    pub unlogged: BTreeSet<String>,
    /// Where columns stand is not known: only rows whose table map names the columns are read by it.
    #[serde(default)]
    pub named_only: bool,
}

impl Definition {
    /// Without generated columns or foreign keys, and with the columns in their places.
    pub fn of(schema: TableSchema) -> Definition {
        Definition { schema, generated: BTreeMap::new(), unlogged: BTreeSet::new(), named_only: false }
    }
}

/// Why rows of a table cannot be read from here on, and where that began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parking {
    /// The statement's kind, or what was not understood. Never values.
    pub what: String,
    /// Shown to a person. Never values.
    pub reason: String,
    /// The transaction it stands in, if it is one's.
    pub transaction: Option<TransactionId>,
    /// `FILE:OFFSET`.
    pub place: String,
}

impl fmt::Display for Parking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (at {}", self.what, self.reason, self.place)?;
        match &self.transaction {
            Some(transaction) => write!(f, ", transaction {transaction})"),
            None => f.write_str(")"),
        }
    }
}

/// One entry of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// It holds once the stream has read all of these.
    pub since: Reached,
    /// Until the next entry holds.
    pub meaning: Meaning,
}

/// What rows mean from an entry on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// They are read by this definition.
    Defined(Arc<Definition>),
    /// They are left out.
    Parked(Parking),
}

impl Entry {
    /// Rows behind `since` are read by `definition`.
    pub fn defined(since: Reached, definition: Arc<Definition>) -> Entry {
        Entry { since, meaning: Meaning::Defined(definition) }
    }

    /// The entry of a parking. Where that begins in a transaction, the rows in there stay under the entry before: they are
    /// left out from where they are found again.
    pub fn parked(since: Reached, parking: Parking) -> Entry {
        Entry { since, meaning: Meaning::Parked(parking) }
    }

    /// Whether rows are left out from here on.
    pub fn is_parking(&self) -> bool {
        matches!(self.meaning, Meaning::Parked(_))
    }
}

/// The entries of one table, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// In the order of the stream.
    pub entries: Vec<Entry>,
}

impl History {
    /// The entry that holds once `read` was read; `None`: before the first one.
    pub fn at(&self, read: &Reached) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| read.contains_set(&entry.since))
    }

    /// The entry that begins with exactly these.
    pub fn beginning(&self, since: &Reached) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.since == *since)
    }

    /// Whether the entry that begins with `since` comes behind the one that begins with `before`.
    pub fn is_behind(&self, since: &Reached, before: &Reached) -> bool {
        self.place(since) > self.place(before)
    }

    /// Of the last entry that begins with exactly these.
    pub fn place(&self, since: &Reached) -> Option<usize> {
        self.entries.iter().rposition(|entry| entry.since == *since)
    }

    /// Takes an entry in, before those that begin after it; once only.
    pub fn add(&mut self, entry: Entry) {
        if self.beginning(&entry.since).is_none() {
            let later = self.entries.iter().position(|later| later.since.contains_set(&entry.since));
            self.entries.insert(later.unwrap_or(self.entries.len()), entry);
        }
    }

    /// The entry that holds at the end.
    pub fn last(&self) -> Option<&Entry> {
        self.entries.last()
    }
}

/// The histories of the tables of a run.
pub type Histories = BTreeMap<TableName, History>;

#[cfg(test)]
mod tests {
    use super::*;
    const SERVER: &str = "00000000-0000-0000-0000-00000000000a";

    fn set(numbers: &[u64]) -> Reached {
        let numbers: String = numbers.iter().map(|number| format!(":{number}")).collect();
        format!("{SERVER}{numbers}").parse().expect("a set")
    }

    #[test]
    fn the_last_entry_whose_beginning_was_read_holds() {
        let transaction = Some(format!("{SERVER}:4").parse().expect("a transaction"));
        let parking = Parking {
            what: "TRUNCATE".into(),
            reason: "r".into(),
            transaction,
            place: "binlog.000001:4".into(),
        };
        let name = TableName { schema: "s".into(), table: "t".into() };
        let schema = TableSchema { name, columns: vec![], primary_key: vec![], unique_keys: vec![] };
        let first = Entry::defined(set(&[1, 2]), Arc::new(Definition::of(schema)));
        let history = History { entries: vec![first.clone(), Entry::parked(set(&[4]), parking.clone())] };
        assert_eq!(history.at(&set(&[1])), None);
        assert_eq!(history.at(&set(&[1, 2, 3])), Some(&first));
        assert_eq!(history.at(&set(&[1, 2, 3, 4])), Some(&Entry::parked(set(&[4]), parking)));
        // another order: what begins the last entry came before the rest
        assert!(history.at(&set(&[1, 4])).is_some_and(Entry::is_parking));
    }
}
