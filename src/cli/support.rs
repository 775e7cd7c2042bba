//! `tailfill support-bundle`.

use super::args::SupportBundleArgs;
use crate::app::{self, SupportOptions};
use crate::error::Exit;
use crate::failure::Failure;
use std::path::Path;

/// `config`: the file of the configuration, which may have faults.
pub async fn bundle(config: &Path, args: SupportBundleArgs) -> Result<Exit, Failure> {
    let SupportBundleArgs { output, log } = args;
    app::support_bundle(config, SupportOptions { output, log }).await
}
