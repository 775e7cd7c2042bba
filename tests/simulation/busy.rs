//! How busy the servers of a world are: by dice of its own, so that whoever asks changes nothing for others.

use super::dice::Dice;
use super::world::Process;
use std::sync::Arc;
use std::time::Duration;
use tailfill::clock::Clock;
use tailfill::source::{Gauges, SourceError};

/// Figures that rise and fall, from 0 to 99; now and then nobody answers.
pub struct Busy(pub Arc<Process>);

impl Busy {
    fn figure(&self) -> Result<u64, SourceError> {
        let world = &self.0.world;
        if world.is_calm() {
            return Ok(0);
        }
        let dice = Dice::new(world.profile.transactions.rotate_left(17) ^ (world.clock.now_ms() / 700));
        match dice.between(0, 9) {
            0 => Err(SourceError::Unavailable { address: "busy".into(), reason: "it is away".into() }),
            _ => Ok(dice.between(0, 99)),
        }
    }
}

#[async_trait::async_trait]
impl Gauges for Busy {
    async fn threads_running(&self) -> Result<u64, SourceError> {
        self.figure()
    }

    async fn number(&self, _: &str) -> Result<f64, SourceError> {
        self.figure().map(|figure| figure as f64)
    }

    async fn replica_lags(&self) -> Vec<(String, Result<Duration, SourceError>)> {
        vec![("replica".into(), self.figure().map(Duration::from_secs))]
    }
}
