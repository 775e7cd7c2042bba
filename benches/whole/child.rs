//! tailfill as a child process: its configuration, its status, its end.

use crate::configuration::configuration_of;
use crate::processes;
use anyhow::{Context, bail, ensure};
use serde_json::Value as Json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tailfill::admin::ADDRESS_FILE;

/// What a command that ends by itself may take, beyond all reason.
const END_WITHIN: Duration = Duration::from_secs(3_600);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A tailfill process; killed when dropped.
pub struct Tailfill {
    child: Child,
    folder: PathBuf,
    command: String,
    http: reqwest::Client,
    memory_high: u64,
}

impl Tailfill {
    /// Starts `PROGRAM ARGUMENTS` with the configuration in `folder`; its output goes to files there.
    pub fn start(program: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<Tailfill> {
        let file = |name: &str| File::options().create(true).append(true).open(folder.join(name));
        let child = Command::new(program)
            .args(arguments)
            .arg("-c")
            .arg(configuration_of(folder))
            .env_remove("TAILFILL_FAILPOINTS")
            .stdin(Stdio::null())
            .stdout(file("tailfill.out")?)
            .stderr(file("tailfill.err")?)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        let command = format!("tailfill {}", arguments.join(" ")).chars().take(120).collect();
        Ok(Tailfill { child, folder: folder.to_owned(), command, http, memory_high: 0 })
    }

    /// Runs a command to its end.
    pub async fn complete(program: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        Tailfill::start(program, folder, arguments)?.ended_well().await
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The status, once there is one.
    ///
    /// `None`: the process does not answer yet, or no more.
    pub async fn status(&mut self) -> Option<Status> {
        self.memory_high = self.memory_high.max(processes::memory_high(self.pid()).unwrap_or(0));
        let address = std::fs::read_to_string(self.folder.join("state").join(ADDRESS_FILE)).ok()?;
        let answer = self.http.get(format!("http://{}/status", address.trim())).send().await.ok()?;
        let status = Status(answer.json().await.ok()?);
        // a killed process leaves its address behind, and somebody else may listen there
        (status.0["pid"] == self.pid()).then_some(status)
    }

    /// Waits until the status says so.
    ///
    /// # Errors
    /// The process ended, or it does not come to that within `limit`.
    pub async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        is_so: impl Fn(&Status) -> bool,
    ) -> anyhow::Result<Status> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.status().await
                && is_so(&status)
            {
                return Ok(status);
            }
            if let Some(status) = self.ended()? {
                bail!("{} ended ({status}) before {what}; it wrote:\n{}", self.command, self.wrote());
            }
            ensure!(begin.elapsed() < limit, "{}: not {what} within {limit:?}", self.command);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Resident memory at most, over all looks at the status; bytes.
    pub fn memory_high(&self) -> u64 {
        self.memory_high
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It ended with another code than 0.
    pub async fn ended_well(mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.ended()? {
                break status;
            }
            ensure!(begin.elapsed() < END_WITHIN, "{} does not end", self.command);
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        self.check(status)
    }

    pub fn check(&self, status: ExitStatus) -> anyhow::Result<()> {
        ensure!(status.success(), "{} ended with {status}; it wrote:\n{}", self.command, self.wrote());
        Ok(())
    }

    /// Asks it to end in order, and waits for that.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        let begin = Instant::now();
        loop {
            match self.ended()? {
                // interrupted cleanly: checkpointed
                Some(status) if status.code() == Some(130) => return Ok(()),
                Some(status) => return self.check(status),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
            ensure!(begin.elapsed() < Duration::from_secs(30), "{} does not stop", self.command);
        }
    }

    /// kill -9.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn wrote(&self) -> String {
        let text = std::fs::read(self.folder.join("tailfill.err")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Tailfill {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What `GET /status` answered. Read by name, so that the same bench measures versions that count more or less.
#[derive(Clone, Debug)]
pub struct Status(Json);

impl Status {
    /// A number, by JSON pointer; 0 when it is not there.
    pub fn number(&self, pointer: &str) -> u64 {
        self.0.pointer(pointer).and_then(Json::as_u64).unwrap_or(0)
    }

    pub fn decimal(&self, pointer: &str) -> Option<f64> {
        self.0.pointer(pointer).and_then(Json::as_f64)
    }

    pub fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
    }

    /// Whether there is such a thing and it is not null.
    pub fn has(&self, pointer: &str) -> bool {
        self.0.pointer(pointer).is_some_and(|found| !found.is_null())
    }

    /// Changes that were read, counted when they are put into a batch.
    pub fn changes(&self) -> u64 {
        ["inserts", "updates", "deletes"].iter().map(|kind| self.number(&format!("/tail/{kind}"))).sum()
    }

    /// Changes that the tail has written: counted by the run, or else those that wait in no queue (which counts the
    /// batch that is being filled as written, up to 2,000 too many).
    pub fn written(&self) -> u64 {
        match self.0.pointer("/tail/rows_written").and_then(Json::as_u64) {
            Some(rows) => rows,
            None => self.changes().saturating_sub(self.number("/tail/queued_rows")),
        }
    }

    /// Rows copied into the first target, over all runs with this state.
    pub fn copied(&self) -> u64 {
        self.number("/targets/0/rows_copied")
    }

    /// Whether everything that was read is written, and there is a place in the binlog to go on from.
    pub fn is_tailing(&self) -> bool {
        self.text("/phase") == "tailing" && self.number("/tail/queued_rows") == 0
    }
}
