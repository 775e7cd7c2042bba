//! The history of positions of a run: a record a minute, and at its start and its end.
//!
//! It is for people. One that cannot be written ends no run: what has to be durable fails by itself.

use crate::model::Lever;
use crate::pipeline::jobs::history::{self, Keeper};
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;
use crate::store::records::Cause;
use crate::store::{Commit, StoreError};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(60);

/// Adds a record a minute until `stop`, and deletes those that are too old or too many.
pub async fn keep(parts: &Parts, stop: CancellationToken) -> Result<(), ProtocolError> {
    let mut keeper = Keeper::default();
    loop {
        tokio::select! { biased;
            () = stop.cancelled() => return Ok(()),
            () = sleep(EVERY) => {}
        }
        warn(keeper.add(&*parts.store, Cause::Minute, &now(parts)).await);
    }
}

/// Adds one record.
pub async fn note(parts: &Parts, cause: Cause) {
    let noted = async {
        let put = history::of_now(&*parts.store, cause, &now(parts)).await?;
        let put: Vec<_> = put.into_iter().collect();
        if !put.is_empty() {
            parts.store.commit(Commit { put, ..Commit::default() }).await?;
        }
        Ok(())
    };
    warn(noted.await);
}

fn now(parts: &Parts) -> Lever {
    Lever { at_ms: parts.clock.now_ms(), ..Lever::default() }
}

fn warn(noted: Result<(), StoreError>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "the history of positions lacks a record");
    }
}
