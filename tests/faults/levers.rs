//! A run that a person pauses and resumes: nothing is lost, nothing is written meanwhile, and a restart changes nothing.

use super::bench::{Bench, delete, insert, row, update};
use super::recopy::copied;
use std::sync::Arc;
use std::time::Duration;
use tailfill::error::Exit;
use tailfill::model::{FileLimits, Lever, LimitsAsk, Wanted, Work};
use tailfill::pipeline::jobs::Failed;
use tailfill::pipeline::jobs::history::{self, Since};
use tailfill::pipeline::jobs::levers::{self, LeverAsk, LeverSet};
use tailfill::pipeline::{self, Finished, Levers, Parts, Recopies, RunOptions};
use tailfill::protocol::ProtocolError;
use tailfill::source::Source;
use tailfill::store::memory::{CommitHook, Fate};
use tailfill::store::records::Cause;
use tailfill::store::{Commit, Space};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// No wait of these tests takes longer, in virtual time.
const LONGEST: Duration = Duration::from_secs(300);
/// Long enough for every task to come round, HBase's clock included.
const A_WHILE: Duration = Duration::from_secs(150);

/// A run beside the test.
pub struct Live {
    pub parts: Parts,
    stop: CancellationToken,
    run: JoinHandle<Result<Finished, ProtocolError>>,
}

impl Live {
    pub fn start(bench: &Bench) -> Live {
        Live::start_with(bench, Recopies::none())
    }

    pub fn start_with(bench: &Bench, recopies: Recopies) -> Live {
        Live::start_of(bench.parts(), recopies)
    }

    pub fn start_of(parts: Parts, recopies: Recopies) -> Live {
        let stop = CancellationToken::new();
        let options =
            RunOptions { tail: true, backfill: true, from: None, until_caught_up: false, accept_gap: false };
        let run = tokio::spawn(pipeline::run_with(parts.clone(), options, recopies, stop.clone()));
        Live { parts, stop, run }
    }

    /// kill -9.
    pub async fn dies(self) {
        self.run.abort();
        _ = self.run.await;
    }

    /// Waits until it has read its state.
    pub async fn when_it_takes_asks(&self) {
        self.pauses(&[]).await;
    }

    pub async fn set(&self, works: &[Work], wanted: Wanted) -> Result<LeverSet, Failed> {
        set(&self.parts.levers, works, wanted).await
    }

    pub async fn pauses(&self, works: &[Work]) {
        self.set(works, Wanted::Paused).await.expect("it is taken");
    }

    pub async fn resumes(&self, works: &[Work]) {
        self.set(works, Wanted::Running).await.expect("it is taken");
    }

    /// Waits until the checkpoint is where the source is now.
    pub async fn catches_up(&self) {
        let wanted = self.parts.source.executed().await.expect("it answers");
        let mut checkpoint = self.parts.progress.watch_checkpoint();
        let reached = timeout(LONGEST, checkpoint.wait_for(|reached| reached.contains_set(&wanted))).await;
        reached.expect("nothing is in the way").expect("the run goes on");
    }

    /// Waits until all that the source has now is written.
    pub async fn writes(&self) {
        let wanted = self.parts.source.executed().await.expect("it answers");
        let written = || self.parts.progress.positions().written.reached.contains_set(&wanted);
        until("the tail does not write", written).await;
    }

    /// Waits until somebody waits for a person.
    pub async fn waits(&self) {
        until("nobody says that it is paused", || self.waits_for_a_person()).await;
    }

    /// Waits until history is copied.
    pub async fn copies(&self) {
        until("the copy does not go on", || !self.parts.progress.copying()).await;
    }

    fn waits_for_a_person(&self) -> bool {
        self.parts.progress.waits(0).iter().any(|wait| wait.words.contains("waits for a person to resume it"))
    }

    pub async fn stops(self) {
        self.stop.cancel();
        let ended = timeout(LONGEST, self.run).await.expect("it stops").expect("no panic");
        assert_eq!(ended.expect("nothing that needs a person"), Finished::Stopped);
    }
}

/// Lets history be copied and the tail catch up, ends the run, and compares.
pub async fn ends_equal(bench: &Bench, run: Live) {
    run.copies().await;
    run.catches_up().await;
    run.stops().await;
    bench.copies().await;
    bench.assert_equal().await;
}

pub async fn until(otherwise: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONGEST, "{otherwise}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn set(levers: &Levers, works: &[Work], wanted: Wanted) -> Result<LeverSet, Failed> {
    let lever = Lever { wanted, by: "ann".into(), at_ms: 1_700_000_000_007, reason: "deploy".into() };
    let ask = LeverAsk { works: works.to_vec(), lever };
    // a run takes them once it has read its state
    loop {
        match levers.set(&ask).await {
            Err(refused) if refused.reason.contains("starting") => sleep(Duration::from_millis(1)).await,
            done => return done,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_tail_writes_what_it_has_read_and_goes_on_behind_that() {
    let bench = copied(true).await;
    let run = Live::start(&bench);
    bench.commit(vec![insert(&row(1, 70, "before"))]);
    run.catches_up().await;
    let streams = bench.source.streams();
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    let before = bench.checkpointed().await;
    bench.commit(vec![delete(&row(1, 70, "before")), insert(&row(2, 71, "meanwhile"))]);
    bench.commit(vec![update(&row(2, 71, "meanwhile"), &row(2, 71, "later"))]);
    sleep(A_WHILE).await;
    assert_eq!(bench.checkpointed().await, before, "it reads nothing while it is paused");
    assert_eq!(bench.source.streams(), streams, "nor does it connect");
    run.resumes(&[Work::Tail]).await;
    run.catches_up().await;
    assert!(!run.waits_for_a_person());
    run.stops().await;
    bench.catches_up().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn deletes_during_a_copy_beside_a_paused_tail_are_not_lost() {
    for counted in [false, true] {
        let bench = if counted { Bench::with_counts() } else { Bench::unopened() };
        let rows = |note| (0..40).map(move |list| row(list, list % 7, note));
        bench.commit(rows("old").map(|row| insert(&row)).collect());
        let run = Live::start(&bench);
        run.pauses(&[Work::Tail]).await;
        run.waits().await;
        // the copy goes on with marks that are taken while the tail stands still
        for (list, old) in rows("old").enumerate() {
            bench.commit(match list % 3 {
                0 => vec![delete(&old)],
                1 => vec![update(&old, &row(list as u64, list as u64 % 7, "new"))],
                _ => vec![insert(&row(list as u64, 90, "new"))],
            });
            sleep(Duration::from_millis(300)).await;
        }
        run.copies().await;
        run.resumes(&Work::ALL).await;
        run.catches_up().await;
        run.stops().await;
        bench.copies().await;
        bench.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_backfill_copies_nothing_while_the_tail_goes_on() {
    let bench = Bench::with_counts();
    bench.commit((0..400).map(|list| insert(&row(list, 1, "old"))).collect());
    let run = Live::start(&bench);
    run.pauses(&[Work::Backfill]).await;
    run.waits().await;
    bench.commit(vec![delete(&row(3, 1, "old")), insert(&row(500, 2, "new"))]);
    run.catches_up().await;
    bench.gateway.take_sent();
    sleep(A_WHILE).await;
    assert_eq!(bench.gateway.take_sent(), [], "nothing is copied while it is paused");
    assert!(run.parts.progress.copying(), "it was paused before its end");
    run.resumes(&[Work::Backfill]).await;
    run.copies().await;
    run.stops().await;
    bench.copies().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_of_which_all_is_paused_writes_nothing_to_hbase_and_stays_paused_over_a_restart() {
    let bench = copied(true).await;
    let run = Live::start(&bench);
    run.pauses(&Work::ALL).await;
    run.waits().await;
    bench.commit(vec![insert(&row(1, 70, "meanwhile"))]);
    for run in [run, Live::start(&bench)] {
        run.waits().await;
        bench.gateway.take_sent();
        let probes = bench.gateway.clock_probes();
        sleep(A_WHILE).await;
        assert_eq!(bench.gateway.take_sent(), []);
        assert_eq!(bench.gateway.clock_probes(), probes, "HBase's clock is read by a write");
        run.stops().await;
    }
    let run = Live::start(&bench);
    let set = run.set(&Work::ALL, Wanted::Running).await.expect("it is taken");
    assert_eq!(set.changed, Work::ALL);
    run.catches_up().await;
    run.stops().await;
    bench.catches_up().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_tail_whose_binlog_was_purged_while_it_was_paused_is_not_resumed() {
    let bench = copied(false).await;
    let run = Live::start(&bench);
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    bench.commit(vec![insert(&row(1, 70, "purged"))]);
    bench.source.purge(bench.source.executed().await.expect("it answers"));
    let refused = run.set(&Work::ALL, Wanted::Running).await.expect_err("it cannot go on");
    assert_eq!(refused.exit, Exit::Position as u8, "{refused:?}");
    assert!(refused.advice.is_some(), "{refused:?}");
    assert!(run.parts.levers.is_paused(Work::Tail), "it stays as it was");
    run.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_lever_that_cannot_be_made_durable_does_not_hold() {
    let bench = copied(false).await;
    let run = Live::start(&bench);
    run.pauses(&[Work::Backfill]).await;
    bench.world.store.set_hook(Some(Arc::new(Full)));
    let refused = run.set(&[Work::Tail], Wanted::Paused).await.expect_err("it is not durable");
    assert_eq!(refused.exit, Exit::Failed as u8, "{refused:?}");
    assert!(!run.parts.levers.is_paused(Work::Tail));
    bench.world.store.set_hook(None);
    run.stop.cancel();
    _ = timeout(LONGEST, run.run).await.expect("it ends"); // a commit of its own may have failed
    let run = Live::start(&bench);
    run.pauses(&[]).await; // it has read its state once it takes levers
    assert!(!run.parts.levers.is_paused(Work::Tail) && run.parts.levers.is_paused(Work::Backfill));
    run.stops().await;
}

/// A store whose disk is full.
struct Full;

#[async_trait::async_trait]
impl CommitHook for Full {
    async fn before(&self, _: &Commit) -> Fate {
        Fate::FailBefore
    }
}

/// Fails the commit of what a person wants, before it is made or after.
pub struct AtTheLever(pub Fate);

#[async_trait::async_trait]
impl CommitHook for AtTheLever {
    async fn before(&self, commit: &Commit) -> Fate {
        let is_lever = commit.put.iter().any(|(space, key, _)| *space == Space::Meta && key == b"control");
        if is_lever { self.0 } else { Fate::Make }
    }
}

/// Takes its time before each commit.
struct Slow;

#[async_trait::async_trait]
impl CommitHook for Slow {
    async fn before(&self, _: &Commit) -> Fate {
        sleep(Duration::from_secs(2)).await;
        Fate::Make
    }
}

#[tokio::test(start_paused = true)]
async fn a_lever_whose_asker_leaves_in_the_middle_holds_in_the_state_and_in_the_run_alike() {
    let bench = copied(false).await;
    let run = Live::start(&bench);
    run.when_it_takes_asks().await;
    bench.world.store.set_hook(Some(Arc::new(Slow)));
    let limits = LimitsAsk {
        set: [("backfill.workers".to_owned(), "1".to_owned())].into_iter().collect(),
        ..LimitsAsk::default()
    };
    let file = FileLimits::default();
    let asked = async {
        _ = run.set(&[Work::Tail], Wanted::Paused).await;
        _ = run.parts.levers.change_limits(&file, &limits, 1_700_000_000_008).await;
    };
    timeout(Duration::from_secs(1), asked).await.expect_err("the asker leaves");
    let asked = run.parts.levers.change_limits(&file, &limits, 1_700_000_000_008);
    timeout(Duration::from_secs(3), asked).await.expect_err("this one too");
    sleep(Duration::from_secs(10)).await;
    bench.world.store.set_hook(None);
    assert_eq!(run.parts.levers.control(), levers::stored(&bench.world.store).await.expect("it reads"));
    assert!(run.parts.levers.is_paused(Work::Tail));
    run.dies().await;
}

/// What the state has of a lever: who set it, whether it is paused, and how many records of it are in the history.
async fn kept(bench: &Bench, work: Work, cause: Cause) -> (String, bool, usize) {
    let store = &bench.world.store;
    let control = levers::stored(store).await.expect("it reads");
    let all = Since { since_ms: 0, limit: 1_000 };
    let history = history::read(store, all).await.expect("it reads");
    let records = history.iter().filter(|record| record.cause == cause && record.reason == "deploy").count();
    (control.of(work).by.clone(), control.is_paused(work), records)
}

#[tokio::test(start_paused = true)]
async fn a_crash_inside_a_pause_or_a_resume_leaves_all_of_it_or_nothing() {
    for fate in [Fate::FailBefore, Fate::MakeThenFail] {
        for wanted in [Wanted::Paused, Wanted::Running] {
            let bench = copied(false).await;
            let run = Live::start(&bench);
            let cause = if wanted == Wanted::Paused { Cause::Pause } else { Cause::Resume };
            if wanted == Wanted::Running {
                run.pauses(&[Work::Tail]).await;
                run.waits().await;
            }
            let before = kept(&bench, Work::Tail, cause).await;
            assert_eq!((before.1, before.2), (wanted == Wanted::Running, 0));
            bench.world.store.set_hook(Some(Arc::new(AtTheLever(fate))));
            run.set(&[Work::Tail], wanted).await.expect_err("nobody is told that it is done");
            run.dies().await;
            bench.world.store.set_hook(None);
            let is_made = fate == Fate::MakeThenFail;
            let after = ("ann".to_owned(), wanted == Wanted::Paused, 1);
            let left = kept(&bench, Work::Tail, cause).await;
            assert_eq!(left, if is_made { after } else { before }, "{fate:?}, {wanted:?}");

            let run = Live::start(&bench);
            run.when_it_takes_asks().await;
            let is_paused = run.parts.levers.is_paused(Work::Tail);
            assert_eq!(is_paused, (wanted == Wanted::Paused) == is_made, "{fate:?}, {wanted:?}");
            bench.commit(vec![insert(&row(1, 70, "later")), delete(&row(2, 2, "old"))]);
            if is_paused {
                run.waits().await;
                run.resumes(&[Work::Tail]).await;
            }
            run.catches_up().await;
            run.stops().await;
            bench.catches_up().await;
            bench.assert_equal().await;
        }
    }
}
