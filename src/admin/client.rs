//! Asking a running tailfill, which is found by the files in its `state_dir`.

use super::{ADDRESS_FILE, TOKEN_FILE};
use crate::pipeline::jobs::Failed;
use crate::pipeline::jobs::holds::{Held, HoldAsk, TURN_WITHIN};
use crate::pipeline::jobs::levers::{LeverAsk, LeverSet};
use crate::pipeline::jobs::{Ask, RecopyReport};
use crate::status::Status;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An answer comes from memory; one that takes longer than this does not come.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

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
        match answer.status() {
            status if status.is_success() => self.read(answer).await.map(Ok),
            StatusCode::CONFLICT => self.read(answer).await.map(Err),
            status => Err(self.not_understood(format!("it answered /levers with {status}"))),
        }
    }

    /// Asks the run to drain and end; does not wait for it.
    #[cfg(test)]
    pub async fn stop(&self) -> Result<(), ClientError> {
        let token = self.token()?;
        self.call(Method::POST, "stop", Some(&token), |request| request).await.map(drop)
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
