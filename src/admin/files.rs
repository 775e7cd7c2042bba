//! The files by which other commands find the server: the address and the token.

use super::{ADDRESS_FILE, AdminError, TOKEN_FILE};
use std::fs;
use std::io::{self, Write as _};
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
