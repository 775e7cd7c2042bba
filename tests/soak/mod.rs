//! Hours of chaos: an application at work, random faults on everything, and an independent comparison after each round.
//!
//! `scripts/soak` runs it. A seed decides tables, transactions, faults and their order; how they fall together in time is
//! different each time.

mod bag;
mod bulk;
mod checker;
mod network;
mod places;
mod process;
mod round;
mod servers;
mod tally;
mod trusted;

use crate::support::mysql::{connection, mysql_port};
use crate::support::own::Own;
use crate::support::proxy::Proxy;
use mysql_async::prelude::Queryable;
use network::Links;
use process::Lives;
use round::{Round, Servers};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;

/// From so many minutes on, every kind of fault has to come.
const LONG_ENOUGH: u64 = 2;

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
    let started_at = now().await;
    let (begin, tally) = (Instant::now(), Tally::new());
    let whole = Duration::from_secs(60 * minutes);
    let user = round::create_user().await;
    let mut servers = start_servers().await;
    let mut rounds = Vec::new();
    while let Some(length) = next_length(whole, begin.elapsed()) {
        let round;
        (servers, round) = round::run(servers, &user, &tally, seed, rounds.len() as u64 + 1, length).await;
        println!("{}", round.json());
        let is_right = round.is_right();
        rounds.push(round);
        write_log(&report(seed, minutes, &started_at, &now().await, &tally, &rounds));
        if !is_right {
            break;
        }
    }
    round::drop_user(&user).await;
    let never = if minutes >= LONG_ENOUGH { tally.never() } else { Vec::new() };
    let report = report(seed, minutes, &started_at, &now().await, &tally, &rounds);
    write_log(&report);
    println!("{report:#}");
    assert!(rounds.iter().all(Round::is_right), "not everything is equal, or something ended that must not");
    assert!(!rounds.is_empty() && never.is_empty(), "never delivered: {never:?}");
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
    let (memcached, gateway) = tokio::join!(Own::memcached(), Own::gateway());
    let to_memcached = Proxy::start(memcached.port, None).await;
    let to_gateway = Proxy::start(gateway.port, None).await;
    let to_mysql = Proxy::start(mysql_port(), None).await;
    Servers { memcached, gateway, links: Arc::new(Links([to_mysql, to_memcached, to_gateway])) }
}

/// UTC.
async fn now() -> String {
    let mut conn = connection(mysql_port()).await;
    let now = conn.query_first("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')").await;
    now.expect("MySQL tells the time").expect("one row")
}

fn report(seed: u64, minutes: u64, start: &str, end: &str, tally: &Tally, rounds: &[Round]) -> Json {
    let mut lives = Lives::default();
    let (mut compared, mut counts): (BTreeMap<String, u64>, u64) = (BTreeMap::new(), 0);
    for round in rounds {
        lives.add(round.lives.clone());
        for target in &round.compared {
            *compared.entry(target.target.clone()).or_default() += target.items;
            counts += target.counted_rows;
        }
    }
    json!({
        "seed": seed,
        "commit": std::env::var("TAILFILL_SOAK_COMMIT").unwrap_or_default(),
        "start": start,
        "end": end,
        "minutes": minutes,
        "rounds": rounds.len(),
        "transactions": rounds.iter().map(|round| round.transactions + round.bulk.transactions).sum::<u64>(),
        "starts": lives.starts,
        "stops": { "kill_9": lives.kills, "sigterm": lives.terms, "by_itself": lives.by_itself },
        "faults": tally.all(),
        "faults_never_delivered": tally.never(),
        "rows_compared": compared,
        "counts_compared": counts,
        "differences": rounds.iter().map(Round::differences).sum::<u64>(),
        "wrong": rounds.iter().flat_map(Round::all_wrong).collect::<Vec<_>>(),
        "each_round": rounds.iter().map(Round::json).collect::<Vec<_>>(),
    })
}

fn write_log(report: &Json) {
    if let Some(path) = std::env::var_os("TAILFILL_SOAK_LOG") {
        std::fs::write(path, format!("{report:#}\n")).expect("the log can be written");
    }
}
