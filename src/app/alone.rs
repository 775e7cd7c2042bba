//! A run is alone with its state and its `server_id`: a copy of `state_dir` would write with ticks of its own beside it.

use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::source::MysqlSource;
use crate::source::claim::{self, Claim, Held};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What `check` and `run` say of it.
pub const ADVICE: &str = "stop that run, or give this one a source.server_id and a state_dir of its own (a copy of a state_dir \
     is the same state)";

/// The proof, kept until the run ends.
pub struct Alone(JoinHandle<Held>);

impl Alone {
    /// From now on no other run has this state or `server_id`. Should one get them all the same, `stop` is cancelled.
    ///
    /// # Errors
    /// Exit 3 when one has them.
    pub async fn begin(
        source: Arc<MysqlSource>,
        state_id: &str,
        config: &Config,
        stop: CancellationToken,
    ) -> Result<Alone, Failure> {
        let names = claim::names(state_id, config.source.server_id);
        let claim = Claim::take(source, names).await?.map_err(|held| refused(&held))?;
        Ok(Alone(tokio::spawn(async move {
            let held = claim.kept().await;
            stop.cancel();
            held
        })))
    }

    /// The run has ended.
    ///
    /// # Errors
    /// It ended because another one has its place.
    pub async fn end(self) -> Result<(), Failure> {
        if !self.0.is_finished() {
            self.0.abort();
        }
        match self.0.await {
            Ok(held) => Err(refused(&held)),
            Err(_) => Ok(()),
        }
    }
}

fn refused(held: &Held) -> Failure {
    Failure::new(Exit::Refused, sentence(held)).with_help(ADVICE)
}

/// `another run has "tailfill server_id 7": session 12 of tf, from host:port`.
pub fn sentence(held: &Held) -> String {
    format!("another run uses this {}: MySQL's {}", held.what(), held.session)
}
