//! `tailfill init`.

use super::args::InitArgs;
use crate::app::{self, InitOptions};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;

pub async fn init(config: &Config, args: InitArgs) -> Result<Exit, Failure> {
    app::init(config, InitOptions { adopt: args.adopt }).await
}
