//! A start that waits for a table which another session has locked.

use crate::support::mysql;
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use mysql_async::prelude::Queryable;

#[tokio::test(flavor = "multi_thread")]
async fn a_start_names_the_session_that_has_locked_a_table_and_goes_on_once_it_is_unlocked() {
    let scenario = Scenario::new("locked", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    let mut other = mysql::connect(scenario.settings.mysql_port, Some(&scenario.database)).await;
    other.query_drop("LOCK TABLES follows WRITE").await.expect("root may");
    let session = format!("session {} of root@", other.id());
    let run = scenario.start(&["run", "--until", "caught-up"]);
    let waits = async || {
        let status = scenario.status().await.filter(|status| status["phase"] == "starting");
        status.map_or(String::new(), |status| status["waits"].to_string())
    };
    until_so("status to name the session", async || waits().await.contains(&session)).await;
    let status = scenario.status().await.expect("the start answers");
    assert_eq!(status["waiting"][0]["kind"], "table_lock", "{status}");
    assert!(status["waiting"][0]["help"].to_string().contains("UNLOCK TABLES in that session"), "{status}");
    let said = ["the start waits for", &format!("table {}.follows is locked", scenario.database), &session];
    until_so("the same on standard error", async || {
        let err = run.err_so_far();
        said.iter().all(|said| err.contains(said))
    })
    .await;
    // a signal ends a start that waits, and another one waits longer than a statement may take
    run.interrupted().await;
    let mut run = scenario.start(&["run", "--until", "caught-up"]);
    until_so("it to have waited for more than a minute", async || {
        assert!(!run.has_ended(), "it waits: {}", run.err_so_far());
        let err = run.err_so_far();
        let seconds =
            err.lines().filter_map(|line| line.split_once("seconds=")?.1.trim().parse::<u64>().ok());
        seconds.max() > Some(60)
    })
    .await;
    other.query_drop("UNLOCK TABLES").await.expect("root may");
    run.ended().await.expect_code(0);
    scenario.compare().await;
}
