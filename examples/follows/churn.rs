//! The application at work: several connections, each taking one action after another at an even pace.

use crate::database::Database;
use crate::edge::{Edge, People};
use crate::plan::{Action, Transaction};
use crate::tally::Tally;
use anyhow::{Context, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, TxOpts};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    database: Database,
    /// Transactions a second, over all connections; fewer if MySQL is slower.
    #[arg(long, default_value_t = 400)]
    rate: u32,
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Stop after so many seconds. SIGTERM and SIGINT stop it too.
    #[arg(long)]
    seconds: Option<u64>,
    /// Stop as soon as this file exists.
    #[arg(long)]
    until_file: Option<PathBuf>,
    /// The same seed takes the same decisions on each connection.
    #[arg(long, default_value_t = rand::random::<u32>().into())]
    seed: u64,
    /// Print the summary as a JSON object.
    #[arg(long)]
    json: bool,
}

pub async fn run(options: &Options) -> anyhow::Result<()> {
    ensure!(options.rate > 0 && options.connections > 0, "--rate and --connections must be above 0");
    let people = look_around(&options.database).await?;
    let begun = Instant::now();
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for number in 0..options.connections {
        let worker = Worker {
            conn: options.database.connect().await?,
            rng: StdRng::seed_from_u64(options.seed.wrapping_add(u64::from(number) << 32)),
            people,
            tally: Tally::default(),
        };
        let pace = Duration::from_secs(1) * options.connections / options.rate;
        workers.spawn(worker.work(pace, stop.clone()));
    }
    eprintln!("follows: at work on {} connections, seed {}", options.connections, options.seed);
    // Ends by itself only when a connection fails.
    tokio::select! {
        reason = told_to_stop(options) => reason?,
        Some(ended) = workers.join_next() => { ended??; }
    }
    stop.cancel();
    let mut total = Tally::default();
    while let Some(ended) = workers.join_next().await {
        total.add(ended??);
    }
    let summary = total.over(options.seed, begun.elapsed().as_secs_f64());
    if options.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        println!("{summary}");
    }
    Ok(())
}

/// Finds out who is in the table.
async fn look_around(database: &Database) -> anyhow::Result<People> {
    let mut conn = database.connect().await?;
    let ends: Option<(Option<u64>, Option<u64>)> =
        conn.query_first("SELECT MAX(followee_id), MAX(follower_id) FROM follows").await?;
    let giant: Option<u64> = conn
        .query_first("SELECT followee_id FROM follows GROUP BY followee_id ORDER BY COUNT(*) DESC LIMIT 1")
        .await?;
    conn.disconnect().await?;
    let (Some((Some(lists), Some(users))), Some(giant)) = (ends, giant) else {
        anyhow::bail!("{}.follows is empty; run setup first", database.name());
    };
    Ok(People { lists, users, giant })
}

async fn told_to_stop(options: &Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let deadline = options.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut looks = interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = looks.tick() => {
                let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                if late || options.until_file.as_ref().is_some_and(|file| file.exists()) {
                    return Ok(());
                }
            }
        }
    }
}

struct Worker {
    conn: Conn,
    rng: StdRng,
    people: People,
    tally: Tally,
}

impl Worker {
    /// Works until `stop`, and always to the end of an action.
    async fn work(mut self, pace: Duration, stop: CancellationToken) -> anyhow::Result<Tally> {
        let mut turns = interval(pace);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = turns.tick() => {}
            }
            let before = self.tally.transactions;
            self.act().await?;
            // An action of two transactions has used up two turns.
            for _ in before + 1..self.tally.transactions {
                turns.tick().await;
            }
        }
        self.conn.disconnect().await?;
        Ok(self.tally)
    }

    async fn act(&mut self) -> anyhow::Result<()> {
        let action = Action::any(&mut self.rng);
        let Some(edge) = self.any_edge(action.needs_edge()).await? else { return Ok(()) };
        for transaction in action.plan(edge, &self.people, &mut self.rng) {
            self.commit(&transaction).await?;
        }
        *self.tally.actions.entry(action).or_default() += 1;
        Ok(())
    }

    /// A random edge; one that exists, if asked for. `None` if the list has no edges.
    async fn any_edge(&mut self, existing: bool) -> anyhow::Result<Option<Edge>> {
        let followee = self.people.any_list(&mut self.rng);
        let somebody = self.people.any_user(&mut self.rng);
        if !existing {
            return Ok(Some(Edge { followee, follower: somebody }));
        }
        for least in [somebody, 0] {
            let next = format!(
                "SELECT follower_id FROM follows WHERE followee_id = {followee} AND follower_id >= {least} ORDER BY follower_id LIMIT 1"
            );
            if let Some(follower) = self.conn.query_first(next).await? {
                return Ok(Some(Edge { followee, follower }));
            }
        }
        Ok(None)
    }

    async fn commit(&mut self, transaction: &Transaction) -> anyhow::Result<()> {
        self.tally.transactions += 1;
        match attempt(&mut self.conn, transaction).await {
            Ok(_) if transaction.rolls_back => self.tally.rollbacks += 1,
            Ok(rows) => {
                for (statement, rows) in transaction.statements.iter().zip(rows) {
                    self.tally.add_rows(statement.kind, rows);
                }
            }
            Err(error) if is_conflict(&error) => {
                self.tally.conflicts += 1;
                self.conn.query_drop("ROLLBACK").await?;
            }
            Err(error) => return Err(error).context("a transaction failed"),
        }
        Ok(())
    }
}

/// The rows that each statement changed.
async fn attempt(conn: &mut Conn, transaction: &Transaction) -> Result<Vec<u64>, Error> {
    let mut open = conn.start_transaction(TxOpts::default()).await?;
    let mut rows = Vec::new();
    for statement in &transaction.statements {
        open.query_drop(&statement.sql).await?;
        rows.push(open.affected_rows());
    }
    if transaction.rolls_back {
        open.rollback().await?
    } else {
        open.commit().await?
    }
    Ok(rows)
}

/// A duplicate key, a lock that took too long, or a deadlock: what applications shrug at.
fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Server(server) if [1062, 1205, 1213].contains(&server.code))
}
