//! HBase's clock drifts while a run goes on.

use super::bench::{Bench, insert, row};
use std::time::Duration;
use tailfill::error::{Disposition, Exit};
use tailfill::pipeline::{self, Finished, RunOptions};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const MINUTE: i64 = 60;

fn options() -> RunOptions {
    RunOptions { tail: true, backfill: true, from: None, until_caught_up: false, accept_gap: false }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_drifts_is_told_and_the_run_goes_on() {
    let bench = Bench::opened().await;
    let (parts, stop) = (bench.parts(), CancellationToken::new());
    let run = tokio::spawn(pipeline::run(parts.clone(), options(), stop.clone()));
    for (seconds, told) in
        [(50, None), (2 * MINUTE, Some("120 s ahead of")), (-3 * MINUTE, Some("180 s behind")), (1, None)]
    {
        bench.gateway.clock_is_off(seconds);
        sleep(Duration::from_secs(125)).await;
        let (waits, warnings) = (parts.progress.waits(0), parts.progress.warnings(0));
        assert!(waits.is_empty(), "nobody waits for a clock: {waits:?}");
        match told {
            Some(text) => assert!(warnings[0].words.contains(text), "{warnings:?}"),
            None => assert!(warnings.is_empty(), "{warnings:?}"),
        }
    }
    bench.commit(vec![insert(&row(1, 1, "still tailed"))]);
    sleep(Duration::from_secs(5)).await;
    stop.cancel();
    assert_eq!(run.await.expect("no panic").expect("it was stopped"), Finished::Stopped);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_hours_away_ends_the_run_and_loses_nothing() {
    for seconds in [61 * MINUTE, -61 * MINUTE] {
        let bench = Bench::opened().await;
        bench.gateway.clock_is_off(seconds);
        let run = pipeline::run(bench.parts(), options(), CancellationToken::new());
        let ended = timeout(Duration::from_secs(150), run).await.expect("it looks every minute");
        let error = ended.expect_err("the clocks are too far apart");
        assert_eq!(error.disposition(), Disposition::Halt(Exit::Refused), "{error}");
        assert!(error.to_string().contains("HBase's clock is 3660 s"), "{error}");
        bench.gateway.clock_is_off(0);
        bench.commit(vec![insert(&row(1, 1, "later"))]);
        bench.catches_up().await;
        bench.assert_equal().await;
    }
}
