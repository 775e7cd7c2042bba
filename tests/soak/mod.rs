//! Hours of chaos: an application at work, random faults on everything, and an independent comparison after each round.
//!
//! `scripts/soak` runs it. A seed decides tables, transactions, faults and their order; how they fall together in time is
//! different each time.

mod bag;
mod binlog_ends;
mod bulk;
mod checker;
mod flat;
mod footprint;
mod levers;
mod log;
mod mend;
mod network;
mod process;
mod round;
mod servers;
mod tally;
mod trusted;

use crate::support::mysql::{connection, mysql_port};
use crate::support::own::Own;
use crate::support::proxy::Proxy;
use log::Log;
use mysql_async::prelude::Queryable;
use network::Links;
use round::{Round, Servers};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;

/// From so many minutes on, every kind of fault has to come.
const LONG_ENOUGH: u64 = 10;

/// A round is not longer than this, so that an hour has a dozen copies from nothing.
const ROUND: Duration = Duration::from_secs(270);

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes to hours; scripts/soak runs it, and scripts/test for two minutes"]
async fn chaos_ends_equal() {
    let minutes = number("TAILFILL_SOAK_MINUTES").expect("TAILFILL_SOAK_MINUTES is set: run scripts/soak");
    let seed = number("TAILFILL_SOAK_SEED").unwrap_or_else(|| rand::random::<u64>() >> 32);
    println!("soak of {minutes} minutes, seed {seed}");
    let mut log = Log { seed, minutes, start: now().await, tally: Tally::new(), rounds: Vec::new() };
    let was_interrupted = tokio::select! {
        () = soak(&mut log) => false,
        // what the round has made is removed by its end
        _ = tokio::signal::ctrl_c() => true,
    };
    assert!(!was_interrupted, "interrupted");
    log.write().await;
    println!("{:#}", log.report(&now().await));
    assert!(
        log.rounds.iter().all(Round::is_right),
        "not everything is equal, or something ended that must not"
    );
    let grown = flat::grown(&log.rounds);
    assert!(grown.is_empty(), "{grown:?}");
    let never = if minutes >= LONG_ENOUGH { log.tally.never() } else { Vec::new() };
    assert!(!log.rounds.is_empty() && never.is_empty(), "never delivered: {never:?}");
}

/// Round after round until the time is over, or something is wrong.
async fn soak(log: &mut Log) {
    let begin = Instant::now();
    let mut servers = start_servers().await;
    while let Some(length) = next_length(Duration::from_secs(60 * log.minutes), begin.elapsed()) {
        let number = log.rounds.len() as u64 + 1;
        let round;
        (servers, round) = round::run(servers, &log.tally, log.seed, number, length).await;
        println!("{}", round.json());
        let is_right = round.is_right();
        log.rounds.push(round);
        log.write().await;
        if !is_right {
            return;
        }
    }
}

/// How long the next round disturbs; `None` when the time is over.
fn next_length(whole: Duration, gone: Duration) -> Option<Duration> {
    let left = whole.saturating_sub(gone);
    match left {
        _ if left < Duration::from_secs(30) => None,
        // no short rest behind a whole round
        _ if left < ROUND + Duration::from_secs(90) => Some(left),
        _ => Some(ROUND),
    }
}

async fn start_servers() -> Servers {
    let (mysql, memcached, gateway) = tokio::join!(Own::mysql(&[]), Own::memcached(), Own::gateway());
    let to_memcached = Proxy::start(memcached.port, None).await;
    let to_gateway = Proxy::start(gateway.port, None).await;
    let to_mysql = Proxy::start(mysql.port, None).await;
    let (user, links) = (round::create_user(mysql.port).await, [to_mysql, to_memcached, to_gateway]);
    Servers { mysql, user, memcached, gateway, links: Arc::new(Links(links)) }
}

/// UTC.
async fn now() -> String {
    let mut conn = connection(mysql_port()).await;
    let now = conn.query_first("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')").await;
    now.expect("MySQL tells the time").expect("one row")
}
