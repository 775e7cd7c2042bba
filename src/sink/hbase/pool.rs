//! Several gateways, used in turn.

use super::failure::{self, Subject};
use super::line::{Kind, Line, Permit};
use super::options::HbaseOptions;
use super::probe::Interface;
use super::thrift::{Connections, Request};
use super::write_meter::WriteMeter;
use crate::sink::SinkError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const BULK_ROWS: usize = 500;
const BULK_BYTES: usize = 128 << 10;

pub struct Pool {
    gateways: Vec<Line>,
    turn: AtomicUsize,
    writes: WriteMeter,
}

/// The right to make one call on a gateway that answers, until it is dropped.
pub struct Turn<'a> {
    pub gateway: &'a Line,
    pub connections: Connections,
    _permit: Permit<'a>,
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
            _ => Ok(Pool { gateways, turn: AtomicUsize::new(0), writes: WriteMeter::default() }),
        }
    }

    /// The right to make one call of this kind.
    pub async fn turn(&self, kind: Kind) -> Result<Turn<'_>, SinkError> {
        let (gateway, connections, permit) = self.acquire(kind).await?;
        Ok(Turn { gateway, connections, _permit: permit })
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
        let turn = self.turn(kind_of_write(rows, request.arguments().len())).await?;
        let begun = Instant::now();
        let ended = turn.gateway.call(subject, limit, turn.connections.call(request)).await;
        self.writes.ended(begun);
        ended
    }

    /// The 99th percentile of the time that writes took lately.
    pub fn write_p99(&self) -> Option<Duration> {
        self.writes.p99()
    }

    /// One call that does not write rows, on the gateway whose turn it is.
    pub async fn call<T>(
        &self,
        subject: &Subject<'_>,
        limit: Duration,
        request: Request<T>,
    ) -> Result<T, SinkError> {
        let turn = self.turn(Kind::Other).await?;
        turn.gateway.call(subject, limit, turn.connections.call(request)).await
    }
}

/// A write of fewer rows and bytes is short, and does not wait behind longer ones.
fn kind_of_write(rows: usize, bytes: usize) -> Kind {
    match rows >= BULK_ROWS || bytes >= BULK_BYTES {
        true => Kind::Bulk,
        false => Kind::Other,
    }
}

fn take_wrong_protocol(failures: &mut Vec<SinkError>) -> Option<SinkError> {
    let place = failures.iter().position(|error| matches!(error, SinkError::WrongProtocol { .. }))?;
    Some(failures.swap_remove(place))
}
