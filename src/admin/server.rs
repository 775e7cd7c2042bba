//! The server and its routes.
//!
//! | route | answers | needs the token |
//! |---|---|---|
//! | `GET /status` | the [`Status`](crate::status::Status) as JSON | |
//! | `GET /metrics` | the same as OpenMetrics text | |
//! | `GET /healthz`, `/health` | 200 while the run is up and both servers have answered within a minute; else 503 | |
//! | `GET /readyz` | 200 while the run tails or copies and both servers answer; else 503 | |
//! | `GET /events` | the newest lines of `state_dir/events.jsonl`, at most a mebibyte, oldest first | |
//! | `POST /stop` | 202; the run drains and ends | yes |
//! | `POST /levers` | 200 and the [`LeverSet`](crate::pipeline::jobs::levers::LeverSet) for a [`LeverAsk`]; 409 and the reason when it is refused | yes |
//! | `POST /recopy` | 202 and `{"job":N}` for an [`Ask`]; 409 when it is not taken | yes |
//! | `POST /hold` | 200 and the [`Held`](crate::pipeline::jobs::holds::Held) for a [`HoldAsk`]; 409 when it is refused | yes |
//! | `POST /release/N` | `true` where the hold had lasted until now, else `false` | yes |
//! | `GET /recopy/N` | the job's [`Report`](crate::pipeline::jobs::RecopyReport) as JSON | yes |

use super::auth::{self, Token};
use super::client::Job;
use super::files::{self, Files};
use super::{AdminError, EVENTS_FILE, metrics};
use crate::pipeline::jobs::Ask;
use crate::pipeline::jobs::holds::HoldAsk;
use crate::pipeline::jobs::levers::LeverAsk;
use crate::pipeline::{Holds, Levers, Recopies};
use crate::status::StatusSource;
use axum::extract::{Path as RoutePath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The longest answer to `GET /events`.
const EVENTS_BYTES_MAX: u64 = 1 << 20;

/// How long open connections may take to end once the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What a run takes over HTTP.
pub struct Taken {
    /// `POST /stop` cancels it.
    pub drain: CancellationToken,
    pub levers: Levers,
    pub recopies: Recopies,
    pub holds: Holds,
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
        let events = Router::new().route("/events", get(show_events)).with_state(state_dir.to_owned());
        let routes = routes(status, token, taken, events);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the admin server ended");
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

fn routes(status: StatusSource, token: Token, taken: Taken, events: Router) -> Router {
    let Taken { drain, levers, recopies, holds } = taken;
    let recopying = Router::new()
        .route("/recopy", post(recopy))
        .route("/recopy/{job}", get(show_recopy))
        .with_state(recopies);
    let holding =
        Router::new().route("/hold", post(hold)).route("/release/{hold}", post(release)).with_state(holds);
    let pausing = Router::new().route("/levers", post(set_levers)).with_state(levers);
    let changing = Router::new()
        .route("/stop", post(stop))
        .with_state(drain)
        .merge(pausing)
        .merge(recopying)
        .merge(holding)
        .route_layer(middleware::from_fn_with_state(token, auth::require_token));
    Router::new()
        .route("/status", get(show_status))
        .route("/metrics", get(show_metrics))
        .route("/health", get(show_health))
        .route("/healthz", get(show_health))
        .route("/readyz", get(show_readiness))
        .with_state(status)
        .merge(events)
        .merge(changing)
        .layer(middleware::from_fn(auth::require_loopback_host))
}

async fn show_status(State(status): State<StatusSource>) -> Response {
    Json(status()).into_response()
}

async fn show_metrics(State(status): State<StatusSource>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&status())).into_response()
}

async fn show_events(State(state_dir): State<PathBuf>) -> Response {
    match files::newest_lines(&state_dir.join(EVENTS_FILE), EVENTS_BYTES_MAX) {
        Ok(lines) => ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
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
mod tests {
    use super::super::{ADDRESS_FILE, Client, ClientError, TOKEN_FILE};
    use super::*;
    use crate::model::{Lever, Mapping, Value, Work};
    use crate::pipeline::jobs::{JobState, Touch, Touched};
    use crate::status::Status;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    struct Running {
        server: AdminServer,
        drain: CancellationToken,
        recopies: Recopies,
        state_dir: tempfile::TempDir,
        base: String,
        http: reqwest::Client,
    }

    fn taken(drain: &CancellationToken, recopies: &Recopies) -> Taken {
        let (drain, recopies) = (drain.clone(), recopies.clone());
        Taken { drain, levers: Levers::default(), recopies, holds: Holds::default() }
    }

    async fn start() -> Running {
        let state_dir = tempfile::tempdir().expect("a folder");
        let (drain, recopies) = (CancellationToken::new(), Recopies::taken(Arc::new(Nothing)));
        let status: StatusSource = Arc::new(|| Status { pid: 4242, ..Status::default() });
        let listen = "127.0.0.1:0".parse().expect("an address");
        let taken = taken(&drain, &recopies);
        let server = AdminServer::start(listen, state_dir.path(), status, taken).await.expect("a server");
        let base = format!("http://{}", server.address());
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Running { server, drain, recopies, state_dir, base, http }
    }

    #[tokio::test]
    async fn probes_answer_200_only_while_nothing_is_wrong() {
        let run = start().await;
        for (path, code) in [("health", 200), ("healthz", 200), ("readyz", 503)] {
            let answer = run.http.get(format!("{}/{path}", run.base)).send().await.expect(path);
            assert_eq!(answer.status().as_u16(), code, "{path}");
        }
    }

    #[tokio::test]
    async fn the_client_finds_the_server_by_its_files_and_reads_the_status() {
        let run = start().await;
        let client = Client::open(run.state_dir.path()).expect("a client");
        assert_eq!(client.status().await.expect("a status").pid, 4242);
        let metrics = run.http.get(format!("{}/metrics", run.base)).send().await.expect("metrics");
        assert_eq!(metrics.headers()["content-type"], metrics::CONTENT_TYPE);
        let health = run.http.get(format!("{}/health", run.base)).send().await.expect("health");
        assert_eq!(health.status(), 200);
    }

    #[tokio::test]
    async fn stopping_the_run_needs_the_token() {
        let run = start().await;
        let stop = || run.http.post(format!("{}/stop", run.base));
        assert_eq!(stop().send().await.expect("an answer").status(), 401);
        assert_eq!(stop().bearer_auth("0".repeat(64)).send().await.expect("an answer").status(), 401);
        assert!(!run.drain.is_cancelled());
        Client::open(run.state_dir.path()).expect("a client").stop().await.expect("a stop");
        assert!(run.drain.is_cancelled());
    }

    /// Keeps nothing.
    struct Nothing;

    impl Touched for Nothing {
        fn name(&self, _: &Mapping, _: &[Value], _: &[Value]) -> String {
            String::new()
        }

        fn note(&self, _: &str, _: &str, _: &[Touch]) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_recopy_needs_the_token_and_says_how_far_it_is() {
        let run = start().await;
        let lists = Some(vec![vec![Value::UInt(7), Value::Text("eu".into())]]);
        let ask = Ask { mapping: "followers".into(), lists, dry_run: true };
        let post = || run.http.post(format!("{}/recopy", run.base)).json(&ask);
        assert_eq!(post().send().await.expect("an answer").status(), 401);
        assert_eq!(post().bearer_auth("0".repeat(64)).send().await.expect("an answer").status(), 401);
        assert!(run.recopies.reports().is_empty());
        let client = Client::open(run.state_dir.path()).expect("a client");
        let job = client.recopy(&ask).await.expect("it is taken");
        let look = run.http.get(format!("{}/recopy/{job}", run.base));
        assert_eq!(look.send().await.expect("an answer").status(), 401);
        let report = client.recopy_report(job).await.expect("a report");
        assert_eq!((report.mapping.as_str(), report.state), ("followers", JobState::Queued));
        assert!(matches!(client.recopy_report(job + 1).await, Err(ClientError::Refused { .. })));
        run.recopies.close();
        assert!(matches!(client.recopy(&ask).await, Err(ClientError::Refused { .. })));
    }

    #[tokio::test]
    async fn setting_a_lever_needs_the_token_and_a_run_that_has_begun() {
        let run = start().await;
        let ask = LeverAsk { works: vec![Work::Tail], lever: Lever::default() };
        let post = run.http.post(format!("{}/levers", run.base)).json(&ask);
        assert_eq!(post.send().await.expect("an answer").status(), 401);
        let client = Client::open(run.state_dir.path()).expect("a client");
        let refused = client.set_levers(&ask).await.expect("an answer").expect_err("it is starting");
        assert!(refused.reason.contains("starting"), "{refused:?}");
    }

    #[tokio::test]
    async fn holding_lists_up_needs_the_token_and_a_run_that_tails() {
        let run = start().await;
        let ask = HoldAsk { mapping: "followers".into(), lists: vec![vec![Value::UInt(7)]] };
        for route in ["hold", "release/1"] {
            let post = run.http.post(format!("{}/{route}", run.base)).json(&ask);
            assert_eq!(post.send().await.expect("an answer").status(), 401);
        }
        let client = Client::open(run.state_dir.path()).expect("a client");
        assert!(matches!(client.hold(&ask).await, Err(ClientError::Refused { .. })));
        assert!(!client.release(1).await.expect("an answer"), "nothing is held");
    }

    #[tokio::test]
    async fn a_request_under_a_foreign_host_name_is_refused() {
        let run = start().await;
        let request = run.http.get(format!("{}/status", run.base)).header("Host", "evil.example");
        assert_eq!(request.send().await.expect("an answer").status(), 403);
    }

    #[tokio::test]
    async fn the_token_is_private_and_both_files_are_gone_at_the_end() {
        let run = start().await;
        let [address, token] = [ADDRESS_FILE, TOKEN_FILE].map(|name| run.state_dir.path().join(name));
        assert_eq!(
            std::fs::read_to_string(&address).expect("the address"),
            format!("{}\n", run.server.address())
        );
        assert_eq!(std::fs::metadata(&token).expect("the token").permissions().mode() & 0o777, 0o600);
        run.server.stop().await;
        assert!(!address.exists() && !token.exists());
        assert!(matches!(Client::open(run.state_dir.path()), Err(ClientError::NotRunning { .. })));
    }

    #[tokio::test]
    async fn a_run_that_was_killed_leaves_files_and_counts_as_not_running() {
        let run = start().await;
        let copy = tempfile::tempdir().expect("a folder");
        for name in [ADDRESS_FILE, TOKEN_FILE] {
            std::fs::copy(run.state_dir.path().join(name), copy.path().join(name)).expect("a copy");
        }
        run.server.stop().await;
        let client = Client::open(copy.path()).expect("a client");
        assert!(matches!(client.status().await, Err(ClientError::NotRunning { .. })));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error_with_advice() {
        let run = start().await;
        let state_dir = tempfile::tempdir().expect("a folder");
        let status: StatusSource = Arc::new(Status::default);
        let taken = taken(&CancellationToken::new(), &Recopies::none());
        let second = AdminServer::start(run.server.address(), state_dir.path(), status, taken).await;
        assert!(second.expect_err("a taken port").advice().contains("admin.listen"));
    }
}
