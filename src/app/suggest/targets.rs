//! Which HBase tables answer the queries that an application makes: docs/formats.md, "From a query to a target". Pure.

use crate::model::{Layout, QueryKind};
use serde::Serialize;

/// A row of a wide target should stay below this, and HBase cannot split it.
pub const ROW_BYTES_MAX: f64 = 10e6;
/// Items that a segment should have: rows of bounded size, few of them for a usual read.
pub const SEGMENT_ITEMS: f64 = 5_000.0;

/// A query that the application makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub kind: QueryKind,
    /// For the kinds that return items.
    pub limit: Option<u32>,
}

/// What is known of the lists that targets are made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lists {
    pub has_order: bool,
    /// Whether the order is a number or a date, which segments divide.
    pub can_segment: bool,
    /// Bytes of the largest list in one row; `None` where nobody knows.
    pub largest_bytes: Option<f64>,
}

/// One target, without its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Behind the mapping's name.
    pub suffix: &'static str,
    #[serde(serialize_with = "layout_name")]
    pub layout: Layout,
    /// Whether the order is part of the address; `false` in a mapping without one.
    pub ordered: bool,
    /// Whether it holds all columns; else only that an item exists.
    pub full: bool,
    pub segmented: bool,
    pub counted: bool,
    /// What it answers, and why it looks as it does.
    pub why: &'static str,
}

fn layout_name<S: serde::Serializer>(layout: &Layout, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name(*layout))
}

/// As the configuration spells it.
pub fn name(layout: Layout) -> &'static str {
    match layout {
        Layout::Tall => "tall",
        Layout::Wide => "wide",
    }
}

/// The targets for these queries, each answered by a bounded read. The first one holds all columns.
pub fn plan(asked: &[Asked], lists: Lists) -> Vec<Plan> {
    let wants = |kind| asked.iter().any(|asked| asked.kind == kind);
    let items = asked.iter().any(|asked| asked.kind.returns_items());
    let (has, count) = (wants(QueryKind::Has), wants(QueryKind::Count));
    let mut plans = Vec::new();
    if items || !has && !count {
        plans.push(tall(lists.has_order));
    }
    // without an order, the rows of the first target are found by the item alone
    let has_left = has && (plans.is_empty() || lists.has_order);
    let counts = count.then(|| counted(lists, has_left));
    if has_left && counts.is_none_or(|counts| counts.ordered) {
        plans.push(members());
    }
    plans.extend(counts);
    if let Some(first) = plans.first_mut() {
        (first.full, first.suffix) = (true, "");
    }
    plans
}

fn tall(has_order: bool) -> Plan {
    Plan {
        suffix: "",
        layout: Layout::Tall,
        ordered: has_order,
        full: true,
        segmented: false,
        counted: false,
        why: match has_order {
            true => {
                "a row for each item, in the order of the list: one scan answers latest, first and page, for lists of any length"
            }
            false => {
                "a row for each item: one scan answers first and page, one read answers has, for lists of any length"
            }
        },
    }
}

fn members() -> Plan {
    Plan {
        suffix: "_has",
        layout: Layout::Tall,
        ordered: false,
        full: false,
        segmented: false,
        counted: false,
        why: "for has: without the order in its address, one read finds an item",
    }
}

/// `has`: whether it may answer that too.
fn counted(lists: Lists, has: bool) -> Plan {
    let fits = lists.largest_bytes.is_some_and(|bytes| bytes < ROW_BYTES_MAX);
    let segmented = lists.can_segment && !fits;
    Plan {
        suffix: "_counts",
        layout: Layout::Wide,
        ordered: segmented,
        full: false,
        segmented,
        counted: true,
        why: match (segmented, fits, has) {
            (true, ..) => {
                "for count: a row for each segment keeps its number of items. One row for a whole list could become too large"
            }
            (false, true, true) => {
                "for count and has: a row for each list keeps the number of its items, and one read finds an item. The largest list stays below 10 MB"
            }
            (false, true, false) => {
                "for count: a row for each list keeps the number of its items. The largest list stays below 10 MB"
            }
            (false, false, _) => {
                "for count: a row for each list keeps the number of its items. A list above 10 MB is too large for HBase, and only orders that are dates or numbers have segments"
            }
        },
    }
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
