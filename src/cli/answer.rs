//! Answers on standard output.

use crate::error::Exit;
use crate::failure::Failure;
use std::io::Write as _;

/// Prints an answer; whether somebody still reads. A reader that went away (`tailfill get ... | head`)
/// is no failure.
pub fn print(text: &str) -> Result<bool, Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(Exit::Failed, error)),
    }
}
