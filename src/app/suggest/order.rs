//! Which column orders the lists. Pure.

use super::table::{OrderWish, Table, begins_with, called, column};
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::OrderKey;

/// An order, why, and the other columns that could be one.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub order: Option<OrderKey>,
    pub why: String,
    pub others: Vec<usize>,
}

/// The order of lists with these keys.
///
/// # Errors
/// Exit 2 for a wish that is no column, 3 for one that cannot be an order.
pub fn choose(
    table: &Table,
    key: &[usize],
    item: &[usize],
    wish: &OrderWish,
    latest_first: bool,
) -> Result<Choice, Failure> {
    let found = candidates(table, key, item);
    let order = |column| Some(OrderKey { column, descending: latest_first });
    let others = |chosen: Option<usize>| -> Vec<usize> {
        found.iter().map(|(column, _)| *column).filter(|column| Some(*column) != chosen).collect()
    };
    Ok(match wish {
        OrderWish::None => Choice { order: None, why: "--order none".to_owned(), others: others(None) },
        OrderWish::By(name) => {
            let column = wished(table, key, name)?;
            Choice { order: order(column), why: "--order".to_owned(), others: others(Some(column)) }
        }
        OrderWish::ByRule => match found.first() {
            Some((column, why)) => {
                Choice { order: order(*column), why: why.clone(), others: others(Some(*column)) }
            }
            None => {
                let why =
                    "no column orders the lists: neither an index nor a date without NULL does".to_owned();
                Choice { order: None, why, others: Vec::new() }
            }
        },
    })
}

fn wished(table: &Table, key: &[usize], name: &str) -> Result<usize, Failure> {
    let column = column(table, "--order", name)?;
    let reason = match table.unfit(column) {
        None if key.contains(&column) => "it is the same for a whole list".to_owned(),
        None => return Ok(column),
        Some(reason) => reason,
    };
    let reason = format!("--order: {name} of {} cannot be the order: {reason}", table.schema.name);
    Err(Failure::new(Exit::Refused, reason).with_help("name another column, or none"))
}

/// Columns that can order the lists, the best first, and why.
fn candidates(table: &Table, key: &[usize], item: &[usize]) -> Vec<(usize, String)> {
    let mut found: Vec<(u8, usize, String)> = Vec::new();
    let fits = |column: usize| !key.contains(&column) && table.unfit(column).is_none();
    for index in table.build.indexes.iter().filter(|index| begins_with(index, key)) {
        let Some(part) = index.parts.get(key.len()).filter(|part| fits(part.column)) else { continue };
        // the next column of a unique key orders the items anyway
        let is_item = item.contains(&part.column);
        let rank = match table.is_moment(part.column) {
            true => 0,
            false if !is_item => 1,
            false => continue,
        };
        let why = format!("{} has it behind the list", called(index));
        found.push((rank, part.column, why));
    }
    for column in (0..table.schema.columns.len()).filter(|column| fits(*column) && table.is_moment(*column)) {
        let why = "a date that is never NULL, though no index has it behind the list".to_owned();
        let created = table.name(column).to_ascii_lowercase().contains("creat");
        found.push((if created { 2 } else { 3 }, column, why));
    }
    if let Some(column) = table.build.auto_increment.filter(|column| fits(*column)) {
        found.push((4, column, "it rises with each row (AUTO_INCREMENT)".to_owned()));
    }
    // an UPDATE of the order moves the item, in each target that has it in its keys
    for (rank, column, why) in &mut found {
        if table.build.changed_by_updates.contains(column) {
            *rank += 10;
            *why += "; but each UPDATE changes it, and moves the item";
        }
    }
    found.sort_by_key(|(rank, ..)| *rank);
    let mut each_once: Vec<(usize, String)> = Vec::new();
    for (_, column, why) in found {
        if each_once.iter().all(|(known, _)| *known != column) {
            each_once.push((column, why));
        }
    }
    each_once
}
