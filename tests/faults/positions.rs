//! A tail that a person moves: to an older position, over changes, past a transaction; in the middle of a copy and of a
//! re-copy, and with a crash on either side of the one commit that does it.

use super::bench::{Bench, delete, insert, row, update};
use super::definitions::definition;
use super::gap::{is_made_good, open_gaps};
use super::levers::{Live, ends_equal, until};
use super::recopy::{Noted, copied};
use crate::simulation::database::{gtid, position, up_to};
use std::sync::Arc;
use std::time::Duration;
use tailfill::error::Exit;
use tailfill::model::{Lever, Position, Wanted, Work};
use tailfill::pipeline::jobs::history::{self, Since};
use tailfill::pipeline::jobs::holds::HoldAsk;
use tailfill::pipeline::jobs::moves::{Course, Destination, MoveAsk, Moved};
use tailfill::pipeline::jobs::{Ask, Failed, JobState, levers};
use tailfill::pipeline::run::moving;
use tailfill::pipeline::{self, Recopies, RunOptions};
use tailfill::source::Source;
use tailfill::store::memory::{CommitHook, Fate};
use tailfill::store::records::Cause;
use tailfill::store::{Commit, Space};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

fn ask(destination: Destination, accept_gap: bool, resumes: &[Work]) -> MoveAsk {
    let lever = Lever {
        wanted: Wanted::Running,
        by: "ann".into(),
        at_ms: 1_700_000_000_009,
        reason: "replay".into(),
    };
    MoveAsk { destination, accept_gap, lever, resumes: resumes.to_vec() }
}

pub async fn moves(run: &Live, to: Position, resumes: &[Work]) -> Moved {
    let asked = ask(Destination::To(to), false, resumes);
    run.parts.levers.move_tail(&asked).await.expect("it is taken")
}

/// A live run whose tail is paused and at rest.
async fn paused(bench: &Bench) -> Live {
    let run = Live::start_with(bench, Recopies::taken(Arc::new(Noted::default())));
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    run
}

/// A history of one item that a replay shows again in all its states, and others beside it.
fn changes(bench: &Bench) {
    bench.commit(vec![insert(&row(1, 70, "first")), delete(&row(2, 2, "old"))]);
    bench.commit(vec![update(&row(1, 70, "first"), &row(1, 70, "second"))]);
    bench.commit(vec![delete(&row(1, 70, "second")), insert(&row(2, 2, "again"))]);
    bench.commit(vec![insert(&row(3, 71, "last")), delete(&row(4, 4, "old"))]);
}

async fn now(bench: &Bench) -> u64 {
    bench.source.executed().await.expect("it answers").count()
}

#[tokio::test(start_paused = true)]
async fn a_live_tail_continues_from_an_older_position_and_ends_equal() {
    for counted in [false, true] {
        let bench = copied(counted).await;
        let before = now(&bench).await;
        changes(&bench);
        let run = Live::start(&bench);
        run.catches_up().await;
        let highest = bench.recovered().await.last_tick;
        run.pauses(&[Work::Tail]).await;
        run.waits().await;
        bench.commit(vec![insert(&row(5, 72, "meanwhile"))]);
        let moved = moves(&run, position(up_to(before)), &Work::ALL).await;
        assert_eq!((moved.course, moved.changed), (Course::Back { again: 4 }, vec![Work::Tail]));
        run.catches_up().await;
        assert!(bench.recovered().await.last_tick > highest, "I1: what is read again has higher ticks");
        run.stops().await;
        bench.catches_up().await;
        bench.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_has_caught_up_before_a_replay_has_passed_what_was_read_before() {
    let bench = copied(false).await;
    let before = now(&bench).await;
    changes(&bench);
    let run = paused(&bench).await;
    run.resumes(&[Work::Tail]).await;
    run.catches_up().await;
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    moves(&run, position(up_to(before)), &[]).await;
    let shown = run.parts.progress.positions().written.reached.clone();
    assert_eq!(shown, up_to(before), "nor does the status say so");
    let noted = bench.recovered().await.checkpoint.replaying_until;
    assert_eq!(noted.count(), 4, "a restart knows it too");
    run.waits().await;
    let list = HoldAsk { mapping: "follows".into(), lists: vec![row(1, 0, "")[..1].to_vec()] };
    let refused = run.parts.holds.hold(&list).await.expect_err("nothing is judged meanwhile");
    assert!(refused.contains("replays"), "{refused}");
    run.resumes(&[Work::Tail]).await;
    run.catches_up().await;
    assert!(bench.recovered().await.checkpoint.replaying_until.is_empty());
    run.stops().await;
    bench.catches_up().await;
    bench.assert_equal().await;
}

async fn refused(run: &Live, asked: &MoveAsk) -> Failed {
    run.parts.levers.move_tail(asked).await.expect_err("it is refused")
}

#[tokio::test(start_paused = true)]
async fn a_newer_position_is_refused_and_a_gap_that_is_accepted_is_made_good() {
    for counted in [false, true] {
        let bench = copied(counted).await;
        let run = paused(&bench).await;
        bench.commit(vec![delete(&row(0, 0, "old")), insert(&row(0, 9, "missed"))]);
        bench.commit((0..5).map(|item| delete(&row(1, item, "old"))).collect());
        let to = position(up_to(now(&bench).await));
        bench.commit(vec![insert(&row(2, 90, "tailed"))]);
        let mut asked = ask(Destination::To(to), false, &Work::ALL);
        let found = refused(&run, &asked).await;
        assert_eq!(found.exit, Exit::Position as u8, "{found:?}");
        assert!(found.reason.contains("2 transactions") && found.advice.is_some(), "{found:?}");
        assert!(run.parts.levers.is_paused(Work::Tail), "it stays as it was");
        asked.accept_gap = true;
        let moved = run.parts.levers.move_tail(&asked).await.expect("it is accepted");
        let mappings = vec!["follows".to_owned()];
        assert_eq!(moved.course, Course::Over { missed: 2, mappings });
        run.catches_up().await;
        let begin = tokio::time::Instant::now();
        while open_gaps(&bench).await > 0 {
            let waits = run.parts.progress.waits(0);
            assert!(begin.elapsed() < Duration::from_secs(300), "nothing is copied again: {waits:?}");
            sleep(Duration::from_millis(100)).await;
        }
        run.stops().await;
        super::gap::runs(&bench, false).await.expect("it goes on");
        is_made_good(&bench).await;
    }
}

/// The checkpoint follows what is written; a position between the two is no gap.
#[tokio::test(start_paused = true)]
async fn a_tail_is_moved_to_what_is_written_and_not_yet_in_the_checkpoint() {
    let mut bench = copied(false).await;
    bench.settings.checkpoint_every = Duration::from_secs(3_600);
    let before = now(&bench).await;
    changes(&bench);
    let run = Live::start_with(&bench, Recopies::taken(Arc::new(Noted::default())));
    run.writes().await;
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    assert_eq!(bench.recovered().await.checkpoint.position.reached, up_to(before), "it is not there yet");
    let moved = moves(&run, position(up_to(before + 2)), &[]).await;
    assert_eq!(moved.course, Course::Back { again: 2 });
    run.waits().await;
    let moved = moves(&run, position(up_to(before + 2)), &Work::ALL).await;
    assert_eq!(moved.course, Course::Stays);
    run.writes().await;
    run.stops().await;
    bench.catches_up().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_skipped_transaction_is_left_out_and_its_tables_are_copied_again() {
    for counted in [false, true] {
        let bench = copied(counted).await;
        let run = paused(&bench).await;
        bench.commit(vec![insert(&row(2, 90, "before"))]);
        let skipped = bench.commit(vec![delete(&row(0, 0, "old")), insert(&row(0, 9, "skipped"))]);
        bench.commit(vec![update(&row(0, 9, "skipped"), &row(0, 9, "behind")), delete(&row(1, 1, "old"))]);
        let asked = ask(Destination::Without(gtid(skipped)), false, &[]);
        let moved = run.parts.levers.move_tail(&asked).await.expect("it is taken");
        assert!(matches!(moved.course, Course::Over { missed: 1, .. }), "{moved:?}");
        let again = run.parts.levers.move_tail(&asked).await.expect("it is taken");
        assert_eq!(again.course, Course::Stays, "it is left out already");
        run.stops().await;
        let resumed = levers::set_in(&bench.world.store, &resume()).await.expect("it is stored");
        assert_eq!(resumed.changed, [Work::Tail]);
        super::gap::runs(&bench, false).await.expect("it goes on");
        is_made_good(&bench).await;
    }
}

/// An item that came and went: its delete alone is in the set.
async fn with_a_hole(bench: &Bench) -> Position {
    let before = now(bench).await;
    bench.commit(vec![insert(&row(1, 70, "comes"))]);
    let gone = bench.commit(vec![delete(&row(1, 70, "comes"))]);
    let mut reached = up_to(before);
    reached.insert(&gtid(gone));
    position(reached)
}

#[tokio::test(start_paused = true)]
async fn a_position_with_a_hole_is_refused_at_a_move_and_at_both_kinds_of_start() {
    let bench = copied(false).await;
    let hole = with_a_hole(&bench).await;
    bench.catches_up().await;
    let run = paused(&bench).await;
    let found = refused(&run, &ask(Destination::To(hole.clone()), false, &Work::ALL)).await;
    assert_eq!(found.exit, Exit::Refused as u8, "{found:?}");
    assert!(found.reason.contains("leaves out transaction") && found.advice.is_some(), "{found:?}");
    run.stops().await;
    let unopened = Bench::unopened();
    let first = with_a_hole(&unopened).await;
    for (bench, hole) in [(&bench, hole), (&unopened, first)] {
        let options = RunOptions {
            tail: true,
            backfill: true,
            from: Some(hole),
            until_caught_up: true,
            accept_gap: false,
        };
        let run = pipeline::run(bench.parts(), options, CancellationToken::new());
        let error =
            timeout(Duration::from_secs(300), run).await.expect("it ends").expect_err("it is refused");
        assert!(error.to_string().contains("leaves out transaction"), "{error}");
        bench.copies().await;
        bench.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_mapped_right_after_a_skip_is_refused_until_the_tail_has_passed_it() {
    let bench = copied(false).await;
    let run = paused(&bench).await;
    bench.commit(vec![insert(&row(1, 70, "comes"))]);
    let skipped = bench.commit(vec![delete(&row(1, 70, "comes"))]);
    let asked = ask(Destination::Without(gtid(skipped)), false, &[]);
    run.parts.levers.move_tail(&asked).await.expect("it is taken");
    run.stops().await;
    // a table without a history is one that joins
    bench.source.defines(definition(&bench, "first"));
    let error = bench.fails().await;
    assert!(error.to_string().contains("cannot be mapped yet"), "{error}");
}

/// The tail has not read the delete yet that comes before what is skipped.
#[tokio::test(start_paused = true)]
async fn a_recopy_after_a_skip_waits_until_the_tail_has_passed_what_came_before() {
    for counted in [false, true] {
        let bench = copied(counted).await;
        let run = paused(&bench).await;
        bench.commit(vec![delete(&row(0, 0, "old"))]);
        let skipped = bench.commit(vec![insert(&row(0, 0, "skipped"))]);
        let asked = ask(Destination::Without(gtid(skipped)), false, &[]);
        run.parts.levers.move_tail(&asked).await.expect("it is taken");
        sleep(Duration::from_secs(600)).await;
        assert_eq!(open_gaps(&bench).await, 1, "the tail is paused");
        run.resumes(&[Work::Tail]).await;
        run.catches_up().await;
        let begin = tokio::time::Instant::now();
        while open_gaps(&bench).await > 0 {
            assert!(begin.elapsed() < Duration::from_secs(300), "nothing is copied again");
            sleep(Duration::from_millis(100)).await;
        }
        run.stops().await;
        super::gap::runs(&bench, false).await.expect("it goes on");
        is_made_good(&bench).await;
    }
}

fn resume() -> levers::LeverAsk {
    let lever =
        Lever { wanted: Wanted::Running, by: "ann".into(), at_ms: 1_700_000_000_010, reason: String::new() };
    levers::LeverAsk { works: Work::ALL.to_vec(), lever }
}

#[tokio::test(start_paused = true)]
async fn a_tail_is_moved_only_while_it_stands_still_and_to_what_the_source_has() {
    let bench = copied(false).await;
    let at = now(&bench).await;
    let run = Live::start(&bench);
    run.catches_up().await;
    let asked = ask(Destination::To(position(up_to(1))), false, &[]);
    let found = refused(&run, &asked).await;
    assert_eq!((found.exit, found.reason.as_str()), (Exit::Refused as u8, "the tail is running"));
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    let ahead = ask(Destination::To(position(up_to(at + 5))), true, &[]);
    assert_eq!(refused(&run, &ahead).await.exit, Exit::Position as u8);
    let unknown = ask(Destination::Without(gtid(at + 5)), false, &[]);
    assert_eq!(refused(&run, &unknown).await.exit, Exit::Position as u8);
    bench.source.purge(up_to(2));
    let purged = ask(Destination::To(position(up_to(1))), false, &[]);
    assert_eq!(refused(&run, &purged).await.exit, Exit::Position as u8);
    let here = moves(&run, position(bench.checkpointed().await), &[]).await;
    assert_eq!(here.course, Course::Stays);
    bench.commit(vec![delete(&row(3, 3, "old"))]);
    run.resumes(&Work::ALL).await;
    run.catches_up().await;
    run.stops().await;
    bench.catches_up().await;
    bench.assert_equal().await;
}

/// Fails the commit that moves a checkpoint back, before it is made or after.
struct AtTheMove(Fate);

#[async_trait::async_trait]
impl CommitHook for AtTheMove {
    async fn before(&self, commit: &Commit) -> Fate {
        let history = commit.put.iter().any(|(space, ..)| *space == Space::History);
        let moves = history && commit.put.iter().any(|(space, ..)| *space == Space::Checkpoint);
        if moves { self.0 } else { Fate::Make }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_inside_a_move_leaves_all_of_it_or_nothing() {
    for fate in [Fate::FailBefore, Fate::MakeThenFail] {
        for newer in [false, true] {
            let bench = copied(true).await;
            let before = now(&bench).await;
            changes(&bench);
            let mut run = paused(&bench).await;
            if !newer {
                run.resumes(&[Work::Tail]).await;
                run.catches_up().await;
                run.pauses(&[Work::Tail]).await;
                run.waits().await;
            }
            let from = bench.checkpointed().await;
            let to = up_to(if newer { now(&bench).await } else { before });
            bench.world.store.set_hook(Some(Arc::new(AtTheMove(fate))));
            let asked = ask(Destination::To(position(to.clone())), newer, &Work::ALL);
            refused(&run, &asked).await;
            run.dies().await;
            bench.world.store.set_hook(None);
            let (made, left) = (fate == Fate::MakeThenFail, bench.checkpointed().await);
            assert_eq!(left, if made { to } else { from }, "{fate:?}, newer: {newer}");
            run = Live::start_with(&bench, Recopies::taken(Arc::new(Noted::default())));
            run.pauses(&[]).await;
            assert_eq!(run.parts.levers.is_paused(Work::Tail), !made, "{fate:?}, newer: {newer}");
            run.resumes(&Work::ALL).await;
            run.catches_up().await;
            run.stops().await;
            super::gap::runs(&bench, false).await.expect("it goes on");
            is_made_good(&bench).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_inside_a_skip_leaves_all_of_it_or_nothing() {
    for fate in [Fate::FailBefore, Fate::MakeThenFail] {
        let bench = copied(true).await;
        let run = paused(&bench).await;
        let skipped = bench.commit(vec![delete(&row(0, 0, "old")), insert(&row(0, 9, "skipped"))]);
        bench.commit(vec![insert(&row(2, 90, "behind"))]);
        let from = bench.checkpointed().await;
        bench.world.store.set_hook(Some(Arc::new(AtTheMove(fate))));
        refused(&run, &ask(Destination::Without(gtid(skipped)), false, &Work::ALL)).await;
        run.dies().await;
        bench.world.store.set_hook(None);
        let made = fate == Fate::MakeThenFail;
        let left = bench.checkpointed().await;
        assert_eq!((left.contains(&gtid(skipped)), left != from), (made, made), "{fate:?}");
        assert_eq!(
            open_gaps(&bench).await,
            usize::from(made),
            "{fate:?}: what it misses is in the same commit"
        );
        let all = Since { since_ms: 0, limit: 1_000 };
        let records = history::read(&bench.world.store, all).await.expect("it reads");
        let skips: Vec<_> = records.iter().filter(|record| record.cause == Cause::Skip).collect();
        assert_eq!(skips.len(), usize::from(made), "{fate:?}: {records:?}");
        assert!(skips.iter().all(|skip| (skip.by.as_str(), &skip.position.reached) == ("ann", &left)));
        let run = Live::start_with(&bench, Recopies::taken(Arc::new(Noted::default())));
        run.pauses(&[]).await;
        assert_eq!(run.parts.levers.is_paused(Work::Tail), !made, "{fate:?}");
        run.resumes(&Work::ALL).await;
        run.catches_up().await;
        run.stops().await;
        super::gap::runs(&bench, false).await.expect("it goes on");
        if made {
            is_made_good(&bench).await;
        } else {
            bench.assert_equal().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tail_is_moved_back_in_the_middle_of_a_copy() {
    let bench = Bench::with_counts();
    bench.commit((0..400).map(|list| insert(&row(list, 1, "old"))).collect());
    let run = Live::start(&bench);
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    for list in 0..40 {
        bench.commit(match list % 2 {
            0 => vec![delete(&row(list * 9, 1, "old"))],
            _ => vec![update(&row(list * 9, 1, "old"), &row(list * 9, 1, "new"))],
        });
    }
    let begun = bench.checkpointed().await;
    run.resumes(&Work::ALL).await;
    until("the tail does not work", || run.parts.progress.totals.changes() > 5).await;
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    assert!(run.parts.progress.copying(), "the copy is under way");
    moves(&run, position(begun), &Work::ALL).await;
    ends_equal(&bench, run).await;
}

#[tokio::test(start_paused = true)]
async fn a_recopy_that_a_move_interrupts_is_begun_again() {
    let bench = copied(true).await;
    let before = now(&bench).await;
    changes(&bench);
    let recopies = Recopies::taken(Arc::new(Noted::default()));
    let run = Live::start_with(&bench, recopies.clone());
    run.catches_up().await;
    bench.gateway.scans_take(Duration::from_secs(5));
    let whole = Ask { mapping: "follows".into(), lists: None, dry_run: false };
    let job = recopies.enqueue(whole).expect("it is taken");
    let scans = bench.gateway.scans();
    until("nothing is compared", || bench.gateway.scans() > scans).await;
    run.pauses(&[Work::Tail]).await;
    run.waits().await;
    moves(&run, position(up_to(before)), &Work::ALL).await;
    bench.commit(vec![delete(&row(3, 71, "last")), insert(&row(5, 73, "meanwhile"))]);
    let state = || recopies.report(job).expect("it is known").state;
    until("the re-copy does not end", || state().is_over()).await;
    assert_eq!(state(), JobState::Done);
    bench.gateway.scans_take(Duration::ZERO);
    run.catches_up().await;
    run.stops().await;
    bench.catches_up().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_tail_is_moved_in_its_state() {
    let bench = copied(true).await;
    let before = now(&bench).await;
    changes(&bench);
    bench.catches_up().await;
    let back = ask(Destination::To(position(up_to(before))), false, &[]);
    let moved = moving::set(&bench.parts(), &back).await.expect("it is taken");
    assert_eq!(moved.course, Course::Back { again: 4 });
    let again = moving::set(&bench.parts(), &back).await.expect("it is taken");
    assert_eq!(again.course, Course::Stays);
    bench.commit(vec![insert(&row(5, 72, "later"))]);
    bench.catches_up().await;
    bench.assert_equal().await;
    let unopened = Bench::unopened();
    let nothing = moving::set(&unopened.parts(), &back).await.expect_err("nothing was tailed yet");
    assert!(nothing.to_string().contains("nothing was tailed"), "{nothing}");
}

#[tokio::test(start_paused = true)]
async fn the_history_has_each_lever_with_who_and_why_and_a_record_a_minute() {
    let bench = copied(false).await;
    let before = now(&bench).await;
    let run = paused(&bench).await;
    moves(&run, position(up_to(before - 1)), &[Work::Tail]).await;
    run.catches_up().await;
    sleep(Duration::from_secs(150)).await;
    run.stops().await;
    let all = Since { since_ms: 0, limit: 1_000 };
    let records = history::read(&bench.world.store, all).await.expect("it reads");
    let of = |cause| records.iter().filter(move |record| record.cause == cause);
    let set = of(Cause::Set).next().expect("it was moved");
    assert_eq!((set.by.as_str(), set.reason.as_str(), set.at_ms), ("ann", "replay", 1_700_000_000_009));
    assert_eq!(set.position.reached, up_to(before - 1));
    assert_eq!(of(Cause::Pause).next().map(|record| record.reason.as_str()), Some("deploy"));
    assert!(of(Cause::Start).count() >= 2 && of(Cause::Stop).count() >= 2, "of both runs: {records:?}");
    assert_eq!(of(Cause::Minute).count(), 2);
}
