//! A bounded sample of a table's rows and lists: rows at places of the primary key, and the sizes of some lists.
//!
//! Every SELECT is bounded by rows, and the server ends it after two seconds; the whole sample stops after ten.

use super::places;
use super::table::Table;
use crate::model::{ListPart, Mapping, Row, TableId, Value};
use crate::source::dives::Search;
use crate::source::preflight::was_stopped;
use crate::source::{KeyRange, MysqlSource, Snapshot, SourceError, Wanted};
use std::time::Duration;
use tokio::time::Instant;

/// How long the server lets one SELECT work.
pub const SELECT_WITHIN: Duration = Duration::from_secs(2);
/// No SELECT begins after this.
pub const WITHIN: Duration = Duration::from_secs(10);
/// Tables with so many rows, by InnoDB's estimate, are counted list by list.
pub const COUNTED_ROWS_MAX: u64 = 200_000;
/// Places of the primary key, beside its beginning.
pub const PLACES: usize = 48;
/// Rows that are read at each place.
pub const PLACE_ROWS: u32 = 40;
/// A list with this share of all rows is searched for, by so many dives into an index at most, for so long.
const HEAVY_SHARE: u64 = 100;
const DIVES_MAX: u32 = 400;
const DIVES_WITHIN: Duration = Duration::from_secs(3);
/// Heavy lists that are searched for.
const HEAVY_MAX: usize = 5;
/// Sampled rows are kept to be measured, up to so many bytes of text.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// A list and the number of its items.
#[derive(Clone, Debug, PartialEq)]
pub struct Sized {
    pub key: Vec<Value>,
    pub items: u64,
    /// Whether MySQL estimated them, because counting took too long.
    pub is_estimate: bool,
}

/// What was seen of a table's rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Rows in the table, where they were counted.
    pub rows_counted: Option<u64>,
    /// Lists in the table, where they were counted.
    pub lists_counted: Option<u64>,
    /// Items of the largest list, where MySQL found it in time.
    pub largest: Option<u64>,
    /// Lists whose items were counted, the largest first: all, or those that the sample met.
    pub sized: Vec<Sized>,
    /// The first and the last order value of the largest list of `sized`, in the units of segments: microseconds, or the
    /// numbers themselves.
    pub span: Option<(i128, i128)>,
    /// Places where rows were read.
    pub places: usize,
    pub rows_read: u64,
    /// Rows to measure.
    pub rows: Vec<Row>,
    /// What was left out, a sentence each.
    pub notes: Vec<String>,
}

impl Sample {
    /// Rows in the table.
    pub fn rows_of(&self, table: &Table) -> u64 {
        self.rows_counted.unwrap_or(table.rows)
    }

    /// Items of the largest list that is known.
    pub fn largest_known(&self) -> Option<u64> {
        self.largest.max(self.sized.first().map(|sized| sized.items))
    }
}

/// Reads a sample; `mapping` needs no targets, and its table is registered as number 0 with all columns that are read.
pub async fn take(source: &MysqlSource, table: &Table, mapping: &Mapping) -> Result<Sample, SourceError> {
    let begun = Instant::now();
    let mut sample = Sample::default();
    let mut snapshot = source.snapshot_within(SELECT_WITHIN).await?;
    if table.rows <= COUNTED_ROWS_MAX {
        count_all(&mut *snapshot, mapping, &mut sample).await?;
    }
    let met = read_places(source, &mut *snapshot, table, mapping, (begun, &mut sample)).await?;
    if sample.lists_counted.is_none() {
        count_some(source, &mut *snapshot, table, mapping, (begun, &mut sample, met)).await?;
        let found = source.largest_list(mapping, &[], SELECT_WITHIN).await?;
        sample.largest = found.map(|found| found.items);
    }
    sample.sized.sort_by_key(|sized| std::cmp::Reverse(sized.items));
    if begun.elapsed() < WITHIN && (sample.lists_counted.is_some() || table.index_of(&mapping.key).is_some())
    {
        sample.span = span(&mut *snapshot, mapping, &sample.sized).await?;
    }
    Ok(sample)
}

/// The ends of the order of the first list.
async fn span(
    snapshot: &mut dyn Snapshot,
    mapping: &Mapping,
    sized: &[Sized],
) -> Result<Option<(i128, i128)>, SourceError> {
    let (Some(order), Some(list)) = (mapping.order, sized.first()) else { return Ok(None) };
    let mut ends = Vec::new();
    for reversed in [false, true] {
        let part = ListPart { reversed, after: None, limit: 1 };
        let Some(rows) = in_time(snapshot.list_part(mapping, &list.key, &part).await)? else {
            return Ok(None);
        };
        ends.extend(rows.first().and_then(|row| units(&row[order.column])));
    }
    Ok(match ends[..] {
        [one, other] => Some((one.min(other), one.max(other))),
        _ => None,
    })
}

fn units(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::UInt(number) => Some(i128::from(*number)),
        Value::DateTime(moment) => moment.micros_since_epoch().map(i128::from),
        _ => None,
    }
}

/// `None` where the server ended the statement.
fn in_time<T>(result: Result<T, SourceError>) -> Result<Option<T>, SourceError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if was_stopped(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn key_of(mapping: &Mapping, row: &[Value]) -> Vec<Value> {
    mapping.key.iter().map(|column| row[*column].clone()).collect()
}

async fn count_all(
    snapshot: &mut dyn Snapshot,
    mapping: &Mapping,
    sample: &mut Sample,
) -> Result<(), SourceError> {
    let Some(lists) = in_time(snapshot.lists(mapping, &KeyRange::default()).await)? else {
        let note = format!("MySQL did not count all lists within {} s", SELECT_WITHIN.as_secs());
        sample.notes.push(note);
        return Ok(());
    };
    sample.lists_counted = Some(lists.len() as u64);
    sample.rows_counted = Some(lists.iter().map(|(_, items)| items).sum());
    sample.sized = lists
        .iter()
        .map(|(row, items)| Sized { key: key_of(mapping, row), items: *items, is_estimate: false })
        .collect();
    sample.largest = Some(sample.sized.iter().map(|sized| sized.items).max().unwrap_or(0));
    Ok(())
}

/// Reads rows at the beginning of the primary key and at places in it. Returns the lists that it met, those with the most
/// rows first.
async fn read_places(
    source: &MysqlSource,
    snapshot: &mut dyn Snapshot,
    table: &Table,
    mapping: &Mapping,
    (begun, sample): (Instant, &mut Sample),
) -> Result<Vec<Vec<Value>>, SourceError> {
    let all = u64::from(PLACE_ROWS) * PLACES as u64;
    let is_small = sample.rows_counted.is_some_and(|rows| rows < all);
    let place_rows = if is_small { PLACE_ROWS * PLACES as u32 } else { PLACE_ROWS };
    let mut afters = vec![None];
    if !is_small {
        afters.extend(places_of(source, table).await?.into_iter().map(Some));
    }
    if afters.len() == 1 && !is_small && table.rows > u64::from(PLACE_ROWS) {
        sample.notes.push(
            "only the first rows of the primary key were read: its type has no places in between".to_owned(),
        );
    }
    let mut met: Vec<(Vec<Value>, u64)> = Vec::new();
    let mut kept_bytes = 0;
    for after in afters {
        if begun.elapsed() > WITHIN {
            sample.notes.push(format!("the sample stopped after {} s", WITHIN.as_secs()));
            break;
        }
        let end = in_time(snapshot.chunk_end(TableId(0), after.as_deref(), place_rows).await)?;
        let Some(up_to) = end else { continue };
        let range = KeyRange { after, up_to };
        let mut take = |row: &[Value]| {
            sample.rows_read += 1;
            let key = key_of(mapping, row);
            match met.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => *rows += 1,
                None => met.push((key, 1)),
            }
            if kept_bytes < KEPT_BYTES_MAX {
                kept_bytes += row.iter().map(bytes_of).sum::<usize>();
                sample.rows.push(row.to_vec());
            }
        };
        if in_time(snapshot.each_row(mapping, Wanted::Range(&range), &mut take).await)?.is_some() {
            sample.places += 1;
        }
    }
    met.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    Ok(met.into_iter().map(|(key, _)| key).collect())
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 8,
    }
}

/// Primary keys, spread evenly between the smallest and the largest value of its first column.
async fn places_of(source: &MysqlSource, table: &Table) -> Result<Vec<Vec<Value>>, SourceError> {
    let schema = &table.schema;
    let Some((first, rest)) = schema.primary_key.split_first() else { return Ok(Vec::new()) };
    let rest: Option<Vec<Value>> =
        rest.iter().map(|column| places::smallest(&schema.columns[*column])).collect();
    let (Some(rest), true) = (rest, table.can_be_cell(*first)) else { return Ok(Vec::new()) };
    let Some((low, high)) = source.extremes(schema, *first, SELECT_WITHIN).await? else {
        return Ok(Vec::new());
    };
    let places = places::between(&low, &high, PLACES).into_iter();
    Ok(places.map(|place| std::iter::once(place).chain(rest.iter().cloned()).collect()).collect())
}

/// Lists with a large share of all rows, which an index of whole numbers finds by dives; with MySQL's estimates.
async fn heavy(source: &MysqlSource, table: &Table, mapping: &Mapping) -> Result<Vec<Sized>, SourceError> {
    let &[column] = mapping.key.as_slice() else { return Ok(Vec::new()) };
    let Some(index) = table.index_of(&mapping.key) else { return Ok(Vec::new()) };
    let number = |value: &Value| match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::UInt(number) => Some(i128::from(*number)),
        _ => None,
    };
    let ends = source.extremes(&table.schema, column, SELECT_WITHIN).await?;
    let Some((low, high)) = ends.and_then(|(low, high)| Some((number(&low)?, number(&high)?))) else {
        return Ok(Vec::new());
    };
    let search = Search {
        index: &index.name,
        column,
        from: low,
        to: high,
        dives_max: DIVES_MAX,
        within: DIVES_WITHIN,
        rows_min: table.rows / HEAVY_SHARE,
        found_max: HEAVY_MAX,
    };
    let found = source.heaviest(&table.schema, search).await?.into_iter();
    let value = |number: i128| match table.is_unsigned(column) {
        true => u64::try_from(number).ok().map(Value::UInt),
        false => i64::try_from(number).ok().map(Value::Int),
    };
    let sized = |(number, items)| Some(Sized { key: vec![value(number)?], items, is_estimate: true });
    Ok(found.filter_map(sized).collect())
}

/// Counts lists: those that have a large share of all rows, then those that the sample met, with the most rows first.
async fn count_some(
    source: &MysqlSource,
    snapshot: &mut dyn Snapshot,
    table: &Table,
    mapping: &Mapping,
    (begun, sample, met): (Instant, &mut Sample, Vec<Vec<Value>>),
) -> Result<(), SourceError> {
    if table.index_of(&mapping.key).is_none() {
        sample.notes.push("no list was counted: no index begins with the list key".to_owned());
        return Ok(());
    }
    let mut lists = heavy(source, table, mapping).await?;
    for key in met.into_iter().take(PLACES) {
        if lists.iter().all(|list| list.key != key) {
            lists.push(Sized { key, items: 0, is_estimate: true });
        }
    }
    for list in lists {
        let in_reach = begun.elapsed() <= WITHIN;
        let counted = if in_reach { in_time(snapshot.list_count(mapping, &list.key).await)? } else { None };
        match counted {
            Some(items) => sample.sized.push(Sized { items, is_estimate: false, ..list }),
            None if list.items > 0 => sample.sized.push(list),
            None => {}
        }
    }
    Ok(())
}
