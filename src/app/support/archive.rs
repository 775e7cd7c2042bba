//! The archive: a folder in a tar file, compressed with gzip.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The bytes of an archive with these files in `folder`, for their owner alone.
///
/// # Errors
/// A name or a file is too long for a tar file.
pub fn pack<'a>(
    folder: &str,
    files: impl Iterator<Item = (&'a str, &'a str)>,
    at_ms: u64,
) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(at_ms / 1_000);
        archive.append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()
}

/// Writes a new file that its owner alone may read.
///
/// # Errors
/// It is there already, or cannot be written; then none is left.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path); // the error says more
    }
    written
}
