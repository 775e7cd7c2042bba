//! `tailfill check`.

use super::args::CheckArgs;
use crate::app::{self, CheckOptions};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;

pub async fn check(config: &Config, args: CheckArgs) -> Result<Exit, Failure> {
    let CheckArgs { json, accept_unanswered } = args;
    app::check(config, CheckOptions { json, accept_unanswered }).await
}
