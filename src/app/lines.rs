//! Files of lines in `state_dir`: for their owner, and written at their end.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for lines at its end, and makes it where it is not there: only its owner can read it (0600).
///
/// # Errors
/// It cannot be opened.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
