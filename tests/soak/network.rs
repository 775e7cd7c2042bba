//! Faults on the three connections.

use super::bag::{Bag, between, dice};
use super::tally::{CONNECTIONS, Tally};
use crate::support::proxy::{Bite, Proxy, Way};
use crate::support::trouble::Trouble;
use rand::Rng;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

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
    let all = (0..CONNECTIONS.len()).flat_map(|on| Trouble::ALL.map(|kind| (on, kind)));
    let mut bag = Bag::of(all.collect());
    loop {
        let pause = between(&mut dice, 300, 4_500);
        let (on, kind) = bag.draw(&mut dice);
        // some are longer than a lease lives
        let longest = if dice.random_ratio(1, 4) { 9_000 } else { 3_500 };
        let long = between(&mut dice, 800, longest);
        let fault = async {
            tokio::time::sleep(pause).await;
            kind.befalls(&links.0[on], long).await
        };
        let hit = tokio::select! {
            () = stop.cancelled() => break,
            hit = fault => hit,
        };
        match hit {
            true => tally.add(&format!("{}: {}", CONNECTIONS[on], kind.name())),
            false => bag.put_back((on, kind)),
        }
    }
    links.heal();
}
