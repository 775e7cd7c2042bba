//! HBase itself in trouble: its server is killed while it is written to, and its regions split, move and are compacted.

use crate::support::own::OwnHbase;
use crate::support::scenario::{Scenario, both_work};
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::Tailfill;

/// A scenario on this HBase.
async fn on(hbase: &OwnHbase, test: &str, rows: u64) -> Scenario {
    let mut scenario = Scenario::new(test, &FOLLOWS).await.fill(200, rows).await;
    scenario.settings.gateways = vec![hbase.gateway()];
    scenario.settings.hbase = Some(hbase.gateway());
    scenario.settings.chunk_rows = 50;
    scenario.settings.retry_for = "180s";
    scenario.init().await;
    scenario
}

async fn until_both_work(scenario: &Scenario) {
    scenario.until_status("copy and tail to work", both_work(0)).await;
}

async fn ends_equal(scenario: &mut Scenario, run: Tailfill) {
    run.ended().await.expect_code(0);
    scenario.catch_up().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hbase_that_is_killed_while_it_is_written_to_costs_only_time() {
    let mut hbase = OwnHbase::start(1).await;
    let mut scenario = on(&hbase, "hkill", 8_000).await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run", "--until", "caught-up"]);
    until_both_work(&scenario).await;
    let before = scenario.status().await.expect("it runs");
    hbase.kill();
    scenario.until_status("retries", |status| status["retries"]["sink"].as_u64() > Some(0)).await;
    hbase.start_again().await;
    // what was acknowledged before is not written again: it must be there
    assert_eq!(before["phase"], "tailing");
    application.stop().await;
    ends_equal(&mut scenario, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_that_split_move_and_are_compacted_under_a_run_cost_only_time() {
    let hbase = OwnHbase::start(2).await;
    let mut scenario = on(&hbase, "hregions", 8_000).await;
    let table = scenario.table(0);
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    until_both_work(&scenario).await;
    let before = hbase.places(&table).await;
    let servers: std::collections::BTreeSet<&String> = before.iter().map(|(_, server)| server).collect();
    assert_eq!(servers.len(), 2, "{before:?}");
    hbase
        .shell(&format!(
            "admin.flush(name.('{table}'))\n\
             admin.getRegions(name.('{table}')).each {{ |region| admin.move(region.getEncodedNameAsBytes) }}"
        ))
        .await;
    let moved = hbase.places(&table).await;
    for (region, server) in &before {
        let now = moved.iter().find(|(name, _)| name == region);
        assert!(now.is_some_and(|(_, now)| now != server), "{region}: before {before:?}, after {moved:?}");
    }
    hbase
        .shell(&format!(
            "admin.split(name.('{table}'))\nadmin.majorCompact(name.('{table}'))\n\
             sleep 0.2 until admin.getRegions(name.('{table}')).size > {}",
            moved.len()
        ))
        .await;
    application.stop().await;
    scenario.comes_to_rest(run).await;
    let ended = scenario.run(&["verify", "--full"]).await.expect_code(0);
    assert!(ended.out.contains("\nequal: "), "{}", ended.out);
}
