//! `tailfill init`.

use super::args::InitArgs;
use crate::app::{self, InitOptions};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;

pub async fn init(config: &Config, args: InitArgs) -> Result<Exit, Failure> {
    let InitArgs { adopt, accept_unanswered } = args;
    app::init(config, InitOptions { adopt, accept_unanswered }).await
}
