//! What is asked of a list and of whom, and what comes back.

use super::Count;
use crate::compare::Difference;
use crate::model::{Cursor, ListPart, Mapping, QueryKind, Target, Value};
use crate::sink::answer::Ask;
use crate::sink::layout::Address;
use bytes::Bytes;

/// What is asked of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    First(u32),
    Latest(u32),
    /// The next ones behind a place, or from the beginning.
    Page {
        limit: u32,
        after: Option<Cursor>,
    },
    Count,
    /// The item with these values in the item columns.
    Has(Vec<Value>),
}

impl Question {
    pub(super) fn as_ask(&self) -> Ask {
        let (kind, limit) = match self {
            Question::First(limit) => (QueryKind::First, *limit),
            Question::Latest(limit) => (QueryKind::Latest, *limit),
            Question::Page { limit, .. } => (QueryKind::Page, *limit),
            Question::Count => (QueryKind::Count, 0),
            Question::Has(_) => (QueryKind::Has, 0),
        };
        Ask { kind, limit }
    }

    /// The item that is asked for, where it is one.
    pub(super) fn item(&self) -> &[Value] {
        match self {
            Question::Has(item) => item,
            _ => &[],
        }
    }

    /// Which items are asked for, where it is some of the list's order.
    pub(super) fn part(&self, mapping: &Mapping) -> Option<ListPart> {
        let Ask { kind, limit } = self.as_ask();
        let after = match self {
            Question::Page { after, .. } => after.clone(),
            _ => None,
        };
        kind.returns_items().then(|| ListPart { reversed: kind.is_at_end(mapping), after, limit })
    }
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Mysql,
    Hbase,
    Both,
}

impl Side {
    pub fn has_mysql(self) -> bool {
        self != Side::Hbase
    }

    pub fn has_hbase(self) -> bool {
        self != Side::Mysql
    }
}

/// One side's answer, or both.
#[derive(Clone, Debug)]
pub enum Answers {
    /// `None` for a side that was not asked.
    Count { mysql: Option<u64>, hbase: Option<Count> },
    Items {
        /// Whose addresses and columns these are.
        target: Target,
        /// In the order asked for.
        pairs: Vec<Pair>,
        /// Where the next page begins, when this one is full.
        next: Option<Cursor>,
    },
}

impl Answers {
    /// Whether the sides that were asked agree.
    pub fn equal(&self) -> bool {
        match self {
            Answers::Count { mysql: Some(mysql), hbase: Some(hbase) } => *mysql == hbase.items,
            Answers::Count { .. } => true,
            Answers::Items { pairs, .. } => pairs.iter().all(|pair| pair.difference.is_none()),
        }
    }
}

/// One address. An item that only one side put among its N is looked up on the other side too, so that an absent
/// one is really absent.
#[derive(Clone, Debug)]
pub struct Pair {
    pub address: Address,
    pub mysql: Option<StoredItem>,
    pub hbase: Option<StoredItem>,
    /// When both sides were asked and do not agree.
    pub difference: Option<Difference>,
}

/// Names and values of an item's columns, as `decode::columns` gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredItem {
    pub columns: Vec<(Bytes, Bytes)>,
}
