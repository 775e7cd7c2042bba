//! The figures of a suggestion as sentences, and as data for programs. Pure.

use super::estimate::{COPIED_A_SECOND, TAILED_A_SECOND, bytes_text, copy_time, duration_text, number_text};
use super::recent::{self, Recent};
use super::sample::{self, Sized};
use super::suggestion::Suggestion;
use super::targets::Plan;
use crate::model::bucket::key_name;
use crate::model::{Layout, Value};
use serde::Serialize;
use std::time::Duration;

/// Lists that are named.
const LISTS_SHOWN: usize = 5;
/// Characters of a list key in a comment.
const KEY_SHOWN: usize = 40;

/// What was seen, a sentence each.
pub fn seen(suggestion: &Suggestion) -> Vec<String> {
    let mut lines = vec![rows(suggestion), lists(suggestion)];
    let largest: Vec<String> =
        suggestion.sample.sized.iter().take(LISTS_SHOWN).map(|sized| one(suggestion, sized)).collect();
    if !largest.is_empty() {
        let which =
            if suggestion.sample.lists_counted.is_some() { "" } else { ", of those that were counted" };
        lines.push(format!("the largest lists{which}: {}", largest.join(", ")));
    }
    match &suggestion.recent {
        Ok(recent) => lines.extend(changes(suggestion, recent)),
        Err(reason) => lines.push(format!("tailfill did not read the binlog: {reason}")),
    }
    lines.push(bounds(suggestion));
    lines.extend(suggestion.sample.notes.iter().cloned());
    lines
}

fn rows(suggestion: &Suggestion) -> String {
    let (table, sample) = (&suggestion.table, &suggestion.sample);
    let primary = table.names(&table.schema.primary_key);
    let rows = match sample.rows_counted {
        Some(rows) => format!("{} rows", number_text(rows)),
        None => format!("about {} rows, by InnoDB's estimate", number_text(table.rows)),
    };
    format!(
        "{rows}; {} by MySQL's statistics; primary key ({primary})",
        bytes_text(table.build.data_bytes as f64)
    )
}

fn lists(suggestion: &Suggestion) -> String {
    let sample = &suggestion.sample;
    let key = suggestion.table.names(&suggestion.shape.chosen.key);
    let largest = match sample.largest_known() {
        Some(items) if sample.largest.is_some() => format!("the largest has {}", number_text(items)),
        Some(items) => {
            format!("the largest that the sample met has {}; there may be larger ones", number_text(items))
        }
        None => "nobody counted the largest".to_owned(),
    };
    match (sample.lists_counted, sample.rows_counted, suggestion.shape.chosen.items_each) {
        (Some(0), ..) => format!("no list: the table is empty, so its lists ({key}) are only guessed"),
        (Some(lists), Some(rows), _) => {
            format!(
                "{} lists ({key}), {:.1} items in each; {largest}",
                number_text(lists),
                rows as f64 / lists as f64
            )
        }
        (_, _, Some(each)) => {
            format!("lists ({key}) of about {each:.1} items, by InnoDB's estimate; {largest}")
        }
        _ => format!("lists ({key}); {largest}"),
    }
}

fn key(suggestion: &Suggestion, key: &[Value]) -> String {
    let name = key_name(&suggestion.mapping, key);
    match name.chars().count() > KEY_SHOWN {
        true => format!("{}...", name.chars().take(KEY_SHOWN).collect::<String>()),
        false => name,
    }
}

fn one(suggestion: &Suggestion, sized: &Sized) -> String {
    let about = if sized.is_estimate { "about " } else { "" };
    format!("{} ({about}{})", key(suggestion, &sized.key), number_text(sized.items))
}

fn changes(suggestion: &Suggestion, recent: &Recent) -> Vec<String> {
    let Recent { inserts, updates, deletes, transactions, seconds, .. } = recent;
    let time = duration_text(Duration::from_secs(*seconds));
    let cut = recent.cut.as_ref().map(|cut| format!(" ({cut})")).unwrap_or_default();
    let mut lines = vec![format!(
        "{} changes in {time} of the binlog{cut}, among {} transactions: {} inserts, {} updates, {} deletes; {:.1} a second. A tail writes {} a second",
        number_text(recent.changes()),
        number_text(*transactions),
        number_text(*inserts),
        number_text(*updates),
        number_text(*deletes),
        recent.rate(),
        number_text(TAILED_A_SECOND)
    )];
    let hottest = recent.hottest.iter().take(LISTS_SHOWN);
    let hottest: Vec<String> = hottest
        .map(|(list, changes)| format!("{} ({})", key(suggestion, list), number_text(*changes)))
        .collect();
    if !hottest.is_empty() {
        lines.push(format!("the lists with the most of these changes: {}", hottest.join(", ")));
    }
    lines
}

fn bounds(suggestion: &Suggestion) -> String {
    let sample = &suggestion.sample;
    let first =
        suggestion.table.schema.primary_key.first().map_or("?", |column| suggestion.table.name(*column));
    let counted = match sample.lists_counted {
        Some(_) => String::new(),
        None => format!(
            " It counted only lists that it met, and lists that EXPLAIN showed to have a hundredth of all rows or more \
             (tables above {} rows).",
            number_text(sample::COUNTED_ROWS_MAX)
        ),
    };
    let places = match sample.places {
        0 | 1 => String::new(),
        places => format!(
            ", from {places} places that lie evenly between the smallest and the largest {first}, so dense keys weigh too \
             little"
        ),
    };
    format!(
        "the sample: {} rows{places}.{counted} MySQL ended each SELECT after {} s, and tailfill the sample after {} s. Of the binlog \
         it read at most {} min, {} transactions, {} MiB and {} s",
        number_text(sample.rows_read),
        sample::SELECT_WITHIN.as_secs(),
        sample::WITHIN.as_secs(),
        recent::MINUTES,
        number_text(recent::TRANSACTIONS_MAX),
        recent::BYTES_MAX >> 20,
        recent::WITHIN.as_secs()
    )
}

fn rows_known(suggestion: &Suggestion) -> u64 {
    suggestion.sample.rows_of(&suggestion.table)
}

/// Bytes of a target in HBase; `None` where no row was seen.
fn target_bytes(suggestion: &Suggestion, place: usize) -> Option<f64> {
    let each = suggestion.item_bytes.get(place).copied().flatten()?;
    Some(each * rows_known(suggestion) as f64)
}

fn total_bytes(suggestion: &Suggestion) -> Option<f64> {
    (0..suggestion.plans.len()).map(|place| target_bytes(suggestion, place)).sum()
}

/// Estimates for the whole, a sentence each.
pub fn estimates(suggestion: &Suggestion) -> Vec<String> {
    let rows = rows_known(suggestion);
    let mut lines = Vec::new();
    if let Some(bytes) = total_bytes(suggestion).filter(|_| rows > 0) {
        lines.push(format!(
            "in HBase about {}: the sampled rows as tailfill would write them, before FAST_DIFF makes them smaller and HDFS \
             keeps copies",
            bytes_text(bytes)
        ));
    }
    let targets = suggestion.plans.len();
    lines.push(format!(
        "the copy takes about {}: {} rows into {targets} {}, {} a second into each (docs/performance.md, where MySQL, HBase \
         and tailfill share two cores). Your servers may be faster or slower",
        duration_text(copy_time(rows, targets)),
        number_text(rows),
        if targets == 1 { "target" } else { "targets" },
        number_text(COPIED_A_SECOND)
    ));
    if suggestion.plans.iter().any(|plan| plan.counted) {
        let line = "then the run counts the rows of the target with `count = true`, some thousands a second";
        lines.push(line.to_owned());
    }
    lines
}

/// Figures of one target, a sentence each.
pub fn of_target(suggestion: &Suggestion, place: usize) -> Vec<String> {
    let each = suggestion.item_bytes.get(place).copied().flatten();
    let (Some(each), Some(bytes)) = (each, target_bytes(suggestion, place)) else { return Vec::new() };
    let mut line = format!("About {} in HBase, {each:.0} bytes an item.", bytes_text(bytes));
    let is_one_row =
        suggestion.plans.get(place).is_some_and(|plan| plan.layout == Layout::Wide && !plan.segmented);
    if let Some(items) = suggestion.sample.largest_known().filter(|_| is_one_row) {
        line += &format!(" The row of the largest list has about {}.", bytes_text(items as f64 * each));
    }
    vec![line]
}

/// What `--json` prints.
#[derive(Serialize)]
pub struct Data<'a> {
    table: String,
    list: Vec<&'a str>,
    item: Vec<&'a str>,
    order: Option<&'a str>,
    descending: Option<bool>,
    rows: u64,
    rows_are_counted: bool,
    lists: Option<u64>,
    items_each: Option<f64>,
    largest_list_items: Option<u64>,
    largest_lists: Vec<Counted>,
    changes: Option<Changes>,
    targets: Vec<TargetData<'a>>,
    hbase_bytes: Option<u64>,
    copy_seconds: u64,
    notes: Vec<String>,
    /// The file.
    config: &'a str,
}

#[derive(Serialize)]
struct Counted {
    key: String,
    number: u64,
}

#[derive(Serialize)]
struct Changes {
    seconds: u64,
    transactions: u64,
    inserts: u64,
    updates: u64,
    deletes: u64,
    changes_a_second: f64,
    hottest_lists: Vec<Counted>,
}

#[derive(Serialize)]
struct TargetData<'a> {
    table: String,
    #[serde(flatten)]
    plan: &'a Plan,
    item_bytes: Option<f64>,
}

/// A suggestion for programs, with the file that it is.
pub fn data<'a>(suggestion: &'a Suggestion, config: &'a str) -> Data<'a> {
    let Suggestion { table, shape, sample, mapping, .. } = suggestion;
    let names = |columns: &[usize]| columns.iter().map(|column| table.name(*column)).collect();
    let counted = |key: &[Value], number| Counted { key: key_name(mapping, key), number };
    let recent = suggestion.recent.as_ref().ok();
    let plans = suggestion.plans.iter().zip(&suggestion.item_bytes);
    Data {
        table: table.schema.name.to_string(),
        list: names(&shape.chosen.key),
        item: names(&shape.chosen.item),
        order: shape.order.map(|order| table.name(order.column)),
        descending: shape.order.map(|order| order.descending),
        rows: rows_known(suggestion),
        rows_are_counted: sample.rows_counted.is_some(),
        lists: sample.lists_counted,
        items_each: shape.chosen.items_each,
        largest_list_items: sample.largest,
        largest_lists: sample
            .sized
            .iter()
            .take(LISTS_SHOWN)
            .map(|list| counted(&list.key, list.items))
            .collect(),
        changes: recent.map(|recent| Changes {
            seconds: recent.seconds,
            transactions: recent.transactions,
            inserts: recent.inserts,
            updates: recent.updates,
            deletes: recent.deletes,
            changes_a_second: recent.rate(),
            hottest_lists: recent.hottest.iter().take(LISTS_SHOWN).map(|(key, n)| counted(key, *n)).collect(),
        }),
        targets: plans
            .map(|(plan, item_bytes)| TargetData {
                table: format!("{}{}", suggestion.name, plan.suffix),
                plan,
                item_bytes: *item_bytes,
            })
            .collect(),
        hbase_bytes: total_bytes(suggestion).map(|bytes| bytes as u64),
        copy_seconds: copy_time(rows_known(suggestion), suggestion.plans.len()).as_secs(),
        notes: sample.notes.clone(),
        config,
    }
}
