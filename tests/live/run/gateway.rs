//! The gateway comes and goes.

use crate::support::own::Own;
use crate::support::scenario::{Scenario, both_work};
use crate::support::shape::FOLLOWS;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_and_restarted_in_the_middle_costs_only_time() {
    let mut gateway = Own::gateway().await;
    let mut scenario = Scenario::new("gateway", &FOLLOWS).await.fill(200, 5_000).await;
    scenario.settings.gateways = vec![gateway.address()];
    scenario.settings.chunk_rows = 50;
    scenario.settings.workers = 2;
    scenario.init().await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run", "--until", "caught-up"]);
    scenario.until_status("copy and tail to work", both_work(0)).await;
    gateway.kill();
    let status =
        scenario.until_status("retries", |status| status["retries"]["sink"].as_u64() > Some(0)).await;
    let waiting = status["waiting"].as_array().expect("waits are data");
    let wait = waiting
        .iter()
        .find(|wait| wait["kind"] == "hbase")
        .unwrap_or_else(|| panic!("it says why: {status}"));
    assert!(wait["words"].to_string().contains("gateway"), "{wait}");
    assert!(wait["help"].to_string().contains("start HBase or its gateway again"), "{wait}");
    gateway.start();
    gateway.until_it_serves().await;
    application.stop().await;
    run.ended().await.expect_code(0);
    scenario.catch_up().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stays_away_ends_the_run_which_can_go_on_later() {
    let mut gateway = Own::gateway().await;
    let mut scenario = Scenario::new("away", &FOLLOWS).await.fill(20, 300).await;
    scenario.settings.gateways = vec![gateway.address()];
    scenario.settings.retry_for = "3s";
    scenario.init().await;
    scenario.catch_up().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    gateway.kill();
    scenario.sql("UPDATE follows SET note = 'away'").await;
    run.ended().await.expect_code(1).says(&[
        "gave up after",
        "gateway",
        "help: check that the thrift gateway is up",
    ]);
    // at a start too
    scenario
        .run(&["run"])
        .await
        .expect_code(1)
        .says(&[&gateway.address(), "help: check that the thrift gateway is up"]);
    gateway.start();
    gateway.until_it_serves().await;
    scenario.catch_up().await;
    scenario.compare().await;
}
