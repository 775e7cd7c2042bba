//! `tailfill verify`: composes a comparison, asks a running tail where it is, and keeps the result.

use super::run::SOURCE;
use super::{VerifyOptions, connect, display, status};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::GtidSet;
use crate::protocol::Journal;
use crate::status::{Phase, Status};
use crate::store::redb::RedbStore;
use crate::verify::{Meter, Settings, Tail, TailPositions, TailView, Verification, full};
use async_trait::async_trait;
use std::sync::Arc;

pub async fn verify(config: &Config, options: VerifyOptions) -> Result<Exit, Failure> {
    let resolved = connect::resolve(config).await?;
    let sink = Arc::new(connect::sink(config, &resolved.mappings).await?);
    let meter = Arc::new(Meter::default());
    let verification = Verification {
        source: resolved.source,
        sink,
        mappings: resolved.mappings,
        tail: tail(config).await?,
        settings: Settings { chunk_rows: config.backfill.chunk_rows, ..Settings::default() },
        meter: meter.clone(),
    };
    let shown = tokio::spawn(display::show_comparison(meter));
    let report = full(&verification).await;
    shown.abort();
    let _ = shown.await; // it was aborted
    let report = report?;
    match options.json {
        true => {
            let json = serde_json::to_string(&report).map_err(|error| Failure::new(Exit::Failed, error))?;
            println!("{json}");
        }
        false => print!("{report}"),
    }
    Ok(report.exit())
}

/// The live tail of this state, or what the last run left.
async fn tail(config: &Config) -> Result<Tail, Failure> {
    if status::running(config).await?.is_some() {
        return Ok(Tail::Live(Arc::new(Running { config: config.clone() })));
    }
    if !RedbStore::exists(&config.state_dir) {
        return Ok(Tail::Stopped { checkpoint: None });
    }
    let store = RedbStore::open_read_only(&config.state_dir).await?;
    let checkpoint = Journal::new(Arc::new(store), SOURCE).checkpoint().await?;
    Ok(Tail::Stopped { checkpoint })
}

/// A tail in another process, asked by its admin address.
struct Running {
    config: Config,
}

#[async_trait]
impl TailView for Running {
    async fn positions(&self) -> Option<TailPositions> {
        let status = status::running(&self.config).await.ok().flatten()?;
        positions(&status)
    }
}

/// `None` when the tail says something that is no position, or does not tail any more.
fn positions(status: &Status) -> Option<TailPositions> {
    let gtids = |text: &str| text.parse::<GtidSet>().ok();
    let tails = matches!(status.phase, Phase::Tailing | Phase::Replaying | Phase::Draining);
    tails.then_some(TailPositions {
        received: gtids(&status.positions.received.gtids)?,
        written: gtids(&status.positions.written.gtids)?,
        replaying: status.phase == Phase::Replaying,
    })
}
