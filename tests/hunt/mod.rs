//! A hunt for changes that get lost without a word: random tables in random charsets with random histories on a real
//! MySQL, a run of the program beside them, and at the end of each round every byte of HBase against what MySQL itself
//! prints.
//!
//! `scripts/hunt` plays it for as long as you like. A seed decides tables, statements and faults and their order; how they
//! fall together in time is different each time. The oracle ([`oracle`]) shares no code with the program.

mod alters;
mod batch;
mod column;
mod formats;
mod mapping;
mod oracle;
mod repertoire;
mod round;
mod steps;
mod tally;
mod thrift;
mod world;

use crate::support::mysql::connect;
use crate::support::own::Own;
use rand::SeedableRng;
use rand::rngs::StdRng;
use repertoire::Repertoire;
use std::time::{Duration, Instant};
use tally::Tally;

/// From so many minutes on, every kind of step has to come.
const LONG_ENOUGH: u64 = 30;

/// Characters are drawn the same way in every hunt, so that a round's seed is enough to play it again.
const REPERTOIRE_SEED: u64 = 1;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute to hours; the part hunt runs a minute of it through scripts/hunt"]
async fn what_mysql_shows_is_in_hbase_after_any_history() {
    let minutes = number("TAILFILL_HUNT_MINUTES").expect("TAILFILL_HUNT_MINUTES is set: run scripts/hunt");
    let first = number("TAILFILL_HUNT_SEED").unwrap_or_else(|| rand::random::<u64>() >> 32);
    println!("hunt of {minutes} minutes, seed {first}");
    let begin = Instant::now();
    let server = Own::mysql(&["--log-bin-trust-function-creators=ON", "--max-connections=300"]).await;
    let mut conn = connect(server.port, None).await;
    let repertoire = Repertoire::ask(&mut conn, &mut StdRng::seed_from_u64(REPERTOIRE_SEED)).await;
    let (mut tally, mut bad) = (Tally::new(), 0);
    let mut seed = first;
    while seed == first || begin.elapsed() < Duration::from_secs(60 * minutes) {
        let started = Instant::now();
        let round = round::play(server.port, seed, &repertoire, &mut tally).await;
        println!(
            "round seed {seed}: {} after {:.0?}, {} steps",
            round.ended,
            started.elapsed(),
            round.history.len()
        );
        if !round.findings.is_empty() {
            bad += 1;
            println!("--- history\n{}\n--- configuration\n{}", round.history.join("\n"), round.config);
            round.findings.iter().for_each(|finding| println!("FOUND (seed {seed}) {finding}"));
        }
        seed += 1;
    }
    println!(
        "{} rounds, seeds {first} to {}, {bad} with findings; what came, how often:",
        seed - first,
        seed - 1
    );
    tally.print();
    assert_eq!(bad, 0, "rounds with findings; each is played again by its seed");
    let is_long = minutes >= LONG_ENOUGH && round::DEFINITIONS_ARE_FOLLOWED;
    let never = if is_long { tally.never() } else { Vec::new() };
    assert!(never.is_empty(), "never came: {never:?}");
}
