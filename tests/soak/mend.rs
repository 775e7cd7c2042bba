//! Re-copies beside a run, with something to mend and without, while the application writes and faults go on.

use super::process::{DRAIN_LIMIT, Lives};
use super::tally::Tally;
use crate::support::corruption::corrupt;
use crate::support::scenario::{Scenario, copied};
use crate::support::tailfill::Tailfill;
use serde_json::Value as Json;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What a re-copy may take once nothing disturbs it any more.
const CALM_LIMIT: Duration = Duration::from_secs(300);

/// How soon it is looked again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a round's re-copies needed.
#[derive(Default)]
pub struct Mended {
    pub seconds: u64,
    /// Commands that were started, also those that a fault ended.
    pub attempts: u64,
    /// Commands that came to their end while faults went on.
    pub under_faults: u64,
    /// Writes behind tailfill's back.
    pub planted: usize,
    /// Lines of recopy.jsonl.
    pub touched: usize,
    pub wrong: Vec<String>,
}

/// A round's re-copies, and the runs that they stand beside.
pub struct Mending<'a> {
    pub scenario: &'a Scenario,
    pub tally: &'a Tally,
    pub lives: &'a mut Lives,
    /// Cancelled when `faults_end` is there.
    pub faults: &'a CancellationToken,
    pub faults_end: Instant,
    run: Option<Tailfill>,
    done: Mended,
}

impl<'a> Mending<'a> {
    pub fn new(
        scenario: &'a Scenario,
        tally: &'a Tally,
        lives: &'a mut Lives,
        faults: &'a CancellationToken,
        faults_end: Instant,
    ) -> Mending<'a> {
        Mending { scenario, tally, lives, faults, faults_end, run: None, done: Mended::default() }
    }

    /// One re-copy with nothing to mend, and one after corruption: by the command, or by `verify`.
    pub async fn mend(mut self, by_verify: bool) -> Mended {
        let begin = Instant::now();
        // faults end when it is time, or nothing would ever come to its end
        let (faults, faults_end) = (self.faults.clone(), self.faults_end);
        let ends_faults = tokio::spawn(async move {
            tokio::time::sleep_until(faults_end.into()).await;
            faults.cancel();
        });
        self.until_done(&["recopy", "lists", "--yes"], "recopy: beside a run, with nothing to mend").await;
        let touched = self.touched();
        self.done.planted = corrupt(self.scenario).await.into_iter().sum();
        match by_verify {
            false => {
                self.until_done(&["recopy", "lists", "--yes"], "recopy: planted corruption mended").await
            }
            true => {
                let command = ["verify", "--full", "--repair", "--yes"];
                self.until_done(&command, "verify --repair: planted corruption mended").await;
            }
        }
        self.done.touched = self.touched();
        if self.done.touched == touched {
            self.done.wrong.push(format!("{} items were corrupted, and none was touched", self.done.planted));
        }
        self.end_run().await;
        ends_faults.abort();
        self.done.seconds = begin.elapsed().as_secs();
        self.done
    }

    /// Asks for it beside a run until it ends with 0.
    async fn until_done(&mut self, command: &[&str], kind: &str) {
        loop {
            self.until_a_run_has_copied().await;
            self.done.attempts += 1;
            let begin = Instant::now();
            // faults may keep it from its end for as long as they go on
            let limit = self.faults_end.saturating_duration_since(Instant::now()) + CALM_LIMIT;
            let ended = self.scenario.start(command).ended_within(limit).await;
            self.lives.panicked(&ended);
            let (seconds, calm) = (begin.elapsed().as_secs(), self.faults.is_cancelled());
            println!("`{}` ended with {:?} after {seconds} s, calm: {calm}", command.join(" "), ended.code);
            if ended.code == Some(0) {
                self.done.under_faults += u64::from(!calm);
                return self.tally.add(kind);
            }
            let late = Instant::now() > self.faults_end + CALM_LIMIT;
            if late {
                return self.done.wrong.push(format!("{kind}: {:?} {}", ended.code, ended.err));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn until_a_run_has_copied(&mut self) {
        loop {
            if self.run.as_mut().is_some_and(Tailfill::has_ended) {
                let ended = self.run.take().expect("it was there").ended().await;
                self.lives.ended_by_itself(&ended);
            }
            if self.run.is_none() {
                self.lives.starts += 1;
                self.run = Some(self.scenario.start(&["run"]));
            }
            self.run.iter().for_each(|run| self.lives.look_at(run));
            let status = self.scenario.status().await.unwrap_or_default();
            if status["phase"] == "tailing" && status["targets"] != Json::Null && copied(&status) {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn touched(&self) -> usize {
        let log = std::fs::read_to_string(self.scenario.dir().join("state/recopy.jsonl"));
        log.unwrap_or_default().lines().count()
    }

    async fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        run.signal("TERM");
        let ended = run.ended_within(DRAIN_LIMIT).await;
        match ended.code {
            Some(130) => self.lives.terms += 1,
            _ => self.lives.ended_by_itself(&ended),
        }
    }
}
