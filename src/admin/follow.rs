//! New lines of a file of lines that others append to, and that is put aside when it is full.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The most that one look takes, bytes: more lines come with the next.
const LOOK_BYTES_MAX: u64 = 256 << 10;

/// A reader that stays.
pub struct Follow {
    path: PathBuf,
    /// `None`: it is not there yet.
    file: Option<File>,
    /// Read, and not yet a whole line.
    part: Vec<u8>,
}

impl Follow {
    /// From the present end on.
    pub fn from_end(path: &Path) -> Follow {
        let mut file = File::open(path).ok();
        if let Some(open) = &mut file
            && open.seek(SeekFrom::End(0)).is_err()
        {
            file = None;
        }
        Follow { path: path.to_owned(), file, part: Vec::new() }
    }

    /// The whole lines that came since the last look. A file that cannot be read has none.
    pub fn new_lines(&mut self) -> Vec<String> {
        // first the rest of the file that was put aside
        if self.read() < LOOK_BYTES_MAX && self.is_put_aside() {
            self.file = File::open(&self.path).ok();
            self.read();
        }
        let Some(end) = self.part.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.part.drain(..=end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }

    /// How many bytes came.
    fn read(&mut self) -> u64 {
        let before = self.part.len();
        if let Some(file) = &mut self.file {
            // what was read before an error stays
            _ = file.take(LOOK_BYTES_MAX).read_to_end(&mut self.part);
        }
        (self.part.len() - before) as u64
    }

    fn is_put_aside(&self) -> bool {
        let Ok(now) = std::fs::metadata(&self.path) else { return false };
        let open = self.file.as_ref().and_then(|file| file.metadata().ok());
        open.is_none_or(|open| (open.dev(), open.ino()) != (now.dev(), now.ino()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn append(path: &Path, text: &str) {
        let mut file = File::options().create(true).append(true).open(path).expect("it opens");
        file.write_all(text.as_bytes()).expect("it writes");
    }

    #[test]
    fn new_lines_come_whole_also_over_a_file_that_was_put_aside() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events");
        let mut early = Follow::from_end(&path);
        assert!(early.new_lines().is_empty(), "it is not there");
        append(&path, "old\n");
        assert_eq!(early.new_lines(), ["old"], "it was not there before");
        let mut log = Follow::from_end(&path);
        append(&path, "one\ntw");
        assert_eq!(log.new_lines(), ["one"]);
        append(&path, "o\n");
        assert_eq!(log.new_lines(), ["two"]);
        append(&path, "three\n");
        std::fs::rename(&path, dir.path().join("events.1")).expect("it is put aside");
        append(&path, "four\n");
        assert_eq!(log.new_lines(), ["three", "four"]);
        assert!(log.new_lines().is_empty());
    }
}
