//! The lease server: slow, away for a while, answers that get lost, leases that vanish.

use super::tally::Thrown;
use super::world::{AwayServer, Process, World};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tailfill::lock::{LeaseKeys, LeaseServer, LockError, Predecessor, Token};
use tokio::time::Instant;

/// One process's way to the server.
pub struct Leases(pub Arc<Process>);

impl Leases {
    async fn reach(&self) -> Result<bool, LockError> {
        let world = &self.0.world;
        world.dice.pause(0, 3).await;
        let rate = world.profile.lease_trouble;
        if world.is_away(AwayServer::Leases) {
            self.0.lease_trouble();
            world.dice.pause(1, 900).await;
            return Err(away());
        }
        if world.trouble(rate) {
            self.0.lease_trouble();
            if world.dice.chance(200) {
                world.dice.pause(500, 3_000).await;
            }
            return Err(away());
        }
        let reply_lost = world.trouble(rate / 2);
        if !reply_lost {
            self.0.lease_answer();
        }
        Ok(reply_lost)
    }

    fn lost(&self) -> LockError {
        self.0.lease_trouble();
        away()
    }
}

fn away() -> LockError {
    LockError { server: "simulated".into(), reason: "connection reset".into() }
}

#[async_trait]
impl LeaseServer for Leases {
    async fn add(
        &self,
        keys: LeaseKeys<'_>,
        token: &Token,
        expiry: Duration,
    ) -> Result<Vec<bool>, LockError> {
        let _call = self.0.call("add");
        let asked = Instant::now();
        let reply_lost = self.reach().await?;
        let added = self.0.world.leases.add(keys, token, expiry).await?;
        if reply_lost {
            return Err(self.lost());
        }
        for (key, _) in keys.iter().zip(&added).filter(|(_, added)| **added) {
            self.0.lease_granted(&key.0, asked);
        }
        self.0.world.dice.pause(0, 2).await;
        Ok(added)
    }

    async fn take_over(
        &self,
        keys: LeaseKeys<'_>,
        predecessor: &Predecessor,
        token: &Token,
        expiry: Duration,
    ) -> Result<Vec<bool>, LockError> {
        let _call = self.0.call("take over");
        let asked = Instant::now();
        let reply_lost = self.reach().await?;
        let taken = self.0.world.leases.take_over(keys, predecessor, token, expiry).await?;
        if reply_lost {
            return Err(self.lost());
        }
        for (key, _) in keys.iter().zip(&taken).filter(|(_, taken)| **taken) {
            self.0.lease_granted(&key.0, asked);
        }
        Ok(taken)
    }

    async fn release(&self, keys: LeaseKeys<'_>, token: &Token) -> Result<Vec<bool>, LockError> {
        let _call = self.0.call("release");
        let reply_lost = self.reach().await?;
        let released = self.0.world.leases.release(keys, token).await?;
        if reply_lost {
            return Err(self.lost());
        }
        Ok(released)
    }
}

/// Lets leases vanish until the world is calm: restarts of the server.
pub async fn restart_sometimes(world: Arc<World>) {
    loop {
        world.dice.pause(500, 8_000).await;
        if world.is_calm() {
            return;
        }
        if world.trouble(world.profile.lease_trouble * 3) {
            world.trace.note(format_args!("memcached restarts: {} leases are gone", world.leases.len()));
            world.leases.clear();
        }
    }
}

/// Lets a server be away for seconds, one at a time, until the world is calm.
pub async fn outages(world: Arc<World>) {
    while world.profile.outages && !world.is_calm() {
        world.dice.pause(1_000, 9_000).await;
        let server = world.dice.pick(&[AwayServer::Gateway, AwayServer::Leases, AwayServer::Source]);
        world.trace.note(format_args!("{server:?} is away"));
        world.set_away(server, true);
        world.tally(Thrown::Outage, 1);
        world.dice.pause(500, 7_000).await;
        world.set_away(server, false);
        world.trace.note(format_args!("{server:?} is back"));
    }
}
