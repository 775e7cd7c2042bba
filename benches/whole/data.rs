//! The table's rows: lists of skewed size, the same in every run, in an order of arrival that is random over lists.

use crate::ground::{FOLLOWS, Ground};
use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::task::JoinSet;

/// Rows of a transaction.
const TRANSACTION_ROWS: usize = 50;
const CONNECTIONS: usize = 8;
const SEED: u64 = 1;
/// Rows of a list, on average.
const LIST_ROWS: u64 = 20;

/// Who follows whom, in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    pub followee: u64,
    pub follower: u64,
}

/// The rows, and where they stand in the binlog.
pub struct Backlog {
    pub edges: Arc<Vec<Edge>>,
    /// What MySQL had executed before them: a GTID set.
    pub before: String,
    pub seconds: f64,
}

/// `rows` edges of about `rows / 20` lists, of which the largest holds about a tenth.
pub fn edges(rows: u64) -> Vec<Edge> {
    let lists = (rows / LIST_ROWS).max(1);
    let harmonic: f64 = (1..=lists).map(|rank| 1.0 / rank as f64).sum();
    let share = |rank: u64| (rows - lists) as f64 / harmonic / rank as f64;
    let mut sizes: Vec<u64> = (1..=lists).map(|rank| 1 + share(rank) as u64).collect();
    sizes[0] += rows - sizes.iter().sum::<u64>();
    let all = sizes.iter().zip(0..).flat_map(|(size, list)| (0..*size).map(move |item| edge(list, item)));
    let mut edges: Vec<Edge> = all.collect();
    edges.shuffle(&mut StdRng::seed_from_u64(SEED));
    edges
}

/// Numbers far apart: multiplication by an odd number is one-to-one in 32 bits.
pub fn edge(list: u64, item: u64) -> Edge {
    let scatter = |number: u64, odd: u64| number.wrapping_mul(odd) & 0xffff_ffff;
    Edge { followee: scatter(list + 1, 2_654_435_761), follower: scatter(item + 1, 2_246_822_519) }
}

/// The columns of an edge as an SQL tuple; `number` orders them in time.
pub fn tuple(edge: &Edge, number: usize) -> String {
    let scattered = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
    format!(
        "({}, {}, TIMESTAMPADD(MICROSECOND, {}, '2024-01-01'), 'note {:015}')",
        edge.followee,
        edge.follower,
        number as u64 * 37_000,
        scattered
    )
}

/// Fills the table by transactions of 50 rows on several connections.
pub async fn load(ground: &Ground) -> anyhow::Result<Backlog> {
    let edges = Arc::new(edges(ground.scale.rows));
    let before = ground.executed().await?;
    let begin = std::time::Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        workers.spawn(insert(ground.connect().await?, edges.clone(), next.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended.context("a connection that loads rows")??;
    }
    Ok(Backlog { edges, before, seconds: begin.elapsed().as_secs_f64() })
}

async fn insert(mut conn: Conn, edges: Arc<Vec<Edge>>, next: Arc<AtomicUsize>) -> anyhow::Result<()> {
    loop {
        let first = next.fetch_add(TRANSACTION_ROWS, Relaxed);
        if first >= edges.len() {
            return Ok(conn.disconnect().await?);
        }
        let rows = &edges[first..edges.len().min(first + TRANSACTION_ROWS)];
        let mut statement = format!("INSERT INTO {FOLLOWS} VALUES ");
        for (index, edge) in rows.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(statement, "{comma}{}", tuple(edge, first + index))?;
        }
        conn.query_drop(statement).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn edges_are_distinct_skewed_and_the_same_every_time() {
        let edges = edges(60_000);
        assert_eq!(edges.len(), 60_000);
        assert_eq!(edges.iter().collect::<HashSet<_>>().len(), 60_000);
        let mut sizes = HashMap::<u64, usize>::new();
        edges.iter().for_each(|edge| *sizes.entry(edge.followee).or_default() += 1);
        assert_eq!(sizes.len(), 3_000);
        assert!((6_000..10_000).contains(sizes.values().max().expect("lists")));
        assert_eq!(edges, super::edges(60_000));
    }
}
