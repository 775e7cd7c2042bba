//! Gateways of every kind, and several of them of which one dies and comes back.

use crate::support::own::{Own, Speaks};
use crate::support::scenario::{Scenario, both_work, chunks_done, copied};
use crate::support::setup::port;
use crate::support::shape::{ENTRIES, FOLLOWS, LABELS, Shape};
use crate::support::tailfill::Tailfill;
use serde_json::Value as Json;
use std::time::{Duration, Instant};

/// Lists whose writes a dying gateway swallowed stay leased until the lease expires, and six servers share the machine.
const PATIENCE: Duration = Duration::from_secs(600);

fn served(variable: &str) -> Vec<String> {
    vec![format!("127.0.0.1:{}", port(variable))]
}

/// A whole move through such gateways: no table can be created, so they are made otherwise; a copy under writes, a
/// kill, and another start; and a quiet end.
async fn moves_through(test: &str, shape: &'static Shape, rows: u64, speaks: Speaks, gateways: Vec<String>) {
    let mut scenario = Scenario::new(test, shape).await.fill(200, rows).await;
    (scenario.settings.speaks, scenario.settings.gateways) = (speaks, gateways);
    scenario.settings.chunk_rows = 50;
    let init = scenario.run(&["init"]).await.expect_code(3).says(&["run the statement above", "hbase shell"]);
    assert_eq!(init.out.matches("create '").count(), 2, "a statement for each table:\n{}", init.out);
    scenario.init_by_thrift2().await;
    scenario.init().await;

    let application = scenario.application(2).await;
    let run = scenario.start(&["run", "--until", "caught-up"]);
    let status = scenario.until_status_within(PATIENCE, "copy and tail to work", both_work(3)).await;
    assert!(!copied(&status), "it is in the middle of the copy: {status}");
    run.kill();
    let first = scenario.catch_up().await;
    let transactions = application.stop().await;
    let second = scenario.catch_up().await;
    println!("{transactions} transactions\n{}{}", first.out, second.out);
    assert!(transactions > 50, "the application hardly worked");
    assert!(scenario.compare().await as u64 > rows / 2);
    scenario.run(&["verify", "--full"]).await.expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_through_thrift1_ends_equal() {
    let gateways = served("TAILFILL_THRIFT1_PORT");
    moves_through("thrift1", &FOLLOWS, 6_000, Speaks::Thrift1, gateways).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_through_framed_thrift1_ends_equal() {
    let gateway = Own::gateway_that(Speaks::Thrift1Framed).await;
    moves_through("framed1", &ENTRIES, 2_000, Speaks::Thrift1Framed, vec![gateway.address()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_through_framed_thrift2_ends_equal() {
    let gateways = served("TAILFILL_THRIFT2_FRAMED_PORT");
    moves_through("framed2", &LABELS, 6_000, Speaks::Thrift2Framed, gateways).await;
}

/// Waits until chunks (if there are any left) and batches were written beyond those of `before`.
async fn until_it_goes_on(scenario: &Scenario, what: &str, before: &Json) -> Json {
    let batches = |status: &Json| status["tail"]["batches"].as_u64().unwrap_or(0);
    let more = |status: &Json| {
        batches(status) > batches(before) + 5
            && (chunks_done(status) > chunks_done(before) + 5 || copied(status))
    };
    scenario.until_status_within(PATIENCE, what, more).await
}

/// A gateway that was away for long is asked again after up to 32 s.
async fn until_used(what: &str, run: &Tailfill, port: u16) {
    let begin = Instant::now();
    while run.connections_to(port) == 0 {
        assert!(begin.elapsed() < PATIENCE, "waited {} s for a connection to {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two gateways: one dies in the middle of the copy and comes back, then the other dies and comes back.
async fn one_dies_then_the_other(test: &str, speaks: Speaks) {
    let (mut one, mut other) = tokio::join!(Own::gateway_that(speaks), Own::gateway_that(speaks));
    let mut scenario = Scenario::new(test, &FOLLOWS).await.fill(200, 5_000).await;
    scenario.settings.speaks = speaks;
    scenario.settings.gateways = vec![one.address(), other.address()];
    scenario.settings.chunk_rows = 50;
    scenario.init_by_thrift2().await;
    let application = scenario.application(1).await;
    let run = scenario.start(&["run"]);
    let begun = scenario.until_status_within(PATIENCE, "copy and tail to work", both_work(3)).await;
    assert!(run.connections_to(one.port) > 0 && run.connections_to(other.port) > 0, "both are used");

    one.kill();
    assert!(!copied(&begun), "it is in the middle of the copy: {begun}");
    let without = until_it_goes_on(&scenario, "the run to go on with one gateway", &begun).await;
    println!("retries while one was away: {}", without["retries"]);
    assert_eq!(run.connections_to(one.port), 0);
    one.start();
    until_used("the gateway that is back", &run, one.port).await;

    let back = scenario.status().await.expect("it runs");
    other.kill();
    until_it_goes_on(&scenario, "the run to go on with the gateway that came back", &back).await;
    other.start();
    until_used("the second one that is back", &run, other.port).await;

    let transactions = application.stop().await;
    scenario.until_status_within(PATIENCE, "the copy to be complete", copied).await;
    scenario.until_written().await;
    run.signal("TERM");
    let ended = run.ended().await.expect_code(130);
    println!("{transactions} transactions\n{}", ended.out);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_thrift2_gateways_one_may_die_and_come_back() {
    one_dies_then_the_other("two2", Speaks::Thrift2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_thrift1_gateways_one_may_die_and_come_back() {
    one_dies_then_the_other("two1", Speaks::Thrift1).await;
}
