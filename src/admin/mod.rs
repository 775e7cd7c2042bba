//! The admin server: status, metrics, health and a page over HTTP on loopback, and the client for it.
//!
//! Promises: nothing that changes something is done without the token of `state_dir/admin.token`;
//! a web page that a person has open cannot ask either (only requests that name a loopback host are
//! answered, and none that another page sends changes anything).
//! Refuses to know: where a status comes from, and what stopping means.

mod auth;
mod client;
mod files;
mod follow;
mod history;
mod live;
mod metrics;
#[cfg(test)]
mod openapi_tests;
mod page;
mod server;
mod throttle;
mod verdicts;

pub(crate) use client::{Client, ClientError};
pub(crate) use files::newest_lines;
pub(crate) use page::report;
pub(crate) use server::{AdminServer, Taken, TakenPilot};

use std::path::PathBuf;

/// The file in `state_dir` that holds the bound address, while a run is up.
pub const ADDRESS_FILE: &str = "admin.addr";

/// The file in `state_dir` that holds the token (mode 0600), while a run is up.
pub const TOKEN_FILE: &str = "admin.token";

/// The event log of a run, in `state_dir`: one JSON object a line. It stays when the run ends.
pub const EVENTS_FILE: &str = "events.jsonl";

/// Why the admin server cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("the admin server cannot listen on {address}")]
    Listen {
        address: std::net::SocketAddr,
        #[source]
        reason: std::io::Error,
    },
    #[error("{} cannot be written", path.display())]
    File {
        path: PathBuf,
        #[source]
        reason: std::io::Error,
    },
}

impl AdminError {
    /// What the operator can do.
    pub fn advice(&self) -> &'static str {
        match self {
            AdminError::Listen { .. } => {
                "does another tailfill listen there? give admin.listen another port, or port 0 for any"
            }
            AdminError::File { .. } => "is state_dir writable?",
        }
    }
}
