//! `tailfill status`.

use super::answer::print;
use super::args::StatusArgs;
use crate::admin::ClientError;
use crate::app;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::status::Status;
use std::io::IsTerminal;
use std::time::Duration;

/// How often `--watch` looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Moves to the top left and clears what is below.
const CLEAR_SCREEN: &str = "\x1b[H\x1b[J";

pub async fn status(config: &Config, args: StatusArgs) -> Result<Exit, Failure> {
    let read = print(&render(&app::status(config).await?, &args)?)?;
    if args.watch && read { watch(config, &args).await } else { Ok(Exit::Done) }
}

/// Shows the status every second until the run has ended, or nobody reads.
async fn watch(config: &Config, args: &StatusArgs) -> Result<Exit, Failure> {
    let before = match (args.json, std::io::stdout().is_terminal()) {
        (true, _) => "",
        (false, true) => CLEAR_SCREEN,
        (false, false) => "\n",
    };
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let status = match app::status(config).await {
            Err(failure) if has_ended(&failure) => return Ok(Exit::Done),
            answer => answer?,
        };
        if !print(&format!("{before}{}", render(&status, args)?))? {
            return Ok(Exit::Done);
        }
    }
}

fn has_ended(failure: &Failure) -> bool {
    matches!(failure.error.downcast_ref(), Some(ClientError::NotRunning { .. }))
}

/// The block of text, or one line of JSON.
fn render(status: &Status, args: &StatusArgs) -> Result<String, Failure> {
    if !args.json {
        return Ok(status.to_string());
    }
    let json = serde_json::to_string(status).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(format!("{json}\n"))
}
