//! Which questions about a list a target answers, and what is read for it. Pure.
//!
//! A scan of HBase goes on from any place and in both directions over rows, but over the cells of one row only
//! forwards. So a wide list has a near end, where its first cells are, and a far one, which is read by reading all of
//! it; or, with segments, all of the segment that lies there.

use super::parts;
use crate::model::{Layout, Mapping, OrderKey, QueryKind, Target};

/// What is asked: a kind, and how many items at most where it returns any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub kind: QueryKind,
    pub limit: u32,
}

/// How a target answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// By one bounded read.
    Bounded(Reads),
    /// Only by reading the whole list; `change` would mend that.
    Scan { reads: Reads, change: String },
    /// Not at all.
    Not { reason: String, change: String },
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    pub unit: Unit,
    pub extent: Extent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Rows,
    Cells,
    /// Rows of the family of counts.
    Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// This many, or fewer in a shorter list.
    AtMost(u32),
    /// This many, and the rest of the segment in which the last of them lies.
    AndSegment(u32),
    /// One for each segment.
    Segments,
    /// One for each item.
    List,
}

/// How large a list is in a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListSize {
    pub items: u64,
    /// Of a target with segments, where they were counted.
    pub segments: Option<Segments>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    pub count: u64,
    /// Items of the largest one.
    pub largest: u64,
}

/// How `target` answers.
pub fn answer(mapping: &Mapping, target: &Target, ask: Ask) -> Answer {
    match ask.kind {
        QueryKind::Has => has(mapping, target),
        QueryKind::Count => count(target),
        QueryKind::Latest | QueryKind::First | QueryKind::Page => items(mapping, target, ask),
    }
}

/// The target that answers best: a bounded read before a scan, then the one that reads less, then the first. `None` for a
/// mapping without targets.
pub fn best(
    mapping: &Mapping,
    ask: Ask,
    size: impl Fn(&Target) -> Option<ListSize>,
) -> Option<(&Target, Answer)> {
    let answers = mapping.targets.iter().map(|target| (target, answer(mapping, target, ask)));
    answers.min_by_key(|(target, answer)| answer.rank(size(target)))
}

/// Whether items lie in the order of the list, so that neighbours there are neighbours in HBase.
pub fn keeps_order(mapping: &Mapping, target: &Target) -> bool {
    mapping.order.is_none() || parts::order_of(mapping, target).is_some()
}

fn has(mapping: &Mapping, target: &Target) -> Answer {
    let unit = unit(target);
    if parts::order_of(mapping, target).is_none() {
        return Answer::Bounded(Reads { unit, extent: Extent::AtMost(1) });
    }
    // whoever knows the order value has the whole address; a question by item has only half of it
    Answer::Scan {
        reads: Reads { unit, extent: Extent::List },
        change: "add a target with `ordered = false`: its addresses hold no order value, so one Get answers"
            .into(),
    }
}

fn count(target: &Target) -> Answer {
    if target.counted {
        let extent = if target.segment.is_some() { Extent::Segments } else { Extent::AtMost(1) };
        return Answer::Bounded(Reads { unit: Unit::Counts, extent });
    }
    let change = match target.layout {
        Layout::Wide => "give the target `count = true`",
        Layout::Tall => "add a wide target with `count = true`",
    };
    Answer::Scan { reads: Reads { unit: unit(target), extent: Extent::List }, change: change.into() }
}

fn items(mapping: &Mapping, target: &Target, ask: Ask) -> Answer {
    let unit = unit(target);
    if let Some(order) = mapping.order.filter(|_| !keeps_order(mapping, target)) {
        return without_order(mapping, target, order);
    }
    let extent = match (target.layout, ask.kind.is_at_end(mapping), target.segment) {
        (Layout::Tall, _, _) | (Layout::Wide, false, _) => Extent::AtMost(ask.limit),
        (Layout::Wide, true, Some(_)) => Extent::AndSegment(ask.limit),
        (Layout::Wide, true, None) => {
            let segment = if mapping.order.is_some() { "give the target `segment`, or " } else { "" };
            let change = format!("{segment}add a tall target: the cells of a row cannot be read backwards");
            return Answer::Scan { reads: Reads { unit, extent: Extent::List }, change };
        }
    };
    Answer::Bounded(Reads { unit, extent })
}

/// Of a target whose addresses hold no order value, in a mapping that has an order.
fn without_order(mapping: &Mapping, target: &Target, order: OrderKey) -> Answer {
    let name = mapping.schema.columns.get(order.column).map_or("?", |column| column.name.as_str());
    if target.columns.contains(&order.column) || mapping.item.contains(&order.column) {
        return Answer::Scan {
            reads: Reads { unit: unit(target), extent: Extent::List },
            change: "add a target without `ordered = false`: it keeps the order".into(),
        };
    }
    Answer::Not {
        reason: format!("it holds {name} neither in its addresses nor in its cells"),
        change: format!("add a target without `ordered = false`, or {name} to the columns of this one"),
    }
}

fn unit(target: &Target) -> Unit {
    if target.layout == Layout::Tall { Unit::Rows } else { Unit::Cells }
}

impl Answer {
    /// Less is better.
    fn rank(&self, size: Option<ListSize>) -> (u8, u64) {
        let most = |reads: &Reads| reads.number(size).unwrap_or(u64::MAX);
        match self {
            Answer::Bounded(reads) => (0, most(reads)),
            Answer::Scan { reads, .. } => (1, most(reads)),
            Answer::Not { .. } => (2, 0),
        }
    }
}

impl Reads {
    /// How many rows or cells, at most, for a list of this size; `None` where that cannot be said without one.
    pub fn number(&self, size: Option<ListSize>) -> Option<u64> {
        let items = size.map(|size| size.items);
        let segments = size.and_then(|size| size.segments);
        match self.extent {
            Extent::AtMost(limit) => Some(u64::from(limit).min(items.unwrap_or(u64::MAX))),
            Extent::AndSegment(limit) => {
                let most = u64::from(limit).saturating_add(segments?.largest);
                Some(most.min(items.unwrap_or(u64::MAX)))
            }
            Extent::Segments => segments.map(|segments| segments.count),
            Extent::List => items,
        }
    }

    /// The same in words: `5000 rows`, `1 cell`, `a cell for each item`.
    pub fn words(&self, size: Option<ListSize>) -> String {
        let (one, many) = match self.unit {
            Unit::Rows => ("row", "rows"),
            Unit::Cells => ("cell", "cells"),
            Unit::Counts => ("row of counts", "rows of counts"),
        };
        match (self.number(size), self.extent) {
            (Some(1), _) => format!("1 {one}"),
            (Some(number), _) => format!("{number} {many}"),
            (None, Extent::AndSegment(limit)) => format!("{limit} {many} and at most one segment more"),
            (None, Extent::Segments) => format!("a {one} for each segment"),
            (None, Extent::List | Extent::AtMost(_)) => format!("a {one} for each item"),
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
