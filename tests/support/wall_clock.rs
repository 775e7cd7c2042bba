//! A wall clock that a test sets for a process alone: a library that is loaded before libc.

use std::path::PathBuf;
use std::process::Command;

/// The wall clock of the processes that are started with its [`WallClock::env`]; it can be set while they run.
pub struct WallClock {
    dir: tempfile::TempDir,
    library: String,
    ahead: String,
}

impl WallClock {
    /// One that is right.
    pub fn new() -> WallClock {
        let dir = tempfile::Builder::new().prefix("tailfill-clock-").tempdir().expect("a temporary folder");
        let path = |name: &str| dir.path().join(name).to_str().expect("a plain name").to_owned();
        let (library, ahead) = (path("wall_clock.so"), path("ahead"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/wall_clock.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", &library, source]).status();
        assert!(built.expect("cc can be started").success(), "{source} does not build");
        let clock = WallClock { dir, library, ahead };
        clock.set(0);
        clock
    }

    /// From now on it is so many seconds ahead of the machine's.
    pub fn set(&self, seconds_ahead: i64) {
        // in one step: a process may look at this moment
        let new = self.dir.path().join("new");
        let written = std::fs::write(&new, seconds_ahead.to_string());
        written.and_then(|()| std::fs::rename(&new, &self.ahead)).expect("the folder can be written");
    }

    /// What a process needs in its environment.
    pub fn env(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", &self.library), ("TAILFILL_TEST_CLOCK", &self.ahead)]
    }

    /// Whether a process has looked at it since it was set so.
    pub fn was_seen(&self, seconds_ahead: i64) -> bool {
        PathBuf::from(format!("{}.seen.{seconds_ahead}", self.ahead)).exists()
    }
}
