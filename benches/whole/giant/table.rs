//! The table that is nearly one list, and the application that changes that list.
//!
//! Five rows of six are of the giant; the others are lists of twenty items, half of them before it in the primary key. The
//! order column is spread evenly over two years and has nothing to do with the item's number, so that rows that are
//! read together lie in every segment.

use crate::application::Transactions;
use crate::ground::Ground;
use crate::probe::Lists;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub const TABLE: &str = "giant";
/// Width of a segment, as [`LAYOUTS`](crate::configuration::LAYOUTS) have it.
const SEGMENT_MICROS: u64 = 30 * 86_400_000_000;
/// Items of every other list.
const LIST_ITEMS: u64 = 20;
/// Rows of a statement.
const STATEMENT_ROWS: u64 = 100_000;
const FIRST_MOMENT: &str = "2023-01-01";
const SECONDS: u64 = 2 * 365 * 86_400;

/// The table's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The giant's key.
    pub giant: u64,
    /// Its items at the beginning: each third number from 0 on.
    pub items: u64,
    lists: u64,
}

impl Table {
    pub fn of(rows: u64) -> Table {
        let lists = (rows / 6 / LIST_ITEMS).max(2);
        Table { giant: lists / 2, items: rows - lists * LIST_ITEMS, lists }
    }

    /// Makes and fills it.
    pub async fn fill(&self, ground: &Ground) -> anyhow::Result<()> {
        let mut conn = ground.connect().await?;
        conn.query_drop(format!("CREATE TABLE {TABLE} LIKE {}", crate::ground::FOLLOWS)).await?;
        conn.query_drop(format!("SET cte_max_recursion_depth = {STATEMENT_ROWS}")).await?;
        for first in (0..self.items).step_by(STATEMENT_ROWS as usize) {
            let end = self.items.min(first + STATEMENT_ROWS);
            conn.query_drop(insert(&self.giant.to_string(), "n.i * 3", first, end)).await?;
        }
        let rest = self.lists * LIST_ITEMS;
        // numbers before the giant's, and behind it
        let list = format!("(n.i DIV {LIST_ITEMS}) + (n.i DIV {LIST_ITEMS} >= {})", self.giant);
        for first in (0..rest).step_by(STATEMENT_ROWS as usize) {
            let end = rest.min(first + STATEMENT_ROWS);
            conn.query_drop(insert(&list, "n.i", first, end)).await?;
        }
        conn.query_drop(format!("ANALYZE TABLE {TABLE}")).await?;
        Ok(conn.disconnect().await?)
    }
}

/// Rows `first..end`, of an expression for the list and one for the item.
fn insert(list: &str, item: &str, first: u64, end: u64) -> String {
    format!(
        "INSERT INTO {TABLE} WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {end}) \
         SELECT {list}, {item}, {}, CONCAT('note ', LPAD(n.i, 15, '0')) FROM n",
        moment("(n.i * 2654435761)")
    )
}

/// A moment of the two years, by the expression of a number.
fn moment(number: &str) -> String {
    format!("TIMESTAMPADD(SECOND, {number} % {SECONDS}, '{FIRST_MOMENT}')")
}

/// The application: four of ten transactions move an item in its order (and so mostly to another segment), three delete one,
/// three insert one between those that are there.
pub struct Hot {
    table: Table,
    deleted: AtomicU64,
    inserted: AtomicU64,
}

/// Steps through the items without meeting one twice before all were met: primes, that divide no round number.
const DELETE_STEP: u64 = 7_919;
const INSERT_STEP: u64 = 104_729;

impl Hot {
    pub fn new(table: Table) -> Hot {
        Hot { table, deleted: AtomicU64::new(0), inserted: AtomicU64::new(0) }
    }

    /// Probes are of the giant too.
    pub fn lists(&self) -> Lists {
        let giant = self.table.giant;
        Arc::new(move || giant)
    }
}

impl Transactions for Hot {
    fn next(&self, rng: &mut StdRng) -> String {
        let Table { giant, items, .. } = self.table;
        let of = |number: u64| format!("followee_id = {giant} AND follower_id = {number}");
        let created = moment(&rng.random_range(0..SECONDS).to_string());
        match rng.random_range(0..10) {
            0..4 => {
                let item = rng.random_range(0..items) * 3;
                format!("UPDATE {TABLE} SET created_at = {created}, note = 'moved' WHERE {}", of(item))
            }
            4..7 => {
                let item = self.deleted.fetch_add(1, Relaxed) * DELETE_STEP % items * 3;
                format!("DELETE FROM {TABLE} WHERE {}", of(item))
            }
            _ => {
                let item = self.inserted.fetch_add(1, Relaxed) * INSERT_STEP % items * 3 + 1;
                format!("INSERT INTO {TABLE} VALUES ({giant}, {item}, {created}, 'new')")
            }
        }
    }
}

/// The expression for an item's segment.
pub fn segment() -> String {
    format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', created_at) DIV {SEGMENT_MICROS}")
}

/// The segment of a moment in microseconds.
pub fn segment_of(micros: i64) -> i64 {
    micros.div_euclid(SEGMENT_MICROS as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_of_1_2_million_rows_are_one_list_in_the_middle() {
        let table = Table::of(1_200_000);
        assert_eq!(table, Table { giant: 5_000, items: 1_000_000, lists: 10_000 });
        assert_eq!(Table::of(12_000), Table { giant: 50, items: 10_000, lists: 100 });
    }
}
