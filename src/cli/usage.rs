//! Mistakes in what was typed: a word that has no meaning, or a mapping that the configuration does not have.

use crate::config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Mapping;

/// A mistake in what was typed.
pub fn usage(sentence: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, sentence.into())
}

/// The mapping that a command names, without asking the source.
pub fn known_mapping(config: &config::Config, name: &str) -> Result<(), Failure> {
    if config.mapping(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = config.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
    let help = match config::fault::likely(name, names.iter().copied()) {
        Some(likely) => format!("did you mean {likely}?"),
        None => format!("its mappings: {}", names.join(", ")),
    };
    Err(usage(format!("{name:?} is not a mapping of the configuration")).with_help(help))
}

/// The mapping that a command names, with the types that the source has now.
pub async fn mapping(config: &config::Config, name: &str) -> Result<Mapping, Failure> {
    known_mapping(config, name)?;
    let mappings = crate::app::mappings(config).await?;
    let found = mappings.into_iter().find(|mapping| mapping.name == name);
    found.ok_or_else(|| usage(format!("{name:?} is not a mapping of the configuration")))
}
