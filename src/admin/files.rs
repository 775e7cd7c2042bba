//! The files by which other commands find the server (the address and the token), and the newest lines of a log.

use super::{ADDRESS_FILE, AdminError, TOKEN_FILE};
use std::fs;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Both files, removed when this is dropped. The state's lock makes sure that one process at a time
/// has them.
#[derive(Debug)]
pub struct Files {
    paths: [PathBuf; 2],
}

impl Files {
    /// Writes both files: each appears whole, the token readable by its owner only.
    pub fn write(state_dir: &Path, address: SocketAddr, token: &str) -> Result<Files, AdminError> {
        let [token_path, address_path] = [TOKEN_FILE, ADDRESS_FILE].map(|name| state_dir.join(name));
        let files = Files { paths: [address_path.clone(), token_path.clone()] };
        // The address last: who finds it finds the token too.
        for (path, text) in [(token_path, token.to_owned()), (address_path, address.to_string())] {
            replace(&path, &text).map_err(|reason| AdminError::File { path, reason })?;
        }
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.paths {
            if let Err(error) = fs::remove_file(path) {
                tracing::debug!(path = %path.display(), %error, "an admin file could not be removed");
            }
        }
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&temporary)?.write_all(format!("{text}\n").as_bytes())?;
    fs::rename(&temporary, path)
}

/// The newest whole lines of a file, in `bytes_max` bytes at most; none where there is no file.
///
/// # Errors
/// It cannot be read.
pub fn newest_lines(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let left_out = file.metadata()?.len().saturating_sub(bytes_max);
    file.seek(io::SeekFrom::Start(left_out))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    if left_out > 0 {
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        bytes.drain(..first);
    }
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    bytes.truncate(whole);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_shown() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events");
        assert_eq!(newest_lines(&path, 9).expect("no file is no line"), b"");
        fs::write(&path, "first\nsecond\nhal").expect("it writes");
        assert_eq!(newest_lines(&path, 100).expect("it reads"), b"first\nsecond\n");
        assert_eq!(newest_lines(&path, 12).expect("it reads"), b"second\n");
        assert_eq!(newest_lines(&path, 3).expect("it reads"), b"");
    }
}
