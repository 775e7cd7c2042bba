//! Starts of a run while a server is in trouble.

use crate::support::proxy::Proxy;
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;

/// Replies of MySQL from one that is lost to the next, and as far as a start goes.
const STEP: u64 = 10;
const REPLIES: u64 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_lost_anywhere_in_a_start_costs_only_time() {
    let mut scenario = Scenario::new("starts", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    scenario.catch_up().await;
    let (port, mut lost, mut waited) = (scenario.settings.mysql_port, 0, 0);
    for reply in (1..=REPLIES).step_by(STEP as usize) {
        let proxy = Proxy::start(port, None).await;
        proxy.lose_reply(reply);
        scenario.settings.mysql_through = Some(proxy.port);
        let ended = scenario.run(&["run", "--until", "caught-up"]).await.expect_code(0);
        lost += proxy.hits();
        waited += usize::from(ended.err.contains("the start waits for MySQL"));
    }
    println!("{lost} replies were lost, {waited} starts said that they wait for MySQL");
    assert!(lost > 5 && waited > 1, "{lost} replies lost, {waited} starts waited");
    scenario.settings.mysql_through = None;
    assert!(scenario.compare().await > 0);
}
