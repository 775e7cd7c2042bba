//! Limits of the copy, as an operator sets them beside a writing application: each holds the copy on real servers, is
//! named, and lets it go.

use crate::support::mysql::try_connect;
use crate::support::own::Own;
use crate::support::scenario::{Scenario, copied};
use crate::support::shape::FOLLOWS;
use serde_json::Value as Json;
use std::process::Command;
use tokio::task::JoinHandle;

/// What holds the copy back.
fn held<'a>(status: &'a Json, signal: &str) -> Option<&'a Json> {
    status["throttle"]["holding"].as_array()?.iter().find(|held| held["signal"] == signal)
}

fn stands_by(signal: &'static str) -> impl Fn(&Json) -> bool {
    move |status| {
        let waits = status["waiting"].as_array().expect("waits are data");
        let waits = waits.iter().any(|wait| {
            wait["kind"] == "throttle" && wait["words"].as_str().is_some_and(|words| words.contains(signal))
        });
        waits && status["throttle"]["rows_per_second"] == 0.0 && held(status, signal).is_some()
    }
}

/// Nothing limits the pace; how many workers there are is another thing.
fn is_free(status: &Json) -> bool {
    let holding = status["throttle"]["holding"].as_array();
    holding.is_some_and(|holding| holding.iter().all(|held| held["signal"] == "throttle.tail_write"))
        && status["throttle"]["rows_per_second"].as_f64() > Some(0.0)
}

async fn set(scenario: &Scenario, limits: &[&str]) {
    let arguments = [&["throttle", "set"], limits].concat();
    scenario.run(&arguments).await.expect_code(0);
}

/// Sets limits that hold the copy back; what the status says of it.
async fn is_held_by(scenario: &Scenario, limits: &[&str], signal: &'static str) -> Json {
    set(scenario, limits).await;
    let status = scenario.until_status(&format!("{signal} to hold the copy"), stands_by(signal)).await;
    let held = held(&status, signal).expect("it holds");
    println!("{}", held["words"]);
    held.clone()
}

async fn goes_on(scenario: &Scenario, unset: &[&str]) {
    let arguments = [&["throttle", "unset"], unset].concat();
    scenario.run(&arguments).await.expect_code(0);
    scenario.until_status("the copy to go on", is_free).await;
}

async fn sql(port: u16, statement: &str) {
    use mysql_async::prelude::Queryable;
    let mut connection = try_connect(port, None).await.expect("it answers");
    connection.query_drop(statement).await.expect(statement);
}

/// A replica of a server, which applies what it gets as late as it is told.
async fn replica_of(source: &Own) -> Own {
    let replica = Own::mysql(&["--server-id=77", "--skip-replica-start"]).await;
    let from = format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {}, SOURCE_USER = 'root', \
         SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
        source.port
    );
    sql(replica.port, &from).await;
    sql(replica.port, "START REPLICA").await;
    replica
}

async fn delays(replica: &Own, seconds: u32) {
    sql(replica.port, "STOP REPLICA SQL_THREAD").await;
    sql(replica.port, &format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds}")).await;
    sql(replica.port, "START REPLICA SQL_THREAD").await;
}

/// A session that executes a statement for long.
fn sleeper(port: u16) -> JoinHandle<()> {
    tokio::spawn(sql(port, "SELECT SLEEP(600)"))
}

/// An hour of the day, local time, that is not now.
fn other_hours() -> String {
    let now = Command::new("date").arg("+%H").output().expect("date can be started").stdout;
    let hour: u32 = String::from_utf8_lossy(&now).trim().parse().expect("an hour");
    format!("{:02}:00-{:02}:00", (hour + 10) % 24, (hour + 12) % 24)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_holds_the_copy_with_its_figure_and_lets_it_go() {
    let source = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(source.port, "throttle", &FOLLOWS).await.fill(150, 4_000).await;
    let replica = replica_of(&source).await;
    scenario.settings.chunk_rows = 20;
    scenario.settings.source =
        format!("[[throttle.replica]]\nurl = \"mysql://root@127.0.0.1:{}\"", replica.port);
    scenario.sql("CREATE TABLE knob (busy INT)").await;
    scenario.sql("INSERT INTO knob VALUES (1)").await;
    scenario.init().await;
    // slow enough to outlast this test
    let said = scenario.run(&["throttle", "set", "backfill.rows_per_second=15", "--reason", "peak"]).await;
    let said = said.expect_code(0).out;
    assert!(said.contains("no run is up: the next one starts like this"), "{said}");
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the bound", |status| status["throttle"]["rows_per_second"] == 15.0).await;

    let file = scenario.dir().join("hold");
    let with_file = format!("throttle.file={}", file.display());
    set(&scenario, &[&with_file]).await;
    scenario.until_status("the copy to work", is_free).await;
    std::fs::write(&file, "").expect("the test's folder can be written");
    scenario.until_status("the file to hold the copy", stands_by("throttle.file")).await;
    std::fs::remove_file(&file).expect("it is there");
    goes_on(&scenario, &["throttle.file"]).await;

    is_held_by(&scenario, &[&format!("backfill.hours={}", other_hours())], "backfill.hours").await;
    goes_on(&scenario, &["backfill.hours"]).await;

    let sleepers = [(); 6].map(|()| sleeper(source.port));
    let by = is_held_by(&scenario, &["throttle.threads_running=6"], "throttle.threads_running").await;
    assert!(by["figure"].as_str().and_then(|figure| figure.parse().ok()) > Some(6), "{by}");
    assert_eq!(by["limit"], "6");
    goes_on(&scenario, &["throttle.threads_running"]).await;
    sleepers.iter().for_each(JoinHandle::abort);

    let query = format!("throttle.query=SELECT busy FROM {}.knob", scenario.database);
    scenario.sql("UPDATE knob SET busy = 9").await;
    let by = is_held_by(&scenario, &[&query, "throttle.query_max=5"], "throttle.query").await;
    assert_eq!((&by["figure"], &by["limit"]), (&"9".into(), &"5".into()));
    scenario.sql("UPDATE knob SET busy = 5").await;
    scenario.until_status("the copy to go on at the limit", is_free).await;
    scenario.sql("DELETE FROM knob").await;
    let status =
        scenario.until_status("a query without an answer to hold", stands_by("throttle.query")).await;
    let words = held(&status, "throttle.query").expect("it holds")["words"].to_string();
    assert!(words.contains("cannot be read, so nothing is copied"), "{words}");
    goes_on(&scenario, &["throttle.query", "throttle.query_max"]).await;

    delays(&replica, 30).await;
    is_held_by(&scenario, &["throttle.replica_lag=2s"], "throttle.replica_lag").await;
    delays(&replica, 0).await;
    scenario.until_status("the replica to catch up", is_free).await;
    sql(replica.port, "STOP REPLICA").await;
    let status = scenario.until_status("a stopped replica to hold", stands_by("throttle.replica_lag")).await;
    assert_eq!(held(&status, "throttle.replica_lag").expect("it holds")["figure"], Json::Null);
    goes_on(&scenario, &["throttle.replica_lag"]).await;

    is_held_by(&scenario, &["throttle.hbase_p99=1ms"], "throttle.hbase_p99").await;
    goes_on(&scenario, &["throttle.hbase_p99"]).await;
    is_held_by(&scenario, &["throttle.tail_lag=1ms"], "throttle.tail_lag").await;

    // what is set outlasts the process
    run.signal("TERM");
    run.ended().await.expect_code(130);
    let shown = scenario.run(&["throttle", "show"]).await.expect_code(0).out;
    assert!(shown.contains("pace     no run has this state now"), "{shown}");
    let run = scenario.start(&["run"]);
    scenario.until_status("the limit to hold again", stands_by("throttle.tail_lag")).await;
    let has_figure =
        |status: &Json| held(status, "throttle.tail_lag").is_some_and(|held| held["figure"].is_string());
    scenario.until_status("the lag to be known", has_figure).await;
    let shown = scenario.run(&["throttle", "show", "--json"]).await.expect_code(0).out;
    let shown: Json = serde_json::from_str(&shown).expect("JSON");
    let of =
        |key: &str| shown["keys"].as_array().and_then(|keys| keys.iter().find(|found| found["key"] == key));
    let bound = of("backfill.rows_per_second").expect("it is shown");
    assert_eq!(
        (&bound["value"], &bound["origin"], &bound["reason"]),
        (&"15".into(), &"set".into(), &"peak".into())
    );
    assert_eq!(of("backfill.chunk_rows").expect("it is shown")["origin"], "file");
    assert!(of("throttle.tail_lag").expect("it is shown")["figure"].is_string(), "{shown}");

    let wrong = scenario.run(&["throttle", "set", "throttle.tail_lags=2s", "backfill.workers=0"]).await;
    wrong
        .expect_code(2)
        .says(&["did you mean `throttle.tail_lag`?", "backfill.workers = \"0\": must be a whole"]);
    goes_on(&scenario, &["throttle.tail_lag"]).await;
    set(&scenario, &["backfill.workers=6", "backfill.chunk_rows=50"]).await;
    scenario.run(&["throttle", "unset", "backfill.rows_per_second"]).await.expect_code(0);
    scenario.until_status("the copy to end", copied).await;
    println!("{} transactions", application.stop().await);
    assert!(scenario.comes_to_rest(run).await > 1_000);
}
