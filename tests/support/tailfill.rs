//! The program itself, as a user starts it.

use super::printed;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a command that runs to its end may take.
const END_LIMIT: Duration = Duration::from_secs(600);

/// The program under test: what Cargo has built, unless `TAILFILL_PROGRAM` names another file.
pub fn program() -> OsString {
    std::env::var_os("TAILFILL_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_tailfill").into())
}

/// A tailfill process with its output in files; killed when dropped.
pub struct Tailfill {
    child: Child,
    command: String,
    out: PathBuf,
    err: PathBuf,
}

/// How it ended, and what it printed.
#[derive(Debug)]
pub struct Ended {
    /// `None`: by a signal.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
    command: String,
}

impl Tailfill {
    /// Starts `tailfill ARGUMENTS -c CONFIG`; output goes to files named `NAME.out` and `.err` in `dir`.
    pub fn start(
        dir: &Path,
        name: &str,
        config: &Path,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> Tailfill {
        let (out, err) = (dir.join(format!("{name}.out")), dir.join(format!("{name}.err")));
        let file = |path: &Path| Stdio::from(File::create(path).expect("the test's folder can be written"));
        let child = Command::new(program())
            .args(arguments)
            .arg("-c")
            .arg(config)
            .env_remove("TAILFILL_FAILPOINTS")
            .env_remove("TAILFILL_KILL_AT")
            .env_remove("TAILFILL_LOG")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(file(&out))
            .stderr(file(&err))
            .spawn()
            .expect("the program under test can be started");
        Tailfill { child, command: arguments.join(" "), out, err }
    }

    /// The same with its output where the test wants it.
    pub fn start_with_output(config: &Path, arguments: &[&str], out: Stdio, err: Stdio) -> Child {
        Command::new(program())
            .args(arguments)
            .arg("-c")
            .arg(config)
            .env_remove("TAILFILL_FAILPOINTS")
            .env_remove("TAILFILL_KILL_AT")
            .env_remove("TAILFILL_LOG")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the program under test can be started")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) -> Ended {
        self.child.kill().expect("it was started by this test");
        let status = self.child.wait().expect("it was started by this test");
        self.ended_with(status)
    }

    /// From now on it writes nothing beyond the first so many bytes of any file.
    pub fn limit_files(&self, bytes: u64) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        prlimit(pid, Resource::Fsize, limit).expect("it was started by this test");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.pid().to_string()).status();
        assert!(status.expect("kill can be started").success(), "SIG{signal} to {}", self.pid());
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it was started by this test").is_some()
    }

    /// Ends it as Ctrl-C does.
    pub async fn interrupted(self) -> Ended {
        self.signal("INT");
        self.ended().await.expect_code(130)
    }

    /// Waits for the end.
    pub async fn ended(self) -> Ended {
        self.ended_within(END_LIMIT).await
    }

    /// Waits for the end; fails after `limit`.
    pub async fn ended_within(mut self, limit: Duration) -> Ended {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started by this test") {
                return self.ended_with(status);
            }
            if begin.elapsed() >= limit {
                let (out, err) = (read(&self.out), read(&self.err));
                panic!("`{}` did not end within {limit:?}\n{out}\n{err}", self.command);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its connections to a port of this machine, as Linux lists them.
    pub fn connections_to(&self, port: u16) -> usize {
        let proc = PathBuf::from(format!("/proc/{}", self.pid()));
        let open = std::fs::read_dir(proc.join("fd")).into_iter().flatten().flatten();
        let sockets: Vec<String> = open
            .filter_map(|entry| Some(std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        let table = std::fs::read_to_string(proc.join("net/tcp")).unwrap_or_default();
        let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // remote address, state (01: established), inode
        let to_it = |fields: &[&str]| match (fields.get(2), fields.get(3), fields.get(9)) {
            (Some(remote), Some(&"01"), Some(inode)) => {
                remote.ends_with(&format!(":{port:04X}")) && sockets.contains(&format!("socket:[{inode}]"))
            }
            _ => false,
        };
        fields.filter(|fields| to_it(fields)).count()
    }

    /// The largest resident memory so far, bytes.
    pub fn memory_high(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    /// What it has written to standard error so far.
    pub fn err_so_far(&self) -> String {
        read(&self.err)
    }

    fn ended_with(&self, status: ExitStatus) -> Ended {
        let (out, err) = (read(&self.out), read(&self.err));
        let dir = self.out.parent().expect("they lie in the test's folder");
        printed::check(dir, &self.command, &out, &err);
        Ended { code: status.code(), signal: status.signal(), out, err, command: self.command.clone() }
    }
}

impl Drop for Tailfill {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- `{}` (pid {}) wrote:\n{}", self.command, self.pid(), tail(&read(&self.err)));
        }
    }
}

impl Ended {
    /// Fails unless it ended with this code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Ended {
        let Ended { command, out, err, .. } = &self;
        assert_eq!(self.code, Some(code), "`{command}` wrote:\n{}\n{}", tail(out), tail(err));
        self
    }

    /// Fails unless it was killed: SIGKILL, and no other end.
    #[track_caller]
    pub fn expect_kill(self) -> Ended {
        let Ended { command, out, err, .. } = &self;
        let code = self.code;
        assert_eq!(
            self.signal,
            Some(9),
            "`{command}` ended with {code:?}, and wrote:\n{}\n{}",
            tail(out),
            tail(err)
        );
        self
    }

    /// Fails unless standard error says each of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Ended {
        let lower = self.err.to_lowercase();
        for word in words {
            assert!(lower.contains(&word.to_lowercase()), "{word:?} is not in:\n{}", tail(&self.err));
        }
        self
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
