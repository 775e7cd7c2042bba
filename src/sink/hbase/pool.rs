//! Several gateways, used in turn.

use super::failure::{self, Subject};
use super::gateway::{Client, Gateway, Reply};
use super::{HbaseOptions, thrift};
use crate::sink::SinkError;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::SemaphorePermit;

pub struct Pool {
    gateways: Vec<Gateway>,
    turn: AtomicUsize,
}

impl Pool {
    /// Asks every gateway what it speaks.
    pub async fn open(options: &HbaseOptions) -> Result<Pool, SinkError> {
        let gateways: Vec<Gateway> =
            options.gateways.iter().map(|address| Gateway::new(address, options)).collect();
        let answers = futures::future::join_all(gateways.iter().map(Gateway::client)).await;
        let mut failures = Vec::new();
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            tracing::warn!(%error, "an hbase gateway cannot be used now");
        }
        let open = answers.iter().filter(|answer| answer.is_ok()).count();
        failures.extend(answers.into_iter().filter_map(Result::err));
        if let Some(wrong) = take_wrong_protocol(&mut failures) {
            return Err(wrong);
        }
        match failures.pop() {
            Some(error) if open == 0 => Err(error),
            _ => Ok(Pool { gateways, turn: AtomicUsize::new(0) }),
        }
    }

    /// One call, on the gateway whose turn it is.
    pub async fn call<T, E, F>(
        &self,
        subject: &Subject<'_>,
        limit: Duration,
        call: impl FnOnce(Client) -> F,
    ) -> Result<T, SinkError>
    where
        F: Future<Output = Reply<T, E>>,
        thrift::TioError: From<E>,
    {
        let (gateway, client, _permit) = self.acquire().await?;
        gateway.call(subject, limit, call(client)).await
    }

    /// A gateway that answers, and the right to make one call on it. Those that failed a moment ago
    /// come last; a gateway that turns out to be away is passed over, for nothing was sent to it yet.
    async fn acquire(&self) -> Result<(&Gateway, Client, SemaphorePermit<'_>), SinkError> {
        let mut last = failure::unavailable("none", "no gateway is configured");
        for gateway in self.in_turn() {
            let permit = gateway.permit().await;
            match gateway.client().await {
                Ok(client) => return Ok((gateway, client, permit)),
                Err(error @ SinkError::WrongProtocol { .. }) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// All gateways in the order to try them: ready ones, busy ones, those put aside.
    fn in_turn(&self) -> Vec<&Gateway> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.gateways.len().max(1);
        let (later, first) = self.gateways.split_at(turn);
        let (mut ready, mut busy, mut aside) = (Vec::new(), Vec::new(), Vec::new());
        for gateway in first.iter().chain(later) {
            if !gateway.is_ready() {
                aside.push(gateway);
            } else if gateway.is_busy() {
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

fn take_wrong_protocol(failures: &mut Vec<SinkError>) -> Option<SinkError> {
    let place = failures.iter().position(|error| matches!(error, SinkError::WrongProtocol { .. }))?;
    Some(failures.swap_remove(place))
}
