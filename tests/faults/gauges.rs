//! What a throttle reads, as a script says.

use std::sync::Mutex;
use std::time::Duration;
use tailfill::source::{Gauges, SourceError};

/// Readings that a test sets; what is not set cannot be read.
#[derive(Default)]
pub struct Scripted {
    readings: Mutex<Readings>,
}

#[derive(Clone, Default)]
pub struct Readings {
    pub threads_running: Option<u64>,
    pub number: Option<f64>,
    /// By replica.
    pub lags: Vec<Option<Duration>>,
    /// Nothing is answered at all.
    pub hangs: bool,
}

impl Scripted {
    pub fn set(&self, change: impl FnOnce(&mut Readings)) {
        change(&mut self.readings.lock().expect("no test panics while it holds it"));
    }

    async fn ask(&self) -> Readings {
        let readings = self.readings.lock().expect("as above").clone();
        if readings.hangs {
            std::future::pending::<()>().await;
        }
        readings
    }
}

fn away() -> SourceError {
    SourceError::Unavailable { address: "script:3306".into(), reason: "it is away".into() }
}

#[async_trait::async_trait]
impl Gauges for Scripted {
    async fn threads_running(&self) -> Result<u64, SourceError> {
        self.ask().await.threads_running.ok_or_else(away)
    }

    async fn number(&self, _: &str) -> Result<f64, SourceError> {
        self.ask().await.number.ok_or_else(away)
    }

    async fn replica_lags(&self) -> Vec<(String, Result<Duration, SourceError>)> {
        let lags = self.ask().await.lags;
        lags.iter()
            .enumerate()
            .map(|(number, lag)| (format!("replica{number}"), lag.ok_or_else(away)))
            .collect()
    }
}
