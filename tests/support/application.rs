//! An application that keeps changing a table of lists while somebody moves it. It knows nothing of tailfill.

use super::mysql;
use super::shape::{Shape, equal};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::JoinSet;

/// The application at work.
pub struct Application {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    port: u16,
    database: String,
    /// Whether MySQL may be restarted under it: it connects again whenever that is there.
    is_patient: AtomicBool,
    stop: AtomicBool,
    transactions: AtomicU64,
}

impl Application {
    /// Starts changing the tables, each on `connections` connections, with a pause between transactions.
    pub async fn start(
        (port, database): (u16, &str),
        shapes: &[&'static Shape],
        sizes: &[u64],
        connections: u64,
        seed: u64,
    ) -> Application {
        println!("the application's seed is {seed}");
        let shared = Arc::new(Shared { port, database: database.to_owned(), ..Shared::default() });
        let mut workers = JoinSet::new();
        let each = shapes.iter().flat_map(|shape| std::iter::repeat_n(*shape, connections as usize));
        for (number, shape) in (0..).zip(each) {
            let worker = Worker {
                conn: mysql::connect(shared.port, Some(&shared.database)).await,
                rng: StdRng::seed_from_u64(seed.wrapping_add(number)),
                shape,
                sizes: sizes.to_vec(),
                shared: shared.clone(),
            };
            workers.spawn(worker.work());
        }
        Application { shared, workers }
    }

    /// Lets it outlast its server's restarts.
    pub fn patient(self) -> Application {
        self.shared.is_patient.store(true, Relaxed);
        self
    }

    /// Transactions committed so far.
    pub fn transactions(&self) -> u64 {
        self.shared.transactions.load(Relaxed)
    }

    /// Ends it; everything that it did is committed. Returns the number of transactions.
    pub async fn stop(mut self) -> u64 {
        self.shared.stop.store(true, Relaxed);
        while let Some(worker) = self.workers.join_next().await {
            worker.expect("the application works");
        }
        self.transactions()
    }
}

struct Worker {
    conn: Conn,
    rng: StdRng,
    shape: &'static Shape,
    sizes: Vec<u64>,
    shared: Arc<Shared>,
}

impl Worker {
    async fn work(mut self) {
        while !self.shared.stop.load(Relaxed) {
            for transaction in self.transactions() {
                match self.commit(&transaction).await {
                    Ok(()) => drop(self.shared.transactions.fetch_add(1, Relaxed)),
                    // a duplicate key, a lock that took too long, a deadlock: what applications shrug at
                    Err(Error::Server(error)) if [1062, 1205, 1213].contains(&error.code) => {
                        let rolled_back = self.conn.query_drop("ROLLBACK").await;
                        self.outlive(rolled_back, &transaction).await;
                    }
                    Err(error) => self.outlive(Err(error), &transaction).await,
                }
            }
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..8))).await;
        }
    }

    /// What it was doing when MySQL ended is committed or not, which nobody can tell.
    async fn outlive(&mut self, outcome: Result<(), Error>, transaction: &[String]) {
        let Shared { port, database, is_patient, .. } = &*self.shared;
        match outcome {
            Ok(()) => {}
            Err(error) if is_patient.load(Relaxed) && mysql::is_lost(&error) => {
                self.conn = mysql::connect_when_up(*port, Some(database)).await;
            }
            Err(error) => panic!("{error}: {transaction:?}"),
        }
    }

    async fn commit(&mut self, statements: &[String]) -> Result<(), Error> {
        self.conn.query_drop("BEGIN").await?;
        for statement in statements {
            self.conn.query_drop(statement).await?;
        }
        let end = if self.rng.random_ratio(1, 40) { "ROLLBACK" } else { "COMMIT" };
        self.conn.query_drop(end).await
    }

    /// A list: often the giant, often one at either end, sometimes one that is not there yet.
    fn list(&mut self) -> u64 {
        let lists = self.sizes.len() as u64;
        match self.rng.random_range(0..100) {
            0..20 => lists / 2,
            20..35 => self.rng.random_range(0..=lists / 10),
            35..50 => lists - lists / 10 + self.rng.random_range(0..=lists / 8),
            _ => self.rng.random_range(0..lists),
        }
    }

    /// An item of it, which may be there.
    fn item(&mut self, list: u64) -> u64 {
        let size = self.sizes.get(list as usize).copied().unwrap_or(0);
        self.rng.random_range(1..=size + size / 4 + 2)
    }

    /// One thing that a user does, as transactions.
    fn transactions(&mut self) -> Vec<Vec<String>> {
        let (list, dice) = (self.list(), self.rng.random_range(0..1_000_000_000));
        let item = self.item(list);
        let (other_list, other_item) = (self.list(), self.item(list));
        let (shape, table) = (self.shape, self.shape.table);
        let insert = format!("{}{}", shape.insert(), shape.row(list, item, dice));
        let is = shape.is_item(list, item);
        let delete = format!("DELETE FROM {table} WHERE {is}");
        let update = |set: String| format!("UPDATE {table} SET {set} WHERE {is}");
        let from = format!("WHERE {} LIMIT 15", shape.is_list(list));
        match self.rng.random_range(0..100) {
            0..22 => vec![vec![insert]],
            22..42 => vec![vec![delete]],
            42..50 => vec![vec![delete, insert]],
            50..57 => vec![vec![delete], vec![insert]],
            57..62 => vec![vec![insert, delete]],
            62..64 => vec![vec![insert], vec![delete]],
            64..72 => vec![vec![update(format!("{0} = {1}", shape.order.name, (shape.order.literal)(dice)))]],
            72..77 => vec![vec![update(equal(shape.key, other_list, ", "))]],
            77..80 => vec![vec![update(equal(shape.item, other_item, ", "))]],
            80..86 => vec![vec![update(shape.set_values(None))]],
            86..93 => vec![vec![update(shape.set_values(Some(dice)))]],
            93..95 => vec![vec![format!("DELETE FROM {table} {from}")]],
            95..97 => vec![vec![format!("UPDATE {table} SET {} {from}", shape.set_values(Some(dice)))]],
            _ => vec![
                (0..10)
                    .map(|n| {
                        format!("REPLACE {}", &shape.insert()["INSERT ".len()..])
                            + &shape.row(list, item + n, dice + n)
                    })
                    .collect(),
            ],
        }
    }
}
