//! Which columns name a list, an item, and the order: by the rules of docs/formats.md, from keys and indexes. Pure.

use super::order;
use super::table::{ShapeWish, Table, called, column};
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::table::quote;
use crate::model::{Mapping, MappingId, OrderKey, TableId, TableSchema};
use crate::source::facts_index::Index;
use std::sync::Arc;

/// A list should have at most so many items on average, where a unique key has more columns to choose from.
const ITEMS_EACH_MAX: f64 = 10_000.0;
/// Below this average, nearly each list has a single item.
const ITEMS_EACH_MIN: f64 = 1.2;
/// So few different values are a state or a kind, and no lists.
const LISTS_MIN: u64 = 16;
const EACH_ONCE: &str = "name each column once";

/// List key and item key that can stand together.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub key: Vec<usize>,
    pub item: Vec<usize>,
    /// Which index says so, in words.
    pub why: String,
    /// Items in a list on average, by InnoDB's estimate.
    pub items_each: Option<f64>,
    rank: u8,
}

/// The columns of a mapping, and why each.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub chosen: Candidate,
    pub order: Option<OrderKey>,
    pub why_order: String,
    /// Other orders that the table has.
    pub other_orders: Vec<usize>,
    /// Other lists that the table has, the likeliest first.
    pub others: Vec<Candidate>,
}

impl Shape {
    /// The mapping of this shape, without targets.
    pub fn mapping(&self, schema: &Arc<TableSchema>, name: &str) -> Mapping {
        Mapping {
            id: MappingId(0),
            name: name.to_owned(),
            table: TableId(0),
            schema: Arc::clone(schema),
            key: self.chosen.key.clone(),
            item: self.chosen.item.clone(),
            order: self.order,
            targets: Vec::new(),
        }
    }
}

/// The shape of a table, or why it has none. `latest_first`: whether the order is better descending.
///
/// # Errors
/// Exit 2 for a column that is not there; 3 where the table has no lists that tailfill can move.
pub fn shape(table: &Table, wish: &ShapeWish, latest_first: bool) -> Result<Shape, Failure> {
    require_primary_key(table)?;
    let list = columns(table, "--list", &wish.list)?;
    let item = columns(table, "--item", &wish.item)?;
    if let Some(both) = list.iter().find(|column| item.contains(column)) {
        let reason = format!("--item: {} is also a column of --list", table.name(*both));
        return Err(Failure::new(Exit::Usage, reason).with_help(EACH_ONCE));
    }
    let mut found = match list.as_slice() {
        [] => candidates(table),
        list => wished(table, list, &item).into_iter().collect(),
    };
    if !item.is_empty() {
        found.retain(|candidate| !candidate.key.iter().any(|column| item.contains(column)));
        for candidate in &mut found {
            candidate.item.clone_from(&item);
        }
        found.retain(|candidate| is_unique(table, candidate));
    }
    if found.is_empty() {
        return Err(no_lists(table, &list, &item));
    }
    let chosen = found.remove(0);
    let order::Choice { order, why, others } =
        order::choose(table, &chosen.key, &chosen.item, &wish.order, latest_first)?;
    Ok(Shape { chosen, order, why_order: why, other_orders: others, others: found })
}

fn require_primary_key(table: &Table) -> Result<(), Failure> {
    let schema = &table.schema;
    if !schema.primary_key.is_empty() {
        return Ok(());
    }
    let reason =
        format!("{} has no primary key of whole columns, and the copy reads ranges of it", schema.name);
    let unique = schema.unique_keys.iter().find(|key| table.fits(key));
    let key = unique.map_or_else(
        || "of columns that name one row".to_owned(),
        |key| {
            let names: Vec<String> = key.iter().map(|column| quote(table.name(*column))).collect();
            format!("({})", names.join(", "))
        },
    );
    let help = match unique {
        Some(_) => format!("ALTER TABLE {} ADD PRIMARY KEY {key}", schema.name.quoted()),
        None => format!("add a primary key {key} to {}", schema.name.quoted()),
    };
    Err(Failure::new(Exit::Refused, reason).with_help(help))
}

/// Names that were typed as columns, each of which fits a key.
fn columns(table: &Table, option: &str, names: &[String]) -> Result<Vec<usize>, Failure> {
    let mut found = Vec::new();
    for name in names {
        let column = column(table, option, name)?;
        if found.contains(&column) {
            let reason = format!("{option} names {name} twice");
            return Err(Failure::new(Exit::Usage, reason).with_help(EACH_ONCE));
        }
        if let Some(reason) = table.unfit(column) {
            let reason =
                format!("{option}: {name} of {} cannot be part of a key: {reason}", table.schema.name);
            return Err(
                Failure::new(Exit::Refused, reason).with_help("name another column, or change this one")
            );
        }
        found.push(column);
    }
    Ok(found)
}

/// The list key that a person wishes, with the item key that a unique key leaves.
fn wished(table: &Table, list: &[usize], item: &[usize]) -> Option<Candidate> {
    let rest = |unique: &Vec<usize>| -> Vec<usize> {
        unique.iter().copied().filter(|column| !list.contains(column)).collect()
    };
    let uniques = table.schema.unique_keys.iter();
    let fitting =
        uniques.map(|unique| (unique, rest(unique))).filter(|(_, rest)| !rest.is_empty() && table.fits(rest));
    // a unique key that has the list's columns leaves the fewest others
    let best =
        fitting.min_by_key(|(unique, rest)| (!list.iter().all(|column| unique.contains(column)), rest.len()));
    let rest = match (best, item) {
        (Some((_, rest)), _) => rest,
        (None, []) => return None,
        (None, item) => item.to_vec(),
    };
    let items_each = table.index_of(list).and_then(|index| table.rows_each(index, list.len()));
    let why = match table.index_of(list) {
        Some(index) => format!("--list; {} begins with it", called(index)),
        None => "--list; no index begins with it, so MySQL scans the table for each list that tailfill reads"
            .to_owned(),
    };
    Some(Candidate { key: list.to_vec(), item: rest, why, items_each, rank: 0 })
}

/// Every list that an index shows, the best first.
fn candidates(table: &Table) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for index in &table.build.indexes {
        let of_index = of_unique(table, index).or_else(|| of_other(table, index));
        if let Some(candidate) = of_index
            && found.iter().all(|other| other.key != candidate.key)
        {
            found.push(candidate);
        }
    }
    found.sort_by_key(|candidate| candidate.rank);
    found
}

/// A unique key of several columns: its first ones name the list, the others the item.
fn of_unique(table: &Table, index: &Index) -> Option<Candidate> {
    let columns = index.columns();
    if !index.is_unique || !index.is_whole || columns.len() < 2 || !table.fits(&columns) {
        return None;
    }
    let parts = (1..columns.len())
        .find(|parts| table.rows_each(index, *parts).is_none_or(|each| each <= ITEMS_EACH_MAX))
        .unwrap_or(columns.len() - 1);
    let (key, item) = columns.split_at(parts);
    let items_each = table.rows_each(index, parts);
    let more = match parts {
        1 => String::new(),
        _ => format!(
            ", and lists of {} alone would be too long ({} rows each)",
            table.name(key[0]),
            table.rows_each(index, 1).unwrap_or_default().round()
        ),
    };
    let why = format!("{} begins with it{more}", called(index));
    let rank = u8::from(!index.is_primary()) + demerits(table, index, key, items_each);
    Some(Candidate { key: key.to_vec(), item: item.to_vec(), why, items_each, rank })
}

/// Any other index: its first column names the list, the primary key the item.
fn of_other(table: &Table, index: &Index) -> Option<Candidate> {
    let key: Vec<usize> = index.columns().into_iter().take(1).collect();
    let primary = &table.schema.primary_key;
    let item: Vec<usize> = primary.iter().copied().filter(|column| !key.contains(column)).collect();
    let one_row = index.is_unique && index.is_whole && index.parts.len() == 1;
    if one_row || item.is_empty() || !table.fits(&key) || !table.fits(&item) {
        return None;
    }
    let items_each = table.rows_each(index, 1);
    let ordered = index.parts.get(1).is_some_and(|part| table.is_moment(part.column));
    let rank = 3 - u8::from(ordered) + demerits(table, index, &key, items_each);
    Some(Candidate { key, item, why: format!("{} begins with it", called(index)), items_each, rank })
}

/// What makes columns unlikely to name lists.
fn demerits(table: &Table, index: &Index, key: &[usize], items_each: Option<f64>) -> u8 {
    let strange =
        key.iter().any(|column| table.is_moment(*column) || table.build.auto_increment == Some(*column));
    let single = items_each.is_some_and(|each| each < ITEMS_EACH_MIN);
    let distinct = index.parts.get(key.len() - 1).map_or(0, |part| part.distinct);
    let few = items_each.is_some() && distinct < LISTS_MIN;
    if strange || single { 20 } else { u8::from(few) * 10 }
}

fn is_unique(table: &Table, candidate: &Candidate) -> bool {
    let named = |column: &usize| candidate.key.contains(column) || candidate.item.contains(column);
    table.schema.unique_keys.iter().any(|unique| unique.iter().all(named))
}

fn no_lists(table: &Table, list: &[usize], item: &[usize]) -> Failure {
    let name = &table.schema.name;
    if !list.is_empty() || !item.is_empty() {
        let together: Vec<usize> = list.iter().chain(item).copied().collect();
        let reason = match item {
            [] => format!("no unique key of {name} names the items of the lists of {}", table.names(list)),
            _ => format!("no unique key of {name} says that {} name one row", table.names(&together)),
        };
        let mut failure = Failure::new(Exit::Refused, reason)
            .with_help("--list and --item together must hold all columns of a unique key without NULL");
        failure.details = keys(table);
        return failure;
    }
    let reason =
        format!("no index of {name} shows lists: rows that belong together, in columns that can be keys");
    let mut failure = Failure::new(Exit::Refused, reason)
        .with_help("name the columns yourself with --list, or add an index that begins with them");
    failure.details = keys(table);
    failure
}

/// Each index, and what keeps it from naming lists.
fn keys(table: &Table) -> Vec<String> {
    let line = |index: &Index| {
        let columns = index.columns();
        let unfit = columns.iter().find_map(|column| Some((*column, table.unfit(*column)?)));
        let reason = match unfit {
            Some((column, reason)) => format!("; {}: {reason}", table.name(column)),
            None if index.is_unique && columns.len() == 1 => "; it names single rows".to_owned(),
            None => String::new(),
        };
        format!("{}: {}{reason}", called(index), table.names(&columns))
    };
    table.build.indexes.iter().map(line).collect()
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
