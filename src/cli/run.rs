//! `tailfill run`.

use super::args::{RunArgs, Until};
use super::{pilot, position};
use crate::app::{self, Lists, RunMode, RunOptions};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;

pub async fn run(config: &Config, args: RunArgs) -> Result<Exit, Failure> {
    let mode = match (args.tail_only, args.backfill_only) {
        (true, _) => RunMode::TailOnly,
        (_, true) => RunMode::BackfillOnly,
        _ => RunMode::TailAndBackfill,
    };
    let from = args.from.as_deref().map(|text| position::parse("--from", text)).transpose()?;
    let until_caught_up = matches!(args.until, Some(Until::CaughtUp));
    let lists = match args.all {
        true => Lists::All,
        false => pilot::lists(config, &args).await?,
    };
    let RunArgs { dry_run, resume, summary, accept_unanswered, accept_gap, .. } = args;
    let options = RunOptions {
        mode,
        from,
        until_caught_up,
        lists,
        dry_run,
        resume,
        summary,
        accept_unanswered,
        accept_gap,
    };
    app::run(config, options).await
}
