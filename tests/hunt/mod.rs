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

/// The numbers that a variable names, by blanks.
fn numbers(variable: &str) -> Vec<u64> {
    let text = std::env::var(variable).unwrap_or_default();
    let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("{variable}: {word:?} is no number"));
    text.split_whitespace().map(number).collect()
}

/// The seeds that are named, and then the numbers behind the last one.
fn seeds(named: Vec<u64>) -> impl Iterator<Item = u64> {
    let next = named.last().map_or_else(|| rand::random::<u64>() >> 32, |last| last + 1);
    named.into_iter().chain(next..)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute to hours; the part hunt runs a minute of it through scripts/hunt"]
async fn what_mysql_shows_is_in_hbase_after_any_history() {
    let minutes = numbers("TAILFILL_HUNT_MINUTES");
    let minutes = *minutes.first().expect("TAILFILL_HUNT_MINUTES is set: run scripts/hunt");
    let named = numbers("TAILFILL_HUNT_SEED");
    let at_least = named.len().max(1);
    println!("hunt of {minutes} minutes, seeds {named:?}");
    let begin = Instant::now();
    let server = Own::mysql(&["--log-bin-trust-function-creators=ON", "--max-connections=300"]).await;
    let mut conn = connect(server.port, None).await;
    let repertoire = Repertoire::ask(&mut conn, &mut StdRng::seed_from_u64(REPERTOIRE_SEED)).await;
    let (mut tally, mut played, mut bad) = (Tally::new(), Vec::new(), 0);
    for seed in seeds(named) {
        if played.len() >= at_least && begin.elapsed() >= Duration::from_secs(60 * minutes) {
            break;
        }
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
        played.push(seed);
    }
    println!("{} rounds, seeds {played:?}, {bad} with findings; what came, how often:", played.len());
    tally.print();
    assert_eq!(bad, 0, "rounds with findings; each is played again by its seed");
    let never = if minutes >= LONG_ENOUGH { tally.never() } else { Vec::new() };
    assert!(never.is_empty(), "never came: {never:?}");
    let named_for = ["end: equal", "end: equal after recopy"];
    let missing = named_for.iter().filter(|end| at_least > 1 && tally.count(end) == 0);
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new(), "seeds that are named end in both ways");
}
