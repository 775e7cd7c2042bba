//! The programs in `examples/` for other people's applications, run as these would.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The two readers of lists, which take the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Python,
    Java,
}

/// What a program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Reader {
    pub const ALL: [Reader; 2] = [Reader::Python, Reader::Java];

    /// The reader with these words, to its end.
    pub async fn run(self, words: &[&str]) -> Said {
        let mut command = match self {
            Reader::Python => python("readers/python/reader.py"),
            Reader::Java => {
                let mut command = Command::new("java");
                command.args(["-Xmx256m", "-cp", &variable("TAILFILL_READER_CLASSPATH"), "Reader"]);
                command
            }
        };
        let (option, port) = match self {
            Reader::Python => ("--gateway", "TAILFILL_THRIFT2_PORT"),
            Reader::Java => ("--zookeeper", "TAILFILL_ZOOKEEPER_PORT"),
        };
        command.args([option, &format!("127.0.0.1:{}", super::setup::port(port))]).args(words);
        said(command).await
    }
}

/// Python with a program of `examples/`.
pub fn python(program: &str) -> Command {
    let mut command = Command::new(variable("TAILFILL_PYTHON"));
    command.arg(path(program));
    command
}

/// Python's doctest of a program of `examples/`.
pub async fn doctest(program: &str) -> Said {
    let mut command = Command::new(variable("TAILFILL_PYTHON"));
    command.args(["-m", "doctest"]).arg(path(program));
    said(command).await
}

/// `hold.py` at the lease of a list, in the background; ended when dropped.
pub struct Hold {
    child: Child,
    err: PathBuf,
    _dir: tempfile::TempDir,
}

impl Hold {
    /// Starts it with these words, and a command that ends with [`Hold::let_go`].
    pub fn start(words: &[&str]) -> Hold {
        let dir = tempfile::Builder::new().prefix("tailfill-hold-").tempdir().expect("a temporary folder");
        let err = dir.path().join("err");
        let mut command = python("lease/hold.py");
        command.args(words).args(["--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(&err).expect("the folder can be written"));
        Hold { child: command.spawn().expect("Python can be started"), err, _dir: dir }
    }

    /// Waits until it has the lease.
    pub async fn until_it_holds(&mut self) {
        super::wait::until_so("hold.py to have the lease", async || {
            assert!(self.child.try_wait().expect("it was started here").is_none(), "{}", self.said());
            self.said().contains("hold: holds tf1:")
        })
        .await;
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Ends the command, and waits for the end of the whole: its code, and what it said.
    pub async fn let_go(mut self) -> Said {
        drop(self.child.stdin.take());
        let status = super::wait::until("hold.py to end", async || {
            self.child.try_wait().expect("it was started here")
        });
        let code = status.await.code();
        Said { code, out: String::new(), err: self.said() }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // the command, which would outlive it
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    #[track_caller]
    pub fn code(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "it wrote:\n{}\n{}", self.out, self.err);
        self
    }
}

async fn said(mut command: Command) -> Said {
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it does not panic");
    let output = output.expect("the program can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn path(program: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(program)
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `eval \"$(scripts/readers)\"`"))
}
