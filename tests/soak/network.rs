//! Faults on the three connections.

use super::bag::{Bag, between, dice};
use super::tally::{CONNECTIONS, NETWORK, Tally};
use crate::support::proxy::{Bite, Proxy, Way};
use rand::Rng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a reply to bite may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to MySQL, to memcached and to the gateway, in the order of [`CONNECTIONS`].
pub struct Links(pub [Proxy; 3]);

impl Links {
    /// The network works again.
    pub fn heal(&self) {
        for proxy in &self.0 {
            proxy.bite(Bite::None);
            proxy.set(Way::Open);
        }
    }
}

/// Delivers faults, one after the other, until it is stopped.
pub async fn disturb(links: Arc<Links>, tally: Tally, seed: u64, round: u64, stop: CancellationToken) {
    let mut dice = dice(seed, round, "network");
    let all = (0..CONNECTIONS.len()).flat_map(|on| NETWORK.iter().map(move |kind| (on, *kind)));
    let mut bag = Bag::of(all.collect());
    loop {
        let pause = between(&mut dice, 300, 4_500);
        let (on, kind) = bag.draw(&mut dice);
        let fault = async {
            tokio::time::sleep(pause).await;
            deliver(&links.0[on], kind, &mut dice).await
        };
        let hit = tokio::select! {
            () = stop.cancelled() => break,
            hit = fault => hit,
        };
        match hit {
            true => tally.add(&format!("{}: {kind}", CONNECTIONS[on])),
            false => bag.put_back((on, kind)),
        }
    }
    links.heal();
}

/// Whether it has met something.
async fn deliver(proxy: &Proxy, kind: &str, dice: &mut StdRng) -> bool {
    let before = proxy.hits();
    match kind {
        "reset" => {
            proxy.reset();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        "black hole" | "slow link" => {
            proxy.set(if kind == "slow link" { Way::Slow } else { Way::BlackHole });
            // some are longer than a lease lives
            let longest = if dice.random_ratio(1, 4) { 9_000 } else { 3_500 };
            tokio::time::sleep(between(dice, 800, longest)).await;
            proxy.set(Way::Open);
        }
        "reply cut in half" => bite(proxy, Bite::Cut, before).await,
        _ => bite(proxy, Bite::Lost, before).await,
    }
    proxy.hits() > before
}

async fn bite(proxy: &Proxy, bite: Bite, before: u64) {
    proxy.bite(bite);
    let begin = Instant::now();
    while proxy.hits() == before && begin.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.bite(Bite::None);
}
