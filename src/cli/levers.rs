//! `tailfill pause` and `tailfill resume`.

use super::args::{LeverWork, PauseArgs, ResumeArgs};
use crate::app::{self, LeverOptions};
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
    app::set_levers(config, LeverOptions { works, wanted: Wanted::Running, reason }).await
}

fn works(work: LeverWork) -> Vec<Work> {
    match work {
        LeverWork::Tail => vec![Work::Tail],
        LeverWork::Backfill => vec![Work::Backfill],
        LeverWork::All => Work::ALL.to_vec(),
    }
}
