//! Transactions that change whole lists at once, beside the application's small ones.

use super::bag::{between, dice};
use crate::support::mysql;
use crate::support::shape::Shape;
use mysql_async::Conn;
use mysql_async::Error;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How many transactions, and how many rows they have changed.
#[derive(Clone, Copy, Default)]
pub struct Bulk {
    pub transactions: u64,
    pub rows: u64,
}

/// Changes whole lists until it is stopped.
pub async fn change_whole_lists(
    (port, database): (u16, String),
    shape: &'static Shape,
    sizes: Vec<u64>,
    (seed, round): (u64, u64),
    stop: CancellationToken,
) -> Bulk {
    let mut dice = dice(seed, round, "bulk");
    let mut conn = mysql::connect_when_up(port, Some(&database)).await;
    let mut done = Bulk::default();
    loop {
        let pause = between(&mut dice, 4_000, 25_000);
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return done;
        }
        match commit(&mut conn, &statements(shape, &sizes, &mut dice)).await {
            Ok(rows) => {
                done.transactions += 1;
                done.rows += rows;
            }
            // a duplicate key, a lock that took too long, a deadlock: what applications shrug at
            Err(Error::Server(error)) if [1062, 1205, 1213].contains(&error.code) => {
                // its end rolls back
                conn = mysql::connect_when_up(port, Some(&database)).await;
            }
            Err(error) if mysql::is_lost(&error) => {
                conn = mysql::connect_when_up(port, Some(&database)).await
            }
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn commit(conn: &mut Conn, statements: &[String]) -> Result<u64, Error> {
    let mut rows = 0;
    conn.query_drop("BEGIN").await?;
    for statement in statements {
        conn.query_drop(statement).await?;
        rows += conn.affected_rows();
    }
    conn.query_drop("COMMIT").await?;
    Ok(rows)
}

/// A transaction over whole lists: their values, their order, their end, or their end and a new beginning.
fn statements(shape: &Shape, sizes: &[u64], dice: &mut StdRng) -> Vec<String> {
    let (lists, table) = (sizes.len() as u64, shape.table);
    // the largest list is in the middle
    let list = if dice.random_ratio(1, 2) { lists / 2 } else { dice.random_range(0..lists) };
    let number = dice.random_range(0..1_000_000_000);
    let (is_list, order) = (shape.is_list(list), shape.order);
    let reorder = format!("UPDATE {table} SET {} = {} WHERE {is_list}", order.name, (order.literal)(number));
    let delete = format!("DELETE FROM {table} WHERE {is_list}");
    match dice.random_range(0..4) {
        0 => vec![format!("UPDATE {table} SET {} WHERE {is_list}", shape.set_values(Some(number)))],
        1 => vec![reorder],
        2 => vec![delete, rows(shape, list, sizes[list as usize].clamp(1, 1_500), number)],
        _ => {
            let small = dice.random_range(0..lists);
            vec![format!("DELETE FROM {table} WHERE {}", shape.is_list(small)), reorder]
        }
    }
}

fn rows(shape: &Shape, list: u64, items: u64, number: u64) -> String {
    let rows: Vec<String> = (1..=items).map(|item| shape.row(list, item, number + item)).collect();
    format!("{}{}", shape.insert(), rows.join(", "))
}
