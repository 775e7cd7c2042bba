//! Makes the table and fills it the way such tables are: a few have many followers, most have a few.

use crate::database::Database;
use crate::edge::{People, any_note};
use anyhow::ensure;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Instant;

#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    database: Database,
    /// Rows of the table.
    #[arg(long, default_value_t = 200_000)]
    edges: u64,
    /// Rows of the biggest list.
    #[arg(long, default_value_t = 50_000)]
    biggest: u64,
    /// The same seed fills the same table.
    #[arg(long, default_value_t = rand::random::<u32>().into())]
    seed: u64,
}

/// Rows of one INSERT.
const INSERT_ROWS: usize = 2_000;
/// Edges are up to three years old, counted in milliseconds since the first.
const AGE_MILLIS: u64 = 3 * 365 * 24 * 3600 * 1000;

pub async fn run(options: &Options) -> anyhow::Result<()> {
    let Options { edges, biggest, seed, .. } = *options;
    ensure!(biggest >= 1 && biggest <= edges, "--biggest must be 1 to the number of --edges");
    let begun = Instant::now();
    let mut rng = StdRng::seed_from_u64(seed);
    let sizes = list_sizes(edges, biggest, &mut rng);
    options.database.create_table().await?;
    let mut filler = Filler { conn: options.database.connect().await?, statement: String::new(), rows: 0 };
    filler.conn.query_drop("SET @first = TIMESTAMP'2022-01-01 00:00:00'").await?;
    // Room for users who do not follow the giant.
    let people = People { lists: sizes.len() as u64, users: (4 * biggest).max(1000), giant: 0 };
    for (followee, size) in (1..).zip(&sizes) {
        fill_list(&mut filler, followee, *size, people, &mut rng).await?;
    }
    filler.flush().await?;
    filler.conn.disconnect().await?;
    println!(
        "{}.follows: {edges} edges in {} lists; list {} is the biggest with {biggest}; {:.1} s, seed {seed}",
        options.database.name(),
        sizes.len(),
        giant_of(&sizes),
        begun.elapsed().as_secs_f64(),
    );
    Ok(())
}

/// How many followers each list has, which add up to `edges`: a Pareto distribution, with one list of `biggest` in the
/// middle and all others below a tenth of that.
fn list_sizes(edges: u64, biggest: u64, rng: &mut impl Rng) -> Vec<u64> {
    let mut sizes = Vec::new();
    let mut left = edges - biggest;
    while left > 0 {
        let pareto = (1.0 - rng.random::<f64>()).powf(-1.0 / 1.2) as u64;
        let size = pareto.clamp(1, (biggest / 10).max(1)).min(left);
        sizes.push(size);
        left -= size;
    }
    sizes.insert(sizes.len() / 2, biggest);
    sizes
}

/// The number of the biggest list.
fn giant_of(sizes: &[u64]) -> usize {
    1 + (0..sizes.len()).max_by_key(|index| sizes[*index]).expect("there is at least one list")
}

async fn fill_list(
    filler: &mut Filler,
    followee: u64,
    size: u64,
    people: People,
    rng: &mut StdRng,
) -> anyhow::Result<()> {
    let mut followers = BTreeSet::new();
    while (followers.len() as u64) < size {
        followers.insert(people.any_user(rng));
    }
    for follower in followers {
        let mut millis = rng.random_range(0..AGE_MILLIS);
        // An import of old contacts: many edges of one moment, so that an order has ties.
        if rng.random_ratio(1, 10) {
            millis -= millis % (30 * 24 * 3600 * 1000);
        }
        let note = if rng.random_ratio(3, 10) { any_note(rng) } else { "NULL".to_owned() };
        filler.add(followee, follower, millis, &note).await?;
    }
    Ok(())
}

/// Gathers rows into INSERTs, in the order of the primary key.
struct Filler {
    conn: Conn,
    statement: String,
    rows: usize,
}

impl Filler {
    async fn add(&mut self, followee: u64, follower: u64, millis: u64, note: &str) -> anyhow::Result<()> {
        let lead = if self.rows == 0 { "INSERT INTO follows VALUES " } else { "," };
        write!(
            self.statement,
            "{lead}({followee},{follower},@first + INTERVAL {millis}000 MICROSECOND,{note})"
        )?;
        self.rows += 1;
        if self.rows == INSERT_ROWS { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        if self.rows > 0 {
            self.conn.query_drop(&self.statement).await?;
            self.statement.clear();
            self.rows = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_add_up_with_one_giant_in_the_middle_and_many_of_a_few() {
        let sizes = list_sizes(200_000, 50_000, &mut StdRng::seed_from_u64(7));
        assert_eq!(sizes.iter().sum::<u64>(), 200_000);
        assert_eq!(sizes[giant_of(&sizes) - 1], 50_000);
        assert!(giant_of(&sizes).abs_diff(sizes.len() / 2) <= 1);
        assert!(sizes.iter().filter(|size| **size > 5_000).count() == 1);
        assert!(sizes.iter().filter(|size| **size <= 5).count() * 2 > sizes.len());
    }

    #[test]
    fn one_list_alone_is_possible() {
        assert_eq!(list_sizes(1, 1, &mut StdRng::seed_from_u64(7)), [1]);
    }
}
