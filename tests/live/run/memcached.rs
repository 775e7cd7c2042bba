//! Memcache comes and goes, or is not there at all.

use crate::support::memcached::{Neighbour, TINY, flush_all, has};
use crate::support::own::Own;
use crate::support::proxy::{Proxy, Way};
use crate::support::scenario::{Scenario, both_work, chunks_done};
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use serde_json::Value as Json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn memcached_that_is_restarted_in_the_middle_costs_nothing_but_the_leases() {
    let mut memcached = Own::memcached().await;
    let mut scenario = Scenario::new("memcached", &FOLLOWS).await.fill(200, 5_000).await;
    scenario.settings.memcached = Some(memcached.address());
    scenario.settings.chunk_rows = 20;
    scenario.settings.workers = 1;
    scenario.init().await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run", "--until", "caught-up"]);
    scenario.until_status("copy and tail to work", both_work(0)).await;
    memcached.kill();
    let status =
        scenario.until_status("degraded leases", |status| status["leases"]["degraded"] == true).await;
    let before = chunks_done(&status);
    let waits = status["waiting"].as_array().expect("waits");
    assert!(waits.iter().all(|wait| wait["kind"] != "memcached"), "nobody waits for it: {status}");
    let warning = &status["warnings"][0];
    assert_eq!(warning["kind"], "leases_degraded", "{status}");
    assert!(warning["help"].to_string().contains("start memcached again"), "{warning}");
    scenario.until_status("the copy to go on without", |status| chunks_done(status) > before).await;
    memcached.start();
    memcached.until_it_listens().await;
    scenario.until_status("leases again", |status| status["leases"]["degraded"] == false).await;
    application.stop().await;
    run.ended().await.expect_code(0);
    scenario.catch_up().await;
    scenario.compare().await;
}

/// A scenario that leases from this memcached, in small chunks.
async fn leasing_from(memcached: &Own, test: &str) -> Scenario {
    let mut scenario = Scenario::new(test, &FOLLOWS).await.fill(40, 3_000).await;
    scenario.settings.memcached = Some(memcached.address());
    scenario.settings.chunk_rows = 20;
    scenario.init().await;
    scenario
}

/// Leases have vanished, and by then backfill and tail have both worked.
fn vanished_under_both(status: &Json) -> bool {
    have_vanished(status) && both_work(0)(status)
}

/// There are some 45 lists, so of so many leases that were not given back most had vanished.
fn have_vanished(status: &Json) -> bool {
    let number = |name: &str| status["leases"][name].as_u64().unwrap_or(0);
    number("acquired") > number("released") + 150
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memcached_that_is_flushed_again_and_again_costs_no_item() {
    let memcached = Own::memcached().await;
    let mut scenario = leasing_from(&memcached, "flushed").await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    let address = memcached.address();
    let flushing = tokio::spawn(async move {
        loop {
            flush_all(&address).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let status = scenario.until_status("leases to vanish under both", vanished_under_both).await;
    assert_eq!(status["leases"]["degraded"], false, "it answers: {status}");
    application.stop().await;
    flushing.abort();
    scenario.comes_to_rest(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_memcached_that_evicts_leases_while_they_are_held_costs_no_item() {
    let memcached = Own::memcached_that(&TINY).await;
    let _neighbour = Neighbour::move_in(&memcached.address()).await;
    let mut scenario = leasing_from(&memcached, "evicts").await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    let status = scenario.until_status("leases to vanish under both", vanished_under_both).await;
    println!("{}", status["leases"]);
    let lost = |status: &Json| status["warnings"].to_string().contains("leases ended too early");
    scenario.until_status("a warning", lost).await;
    application.stop().await;
    scenario.comes_to_rest(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_memcached_that_refuses_leases_is_said_and_costs_no_item() {
    let memcached = Own::memcached_that(&[&TINY[..], &["-M"]].concat()).await;
    let neighbour = Neighbour::move_in(&memcached.address()).await;
    until_so("memcached to be full", async || neighbour.refused() > 0).await;
    let mut scenario = leasing_from(&memcached, "refuses").await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    let is_said = |status: &Json| {
        status["warnings"].to_string().contains("leases are degraded to this process: memcached")
    };
    let status = scenario.until_status("it to be said", is_said).await;
    assert!(status["warnings"].to_string().contains("out of memory"), "{status}");
    let before = chunks_done(&status);
    scenario.until_status("the copy to go on without", |status| chunks_done(status) > before).await;
    drop(neighbour);
    flush_all(&memcached.address()).await;
    let are_back = |status: &Json| {
        status["leases"]["degraded"] == false && status["leases"]["released"].as_u64() > Some(0)
    };
    scenario.until_status("leases, now that there is room", are_back).await;
    application.stop().await;
    scenario.comes_to_rest(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_may_not_write_without_leases_says_so_and_goes_on_as_it_says() {
    let mut memcached = Own::memcached().await;
    let mut scenario = leasing_from(&memcached, "onlosswait").await;
    scenario.settings.lease = "on_loss = \"wait\"";
    scenario.catch_up().await;
    let run = scenario.start(&["run"]);
    change(&mut scenario, 3).await;
    memcached.kill();
    scenario.sql(&format!("UPDATE follows SET note = 'waits' WHERE {}", FOLLOWS.is_list(3))).await;
    let wait = |status: &Json| {
        let waiting = status["waiting"].as_array().cloned().unwrap_or_default();
        waiting.into_iter().find(|wait| wait["kind"] == "memcached")
    };
    let status = scenario.until_status("it to be said", |status| wait(status).is_some()).await;
    let found = wait(&status).expect("as waited for");
    assert_eq!((&found["who"], &found["count"]), (&"tail".into(), &1.into()), "{found}");
    assert!(found["help"].to_string().contains("start memcached again, or stop the run, set lease.on_loss"));
    assert_eq!(status["leases"]["degraded"], false, "this process does not lock alone: {status}");
    assert!(!status["waits"].to_string().contains("another program"), "nobody holds it: {status}");
    // the first way: it goes on by itself
    memcached.start();
    scenario.until_written().await;
    // the second way
    memcached.kill();
    scenario.sql(&format!("UPDATE follows SET note = 'waits too' WHERE {}", FOLLOWS.is_list(3))).await;
    scenario.until_status("it to be said again", |status| wait(status).is_some()).await;
    run.interrupted().await;
    scenario.settings.lease = "on_loss = \"degrade\"";
    scenario.catch_up().await;
    scenario.compare().await;
}

/// Changes an item of a list, and waits until that is written.
async fn change(scenario: &mut Scenario, list: u64) {
    let note: u32 = rand::random();
    scenario.sql(&format!("UPDATE follows SET note = '{note}' WHERE {}", FOLLOWS.is_list(list))).await;
    scenario.until_written().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_request_a_network_held_back_does_not_block_its_list_when_it_comes() {
    let memcached = Own::memcached().await;
    let proxy = Proxy::start(memcached.port, None).await;
    let mut scenario = Scenario::new("late", &FOLLOWS).await.fill(20, 200).await;
    scenario.settings.memcached = Some(proxy.address());
    // far longer than anything is waited for here
    scenario.settings.lease_expiry = "10m";
    scenario.init().await;
    scenario.catch_up().await;
    let run = scenario.start(&["run"]);
    change(&mut scenario, 3).await;
    proxy.freeze_present();
    change(&mut scenario, 3).await;
    assert!(proxy.hits() > 0, "the request is held back");
    // on new connections memcached answers: the lease is given back before it is there
    until_so("leases again", async || {
        change(&mut scenario, 4).await;
        scenario.status().await.is_some_and(|status| status["leases"]["degraded"] == false)
    })
    .await;
    change(&mut scenario, 4).await;
    let key = scenario.lease_key(0, 3).await;
    assert!(!has(&memcached.address(), &key).await, "nobody holds it now");
    proxy.set(Way::Open);
    until_so("the lease to come", async || has(&memcached.address(), &key).await).await;
    change(&mut scenario, 3).await;
    assert!(!has(&memcached.address(), &key).await, "it was recognised, and given back");
    run.interrupted().await;
    scenario.catch_up().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_of_the_process_alone_are_enough_where_nobody_else_takes_part() {
    let mut scenario = Scenario::new("local", &FOLLOWS).await.fill(100, 2_000).await;
    scenario.settings.memcached = None;
    scenario.init().await;
    let application = scenario.application(2).await;
    scenario.catch_up().await;
    application.stop().await;
    scenario.catch_up().await;
    scenario.compare().await;
}
