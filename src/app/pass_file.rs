//! The file of `state_dir` in which a full comparison keeps what it has, and the right to write it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The pass.
const FILE: &str = "verify.pass";
/// Whoever has it locked may write the pass.
const LOCK: &str = "verify.lock";
/// No pass is longer: it has some megabytes a target.
const BYTES_MAX: u64 = 1 << 30;

/// The file, while this process alone may write it.
#[derive(Debug)]
pub struct PassFile {
    path: PathBuf,
    /// One writes at a time.
    writing: Mutex<()>,
    _lock: File,
}

impl PassFile {
    /// `None`: another process compares with this `state_dir`, and keeps its own pass there. Makes the folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(state_dir: &Path) -> io::Result<Option<PassFile>> {
        fs::create_dir_all(state_dir)?;
        let lock = private().write(true).create(true).truncate(false).open(state_dir.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Some(PassFile { path: state_dir.join(FILE), writing: Mutex::new(()), _lock: lock }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it; `None`: there is none.
    ///
    /// # Errors
    /// It cannot be read, or is longer than any pass.
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        if file.take(BYTES_MAX + 1).read_to_end(&mut bytes)? as u64 > BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than any verification"));
        }
        Ok(Some(bytes))
    }

    /// Replaces it durably: a reader finds the old one or the new one, whole, also after a crash. `pass` says what is in it,
    /// once it is the turn of this call: so what is written last is the newest, and nothing once there is none. Whether
    /// there was.
    ///
    /// # Errors
    /// It cannot be written; the old one is as it was.
    pub fn write(&self, pass: impl FnOnce() -> Option<Vec<u8>>) -> io::Result<bool> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = pass() else { return Ok(false) };
        let temporary = self.path.with_extension("pass.new");
        absent(fs::remove_file(&temporary))?;
        let mut file = private().write(true).create_new(true).open(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        self.sync_folder()?;
        Ok(true)
    }

    /// Removes it durably.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        absent(fs::remove_file(&self.path))?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// For the owner alone.
fn private() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_replaced_whole_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = PassFile::open(&dir.path().join("state")).expect("it can be made").expect("nobody has it");
        assert_eq!(file.read().expect("it reads"), None);
        file.remove().expect("nothing is removed");
        std::fs::write(file.path().with_extension("pass.new"), "of a process that was killed")
            .expect("it writes");
        for bytes in [&b"one"[..], b"the other"] {
            assert!(file.write(|| Some(bytes.to_vec())).expect("it writes"));
            assert_eq!(file.read().expect("it reads").as_deref(), Some(bytes));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(file.path()).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(!file.write(|| None).expect("there is nothing to write"));
        assert!(file.read().expect("it reads").is_some());
        file.remove().expect("it can be removed");
        assert_eq!(file.read().expect("it reads"), None);
    }

    #[test]
    fn one_process_has_it_at_a_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = PassFile::open(dir.path()).expect("it can be made");
        assert!(first.is_some() && PassFile::open(dir.path()).expect("it can be asked").is_none());
        drop(first);
        assert!(PassFile::open(dir.path()).expect("it can be made").is_some());
    }
}
