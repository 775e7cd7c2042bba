//! Logs: lines on standard error.

use super::usage::usage;
use crate::failure::Failure;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "TAILFILL_LOG";

/// What is logged unless TAILFILL_LOG says otherwise: our own events, and the warnings of libraries.
const DEFAULT: &str = "warn,tailfill=info";

/// Starts logging. Colours only where a person reads, and NO_COLOR is not set.
///
/// # Errors
/// TAILFILL_LOG is not a filter.
pub fn start() -> Result<(), Failure> {
    let directives = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let directives = directives.as_deref().unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(directives).map_err(|reason| {
        usage(format!("{VARIABLE} is not a log filter: {reason}"))
            .with_help("use error, warn, info, debug or trace, or pairs like tailfill=debug,mysql_async=info")
    })?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| AboveBars).with_ansi(colours);
    // A second start, in a test, leaves the first one in place.
    let _ = logs.try_init();
    Ok(())
}

/// Standard error, without tearing the bars of a run.
struct AboveBars;

impl std::io::Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        crate::app::above_bars(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
