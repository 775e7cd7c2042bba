//! What a source's stream has reached, and the transactions that it names.
//!
//! All rooms above `source` see sets and names without knowing how a source forms them
//! (docs/decisions/0012-positions-belong-to-the-source.md). Their durable form says which kind they are of:
//! `{"mysql-gtid": "..."}`. MySQL's GTIDs are the only kind so far.

use super::gtid::{Gtid, GtidParseError, GtidSet};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A set of a source's transactions: what is read, committed, sealed or written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    #[serde(rename = "mysql-gtid")]
    gtids: GtidSet,
}

/// The name of one transaction. Another server of the same source knows it by this name too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionId {
    #[serde(rename = "mysql-gtid")]
    gtid: Gtid,
}

impl Reached {
    /// As MySQL has it. For the source alone.
    pub fn gtids(&self) -> &GtidSet {
        &self.gtids
    }

    /// Whether it holds no transaction: the beginning of a stream.
    pub fn is_empty(&self) -> bool {
        self.gtids.is_empty()
    }

    /// Adds one transaction. Amortised constant time in the order of the stream.
    pub fn insert(&mut self, transaction: &TransactionId) {
        self.gtids.insert(&transaction.gtid);
    }

    /// Adds all of `other`.
    pub fn union_with(&mut self, other: &Reached) {
        self.gtids.union_with(&other.gtids);
    }

    /// Whether this transaction is in the set.
    pub fn contains(&self, transaction: &TransactionId) -> bool {
        self.gtids.contains(&transaction.gtid)
    }

    /// Whether every transaction of `other` is in this set.
    pub fn contains_set(&self, other: &Reached) -> bool {
        self.gtids.contains_set(&other.gtids)
    }

    /// The transactions of this set that are not in `other`.
    pub fn minus(&self, other: &Reached) -> Reached {
        self.gtids.minus(&other.gtids).into()
    }

    /// The last transaction of each server that numbered some.
    pub fn newest(&self) -> impl Iterator<Item = TransactionId> {
        self.gtids.newest().map(TransactionId::from)
    }

    /// How many transactions the set holds.
    pub fn count(&self) -> u64 {
        self.gtids.count()
    }
}

impl TransactionId {
    /// As MySQL has it. For the source alone.
    pub fn gtid(&self) -> &Gtid {
        &self.gtid
    }

    /// Whether the server with this `server_uuid` named it, and not one that it replicates from.
    pub fn is_named_by(&self, server_uuid: &str) -> bool {
        self.gtid.origin.uuid.to_string() == server_uuid
    }

    /// The set of this transaction.
    pub fn alone(&self) -> Reached {
        let mut set = Reached::default();
        set.insert(self);
        set
    }
}

impl From<GtidSet> for Reached {
    fn from(gtids: GtidSet) -> Reached {
        Reached { gtids }
    }
}

impl From<Gtid> for TransactionId {
    fn from(gtid: Gtid) -> TransactionId {
        TransactionId { gtid }
    }
}

/// The text that a person writes and reads, without the kind.
impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gtids.fmt(f)
    }
}

impl FromStr for Reached {
    type Err = GtidParseError;

    fn from_str(text: &str) -> Result<Reached, GtidParseError> {
        text.parse().map(|gtids| Reached { gtids })
    }
}

/// The text that a person writes and reads, without the kind.
impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gtid.fmt(f)
    }
}

impl FromStr for TransactionId {
    type Err = GtidParseError;

    fn from_str(text: &str) -> Result<TransactionId, GtidParseError> {
        text.parse().map(|gtid| TransactionId { gtid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_durable_form_says_its_kind_and_another_kind_is_refused() {
        let set: Reached = "00000000-0000-0000-0000-00000000000a:1-5".parse().expect("a set");
        let text = serde_json::to_string(&set).expect("it encodes");
        assert_eq!(text, r#"{"mysql-gtid":"00000000-0000-0000-0000-00000000000a:1-5"}"#);
        assert_eq!(serde_json::from_str::<Reached>(&text).expect("it decodes"), set);
        let other = serde_json::from_str::<Reached>(r#"{"mariadb-gtid":"0-1-5"}"#).expect_err("unknown");
        assert!(other.to_string().contains("mariadb-gtid"), "{other}");
    }
}
