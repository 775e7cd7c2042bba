//! The server and its routes.
//!
//! | route | answers | needs the token |
//! |---|---|---|
//! | `GET /`, `/page.css`, `/page.js`, `/page.svg` | the page of [`page`] | |
//! | `GET /status` | the [`Status`](crate::status::Status) as JSON | |
//! | `GET /metrics` | the same as metrics: Prometheus' text, or OpenMetrics for those who accept it | |
//! | `GET /healthz`, `/health` | 200 while the run is up and both servers have answered within a minute; else 503 | |
//! | `GET /readyz` | 200 while the run tails or copies and both servers answer; else 503 | |
//! | `GET /events` | the newest lines of `state_dir/events.jsonl`, at most a mebibyte, oldest first; for `Accept: text/event-stream` server-sent events ([`live`]) | |
//! | `GET /throttle` | the [`ThrottleShown`](crate::status::ThrottleShown) as JSON | |
//! | `POST /throttle` | 200 and the same for a [`LimitsAsk`](crate::model::LimitsAsk); 400 (faults) or 409 and the [`Failed`](crate::pipeline::jobs::Failed) | yes |
//! | `POST /stop` | 202; the run drains and ends | yes |
//! | `POST /levers` | 200 and the [`LeverSet`](crate::pipeline::jobs::levers::LeverSet) for a [`LeverAsk`]; 409 and the reason when it is refused | yes |
//! | `POST /position` | 200 and the [`Moved`](crate::pipeline::jobs::moves::Moved) for a [`MoveAsk`]; 409 and the reason when it is refused | yes |
//! | `GET /position/history/SINCE_MS/LIMIT` | the newest [`PassageRecord`](crate::store::records::PassageRecord)s as JSON, oldest first | |
//! | `POST /verify/history` | 200 and the [`VerdictRecord`](crate::store::records::VerdictRecord) as it is kept; 409 and the reason when it is not | yes |
//! | `GET /verify/history/SINCE_MS/LIMIT` | the newest [`VerdictRecord`](crate::store::records::VerdictRecord)s as JSON, oldest first | yes |
//! | `POST /recopy` | 202 and `{"job":N}` for an [`Ask`]; 409 when it is not taken | yes |
//! | `POST /hold` | 200 and the [`Held`](crate::pipeline::jobs::holds::Held) for a [`HoldAsk`]; 409 when it is refused | yes |
//! | `GET /pilot` | the [`Pilot`] whose lists alone are moved as JSON, `null` where all are; 503 while the run starts | yes |
//! | `POST /release/N` | `true` where the hold had lasted until now, else `false` | yes |
//! | `GET /recopy/N` | the job's [`Report`](crate::pipeline::jobs::RecopyReport) as JSON | yes |

use super::auth::{self, Token};
use super::client::Job;
use super::files::Files;
use super::history::History;
use super::live::{self, Listeners, Log};
use super::metrics::Format;
use super::page::{self, Page};
use super::{AdminError, EVENTS_FILE, metrics, throttle, verdicts};
use crate::model::Pilot;
use crate::pipeline::jobs::Ask;
use crate::pipeline::jobs::history::Since;
use crate::pipeline::jobs::holds::HoldAsk;
use crate::pipeline::jobs::levers::LeverAsk;
use crate::pipeline::jobs::moves::MoveAsk;
use crate::pipeline::{Holds, Levers, Recopies, Throttle};
use crate::status::StatusSource;
use axum::extract::{Path as RoutePath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router, middleware};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long open connections may take to end once the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What a run takes over HTTP.
pub struct Taken {
    /// `POST /stop` cancels it.
    pub drain: CancellationToken,
    pub levers: Levers,
    pub throttle: Throttle,
    pub recopies: Recopies,
    pub holds: Holds,
    /// The lists of the run, once it knows them.
    pub pilot: TakenPilot,
}

/// The lists of a run, as it tells them to commands beside it: none known yet, all, or those of a pilot.
#[derive(Clone, Debug, Default)]
pub struct TakenPilot(Arc<OnceLock<Option<Pilot>>>);

impl TakenPilot {
    /// `None`: all lists. Once.
    pub fn set(&self, pilot: Option<Pilot>) {
        let _ = self.0.set(pilot); // it does not change while a run is up
    }
}

/// A running admin server. Dropping it removes its files and ends it abruptly; [`AdminServer::stop`]
/// lets answers finish.
#[derive(Debug)]
pub struct AdminServer {
    #[cfg(test)]
    address: SocketAddr,
    stopping: CancellationToken,
    task: JoinHandle<()>,
    _files: Files,
}

impl AdminServer {
    /// Listens on `listen` (port 0: any), and writes the address and a fresh token into `state_dir`,
    /// which must be there and be locked by this process.
    ///
    /// # Errors
    /// The port is taken, or `state_dir` is not writable.
    pub async fn start(
        listen: SocketAddr,
        state_dir: &Path,
        status: StatusSource,
        taken: Taken,
    ) -> Result<AdminServer, AdminError> {
        let fail = |reason| AdminError::Listen { address: listen, reason };
        let listener = TcpListener::bind(listen).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let token = Token::random();
        let files = Files::write(state_dir, address, token.text())?;
        let stopping = CancellationToken::new();
        let stopped = stopping.clone().cancelled_owned();
        let (history, path) = (History::default(), state_dir.join(EVENTS_FILE));
        let listeners = Listeners::new(stopping.clone());
        let log = Log { path: path.clone(), status: status.clone(), listeners };
        let events = Router::new().route("/events", get(live::show_events)).with_state(log);
        let (throttle, levers) = (taken.throttle.clone(), taken.levers.clone());
        let limits = Arc::new(move || throttle.shown(&levers.control(), true));
        let page = page::routes(Page { status: status.clone(), limits, history: history.clone(), log: path });
        let sampling = history.sample(status.clone());
        let routes = routes(status, token, taken, events.merge(page));
        let listener = listener.tap_io(live::cut_off_slow_readers);
        let task = tokio::spawn(async move {
            let served = axum::serve(listener, routes).with_graceful_shutdown(stopped);
            tokio::select! {
                served = served => if let Err(error) = served {
                    tracing::error!(%error, "the admin server ended");
                },
                () = sampling => {}
            }
        });
        tracing::info!(%address, "the admin server listens");
        Ok(AdminServer {
            #[cfg(test)]
            address,
            stopping,
            task,
            _files: files,
        })
    }

    /// The bound address.
    #[cfg(test)]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server after its open answers, within two seconds, and removes its files.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        // Past that, dropping ends it abruptly.
        let _ = tokio::time::timeout(STOP_WITHIN, &mut self.task).await;
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `shown`: what shows something beside the status.
fn routes(status: StatusSource, token: Token, taken: Taken, shown: Router) -> Router {
    let Taken { drain, levers, throttle, recopies, holds, pilot } = taken;
    let (limits, limiting) = throttle::routes(throttle, levers.clone());
    let recopying = Router::new()
        .route("/recopy", post(recopy))
        .route("/recopy/{job}", get(show_recopy))
        .with_state(recopies);
    let holding =
        Router::new().route("/hold", post(hold)).route("/release/{hold}", post(release)).with_state(holds);
    let history = Router::new()
        .route("/position/history/{since_ms}/{limit}", get(show_history))
        .with_state(levers.clone());
    let verdicts = verdicts::routes(levers.clone());
    let pausing = Router::new()
        .route("/levers", post(set_levers))
        .route("/position", post(move_tail))
        .with_state(levers);
    let changing = Router::new()
        .route("/stop", post(stop))
        .with_state(drain)
        .merge(pausing)
        .merge(limiting)
        .merge(recopying)
        .merge(holding)
        .merge(verdicts)
        .merge(Router::new().route("/pilot", get(show_pilot)).with_state(pilot))
        .route_layer(middleware::from_fn_with_state(token, auth::require_token));
    Router::new()
        .route("/status", get(show_status))
        .route("/metrics", get(show_metrics))
        .route("/health", get(show_health))
        .route("/healthz", get(show_health))
        .route("/readyz", get(show_readiness))
        .with_state(status)
        .merge(shown)
        .merge(history)
        .merge(limits)
        .merge(changing)
        .layer(middleware::from_fn(auth::require_same_origin))
        .layer(middleware::from_fn(auth::require_loopback_host))
        .layer(middleware::from_fn(page::guard))
}

async fn show_pilot(State(TakenPilot(pilot)): State<TakenPilot>) -> Response {
    match pilot.get() {
        Some(pilot) => Json(pilot).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the run is still starting\n").into_response(),
    }
}

async fn show_status(State(status): State<StatusSource>) -> Response {
    Json(status()).into_response()
}

async fn show_metrics(State(status): State<StatusSource>, headers: HeaderMap) -> Response {
    let format = match live::accepts(&headers, metrics::OPEN_METRICS) {
        true => Format::OpenMetrics,
        false => Format::Text,
    };
    ([(header::CONTENT_TYPE, format.content_type())], metrics::render(&status(), format)).into_response()
}

async fn show_health(State(status): State<StatusSource>) -> Response {
    probe(status().unhealthy())
}

async fn show_readiness(State(status): State<StatusSource>) -> Response {
    probe(status().unready())
}

/// `trouble`: the first reason why not.
fn probe(trouble: Option<String>) -> Response {
    match trouble {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn stop(State(drain): State<CancellationToken>) -> Response {
    tracing::info!("received a request to stop: draining");
    drain.cancel();
    (StatusCode::ACCEPTED, "draining\n").into_response()
}

async fn set_levers(State(levers): State<Levers>, Json(ask): Json<LeverAsk>) -> Response {
    match levers.set(&ask).await {
        Ok(set) => Json(set).into_response(),
        Err(refused) => (StatusCode::CONFLICT, Json(refused)).into_response(),
    }
}

async fn move_tail(State(levers): State<Levers>, Json(ask): Json<MoveAsk>) -> Response {
    match levers.move_tail(&ask).await {
        Ok(moved) => Json(moved).into_response(),
        Err(refused) => (StatusCode::CONFLICT, Json(refused)).into_response(),
    }
}

async fn show_history(State(levers): State<Levers>, RoutePath(since): RoutePath<Since>) -> Response {
    match levers.history(since).await {
        Ok(records) => Json(records).into_response(),
        Err(failed) => (StatusCode::SERVICE_UNAVAILABLE, Json(failed)).into_response(),
    }
}

async fn recopy(State(recopies): State<Recopies>, Json(ask): Json<Ask>) -> Response {
    tracing::info!(mapping = %ask.mapping, dry_run = ask.dry_run, "received a request for a re-copy");
    match recopies.enqueue(ask) {
        Ok(job) => (StatusCode::ACCEPTED, Json(Job { job })).into_response(),
        Err(reason) => (StatusCode::CONFLICT, reason).into_response(),
    }
}

async fn show_recopy(State(recopies): State<Recopies>, RoutePath(job): RoutePath<u64>) -> Response {
    match recopies.report(job) {
        Some(report) => Json(report).into_response(),
        None => (StatusCode::NOT_FOUND, "no such job\n").into_response(),
    }
}

async fn hold(State(holds): State<Holds>, Json(ask): Json<HoldAsk>) -> Response {
    match holds.hold(&ask).await {
        Ok(held) => Json(held).into_response(),
        Err(reason) => (StatusCode::CONFLICT, reason).into_response(),
    }
}

async fn release(State(holds): State<Holds>, RoutePath(hold): RoutePath<u64>) -> Response {
    Json(holds.release(hold)).into_response()
}

#[cfg(test)]
pub(super) use tests::Nothing;

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
