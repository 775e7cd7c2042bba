//! A run that compares rows by itself: it finds what is planted, forgets what is repaired, and never takes for a difference
//! what is under way, replayed, not copied yet, or paused.

use super::bench::{Bench, delete, insert, row, update};
use super::levers::{Live, until};
use super::positions::moves;
use super::recopy::{Noted, all, copied, corrupt, differences};
use crate::simulation::database;
use std::sync::Arc;
use std::time::Duration;
use tailfill::app::continuous::{beside, recent};
use tailfill::clock::Clock;
use tailfill::failpoints::{Failpoints, Switches};
use tailfill::model::{LimitKey, Wanted, Work};
use tailfill::pipeline::{Parts, Recopies};
use tailfill::source::SourceError;
use tokio::time::sleep;

const ROWS_PER_SECOND: u32 = 50;
/// Long enough for a walk over the few rows of these tests.
const A_WHILE: Duration = Duration::from_secs(120);

fn live(bench: &Bench) -> Live {
    live_with(bench, Recopies::none())
}

fn live_with(bench: &Bench, recopies: Recopies) -> Live {
    let parts = Parts { recent: recent(ROWS_PER_SECOND), ..bench.parts() };
    Live::start_of(parts, recopies)
}

/// The figures of a run: differences that stand, those that were found, and walks that have ended.
fn figures(run: &Live) -> (u64, u64, u64) {
    run.parts.progress.verified().map_or((0, 0, 0), |seen| (seen.findings, seen.found, seen.walks))
}

fn gone() -> SourceError {
    SourceError::Unavailable { address: "scripted".into(), reason: "connection reset".into() }
}

fn waits_for(run: &Live) -> String {
    run.parts.progress.verified().and_then(|seen| seen.waits_for).unwrap_or_default()
}

/// Addresses that were compared: by the walk, and after recent changes.
fn compared(run: &Live) -> (u64, u64) {
    let checked = run.parts.progress.verified().map(|seen| seen.checked).unwrap_or_default();
    (checked.walk, checked.recent)
}

/// Waits for so many more walks.
async fn walks(run: &Live, more: u64) {
    let wanted = figures(run).2 + more;
    until("no walk ends", || figures(run).2 >= wanted).await;
}

fn warned(run: &Live) -> Vec<String> {
    run.parts.progress.warnings(0).into_iter().map(|warning| warning.words).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_planted_is_found_over_restarts_and_forgotten_once_a_recopy_has_repaired_it() {
    for counted in [false, true] {
        let bench = copied(counted).await;
        let run = live(&bench);
        let planted = beside(&run.parts, Some(ROWS_PER_SECOND), async {
            walks(&run, 1).await;
            assert_eq!((figures(&run).0, warned(&run)), (0, vec![]), "both sides are equal");
            corrupt(&bench).await;
            // counts are not compared by a walk
            let planted = differences(&bench).await as u64;
            walks(&run, 2).await;
            figures(&run).0.min(planted)
        })
        .await;
        // of each target: two or three items too many, one too few, and one or two that are different
        assert!(planted >= 5, "{planted}");
        assert!(warned(&run)[0].contains("that the continuous verification has found"), "{:?}", warned(&run));
        run.stops().await;

        let recopies = Recopies::taken(Arc::new(Noted::default()));
        let run = live_with(&bench, recopies.clone());
        beside(&run.parts, Some(ROWS_PER_SECOND), async {
            until("a restart does not remember them", || figures(&run).0 >= planted).await;
            assert_eq!(figures(&run).1, 0, "none is new");
            run.when_it_takes_asks().await;
            recopies.enqueue(all(&bench)).expect("it is taken");
            until("what was repaired still stands", || figures(&run).0 == 0).await;
            walks(&run, 2).await;
            assert_eq!((figures(&run).0, figures(&run).1, warned(&run)), (0, 0, vec![]));
        })
        .await;
        run.stops().await;
        bench.catches_up().await;
        bench.assert_equal().await;
    }
}

/// Changes for some minutes, to few items, of which each transaction is in the binlog for a while before the engine has it.
async fn changes(bench: &Bench) {
    let (mut rows, mut number) = (std::collections::BTreeMap::new(), 0_u64);
    let begin = tokio::time::Instant::now();
    while begin.elapsed() < A_WHILE {
        number += 1;
        let key = (number * 7 % 3, number * 5 % 4);
        let new = row(key.0, key.1, &format!("n{number}"));
        let change = match rows.remove(&key) {
            None => insert(&new),
            Some(old) if number.is_multiple_of(3) => delete(&old),
            Some(old) => update(&old, &new),
        };
        if let Some(after) = change.after.clone() {
            rows.insert(key, after);
        }
        let published = bench.world.database.publish(vec![change], bench.world.clock.now_micros());
        sleep(Duration::from_millis(number % 40)).await;
        bench.world.database.commit(published, true);
        sleep(Duration::from_millis(number % 23)).await;
    }
}

/// What was found while the application wrote.
async fn found_under_writes(switches: Switches, counted: bool) -> u64 {
    let mut bench = if counted { Bench::with_counts() } else { Bench::unopened() };
    bench.settings.failpoints = Failpoints::new(switches);
    bench.gateway.takes_rows(300);
    let run = live(&bench);
    beside(&run.parts, Some(ROWS_PER_SECOND), changes(&bench)).await;
    let ((_, found, walks), (_, recent)) = (figures(&run), compared(&run));
    assert!(walks >= 2 && recent >= 50, "{walks} walks, {recent} recent changes");
    run.stops().await;
    bench.catches_up().await;
    bench.assert_equal().await;
    found
}

#[tokio::test(start_paused = true)]
async fn nothing_that_an_application_does_is_a_finding() {
    for counted in [false, true] {
        assert_eq!(found_under_writes(Switches::default(), counted).await, 0, "counted: {counted}");
    }
    // the test would notice
    let believed = Switches { difference_believed: true, ..Switches::default() };
    assert!(found_under_writes(believed, false).await > 0, "what looks different is believed");
}

#[tokio::test(start_paused = true)]
async fn it_waits_while_the_tail_is_paused_and_a_replay_is_no_finding() {
    let bench = copied(false).await;
    let run = live_with(&bench, Recopies::taken(Arc::new(Noted::default())));
    beside(&run.parts, Some(ROWS_PER_SECOND), async {
        walks(&run, 1).await;
        run.pauses(&[Work::Tail]).await;
        run.waits().await;
        bench.commit(vec![delete(&row(1, 1, "old")), insert(&row(2, 70, "meanwhile"))]);
        until("it does not wait", || waits_for(&run) == "the tail, which is paused").await;
        let before = compared(&run);
        sleep(A_WHILE).await;
        assert_eq!(compared(&run), before, "nothing is compared");
        // all states of the items are written again
        let from = database::position(database::up_to(1));
        moves(&run, from, &Work::ALL).await;
        run.catches_up().await;
        walks(&run, 2).await;
        assert_eq!((figures(&run).0, figures(&run).1, waits_for(&run).as_str()), (0, 0, ""));
    })
    .await;
    run.stops().await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_not_copied_yet_are_no_finding_and_limits_of_the_copy_hold_it_too() {
    let mut bench = Bench::unopened();
    bench.settings.limits.limits.chunk_rows = 10;
    for (key, value) in [(LimitKey::RowsPerSecond, "20"), (LimitKey::ThreadsRunning, "30")] {
        bench.settings.limits.limits.set(key, value).expect(value);
    }
    bench.gauges.set(|gauges| gauges.threads_running = Some(1));
    bench.commit((0..400).map(|list| insert(&row(list, 1, "old"))).collect());
    let run = live(&bench);
    beside(&run.parts, Some(ROWS_PER_SECOND), async {
        until("it does not begin to copy", || run.parts.progress.copying()).await;
        sleep(Duration::from_secs(10)).await;
        assert!(run.parts.progress.copying() && compared(&run).0 == 0, "{:?}", compared(&run));
        until("the copy does not end", || !run.parts.progress.copying()).await;
        until("the walk does not begin", || compared(&run).0 > 0).await;
        bench.gauges.set(|gauges| gauges.threads_running = Some(31));
        until("it is not held", || waits_for(&run).contains("throttle.threads_running")).await;
        let before = compared(&run);
        sleep(A_WHILE).await;
        assert_eq!(compared(&run), before, "nothing is compared");
        bench.gauges.set(|gauges| gauges.threads_running = Some(1));
        walks(&run, 1).await;
        assert_eq!((figures(&run).0, figures(&run).1), (0, 0));
    })
    .await;
    run.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_answers_no_select_is_waited_for_and_ends_nothing() {
    let bench = copied(false).await;
    let run = live(&bench);
    beside(&run.parts, Some(ROWS_PER_SECOND), async {
        walks(&run, 1).await;
        bench.source.selects_fail(gone);
        until("it does not say so", || waits_for(&run).contains("a comparison that failed")).await;
        sleep(5 * A_WHILE).await;
        bench.source.selects_succeed();
        walks(&run, 2).await;
        assert_eq!((figures(&run).1, waits_for(&run).as_str()), (0, ""));
        corrupt(&bench).await;
        walks(&run, 2).await;
        assert!(figures(&run).0 > 0, "it still compares");
        run.set(&[Work::Backfill], Wanted::Running).await.expect("the run goes on");
    })
    .await;
    run.stops().await;
}
