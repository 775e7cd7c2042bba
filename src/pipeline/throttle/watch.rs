//! The one task that reads the signals, and how long the tail's changes wait.

use super::permits::Throttle;
use super::signals::{self, Judged, Reading};
use crate::clock::Clock;
use crate::error::chain;
use crate::failpoints::Failpoints;
use crate::model::{LimitKey, Limits, Work};
use crate::pipeline::jobs::Levers;
use crate::pipeline::progress::Progress;
use crate::sink::Sink;
use crate::source::{Source, SourceError};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often signals are read.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often somebody looks how long the tail's changes wait beside the copy, and whether there is a copy at all.
const TAIL_EVERY: Duration = Duration::from_millis(250);
const COPY_EVERY: Duration = Duration::from_secs(1);
/// A signal that takes longer to read cannot be read.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// What a watch reads from.
pub struct Watched {
    pub throttle: Throttle,
    pub levers: Levers,
    pub progress: Arc<Progress>,
    pub run: Arc<dyn RunFigures>,
    pub clock: Arc<dyn Clock>,
    pub failpoints: Failpoints,
}

/// The figures that only the process has that tails and writes.
#[async_trait]
pub trait RunFigures: Send + Sync {
    /// How far HBase is behind MySQL.
    async fn tail_lag(&self) -> Reading;

    /// How long its writes to HBase take.
    async fn hbase_p99(&self) -> Reading;
}

/// Those of the run in this process.
pub struct OwnRun {
    pub levers: Levers,
    pub progress: Arc<Progress>,
    pub source: Arc<dyn Source>,
    pub sink: Arc<dyn Sink>,
    pub clock: Arc<dyn Clock>,
    /// Whether the run tails at all: else its lag is nobody's.
    pub tails: bool,
}

/// Keeps the pace of a throttle until `stop`.
pub async fn watch(watched: Watched, stop: CancellationToken) {
    tokio::select! { biased;
        () = stop.cancelled() => {}
        () = watched.signals() => {}
        () = watched.tail() => {}
    }
}

impl Watched {
    async fn tail(&self) {
        loop {
            let copying = self.progress.copying();
            sleep(if copying { TAIL_EVERY } else { COPY_EVERY }).await;
            let took = self.progress.take_tail_wait();
            if copying {
                self.throttle.tail_took(took, self.clock.now_ms());
            }
        }
    }

    async fn signals(&self) {
        let mut changed = self.levers.listen();
        loop {
            let limits = self.throttle.adopt(&self.levers.control());
            if !limits.has_signals() {
                changed.changed().await;
                continue;
            }
            let judged = self.look(&limits).await;
            self.throttle.looked(limits, judged, self.clock.now_ms());
            tokio::select! { biased;
                () = changed.changed() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&self, limits: &Limits) -> Vec<Judged> {
        let wanted = signals::wanted(limits);
        let readings =
            futures::future::join_all(wanted.iter().map(|signal| self.read(limits, *signal))).await;
        let unread_is_free = self.failpoints.unread_signal_is_free();
        let judge = |(signal, reading)| signals::judge(limits, signal, reading, unread_is_free);
        wanted.into_iter().zip(readings).map(judge).collect()
    }

    async fn read(&self, limits: &Limits, signal: LimitKey) -> Reading {
        match timeout(READ_WITHIN, self.read_patiently(limits, signal)).await {
            Ok(reading) => reading,
            Err(_) => Reading::Unreadable(format!("there was no answer within {} s", READ_WITHIN.as_secs())),
        }
    }

    async fn read_patiently(&self, limits: &Limits, signal: LimitKey) -> Reading {
        let gauges = self.throttle.gauges();
        match signal {
            LimitKey::Hours => local_minute(self.clock.now_ms()),
            LimitKey::TailLag => self.run.tail_lag().await,
            LimitKey::ThreadsRunning => {
                of(gauges.threads_running().await.map(|found| Reading::Number(found as f64)))
            }
            LimitKey::ReplicaLag => replica_lag(gauges.replica_lags().await),
            LimitKey::Query => {
                let select = limits.query.as_deref().unwrap_or_default();
                of(gauges.number(select).await.map(Reading::Number))
            }
            LimitKey::HbaseP99 => self.run.hbase_p99().await,
            LimitKey::File => match &limits.file {
                Some(path) => match tokio::fs::try_exists(path).await {
                    Ok(there) => Reading::There(there),
                    Err(error) => Reading::Unreadable(error.to_string()),
                },
                None => Reading::Nothing,
            },
            LimitKey::RowsPerSecond
            | LimitKey::Workers
            | LimitKey::ChunkRows
            | LimitKey::TailWrite
            | LimitKey::QueryMax => Reading::Nothing,
        }
    }
}

#[async_trait]
impl RunFigures for OwnRun {
    /// A tail that a person has paused competes with nobody.
    async fn tail_lag(&self) -> Reading {
        if !self.tails || self.levers.is_paused(Work::Tail) {
            return Reading::Nothing;
        }
        let asked_at = self.clock.now_micros();
        match self.source.executed().await {
            Ok(has) => self.progress.source_has(asked_at, has),
            Err(error) => return unreadable(&error),
        }
        match self.progress.behind(self.clock.now_micros()).micros {
            Some(micros) => Reading::Time(Duration::from_micros(micros)),
            None => Reading::Unreadable("the tail has not caught up with MySQL once".to_owned()),
        }
    }

    async fn hbase_p99(&self) -> Reading {
        self.sink.write_p99().map_or(Reading::Nothing, Reading::Time)
    }
}

fn of(read: Result<Reading, SourceError>) -> Reading {
    read.unwrap_or_else(|error| unreadable(&error))
}

fn unreadable(error: &SourceError) -> Reading {
    Reading::Unreadable(chain(error))
}

/// The replica that is furthest behind; one that cannot be read is worse than any.
fn replica_lag(lags: Vec<(String, Result<Duration, SourceError>)>) -> Reading {
    let mut furthest = None;
    for (name, lag) in lags {
        match lag {
            Ok(lag) => furthest = furthest.max(Some(lag)),
            Err(error) => return Reading::Unreadable(format!("the replica {name}: {}", chain(&error))),
        }
    }
    furthest
        .map_or_else(|| Reading::Unreadable("the configuration names no replica".to_owned()), Reading::Time)
}

/// The time of the day where this process runs.
fn local_minute(now_ms: u64) -> Reading {
    let at = i64::try_from(now_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match at.map(|at| at.to_zoned_datetime(jiff::tz::TimeZone::system())) {
        Some(local) => Reading::Minute(
            u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0),
        ),
        None => Reading::Unreadable("the clock shows no date".to_owned()),
    }
}
