//! The end of a seed: nothing goes wrong any more, and everything must become right, or be known to be lost.

use super::super::process::{self, Running, Start};
use super::super::repairs::{Asked, parked_meanwhile};
use super::super::tally::Thrown;
use super::super::{checker, damage, database};
use super::Life;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tailfill::error::{Disposition, Exit};
use tailfill::pipeline::jobs::{Failed, JobState, RecopyReport};
use tailfill::pipeline::{Finished, RunOptions};
use tailfill::protocol::ProtocolError;
use tokio::time::{sleep, timeout};

/// The last process, which nothing disturbs, must catch up within this virtual time: a backlog of counted rows is slow where
/// a gateway takes as long as a lease lasts.
const PROGRESS: Duration = Duration::from_secs(300);

/// Tables are parked so often at most by what is read late.
const PARKED_MEANWHILE: usize = 4;

/// What a process at the end is for.
enum RunKind {
    Recopy(Asked),
    All,
}

impl Life {
    /// What is damaged or parked is copied again, the last process catches up, and all that is late has landed.
    pub(super) async fn end(&mut self) {
        let world = self.world.clone();
        let is_whole = {
            let books = world.books();
            books.damage().is_empty() && books.parked().is_empty()
        };
        if !is_whole {
            self.last_recopy().await;
        }
        self.last_run().await;
        // what the last process has read may have parked its table only now
        for _ in 0..PARKED_MEANWHILE {
            if world.profile.statements == 0 || world.books().parked().is_empty() {
                break;
            }
            self.last_recopy().await;
            self.last_run().await;
        }
        let parked = world.books().parked();
        if !parked.is_empty() {
            world.books().violation(format!("{parked:?} stay parked"));
        }
        if world.profile.damage && world.dice.chance(400) {
            // of what is whole, counts among it
            (0..3).for_each(|_| damage::some(&world));
            self.last_recopy().await;
        }
        while self.zombies.join_next().await.is_some() {}
        let late = tokio::time::Instant::now() + world.latest() * 2;
        while world.in_flight.load(SeqCst) > 0 {
            assert!(tokio::time::Instant::now() < late, "a late write never lands");
            sleep(Duration::from_millis(100)).await;
        }
        world.books().check_chunks_cover();
        world.books().check_counted();
    }

    /// The last re-copy takes back what is parked, and mends what is damaged. Where the tail comes to a statement meanwhile
    /// that parks the table, another one does.
    pub(super) async fn last_recopy(&mut self) {
        for _ in 0..PARKED_MEANWHILE {
            let asked = Asked::of_all(&self.world);
            let reports = self.runs_to_its_end("the last re-copy", RunKind::Recopy(asked)).await;
            if !reports.iter().any(|report| self.parked_meanwhile(report)) {
                break;
            }
        }
        let left = self.world.books().damage();
        if !left.is_empty() {
            self.world.books().violation(format!("the last re-copy leaves damage in {left:?}"));
        }
    }

    /// A statement about the table parked it while it was copied.
    fn parked_meanwhile(&self, report: &RecopyReport) -> bool {
        self.world.profile.statements > 0
            && matches!(&report.state, JobState::Failed(Failed { reason, .. }) if parked_meanwhile(reason))
    }

    pub(super) async fn last_run(&mut self) {
        self.runs_to_its_end("the last process", RunKind::All).await;
    }

    /// What is right stays as it is, to the tick.
    pub(super) async fn idle_recopy(&mut self) {
        let before = checker::everything(&self.world).await;
        let asked = Asked::of_all(&self.world);
        let reports = self.runs_to_its_end("a re-copy of what is right", RunKind::Recopy(asked)).await;
        let targets = reports.iter().flat_map(|report| &report.targets);
        let busy: Vec<_> = targets.filter(|target| target.touched() + target.left() > 0).collect();
        if !busy.is_empty() {
            let text = format!("a re-copy of what is right has something to do: {busy:?}");
            self.world.books().violation(text);
        }
        if checker::everything(&self.world).await != before {
            self.world.books().violation("a re-copy of what is right changes it".into());
        }
        self.world.tally(Thrown::Idle, 1);
    }

    /// A process that nothing disturbs; where the journal cannot be cut again, a second one from the checkpoint on.
    async fn runs_to_its_end(&mut self, what: &str, kind: RunKind) -> Vec<RecopyReport> {
        let world = self.world.clone();
        loop {
            let (options, asked) = match &kind {
                RunKind::Recopy(asked) => (self.recopy_options(), Some(asked.clone())),
                RunKind::All => {
                    let from = self.where_to_cut_anew();
                    (
                        RunOptions {
                            tail: true,
                            backfill: true,
                            from,
                            until_caught_up: true,
                            accept_gap: false,
                        },
                        None,
                    )
                }
            };
            let settings = process::settings_at_the_end(&world, self.failpoints);
            let mut running =
                Running::start(&world, Start { pilot: None, without: None, options, settings, asked });
            let outcome = timeout(PROGRESS, &mut running.task).await;
            let waits = running.waits();
            running.kill().await;
            let reports = running.reports();
            let violation = match outcome {
                Ok(Ok(Ok(Finished::CaughtUp))) => None,
                Ok(Ok(Err(ProtocolError::CannotCut { .. }))) if world.database.state().server() > 0 => {
                    world.tally(Thrown::CannotCut, 1);
                    self.cut_anew = true;
                    continue;
                }
                Ok(Ok(Err(ProtocolError::Parked { .. }))) if world.profile.statements > 0 => None,
                Ok(Ok(other)) => Some(format!("{what} ended with {other:?}")),
                Ok(Err(panic)) => Some(format!("{what} panicked: {panic}")),
                Err(_) => Some(format!("{what} does not catch up; it waits for {waits:?}")),
            };
            if let Some(violation) = violation {
                world.books().violation(violation);
            }
            let is_done =
                |report: &RecopyReport| report.state == JobState::Done || self.parked_meanwhile(report);
            if !reports.iter().all(is_done) {
                world.books().violation(format!("{what} is not done: {reports:?}"));
            }
            return reports;
        }
    }

    /// Whether the source has lost something that is in the journal.
    pub(super) fn lost_what_was_journaled(&self) -> bool {
        let sealed = self.world.books().sealed();
        let state = self.world.database.state();
        let lost = state.lost().iter().any(|number| sealed.contains(&database::gtid(*number)));
        if !state.lost().is_empty() && !lost {
            self.world.tally(Thrown::NothingLost, 1);
        }
        lost
    }

    /// The last process finds out that the source lost what was journaled, and goes no further.
    pub(super) async fn halts(&mut self) {
        let world = self.world.clone();
        let before = world.books().checkpointed().cloned();
        let options =
            RunOptions { tail: true, backfill: true, from: None, until_caught_up: true, accept_gap: false };
        let settings = process::settings_at_the_end(&world, self.failpoints);
        let start = Start { pilot: None, without: None, options, settings, asked: None };
        let mut running = Running::start(&world, start);
        let outcome = timeout(PROGRESS, &mut running.task).await;
        running.kill().await;
        world.trace.note(format_args!("the last process ended: {outcome:?}"));
        let halted = match &outcome {
            Ok(Ok(Err(error))) => error.disposition() == Disposition::Halt(Exit::Position),
            _ => false,
        };
        if !halted || world.books().checkpointed().cloned() != before {
            let lost = world.database.state().lost().clone();
            let text =
                format!("the source lost {lost:?}, which was journaled, and the run ended with {outcome:?}");
            world.books().violation(text);
        }
        while self.zombies.join_next().await.is_some() {}
        world.tally(Thrown::HaltedByLoss, 1);
    }
}
