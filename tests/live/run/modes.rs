//! The sides of a run alone, pilots, and dry runs.

use crate::support::memcached::Held;
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;

#[tokio::test(flavor = "multi_thread")]
async fn tail_and_backfill_can_work_one_after_the_other() {
    let scenario = Scenario::new("sides", &FOLLOWS).await.fill(100, 2_000).await;
    scenario.init().await;
    let application = scenario.application(3).await;
    let tail = scenario.start(&["run", "--tail-only"]);
    let tailed = |status: &serde_json::Value| status["tail"]["deletes"].as_u64() > Some(20);
    let status = scenario.until_status("the tail to work", tailed).await;
    assert_eq!(crate::support::scenario::chunks_done(&status), 0, "it copies nothing");
    tail.signal("TERM");
    tail.ended().await.expect_code(130);
    // what changes from here on is in the binlog when the tail comes again
    let before = application.transactions();
    let copied = scenario.run(&["run", "--backfill-only"]).await.expect_code(0);
    assert!(
        copied.out.contains("copied after") && copied.out.contains(" 0 changes tailed"),
        "{}",
        copied.out
    );
    until_so("changes after the copy", async || application.transactions() > before + 20).await;
    application.stop().await;
    scenario.run(&["run", "--tail-only", "--until", "caught-up"]).await.expect_code(0);
    assert!(scenario.compare().await > 0);
    let nothing_left = scenario.catch_up().await;
    assert!(nothing_left.out.contains(" 0 rows copied"), "{}", nothing_left.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_only_copies_says_so_and_refuses_to_be_verified() {
    let mut scenario = Scenario::new("onlycopies", &FOLLOWS).await.fill(20, 200).await;
    scenario.init().await;
    // a list that somebody else holds keeps the copy from its end
    let lease = Held::take(&scenario.lease_server(), &scenario.lease_key(0, 1).await).await;
    let run = scenario.start(&["run", "--backfill-only"]);
    let held =
        |status: &serde_json::Value| status["waits"].to_string().contains("that another program holds");
    let status = scenario.until_status("the copy to wait for the list", held).await;
    assert_eq!(status["phase"], "copying", "{status}");
    let wait =
        status["waiting"].as_array().expect("waits are data").iter().find(|wait| wait["who"] == "backfill");
    let wait = wait.expect("the backfill waits");
    assert_eq!((&wait["kind"], &wait["count"]), (&"lists_elsewhere".into(), &1.into()), "{wait}");
    assert!(
        wait["since_ms"].as_u64() > Some(0) && wait["help"].to_string().contains("leases expire"),
        "{wait}"
    );
    let refused = scenario.run(&["verify", "--full"]).await;
    refused.expect_code(3).says(&["only copies", "help: wait until that run ends"]);
    lease.release().await;
    run.ended().await.expect_code(0);
    scenario.catch_up().await;
    scenario.run(&["verify", "--full"]).await.expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_moves_only_its_lists_and_the_rest_follows() {
    let mut scenario = Scenario::new("pilot", &FOLLOWS).await.fill(100, 2_000).await;
    scenario.init().await;
    let application = scenario.application(2).await;
    let pilot = ["run", "--only", "50,7", "--until", "caught-up"];
    scenario.run(&pilot).await.expect_code(0);
    let status = scenario.status().await.expect("a pilot's state is a healthy one");
    assert_eq!(
        (&status["pilot"], &status["targets"][0]["chunks_done"]),
        (&true.into(), &2.into()),
        "{status}"
    );
    application.stop().await;
    scenario.sql("UPDATE IGNORE follows SET followee_id = 7 WHERE followee_id = 8").await;
    scenario.sql("UPDATE IGNORE follows SET followee_id = 9 WHERE followee_id = 50 LIMIT 10").await;
    scenario.run(&pilot).await.expect_code(0);
    for (target, differences) in scenario.differences().await.into_iter().enumerate() {
        assert!(differences.extra.is_empty() && differences.different.is_empty(), "{differences:?}");
        let lists = |of: Vec<String>| of.into_iter().collect::<std::collections::BTreeSet<_>>();
        let missing = lists(differences.missing.into_iter().map(|(list, _, _)| list[0].clone()).collect());
        assert!(!missing.contains("7") && !missing.contains("50"), "{missing:?}");
        let shown = scenario.shown(target).await;
        let shown = lists(shown.into_keys().map(|(list, _, _)| list[0].clone()).collect());
        assert_eq!(shown, lists(vec!["7".into(), "50".into()]));
    }
    // lists that were not tailed meanwhile may not be passed over without a word
    scenario
        .run(&["run", "--only", "3", "--until", "caught-up"])
        .await
        .expect_code(3)
        .says(&["2 lists of lists"]);
    let application = scenario.application(2).await;
    scenario.run(&["run", "--all", "--until", "caught-up"]).await.expect_code(0);
    application.stop().await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
    scenario.run(&["run", "--only", "7"]).await.expect_code(3).says(&["an earlier run moved all lists"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reads_everything_and_writes_nothing() {
    let scenario = Scenario::new("dry", &FOLLOWS).await.fill(50, 500).await;
    scenario.init().await;
    let application = scenario.application(2).await;
    let ended = scenario.run(&["run", "--dry-run", "--until", "caught-up"]).await.expect_code(0);
    application.stop().await;
    assert!(ended.out.contains("it wrote nothing"), "{}", ended.out);
    assert!(scenario.shown(0).await.is_empty() && scenario.shown(1).await.is_empty());
    // nor does the state know of it
    let status = scenario.status().await.expect("init made the state");
    assert_eq!(status["positions"]["checkpointed"]["gtids"], "");
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}

/// Its types are in the state once something was tailed.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_needs_no_database_and_no_password_once_a_run_was_there() {
    let mut scenario = Scenario::new("key", &FOLLOWS).await.fill(3, 10).await;
    scenario.init().await;
    let before = scenario.run(&["key", "lists", "1", "2"]).await.expect_code(0);
    scenario.catch_up().await;
    let right = (scenario.settings.mysql_port, scenario.settings.source.clone());
    scenario.settings.mysql_port = crate::support::setup::closed_port();
    scenario.settings.source = "password_env = \"TAILFILL_NOT_SET\"".into();
    let after = scenario.run(&["key", "lists", "1", "2"]).await.expect_code(0);
    assert_eq!(before.out, after.out);
    (scenario.settings.mysql_port, scenario.settings.source) = right;
}
