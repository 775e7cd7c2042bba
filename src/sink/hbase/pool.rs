//! Several gateways, used in turn.

use super::failure::{self, Subject};
use super::line::{Kind, Line, Permit};
use super::options::HbaseOptions;
use super::pace::{Ended, Pace};
use super::probe::Interface;
use super::thrift::{Connections, Request};
use crate::sink::SinkError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

pub struct Pool {
    gateways: Vec<Line>,
    turn: AtomicUsize,
    pace: Mutex<Pace>,
    /// The moment that the pace counts from.
    opened: Instant,
}

/// The right to make one call on a gateway that answers, until it is dropped.
pub struct Turn<'a> {
    pub gateway: &'a Line,
    pub connections: Connections,
    _permit: Permit<'a>,
    bulk: Option<BulkCall<'a>>,
}

impl Turn<'_> {
    /// Says that the call was answered well, which the pace learns from.
    pub fn answered(mut self) {
        if let Some(bulk) = &mut self.bulk {
            bulk.answered();
        }
    }
}

impl Pool {
    /// Asks every gateway what it speaks.
    pub async fn open(options: &HbaseOptions, interface: Interface) -> Result<Pool, SinkError> {
        let gateways: Vec<Line> =
            options.gateways.iter().map(|address| Line::new(address, options, interface)).collect();
        let answers = futures::future::join_all(gateways.iter().map(Line::connections)).await;
        let mut failures = Vec::new();
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            tracing::warn!(%error, "the hbase gateway cannot be used now");
        }
        let open = answers.iter().filter(|answer| answer.is_ok()).count();
        failures.extend(answers.into_iter().filter_map(Result::err));
        if let Some(wrong) = take_wrong_protocol(&mut failures) {
            return Err(wrong);
        }
        match failures.pop() {
            Some(error) if open == 0 => Err(error),
            _ => Ok(Pool::new(gateways, options.connections)),
        }
    }

    fn new(gateways: Vec<Line>, connections: usize) -> Pool {
        let pace = Pace::new(connections, gateways.len());
        gateways.iter().for_each(|gateway| gateway.pace(pace.calls()));
        Pool { gateways, turn: AtomicUsize::new(0), pace: Mutex::new(pace), opened: Instant::now() }
    }

    /// How bulk writes are paced now.
    pub fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The right to make one call that writes so many rows and bytes; with many rows it is paced.
    pub async fn turn_to_write(&self, rows: usize, bytes: usize) -> Result<Turn<'_>, SinkError> {
        let mut bulk = BulkCall::ask(self, rows, bytes);
        let kind = if bulk.is_some() { Kind::Bulk } else { Kind::Other };
        let (gateway, connections, permit) = self.acquire(kind).await?;
        if let Some(bulk) = &mut bulk {
            bulk.begin();
        }
        Ok(Turn { gateway, connections, _permit: permit, bulk })
    }

    /// The right to make one call that does not write.
    pub async fn turn(&self) -> Result<Turn<'_>, SinkError> {
        let (gateway, connections, permit) = self.acquire(Kind::Other).await?;
        Ok(Turn { gateway, connections, _permit: permit, bulk: None })
    }

    /// A gateway that answers, and the right to make one call on it. Those that failed a moment ago
    /// come last; a gateway that turns out to be away is passed over, for nothing was sent to it yet.
    async fn acquire(&self, kind: Kind) -> Result<(&Line, Connections, Permit<'_>), SinkError> {
        let mut last = failure::unavailable("none", "no gateway is configured");
        for gateway in self.in_turn(kind) {
            let permit = gateway.permit(kind).await;
            match gateway.connections().await {
                Ok(connections) => return Ok((gateway, connections, permit)),
                Err(error @ SinkError::WrongProtocol { .. }) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// All gateways in the order to try them: ready ones, busy ones, those put aside.
    fn in_turn(&self, kind: Kind) -> Vec<&Line> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.gateways.len().max(1);
        let (later, first) = self.gateways.split_at(turn);
        let (mut ready, mut busy, mut aside) = (Vec::new(), Vec::new(), Vec::new());
        for gateway in first.iter().chain(later) {
            if !gateway.is_ready() {
                aside.push(gateway);
            } else if gateway.is_busy(kind) {
                busy.push(gateway);
            } else {
                ready.push(gateway);
            }
        }
        ready.append(&mut busy);
        ready.append(&mut aside);
        ready
    }
}

impl Pool {
    /// One call that writes so many rows, on the gateway whose turn it is.
    pub async fn write(
        &self,
        subject: &Subject<'_>,
        limit: Duration,
        rows: usize,
        request: Request<()>,
    ) -> Result<(), SinkError> {
        let turn = self.turn_to_write(rows, request.arguments().len()).await?;
        turn.gateway.call(subject, limit, turn.connections.call(request)).await?;
        turn.answered();
        Ok(())
    }

    /// One call that does not write rows, on the gateway whose turn it is.
    pub async fn call<T>(
        &self,
        subject: &Subject<'_>,
        limit: Duration,
        request: Request<T>,
    ) -> Result<T, SinkError> {
        let turn = self.turn().await?;
        turn.gateway.call(subject, limit, turn.connections.call(request)).await
    }
}

/// A bulk write from the wish to make it to its end. Dropping it reports the end, also when the write is given up
/// while it waits or while it is under way.
struct BulkCall<'a> {
    pool: &'a Pool,
    rows: usize,
    ended: Ended,
}

impl BulkCall<'_> {
    /// `None` for a call that is not paced.
    fn ask(pool: &Pool, rows: usize, bytes: usize) -> Option<BulkCall<'_>> {
        let mut pace = pool.pace();
        if !pace.is_bulk(rows, bytes) {
            return None;
        }
        pace.asked(pool.opened.elapsed());
        Some(BulkCall { pool, rows, ended: Ended::NotSent })
    }

    fn begin(&mut self) {
        self.ended = Ended::Unanswered { begun: self.pool.opened.elapsed() };
    }

    fn answered(&mut self) {
        if let Ended::Unanswered { begun } = self.ended {
            self.ended = Ended::Answered { begun, rows: self.rows };
        }
    }
}

impl Drop for BulkCall<'_> {
    fn drop(&mut self) {
        let mut pace = self.pool.pace();
        let before = (pace.calls(), pace.rows());
        pace.ended(self.pool.opened.elapsed(), self.ended);
        let now = (pace.calls(), pace.rows());
        if now != before {
            // Under the lock, so that of two changes the later one stays.
            self.pool.gateways.iter().for_each(|gateway| gateway.pace(now.0));
            tracing::debug!(calls = now.0, rows = now.1, "bulk writes are paced anew");
        }
    }
}

fn take_wrong_protocol(failures: &mut Vec<SinkError>) -> Option<SinkError> {
    let place = failures.iter().position(|error| matches!(error, SinkError::WrongProtocol { .. }))?;
    Some(failures.swap_remove(place))
}
