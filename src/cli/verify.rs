//! `tailfill verify`.

use super::args::VerifyArgs;
use crate::app::{self, VerifyOptions};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;

pub async fn verify(config: &Config, args: VerifyArgs) -> Result<Exit, Failure> {
    app::verify(config, VerifyOptions { json: args.json, repair: args.repair, yes: args.yes }).await
}
