//! Logs: lines on standard error, of text or of JSON.

use super::args::LogFormat;
use super::usage::usage;
use crate::app::{event_layer, output};
use crate::failure::Failure;
use std::ffi::OsString;
use std::io::IsTerminal;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

const VARIABLE: &str = "TAILFILL_LOG";

/// What is logged unless TAILFILL_LOG says otherwise: our own events, and the warnings of libraries.
const DEFAULT: &str = "warn,tailfill=info";

/// Starts logging.
///
/// # Errors
/// TAILFILL_LOG is not a filter.
pub fn start(format: LogFormat) -> Result<(), Failure> {
    let directives = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let directives = directives.as_deref().unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(directives).map_err(|reason| {
        usage(format!("{VARIABLE} is not a log filter: {reason}"))
            .with_help("use error, warn, info, debug or trace, or pairs like tailfill=debug,mysql_async=info")
    })?;
    let colours = are_wanted(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR"));
    let lines = tracing_subscriber::fmt::layer().with_writer(|| AboveBars);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colours).with_filter(filter).boxed(),
        LogFormat::Json => {
            output::write_json();
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            lines.with_filter(filter).boxed()
        }
    };
    // A second start, in a test, leaves the first one in place.
    let _ = tracing_subscriber::registry().with(lines).with(event_layer()).try_init();
    Ok(())
}

/// Prints why a command failed: as lines of text, or as an event of a log in JSON.
pub fn failure(failure: &Failure) {
    if !(output::is_json() && tracing::enabled!(tracing::Level::ERROR)) {
        return output::eprint(failure.render());
    }
    let causes: Vec<String> = failure.causes().map(ToString::to_string).collect();
    tracing::error!(
        exit_code = failure.exit as u8,
        caused_by = causes.join("; "),
        details = failure.details.join("; "),
        help = failure.help.as_deref().unwrap_or_default(),
        "{}",
        failure.error
    );
}

/// Colours only where a person reads, and NO_COLOR is absent or empty (no-color.org).
fn are_wanted(is_terminal: bool, no_color: Option<OsString>) -> bool {
    is_terminal && no_color.is_none_or(|text| text.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_takes_the_colours_away() {
        let is_terminal = true;
        assert!(are_wanted(is_terminal, None) && are_wanted(is_terminal, Some(OsString::new())));
        assert!(!are_wanted(is_terminal, Some("1".into())));
        assert!(!are_wanted(!is_terminal, None));
    }
}
