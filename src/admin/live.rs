//! `GET /events` for those who stay: server-sent events, with the status once a second and each new line of the event log.
//!
//! A listener is served as fast as it reads: nothing is prepared for it ahead. One that reads nothing is cut off by the kernel
//! ([`cut_off_slow_readers`]), and there are at most [`LISTENERS_MAX`].

use super::files;
use super::follow::Follow;
use crate::status::StatusSource;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt as _};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// The longest answer to `GET /events` for those who do not stay.
const LINES_BYTES_MAX: u64 = 1 << 20;
/// How many may listen at once.
const LISTENERS_MAX: usize = 32;
/// How often a listener gets the status.
const EVERY: Duration = Duration::from_secs(1);
/// How long bytes may wait to be taken, milliseconds.
const UNREAD_FOR_MS: u32 = 10_000;

/// What `GET /events` answers from.
#[derive(Clone)]
pub struct Log {
    /// The event log.
    pub path: PathBuf,
    pub status: StatusSource,
    pub listeners: Listeners,
}

/// The newest lines of the log, or events for whoever stays.
pub async fn show_events(State(log): State<Log>, headers: HeaderMap) -> Response {
    if accepts(&headers, "text/event-stream") {
        return match log.listeners.listen(log.status, &log.path) {
            Some(events) => Sse::new(events).into_response(),
            None => (StatusCode::SERVICE_UNAVAILABLE, "too many listen already\n").into_response(),
        };
    }
    match files::newest_lines(&log.path, LINES_BYTES_MAX) {
        Ok(lines) => ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Whether a request asks for this type of answer.
pub fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accepts| accepts.to_str().ok())
        .is_some_and(|accepts| accepts.contains(kind))
}

/// Who may listen, and until when.
#[derive(Clone)]
pub struct Listeners {
    places: Arc<Semaphore>,
    until: CancellationToken,
}

impl Listeners {
    /// `until` ends them all.
    pub fn new(until: CancellationToken) -> Listeners {
        Listeners { places: Arc::new(Semaphore::new(LISTENERS_MAX)), until }
    }

    /// What one more listener gets; `None`: there are as many as there may be.
    pub fn listen(
        &self,
        status: StatusSource,
        log: &Path,
    ) -> Option<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let listener = Listener { ticks, status, log: Follow::from_end(log), _place: place };
        let events = stream::unfold(listener, |mut listener| async move {
            listener.ticks.tick().await;
            Some((stream::iter(listener.events()), listener))
        });
        Some(events.flatten().map(Ok).take_until(self.until.clone().cancelled_owned()))
    }

    /// How many listen.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        LISTENERS_MAX - self.places.available_permits()
    }
}

struct Listener {
    ticks: Interval,
    status: StatusSource,
    log: Follow,
    /// Given back when the connection ends.
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// Events of the log first: the status is newer.
    fn events(&mut self) -> Vec<Event> {
        let lines = self.log.new_lines();
        let mut events: Vec<Event> =
            lines.into_iter().map(|line| Event::default().event("event").data(line)).collect();
        if let Ok(status) = serde_json::to_string(&(self.status)()) {
            events.push(Event::default().event("status").data(status));
        }
        events
    }
}

/// Has the kernel close a connection whose other side takes nothing for ten seconds.
pub fn cut_off_slow_readers(connection: &mut TcpStream) {
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&*connection, UNREAD_FOR_MS) {
        tracing::debug!(%error, "a reader of the admin server that takes nothing is not cut off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;
    use axum::Router;
    use axum::routing::get;
    use axum::serve::ListenerExt as _;
    use std::time::Instant;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_listener_that_reads_nothing_is_cut_off() {
        let listeners = Listeners::new(CancellationToken::new());
        // fills what the kernel keeps for both sides within seconds
        let status: StatusSource = Arc::new(|| Status { version: "x".repeat(4 << 20), ..Status::default() });
        let log = Log { path: PathBuf::from("/dev/null"), status, listeners: listeners.clone() };
        let routes = Router::new().route("/events", get(show_events)).with_state(log);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let cut = |connection: &mut TcpStream| {
            cut_off_slow_readers(connection);
            // the same in less time
            rustix::net::sockopt::set_tcp_user_timeout(&*connection, 500).expect("it is Linux");
        };
        let server = tokio::spawn(axum::serve(listener.tap_io(cut), routes).into_future());
        let mut silent = TcpStream::connect(address).await.expect("a connection");
        let asks = b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
        silent.write_all(asks).await.expect("it is sent");
        let begin = Instant::now();
        let mut was_there = false;
        while !was_there || listeners.count() > 0 {
            was_there |= listeners.count() == 1;
            assert!(begin.elapsed() < Duration::from_secs(60), "it is still served");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(silent);
        server.abort();
    }
}
