//! `tailfill pause` and `tailfill resume`.

use super::args::{LeverWork, PauseArgs, ResumeArgs};
use super::position;
use super::usage::usage;
use crate::app::{self, LeverOptions, MoveOptions, Wish};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{Wanted, Work};

pub async fn pause(config: &Config, args: PauseArgs) -> Result<Exit, Failure> {
    let (works, reason) = (works(args.work), args.reason.unwrap_or_default());
    app::set_levers(config, LeverOptions { works, wanted: Wanted::Paused, reason }).await
}

pub async fn resume(config: &Config, args: ResumeArgs) -> Result<Exit, Failure> {
    let (works, reason) = (works(args.work), args.reason.unwrap_or_default());
    let Some(from) = args.from else {
        return app::set_levers(config, LeverOptions { works, wanted: Wanted::Running, reason }).await;
    };
    if !works.contains(&Work::Tail) {
        return Err(usage("--from is for the tail").with_help("resume the tail, or all"));
    }
    let (wish, accept_gap) = (Wish::At(position::parse("--from", &from)?), args.accept_gap);
    app::move_tail(config, MoveOptions { wish, accept_gap, reason, resumes: works, json: false }).await
}

fn works(work: LeverWork) -> Vec<Work> {
    match work {
        LeverWork::Tail => vec![Work::Tail],
        LeverWork::Backfill => vec![Work::Backfill],
        LeverWork::All => Work::ALL.to_vec(),
    }
}
