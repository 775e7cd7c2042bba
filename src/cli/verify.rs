//! `tailfill verify`.

use super::answer::print;
use super::args::{VerifyArgs, VerifyCommand};
use super::position::moment;
use crate::app::{self, Compared, Since, VerifyOptions};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;

/// Lists that are drawn at random from each mapping, unless the person says how many.
const RANDOM_LISTS: u32 = 1_000;
/// Every verdict that is kept.
const ALL: Since = Since { since_ms: 0, limit: usize::MAX };

pub async fn verify(config: &Config, args: VerifyArgs) -> Result<Exit, Failure> {
    if let Some(VerifyCommand::History { since, limit, report, json }) = args.command {
        let since = Since { since_ms: since.as_deref().map_or(Ok(0), moment)?, limit };
        if let Some(path) = report {
            app::verdict_report(config, since, &path).await?;
            return Ok(Exit::Done);
        }
        print(&app::verdict_history(config, since, json).await?)?;
        return Ok(Exit::Done);
    }
    let VerifyArgs { business, sample, lists, resume, json, repair, yes, report, .. } = args;
    let compared = match (business, sample) {
        (true, _) => Compared::Answers { random: lists.unwrap_or(RANDOM_LISTS) as usize },
        (false, Some(items)) => Compared::Sample { items },
        (false, None) => Compared::Items,
    };
    report.as_deref().map_or(Ok(()), app::can_report)?;
    let exit = app::verify(config, VerifyOptions { compared, resume, json, repair, yes }).await?;
    if let Some(path) = report {
        app::verdict_report(config, ALL, &path).await?;
    }
    Ok(exit)
}
