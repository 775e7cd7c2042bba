//! A copy whose pace is limited: it never reads more, it stands still for what it cannot know, it holds nothing meanwhile,
//! and limits that change while it runs lose nothing.

use super::bench::{Bench, delete, insert, row, update};
use super::levers::{AtTheLever, Live, ends_equal, until};
use std::sync::Arc;
use std::time::Duration;
use tailfill::error::Exit;
use tailfill::model::{LimitKey, LimitsAsk};
use tailfill::pipeline::jobs::Failed;
use tailfill::pipeline::jobs::levers;
use tailfill::store::memory::Fate;
use tokio::time::{Instant, sleep};

/// Long enough for every task to come round.
const A_WHILE: Duration = Duration::from_secs(60);

/// Rows of history, each in a list of its own.
const ROWS: u64 = 400;

fn bench(counted: bool) -> Bench {
    let mut bench = if counted { Bench::with_counts() } else { Bench::unopened() };
    bench.settings.limits.limits.chunk_rows = 20;
    bench.settings.limits.replicas = 1;
    bench.commit((0..ROWS).map(|list| insert(&row(list, 1, "old"))).collect());
    bench
}

fn with(bench: &mut Bench, limits: &[(LimitKey, &str)]) {
    for (key, value) in limits {
        bench.settings.limits.limits.set(*key, value).expect(value);
    }
}

async fn change(run: &Live, set: &[(&str, &str)], unset: &[&str]) -> Result<Vec<LimitKey>, Failed> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let ask = LimitsAsk {
        set: set.iter().map(own).collect(),
        unset: unset.iter().map(|key| (*key).to_owned()).collect(),
        by: "ann".into(),
        reason: "peak".into(),
    };
    run.when_it_takes_asks().await;
    run.parts.levers.change_limits(run.parts.throttle.file(), &ask, 7).await
}

fn holding(run: &Live) -> Vec<(String, Option<String>, String)> {
    let held = run.parts.throttle.status().holding.into_iter();
    held.map(|held| (held.signal, held.figure, held.limit)).collect()
}

async fn is_held_by(run: &Live, signal: &str) {
    let by = || holding(run).iter().any(|(held, ..)| held == signal);
    let stands = || by() && run.parts.throttle.status().rows_per_second == Some(0.0);
    let begin = Instant::now();
    while !stands() {
        let (throttle, progress) = (run.parts.throttle.status(), &run.parts.progress);
        let now = progress.behind(run.parts.clock.now_micros());
        assert!(begin.elapsed() < A_WHILE, "{signal} does not hold the copy: {throttle:?}, {now:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn rows_copied(run: &Live) -> u64 {
    run.parts.progress.copies().values().map(|copy| copy.rows_here).sum()
}

/// Nothing of the history is read.
async fn stands_still(run: &Live) {
    sleep(Duration::from_secs(5)).await; // parts under way end
    let before = rows_copied(run);
    sleep(A_WHILE).await;
    assert_eq!(rows_copied(run), before, "it stands still");
    assert!(run.parts.progress.copying(), "it was held before its end");
}

#[tokio::test(start_paused = true)]
async fn each_signal_holds_the_copy_above_its_limit_and_lets_it_go() {
    type Case = (&'static [(LimitKey, &'static str)], &'static str, &'static str);
    let cases: [Case; 3] = [
        (&[(LimitKey::ThreadsRunning, "30")], "throttle.threads_running", "31"),
        (&[(LimitKey::Query, "SELECT 1"), (LimitKey::QueryMax, "30")], "throttle.query", "31"),
        (&[(LimitKey::ReplicaLag, "30s")], "throttle.replica_lag", "31s"),
    ];
    for (limits, signal, figure) in cases {
        let mut bench = bench(false);
        with(&mut bench, limits);
        let busy = |by: u64| {
            bench.gauges.set(|gauges| {
                (gauges.threads_running, gauges.number) = (Some(by), Some(by as f64));
                gauges.lags = vec![Some(Duration::from_secs(by)), Some(Duration::from_secs(1))];
            });
        };
        busy(31);
        let run = Live::start(&bench);
        is_held_by(&run, signal).await;
        let limit = figure.replace("31", "30");
        assert_eq!(holding(&run), [(signal.to_owned(), Some(figure.to_owned()), limit)]);
        stands_still(&run).await;
        let waits = run.parts.progress.waits(0);
        let wait = waits.iter().find(|wait| wait.words.contains(signal)).expect("the wait is shown");
        assert!(wait.words.starts_with("the backfill waits for its pace: "), "{}", wait.words);
        busy(30);
        run.copies().await;
        assert_eq!(holding(&run), []);
        ends_equal(&bench, run).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_cannot_be_read_or_does_not_answer_holds_the_copy_and_is_named() {
    for hangs in [false, true] {
        let mut bench = bench(false);
        with(&mut bench, &[(LimitKey::ThreadsRunning, "30")]);
        bench.gauges.set(|gauges| gauges.hangs = hangs);
        let run = Live::start(&bench);
        is_held_by(&run, "throttle.threads_running").await;
        assert_eq!(holding(&run)[0].1, None, "there is no figure");
        stands_still(&run).await;
        let status = run.parts.throttle.status();
        assert!(status.holding[0].words.contains("cannot be read, so nothing is copied: "), "{status:?}");
        bench.gauges.set(|gauges| (gauges.hangs, gauges.threads_running) = (false, Some(3)));
        run.copies().await;
        ends_equal(&bench, run).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_pace_holds_no_list_and_the_tail_is_not_slowed_down() {
    let mut bench = bench(false);
    with(&mut bench, &[(LimitKey::ThreadsRunning, "30")]);
    bench.gauges.set(|gauges| gauges.threads_running = Some(31));
    let run = Live::start(&bench);
    is_held_by(&run, "throttle.threads_running").await;
    // the workers have come to their first mark
    let waits = || run.parts.progress.waits(0).iter().any(|wait| wait.words.contains("waits for its pace"));
    until("no worker waits for its pace", waits).await;
    for list in 0..ROWS {
        let old = row(list, 1, "old");
        bench.commit(match list % 3 {
            0 => vec![delete(&old)],
            1 => vec![update(&old, &row(list, 1, "new"))],
            _ => vec![insert(&row(list, 2, "new"))],
        });
    }
    let begin = Instant::now();
    run.catches_up().await;
    assert!(begin.elapsed() < Duration::from_secs(5), "every list was written in {:?}", begin.elapsed());
    stands_still(&run).await;
    bench.gauges.set(|gauges| gauges.threads_running = Some(0));
    ends_equal(&bench, run).await;
}

#[tokio::test(start_paused = true)]
async fn a_bound_holds_over_copy_and_count_and_each_row_is_there_once() {
    let mut bench = bench(true);
    with(&mut bench, &[(LimitKey::RowsPerSecond, "20")]);
    let begin = Instant::now();
    let run = Live::start(&bench);
    until("it does not begin to copy", || run.parts.progress.copying()).await;
    run.copies().await;
    // every row is copied once for each target; all but a part and what a quarter of a second saves is at the bound
    let rows = rows_copied(&run);
    assert!(rows >= ROWS, "{rows}");
    let least = Duration::from_secs((rows - 20) / 20 - 1);
    assert!(begin.elapsed() >= least, "{rows} rows within {:?}", begin.elapsed());
    assert_eq!(run.parts.throttle.status().rows_per_second, Some(20.0));
    ends_equal(&bench, run).await;
}

/// The servers have one line, which all who write share: the more workers, the longer the tail waits.
#[tokio::test(start_paused = true)]
async fn fewer_workers_copy_while_the_changes_of_the_tail_wait_beside_more() {
    let mut waits = Vec::new();
    for limit in ["40ms", "off"] {
        let mut bench = Bench::unopened();
        bench.settings.limits.limits.chunk_rows = 200;
        with(&mut bench, &[(LimitKey::TailWrite, limit)]);
        bench.commit((0..8_000).map(|list| insert(&row(list, 1, "old"))).collect());
        bench.gateway.takes_rows(2_000);
        let run = Live::start(&bench);
        until("it does not begin to copy", || run.parts.progress.copying()).await;
        let (mut workers, mut longest, begin) = (Vec::new(), Vec::new(), Instant::now());
        for list in 10_000.. {
            let at = Instant::now();
            bench.commit(vec![insert(&row(list, 1, "new"))]);
            run.writes().await;
            if !run.parts.progress.copying() {
                break;
            }
            // the first second is for finding out
            if begin.elapsed() > Duration::from_secs(1) {
                longest.push(at.elapsed());
                workers.push(run.parts.throttle.workers());
            }
        }
        longest.sort_unstable();
        waits.push(longest[longest.len() / 2]);
        let usual = workers.iter().filter(|workers| **workers <= 2).count() * 10 > workers.len() * 8;
        assert_eq!(usual, limit != "off", "{limit}: {workers:?}");
        let held = run.parts.throttle.shown(&run.parts.levers.control(), true);
        let figure = held.keys.iter().find(|key| key.key == "throttle.tail_write").expect("it is shown");
        assert_eq!((figure.value.as_str(), figure.figure.is_some()), (limit, limit != "off"));
        ends_equal(&bench, run).await;
    }
    assert!(waits[0] * 2 < waits[1], "half of the changes came within {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn limits_change_while_it_runs_and_hold_over_a_restart() {
    let mut bench = bench(false);
    with(&mut bench, &[(LimitKey::Workers, "2"), (LimitKey::RowsPerSecond, "20")]);
    let run = Live::start(&bench);
    let set = [("backfill.rows_per_second", "1"), ("backfill.workers", "4"), ("backfill.chunk_rows", "7")];
    assert_eq!(change(&run, &set, &[]).await.expect("it is taken").len(), 3);
    has_limits(&run, (Some(1), 4, 7)).await;
    stands_about(&run).await;
    run.stops().await;

    let run = Live::start(&bench);
    run.when_it_takes_asks().await;
    has_limits(&run, (Some(1), 4, 7)).await;
    let control = levers::stored(&*run.parts.store).await.expect("it is read");
    let shown = run.parts.throttle.shown(&control, true);
    let workers = shown.keys.iter().find(|key| key.key == "backfill.workers").expect("it is shown");
    assert_eq!((workers.by.as_deref(), workers.at_ms), (Some("ann"), Some(7)));
    let unset = ["backfill.rows_per_second", "backfill.workers"];
    assert_eq!(change(&run, &[("backfill.chunk_rows", "50")], &unset).await.expect("it is taken").len(), 3);
    // what is unset is the file's again
    has_limits(&run, (Some(20), 2, 50)).await;
    ends_equal(&bench, run).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_inside_a_change_of_limits_leaves_all_of_it_or_nothing() {
    for fate in [Fate::FailBefore, Fate::MakeThenFail] {
        for unsets in [false, true] {
            let mut bench = bench(false);
            with(&mut bench, &[(LimitKey::Workers, "2"), (LimitKey::RowsPerSecond, "20")]);
            let run = Live::start(&bench);
            let both = ["backfill.rows_per_second", "backfill.chunk_rows"];
            let (file, set) = ((Some(20), 2, 20), (Some(1), 2, 7));
            if unsets {
                change(&run, &[(both[0], "1"), (both[1], "7")], &[]).await.expect("it is taken");
            }
            bench.world.store.set_hook(Some(Arc::new(AtTheLever(fate))));
            let refused = match unsets {
                true => change(&run, &[], &both).await,
                false => change(&run, &[(both[0], "1"), (both[1], "7")], &[]).await,
            };
            assert_eq!(refused.expect_err("nobody is told that it is done").exit, Exit::Failed as u8);
            run.dies().await;
            bench.world.store.set_hook(None);
            let is_set = (fate == Fate::MakeThenFail) != unsets;
            let control = levers::stored(&bench.world.store).await.expect("it is read");
            let kept: Vec<_> =
                control.limits.values().map(|limit| (limit.by.as_str(), limit.at_ms)).collect();
            assert_eq!(kept, vec![("ann", 7); if is_set { 2 } else { 0 }], "{fate:?}, unset: {unsets}");

            let run = Live::start(&bench);
            run.when_it_takes_asks().await;
            has_limits(&run, if is_set { set } else { file }).await;
            change(&run, &[("backfill.rows_per_second", "0")], &[]).await.expect("it is taken");
            ends_equal(&bench, run).await;
        }
    }
}

async fn has_limits(run: &Live, wanted: (Option<u32>, usize, u32)) {
    let has = || {
        let limits = run.parts.throttle.limits();
        (limits.rows_per_second, limits.workers, limits.chunk_rows) == wanted
    };
    until(&format!("the limits are not {wanted:?}"), has).await;
}

/// At a row a second, in parts of one row, next to nothing is copied.
async fn stands_about(run: &Live) {
    sleep(Duration::from_secs(5)).await;
    let before = rows_copied(run);
    sleep(Duration::from_secs(20)).await;
    let copied = rows_copied(run) - before;
    assert!((10..=25).contains(&copied), "{copied} rows in 20 s at one a second");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_limit_is_refused_and_changes_nothing() {
    let bench = bench(false);
    let run = Live::start(&bench);
    let refused = change(&run, &[("throttle.threads_runing", "3")], &[]).await.expect_err("no such key");
    assert_eq!(refused.exit, Exit::Usage as u8);
    assert!(refused.reason.contains("did you mean `throttle.threads_running`?"), "{refused:?}");
    let refused = change(&run, &[("backfill.workers", "0")], &[]).await.expect_err("no such value");
    assert!(refused.reason.starts_with("backfill.workers = \"0\": must be"), "{refused:?}");
    assert!(run.parts.levers.control().limits.is_empty());
    ends_equal(&bench, run).await;
}
