//! Memcache comes and goes, or is not there at all.

use crate::support::own::Own;
use crate::support::scenario::{Scenario, chunks_done};
use crate::support::shape::FOLLOWS;

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
    scenario
        .until_status("copy and tail to work", |status| {
            chunks_done(status) > 0 && status["tail"]["batches"].as_u64() > Some(0)
        })
        .await;
    memcached.kill();
    let status =
        scenario.until_status("degraded leases", |status| status["leases"]["degraded"] == true).await;
    let before = chunks_done(&status);
    assert!(status["waits"].to_string().contains("degraded"), "{status}");
    scenario.until_status("the copy to go on without", |status| chunks_done(status) > before).await;
    memcached.start();
    memcached.until_it_listens().await;
    scenario.until_status("leases again", |status| status["leases"]["degraded"] == false).await;
    application.stop().await;
    run.ended().await.expect_code(0);
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
