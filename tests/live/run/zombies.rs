//! A run that is thought dead and is not, and what a dead one sent: neither covers what is newer, and a list that another
//! program holds by then is left alone.

use crate::support::memcached::Held;
use crate::support::proxy::{Proxy, Way};
use crate::support::scenario::{Scenario, gateway};
use crate::support::setup::port;
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::Tailfill;
use crate::support::wait::until_so;

/// An item that the tail brings, of list 1.
const STRAY: &str = "INSERT INTO follows VALUES (1, 900000, NOW(3), 'stray', 1)";
const GONE: &str = "DELETE FROM follows WHERE follower_id = 900000";

/// A network of a run's own.
struct Scene {
    scenario: Scenario,
    network: Proxy,
}

impl Scene {
    /// With a run that tails through the network.
    async fn new(test: &str) -> (Scene, Tailfill) {
        let network = Proxy::start(port("TAILFILL_THRIFT2_PORT"), None).await;
        let mut scenario = Scenario::new(test, &FOLLOWS).await.fill(20, 300).await;
        scenario.init().await;
        scenario.catch_up().await;
        scenario.settings.gateways = vec![format!("127.0.0.1:{}", network.port)];
        let run = scenario.start(&["run"]);
        scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
        (Scene { scenario, network }, run)
    }

    /// Leaves the write of an item under way, in a network that holds it back.
    async fn send_into_the_void(&mut self) {
        self.network.freeze();
        self.scenario.sql(STRAY).await;
        until_so("a write on its way", async || self.network.hits() > 0).await;
    }

    /// Whether HBase shows the item in a target.
    async fn is_shown(&self, target: usize) -> bool {
        let shown = self.scenario.shown(target).await;
        shown.keys().any(|(_, _, item)| item[0] == "900000")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_run_keeps_its_state_and_when_it_wakes_leaves_a_list_alone_that_was_taken_meanwhile() {
    let (mut scene, run) = Scene::new("zombie").await;
    let key = scene.scenario.lease_key(0, 1).await;
    scene.send_into_the_void().await;
    run.signal("STOP");
    // once the lease of the run is over
    let lease = Held::take(&scene.scenario.lease_server(), &key).await;
    scene.scenario.sql(GONE).await;
    let second = scene.scenario.run(&["run"]).await;
    second.expect_code(3).says(&["in use by another tailfill", "help: only one run"]);

    scene.network.set(Way::Open);
    until_so("the late write to land", async || scene.is_shown(0).await).await;
    run.signal("CONT");
    let waits =
        |status: &serde_json::Value| status["waits"].to_string().contains("that another program holds");
    scene.scenario.until_status("the run to wait for the list", waits).await;
    assert!(scene.is_shown(0).await, "its delete waits for the lease");
    assert!(!scene.is_shown(1).await, "the other target's write was not sent after the deadline");

    lease.release().await;
    scene.scenario.until_written().await;
    assert!(!scene.is_shown(0).await);
    scene.scenario.compare().await;
    run.signal("TERM");
    run.ended().await.expect_code(130);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_sent_covers_nothing_newer_when_it_lands_after_its_successors_writes() {
    let (mut scene, run) = Scene::new("latewrite").await;
    scene.send_into_the_void().await;
    run.kill();
    scene.scenario.settings.gateways = vec![gateway()];
    scene.scenario.sql(GONE).await;
    scene.scenario.catch_up().await;
    scene.scenario.compare().await;

    let before = scene.network.replies();
    scene.network.set(Way::Open);
    until_so("the late write to be answered", async || scene.network.replies() > before).await;
    assert!(!scene.is_shown(0).await);
    scene.scenario.compare().await;
    scene.scenario.run(&["verify", "--full"]).await.expect_code(0);
}
