//! What is asked of one list, answered by MySQL, by HBase, or by both for comparison.
//!
//! Items are in the order of the layout: by order value, ties by item ascending (docs/formats.md). Latest N are the
//! N from the new end: a scan where the order descends, a reversed one where it ascends; first N are those from the
//! other end. Without an order, items ascend, and there is only "first".
//!
//! Two sides are two reads at two moments: while the list is written to, they may differ by what is under way.

use super::VerifyError;
use super::compare::{Difference, difference};
use crate::model::{Mapping, Target, Value};
use crate::sink::layout::{self, ItemWrite};
use crate::sink::{ScanRange, Sink, StoredRow, tall};
use crate::source::{Snapshot, Source};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one page where a whole list is read.
const PAGE_ROWS: usize = 5_000;

/// What is asked of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    First(u32),
    Latest(u32),
    Count,
    /// The item with these values in the item columns.
    Has(Vec<Value>),
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
    Count { mysql: Option<u64>, hbase: Option<u64> },
    Items {
        /// Whose row keys and columns these are.
        target: Target,
        /// In the order asked for.
        pairs: Vec<Pair>,
    },
}

/// One row key. An item that only one side put among its N is looked up on the other side too, so that an absent
/// one is really absent.
#[derive(Clone, Debug)]
pub struct Pair {
    pub row: Bytes,
    pub mysql: Option<StoredItem>,
    pub hbase: Option<StoredItem>,
    /// When both sides were asked and do not agree.
    pub difference: Option<Difference>,
}

/// Qualifiers and values, placeholder left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredItem {
    pub cells: Vec<(Bytes, Bytes)>,
}

impl Answers {
    /// Whether the sides that were asked agree.
    pub fn equal(&self) -> bool {
        match self {
            Answers::Count { mysql: Some(mysql), hbase: Some(hbase) } => mysql == hbase,
            Answers::Count { .. } => true,
            Answers::Items { pairs, .. } => pairs.iter().all(|pair| pair.difference.is_none()),
        }
    }
}

/// Asks about the list `key`.
///
/// # Errors
/// `NoTarget` when HBase is asked for an order that no target keeps; what the servers say.
pub async fn ask(
    (source, sink): (&dyn Source, &dyn Sink),
    mapping: &Mapping,
    key: &[Value],
    question: &Question,
    side: Side,
) -> Result<Answers, VerifyError> {
    let target = target_for(mapping, question, side)?;
    let list = List { sink, mapping, target: &target, key, list_key: layout::list_key_of(mapping, key)? };
    let mut snapshot = match side.has_mysql() {
        true => Some(source.snapshot().await?),
        false => None,
    };
    if *question == Question::Count {
        let mysql = match &mut snapshot {
            Some(snapshot) => Some(snapshot.list(mapping, key).await?.len() as u64),
            None => None,
        };
        let hbase = if side.has_hbase() { Some(list.count().await?) } else { None };
        return Ok(Answers::Count { mysql, hbase });
    }
    let pairs = list.items(&mut snapshot, question, side).await?;
    Ok(Answers::Items { target, pairs })
}

/// The target whose rows answer the question; for MySQL alone one may be imagined.
fn target_for(mapping: &Mapping, question: &Question, side: Side) -> Result<Target, VerifyError> {
    let ordered = |target: &&Target| target.ordered || mapping.order.is_none();
    let any = mapping.targets.first();
    let found = match question {
        Question::Count => any.cloned(),
        Question::Has(_) => {
            mapping.targets.iter().find(|target| !is_ordered(mapping, target)).or(any).cloned()
        }
        Question::First(_) | Question::Latest(_) => match mapping.targets.iter().find(ordered) {
            None if !side.has_hbase() => any.map(|target| Target { ordered: true, ..target.clone() }),
            found => found.cloned(),
        },
    };
    found.ok_or_else(|| VerifyError::NoTarget {
        reason: format!("mapping {} has no target that keeps its order", mapping.name),
    })
}

/// Whether the target's row keys hold the order value.
fn is_ordered(mapping: &Mapping, target: &Target) -> bool {
    target.ordered && mapping.order.is_some()
}

struct List<'a> {
    sink: &'a dyn Sink,
    mapping: &'a Mapping,
    target: &'a Target,
    key: &'a [Value],
    list_key: Vec<u8>,
}

impl List<'_> {
    async fn items(
        &self,
        snapshot: &mut Option<Box<dyn Snapshot>>,
        question: &Question,
        side: Side,
    ) -> Result<Vec<Pair>, VerifyError> {
        let mysql = match snapshot {
            Some(snapshot) => self.of_mysql(&mut **snapshot, question).await?,
            None => BTreeMap::new(),
        };
        let mut hbase = match side.has_hbase() {
            true => self.of_hbase(question).await?,
            false => BTreeMap::new(),
        };
        let (count, reversed) = self.part(question);
        let asked: Vec<Bytes> = match reversed {
            true => mysql.keys().rev().take(count).cloned().collect(),
            false => mysql.keys().take(count).cloned().collect(),
        };
        if side == Side::Both {
            let unseen: Vec<Bytes> = asked.iter().filter(|row| !hbase.contains_key(*row)).cloned().collect();
            let found = self.sink.read(self.target.id, &unseen).await?;
            hbase.extend(found.into_iter().flatten().map(|row| (row.row.clone(), row)));
        }
        let rows: BTreeSet<&Bytes> = asked.iter().chain(hbase.keys()).collect();
        let pair = |row: &Bytes| pair(row, mysql.get(row), hbase.get(row), side);
        Ok(match reversed {
            true => rows.into_iter().rev().map(pair).collect(),
            false => rows.into_iter().map(pair).collect(),
        })
    }

    /// How many items, and whether from the end of the row keys.
    fn part(&self, question: &Question) -> (usize, bool) {
        let descending = self.mapping.order.is_some_and(|order| order.descending);
        match question {
            Question::First(count) => (*count as usize, descending),
            Question::Latest(count) => (*count as usize, !descending),
            Question::Has(_) | Question::Count => (usize::MAX, false),
        }
    }

    /// What MySQL has, by row key: the whole list, or one item of it.
    async fn of_mysql(
        &self,
        snapshot: &mut dyn Snapshot,
        question: &Question,
    ) -> Result<BTreeMap<Bytes, ItemWrite>, VerifyError> {
        let rows = match question {
            Question::Has(item) => snapshot.item(self.mapping, self.key, item).await?.into_iter().collect(),
            _ => snapshot.list(self.mapping, self.key).await?,
        };
        let writes = rows.iter().map(|row| {
            let write = layout::item_write(self.mapping, self.target, row)?;
            Ok((write.address.row.clone(), write))
        });
        writes.collect()
    }

    /// What HBase answers, by row key.
    async fn of_hbase(&self, question: &Question) -> Result<BTreeMap<Bytes, StoredRow>, VerifyError> {
        let rows = match question {
            Question::Has(item) if !is_ordered(self.mapping, self.target) => {
                let row = tall::row_key_of(self.mapping, self.target, self.key, None, item)?;
                self.sink.read(self.target.id, &[row]).await?.into_iter().flatten().collect()
            }
            Question::Has(item) => self.search(item).await?,
            _ => {
                let (count, reversed) = self.part(question);
                self.sink.scan(self.target.id, &self.range(reversed, count)).await?
            }
        };
        Ok(rows.into_iter().map(|row| (row.row.clone(), row)).collect())
    }

    fn range(&self, reversed: bool, limit: usize) -> ScanRange {
        tall::list_range(self.target, &self.list_key, reversed, limit)
    }

    async fn count(&self) -> Result<u64, VerifyError> {
        let mut count = 0;
        self.pages(|rows| count += rows.len() as u64).await?;
        Ok(count)
    }

    /// Every row of the item: it may stand at several order values when one was left over.
    async fn search(&self, item: &[Value]) -> Result<Vec<StoredRow>, VerifyError> {
        let mut found = Vec::new();
        let is_it = |row: &StoredRow| {
            tall::split_row_key(self.mapping, self.target, &row.row).is_some_and(|parts| parts.item == item)
        };
        self.pages(|rows| found.extend(rows.into_iter().filter(is_it))).await?;
        Ok(found)
    }

    async fn pages(&self, mut each: impl FnMut(Vec<StoredRow>)) -> Result<(), VerifyError> {
        let mut range = self.range(false, PAGE_ROWS);
        while !range.is_empty() {
            let rows = self.sink.scan(self.target.id, &range).await?;
            let rest = rows.last().filter(|_| rows.len() >= PAGE_ROWS).map(|last| range.after(&last.row));
            each(rows);
            match rest {
                Some(rest) => range = rest,
                None => break,
            }
        }
        Ok(())
    }
}

fn pair(row: &Bytes, mysql: Option<&ItemWrite>, hbase: Option<&StoredRow>, side: Side) -> Pair {
    let difference = if side == Side::Both { difference(mysql, hbase) } else { None };
    let named = |(qualifier, _): &(Bytes, Bytes)| !qualifier.is_empty();
    let written = |write: &ItemWrite| write.puts.iter().filter(|cell| named(cell)).cloned().collect();
    let stored = |row: &StoredRow| {
        let cells = row.cells.iter().map(|cell| (cell.qualifier.clone(), cell.value.clone()));
        cells.filter(named).collect()
    };
    Pair {
        row: row.clone(),
        mysql: mysql.map(|write| StoredItem { cells: written(write) }),
        hbase: hbase.map(|row| StoredItem { cells: stored(row) }),
        difference,
    }
}
