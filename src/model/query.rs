//! What an application asks of a list, and the parts of a list that answer.

use super::{ColumnValue, Mapping, Row, Value};
use std::cmp::Ordering;

/// `kind` of a `[[mapping.query]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// The last N items by the order value.
    Latest,
    /// The first N.
    First,
    /// The next N behind an item, in the order of the list.
    Page,
    /// Whether an item is in the list.
    Has,
    /// How many items it has.
    Count,
}

impl QueryKind {
    /// Whether it returns items, so that it needs a limit.
    pub fn returns_items(self) -> bool {
        matches!(self, QueryKind::Latest | QueryKind::First | QueryKind::Page)
    }

    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            QueryKind::Latest => "latest",
            QueryKind::First => "first",
            QueryKind::Page => "page",
            QueryKind::Has => "has",
            QueryKind::Count => "count",
        }
    }

    /// Whether the items are those at the end of the list's order, from the last one on.
    pub fn is_at_end(self, mapping: &Mapping) -> bool {
        let descending = mapping.order.is_some_and(|order| order.descending);
        match self {
            QueryKind::Latest => !descending,
            QueryKind::First => descending,
            QueryKind::Page | QueryKind::Has | QueryKind::Count => false,
        }
    }
}

/// An item's place in the order of its list.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// Exactly where the mapping has an order.
    pub order: Option<Value>,
    /// Values of the item columns.
    pub item: Vec<Value>,
}

/// Some items of a list, in its order: by order value in the mapping's direction, ties by item ascending; without an
/// order by item.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPart {
    /// From the last item on, in the reverse order.
    pub reversed: bool,
    /// Only what lies behind this place, in the order of the list.
    pub after: Option<Cursor>,
    /// At most this many items.
    pub limit: u32,
}

impl ListPart {
    /// This part of a list that is given whole: what a source without a query language does.
    pub fn of(&self, mapping: &Mapping, mut rows: Vec<Row>) -> Vec<Row> {
        rows.sort_by(|a, b| compare(mapping, &place(mapping, a), &place(mapping, b)));
        if let Some(after) = &self.after {
            rows.retain(|row| compare(mapping, &place(mapping, row), after) == Ordering::Greater);
        }
        if self.reversed {
            rows.reverse();
        }
        rows.truncate(self.limit as usize);
        rows
    }
}

fn place(mapping: &Mapping, row: &Row) -> Cursor {
    let value = |column: usize| row.get(column).cloned().unwrap_or(ColumnValue::Null);
    Cursor {
        order: mapping.order.map(|order| value(order.column)),
        item: mapping.item.iter().map(|&column| value(column)).collect(),
    }
}

fn compare(mapping: &Mapping, a: &Cursor, b: &Cursor) -> Ordering {
    let orders = match (&a.order, &b.order) {
        (Some(a), Some(b)) => compare_keys(a, b),
        _ => Ordering::Equal,
    };
    let orders = if mapping.order.is_some_and(|order| order.descending) { orders.reverse() } else { orders };
    let items = a.item.iter().zip(&b.item).map(|(a, b)| compare_keys(a, b));
    items.fold(orders, Ordering::then)
}

/// As the parts of two values of one column compare in HBase: texts by their bytes, whatever the collation. Values that
/// cannot be in a key are equal.
fn compare_keys(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (ColumnValue::Int(a), ColumnValue::Int(b)) => a.cmp(b),
        (ColumnValue::UInt(a), ColumnValue::UInt(b)) => a.cmp(b),
        (ColumnValue::Text(a), ColumnValue::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (ColumnValue::Bytes(a), ColumnValue::Bytes(b)) => a.cmp(b),
        (ColumnValue::DateTime(a), ColumnValue::DateTime(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}
