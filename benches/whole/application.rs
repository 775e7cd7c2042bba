//! An application at a steady pace: single-row transactions, on the table of most cases 60 % inserts, 25 % updates, 15 % deletes.
//!
//! Open loop: each transaction has its moment, whatever became of the one before; if MySQL cannot keep up, the rate that
//! was reached says so.

use crate::data::{Edge, tuple};
use crate::ground::{FOLLOWS, Ground};
use crate::probe::Lists;
use anyhow::Context;
use hdrhistogram::Histogram;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CONNECTIONS: u32 = 8;
/// New lists and items: those of the table have lower numbers, so that nothing is there already.
const FIRST_NEW: u64 = 1 << 33;
/// Of so many inserts one begins a list, at the end of the table: users with rising numbers.
const NEW_LIST_EVERY: u64 = 50;

/// The rows that an application may still delete, over all cases of a run.
pub struct Rows {
    edges: Arc<Vec<Edge>>,
    /// Edges before this one are deleted; updates keep to the second half.
    deleted: AtomicUsize,
    inserted: AtomicU64,
}

/// What an application does.
pub trait Transactions: Send + Sync + 'static {
    /// The next transaction: one statement.
    fn next(&self, rng: &mut StdRng) -> String;
}

impl Transactions for Rows {
    fn next(&self, rng: &mut StdRng) -> String {
        let half = self.edges.len() / 2;
        match rng.random_range(0..100) {
            0..25 => {
                let Edge { followee, follower } = self.edges[rng.random_range(half..self.edges.len())];
                let note: u64 = rng.random_range(0..1_000_000_000);
                format!(
                    "UPDATE {FOLLOWS} SET note = 'note {note:015}' WHERE followee_id = {followee} AND follower_id = {follower}"
                )
            }
            25..40 => match self.edges[..half].get(self.deleted.fetch_add(1, Relaxed)) {
                Some(Edge { followee, follower }) => {
                    format!(
                        "DELETE FROM {FOLLOWS} WHERE followee_id = {followee} AND follower_id = {follower}"
                    )
                }
                None => self.insert(rng),
            },
            _ => self.insert(rng),
        }
    }
}

impl Rows {
    pub fn new(edges: Arc<Vec<Edge>>) -> Rows {
        Rows { edges, deleted: AtomicUsize::new(0), inserted: AtomicU64::new(0) }
    }

    /// A list of the table, a long one more often: as if any of its followers had been asked.
    pub fn any_list(&self, rng: &mut impl Rng) -> u64 {
        self.edges[rng.random_range(0..self.edges.len())].followee
    }

    /// [`any_list`](Rows::any_list) of each probe.
    pub fn lists(self: &Arc<Rows>) -> Lists {
        let rows = self.clone();
        Arc::new(move || rows.any_list(&mut rand::rng()))
    }

    fn insert(&self, rng: &mut StdRng) -> String {
        let number = self.inserted.fetch_add(1, Relaxed);
        let followee =
            if number.is_multiple_of(NEW_LIST_EVERY) { FIRST_NEW + number } else { self.any_list(rng) };
        let new = Edge { followee, follower: FIRST_NEW + number };
        format!("INSERT INTO {FOLLOWS} VALUES {}", tuple(&new, number as usize))
    }
}

/// The application at work; ends when dropped.
pub struct Application {
    workers: JoinSet<anyhow::Result<()>>,
    shared: Arc<Shared>,
    begin: Instant,
}

struct Shared {
    stop: AtomicBool,
    committed: AtomicU64,
    /// Microseconds from the moment of each transaction to its reply, since somebody took them.
    waited: Mutex<Histogram<u64>>,
}

impl Application {
    pub async fn start(ground: &Ground, rows: &Arc<Rows>) -> anyhow::Result<Application> {
        Application::at_rate(ground, rows, ground.scale.rate).await
    }

    /// So many transactions a second.
    pub async fn at_rate(
        ground: &Ground,
        transactions: &Arc<impl Transactions>,
        rate: u32,
    ) -> anyhow::Result<Application> {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            committed: AtomicU64::new(0),
            waited: Mutex::new(Histogram::new(3)?),
        });
        let mut conns = Vec::new();
        for _ in 0..CONNECTIONS {
            conns.push(ground.connect().await?);
        }
        let (mut workers, begin) = (JoinSet::new(), Instant::now());
        let pace = Duration::from_secs(1) * CONNECTIONS / rate;
        for (number, conn) in (0..CONNECTIONS).zip(conns) {
            let first = begin + pace * number / CONNECTIONS;
            workers.spawn(work(conn, transactions.clone(), shared.clone(), first, pace));
        }
        Ok(Application { workers, shared, begin })
    }

    /// How long transactions took since the last call, microseconds.
    pub fn take_waited(&self) -> Histogram<u64> {
        let mut waited = self.shared.waited.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = waited.clone();
        waited.reset();
        taken
    }

    /// Ends it and returns the transactions a second that it reached.
    ///
    /// # Errors
    /// A transaction failed.
    pub async fn stop(mut self) -> anyhow::Result<f64> {
        let rate = self.shared.committed.load(Relaxed) as f64 / self.begin.elapsed().as_secs_f64();
        self.shared.stop.store(true, Relaxed);
        while let Some(ended) = self.workers.join_next().await {
            ended.context("the application")??;
        }
        Ok(rate)
    }
}

async fn work(
    mut conn: Conn,
    transactions: Arc<impl Transactions>,
    shared: Arc<Shared>,
    first: Instant,
    pace: Duration,
) -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(rand::random());
    let mut due = first;
    while !shared.stop.load(Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        conn.query_drop(transactions.next(&mut rng)).await.context("a transaction of the application")?;
        let micros = u64::try_from(due.elapsed().as_micros())?;
        shared.waited.lock().unwrap_or_else(PoisonError::into_inner).record(micros)?;
        due += pace;
        shared.committed.fetch_add(1, Relaxed);
    }
    Ok(conn.disconnect().await?)
}
