//! `tailfill recopy`.

use super::args::RecopyArgs;
use super::keys;
use super::usage;
use crate::app::{self, RecopyOptions};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;

pub async fn recopy(config: &Config, args: RecopyArgs) -> Result<Exit, Failure> {
    let RecopyArgs { mapping, keys: texts, yes, json, .. } = args;
    let mut lists = Vec::new();
    if texts.is_empty() {
        usage::known_mapping(config, &mapping)?;
    } else {
        let mapping = usage::mapping(config, &mapping).await?;
        for text in texts {
            lists.push(keys::parse("KEY", &text, &mapping.schema, &mapping.key)?);
        }
    }
    app::recopy(config, RecopyOptions { mapping, lists, yes, json }).await
}
