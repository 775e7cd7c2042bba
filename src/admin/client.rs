//! Asking a running tailfill, which is found by the files in its `state_dir`.

use super::{ADDRESS_FILE, TOKEN_FILE};
use crate::model::{LimitsAsk, Pilot};
use crate::pipeline::jobs::Failed;
use crate::pipeline::jobs::history::Since;
use crate::pipeline::jobs::holds::{Held, HoldAsk, TURN_WITHIN};
use crate::pipeline::jobs::levers::{LeverAsk, LeverSet};
use crate::pipeline::jobs::moves::{MoveAsk, Moved};
use crate::pipeline::jobs::{Ask, RecopyReport};
use crate::status::{Status, ThrottleShown};
use crate::store::records::{PassageRecord, VerdictRecord};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An answer comes from memory; one that takes longer than this does not come.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A run whose tail is moved ends what is under way first, and asks MySQL whether it can continue from there.
const MOVED_WITHIN: Duration = Duration::from_secs(120);

/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Why a running tailfill does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no address, or nobody listens at it (a run that was killed leaves it).
    #[error("no tailfill runs with the state in {}", state_dir.display())]
    NotRunning { state_dir: PathBuf },
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        reason: std::io::Error,
    },
    #[error("the tailfill at {address} does not answer")]
    Unanswered {
        address: SocketAddr,
        #[source]
        reason: reqwest::Error,
    },
    /// It does not do what it was asked.
    #[error("the running tailfill refused: {reason}")]
    Refused { reason: String },
    /// Somebody else listens there, or another version.
    #[error("the program at {address} is not this version of tailfill: {reason}")]
    NotUnderstood { address: SocketAddr, reason: String },
}

/// The answer to an accepted request for a re-copy.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub job: u64,
}

/// A client of the admin server of one `state_dir`.
#[derive(Debug)]
pub struct Client {
    state_dir: PathBuf,
    address: SocketAddr,
    http: reqwest::Client,
}

impl Client {
    /// Finds the server. It is not asked yet.
    ///
    /// # Errors
    /// `NotRunning` when there is no address file.
    pub fn open(state_dir: &Path) -> Result<Client, ClientError> {
        let not_running = || ClientError::NotRunning { state_dir: state_dir.to_owned() };
        let text = read(state_dir, ADDRESS_FILE)?.ok_or_else(not_running)?;
        let address: SocketAddr = text.trim().parse().map_err(|_| not_running())?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(|reason| ClientError::Unanswered { address, reason })?;
        Ok(Client { state_dir: state_dir.to_owned(), address, http })
    }

    /// The status of now.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let answer = self.call(Method::GET, "status", None, |request| request).await?;
        self.read(answer).await
    }

    /// The metrics of now, as Prometheus' text.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let answer = self.call(Method::GET, "metrics", None, |request| request).await?;
        Ok(String::from_utf8_lossy(&self.body(answer).await?).into_owned())
    }

    /// The lists of the run; `None`: all.
    pub async fn pilot(&self) -> Result<Option<Pilot>, ClientError> {
        let token = self.token()?;
        let answer = self.call(Method::GET, "pilot", Some(&token), |request| request).await?;
        self.read(answer).await
    }

    /// Asks for a re-copy. The job's number.
    pub async fn recopy(&self, ask: &Ask) -> Result<u64, ClientError> {
        let token = self.token()?;
        let answer = self.call(Method::POST, "recopy", Some(&token), |request| request.json(ask)).await?;
        self.read(answer).await.map(|Job { job }| job)
    }

    /// What a job says of itself now.
    pub async fn recopy_report(&self, job: u64) -> Result<RecopyReport, ClientError> {
        let (token, route) = (self.token()?, format!("recopy/{job}"));
        let answer = self.call(Method::GET, &route, Some(&token), |request| request).await?;
        self.read(answer).await
    }

    /// Has lists held up; waits until it is their turn.
    pub async fn hold(&self, ask: &HoldAsk) -> Result<Held, ClientError> {
        let token = self.token()?;
        let with = |request: RequestBuilder| request.json(ask).timeout(TURN_WITHIN + ANSWER_WITHIN);
        let answer = self.call(Method::POST, "hold", Some(&token), with).await?;
        self.read(answer).await
    }

    /// Gives a hold back. Whether it had lasted until now.
    pub async fn release(&self, hold: u64) -> Result<bool, ClientError> {
        let (token, route) = (self.token()?, format!("release/{hold}"));
        let answer = self.call(Method::POST, &route, Some(&token), |request| request).await?;
        self.read(answer).await
    }

    /// Pauses or resumes; `Err` within: the run refuses it, and all stays as it was.
    pub async fn set_levers(&self, ask: &LeverAsk) -> Result<Result<LeverSet, Failed>, ClientError> {
        let token = self.token()?;
        let answer = self.send(Method::POST, "levers", Some(&token), |request| request.json(ask)).await?;
        self.taken_or_refused("levers", answer).await
    }

    /// Moves the tail; `Err` within: the run refuses it, and all stays as it was.
    pub async fn move_tail(&self, ask: &MoveAsk) -> Result<Result<Moved, Failed>, ClientError> {
        let token = self.token()?;
        let with = |request: RequestBuilder| request.json(ask).timeout(MOVED_WITHIN);
        let answer = self.send(Method::POST, "position", Some(&token), with).await?;
        self.taken_or_refused("position", answer).await
    }

    /// The newest records of the history of positions, oldest first.
    pub async fn position_history(&self, since: Since) -> Result<Vec<PassageRecord>, ClientError> {
        let route = format!("position/history/{}/{}", since.since_ms, since.limit);
        let answer = self.call(Method::GET, &route, None, |request| request).await?;
        self.read(answer).await
    }

    /// Has a verdict kept; `Err` within: the run refuses it.
    pub async fn keep_verdict(
        &self,
        verdict: &VerdictRecord,
    ) -> Result<Result<VerdictRecord, Failed>, ClientError> {
        let (token, route) = (self.token()?, "verify/history");
        let answer = self.send(Method::POST, route, Some(&token), |request| request.json(verdict)).await?;
        self.taken_or_refused(route, answer).await
    }

    /// The newest verdicts, oldest first.
    pub async fn verdicts(&self, since: Since) -> Result<Vec<VerdictRecord>, ClientError> {
        let (token, route) = (self.token()?, format!("verify/history/{}/{}", since.since_ms, since.limit));
        let answer = self.call(Method::GET, &route, Some(&token), |request| request).await?;
        self.read(answer).await
    }

    /// The limits of the copy, its pace, and what holds it back.
    pub async fn throttle(&self) -> Result<ThrottleShown, ClientError> {
        let answer = self.call(Method::GET, "throttle", None, |request| request).await?;
        self.read(answer).await
    }

    /// Changes limits; `Err` within: the run refuses it, and all stays as it was.
    pub async fn change_limits(&self, ask: &LimitsAsk) -> Result<Result<ThrottleShown, Failed>, ClientError> {
        let token = self.token()?;
        let answer = self.send(Method::POST, "throttle", Some(&token), |request| request.json(ask)).await?;
        self.taken_or_refused("throttle", answer).await
    }

    /// Asks the run to drain and end; does not wait for it.
    #[cfg(test)]
    pub async fn stop(&self) -> Result<(), ClientError> {
        let token = self.token()?;
        self.call(Method::POST, "stop", Some(&token), |request| request).await.map(drop)
    }

    /// The answer to what a run takes or refuses; `Err` within: why it refuses.
    async fn taken_or_refused<T: DeserializeOwned>(
        &self,
        route: &str,
        answer: Response,
    ) -> Result<Result<T, Failed>, ClientError> {
        match answer.status() {
            status if status.is_success() => self.read(answer).await.map(Ok),
            StatusCode::CONFLICT | StatusCode::BAD_REQUEST => self.read(answer).await.map(Err),
            status => Err(self.not_understood(format!("it answered /{route} with {status}"))),
        }
    }

    fn token(&self) -> Result<String, ClientError> {
        Ok(read(&self.state_dir, TOKEN_FILE)?.unwrap_or_default().trim().to_owned())
    }

    async fn call(
        &self,
        method: Method,
        route: &str,
        token: Option<&str>,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, ClientError> {
        let answer = self.send(method, route, token, with).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let refuses = route.starts_with("recopy") || route == "hold";
        if matches!(status, StatusCode::CONFLICT | StatusCode::NOT_FOUND) && refuses {
            let reason = String::from_utf8_lossy(&self.body(answer).await?).trim().to_owned();
            return Err(ClientError::Refused { reason });
        }
        Err(self.not_understood(format!("it answered /{route} with {status}")))
    }

    /// The answer, whatever its status.
    async fn send(
        &self,
        method: Method,
        route: &str,
        token: Option<&str>,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, ClientError> {
        let mut request = with(self.http.request(method, format!("http://{}/{route}", self.address)));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.map_err(|reason| match reason.is_connect() {
            true => ClientError::NotRunning { state_dir: self.state_dir.clone() },
            false => ClientError::Unanswered { address: self.address, reason },
        })
    }

    async fn read<T: DeserializeOwned>(&self, answer: Response) -> Result<T, ClientError> {
        let body = self.body(answer).await?;
        serde_json::from_slice(&body).map_err(|error| self.not_understood(error.to_string()))
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        let fail = |reason| ClientError::Unanswered { address: self.address, reason };
        while let Some(part) = answer.chunk().await.map_err(fail)? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(self.not_understood("its answer is too long".to_owned()));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn not_understood(&self, reason: String) -> ClientError {
        ClientError::NotUnderstood { address: self.address, reason }
    }
}

/// A file of `state_dir`; `None` when it is not there.
fn read(state_dir: &Path, name: &str) -> Result<Option<String>, ClientError> {
    let path = state_dir.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(ClientError::File { path, reason }),
    }
}
