//! Running one ignored test of this binary in a process of its own, to kill or starve it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Where the child finds what to work on.
pub const DIR: &str = "TAILFILL_TEST_DIR";

/// A process that runs one test; killed when dropped.
pub struct TestProcess {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl TestProcess {
    /// Starts the ignored test `name`. `shell` is run first (`ulimit`).
    pub fn start(name: &str, dir: &Path, shell: &str) -> TestProcess {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{shell}\nexec \"$0\" --exact {name} --ignored --nocapture"))
            .arg(std::env::current_exe().expect("this test runs from a file"))
            .env(DIR, dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        let stdout = child.stdout.take().expect("stdout is piped");
        TestProcess { child, lines: BufReader::new(stdout).lines() }
    }

    /// The next line that begins with `word`: what follows it. `None` at the end of the output.
    pub fn next(&mut self, word: &str) -> Option<String> {
        self.lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix(word).map(str::to_owned))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().expect("the child was started by this test");
        self.child.wait().expect("the child was started by this test");
    }
}

impl Drop for TestProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
