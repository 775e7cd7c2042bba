//! The window of DESIGN section 2: a delete that the binlog has shown and that SELECTs do not see yet, while its
//! row is copied. It must not come back.

use crate::support::own::{Own, Window};
use crate::support::scenario::{Scenario, chunks_done, copied};
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::Tailfill;
use crate::support::wait::until_so;
use serde_json::Value as Json;

/// A filled table on a MySQL whose window can be opened, and one item of its last list.
struct Scene {
    scenario: Scenario,
    window: Window,
    item: String,
    // dropped last: the scenario cleans up there
    _mysql: Own,
}

impl Scene {
    async fn new(test: &str, rows: u64) -> Scene {
        let mysql = Own::mysql(&[]).await;
        let window = Window::prepare(&mysql).await;
        let mut scenario = Scenario::on(mysql.port, test, &FOLLOWS).await.fill(30, rows).await;
        scenario.settings.chunk_rows = 20;
        scenario.settings.workers = 1;
        scenario.init().await;
        let item = FOLLOWS.is_item(scenario.sizes.len() as u64 - 1, 1);
        Scene { scenario, window, item, _mysql: mysql }
    }

    /// Deletes the item, in the window.
    async fn delete(&mut self) -> tokio::task::JoinHandle<()> {
        self.window.open().await;
        let delete = format!("DELETE FROM follows WHERE {}", self.item);
        let running = self.window.run(&self.scenario.database, &delete).await;
        assert!(self.is_visible().await, "a SELECT sees the item still");
        running
    }

    /// Closes the window, and lets the tail bring what is left.
    async fn end(&mut self, run: Tailfill, delete: tokio::task::JoinHandle<()>) {
        self.window.close().await;
        delete.await.expect("the delete is committed");
        assert!(!self.is_visible().await);
        run.interrupted().await;
        self.scenario.catch_up().await;
    }

    /// Whether a SELECT sees the item.
    async fn is_visible(&mut self) -> bool {
        let query = format!("SELECT COUNT(*) FROM follows WHERE {}", self.item);
        self.scenario.ask(&query).await == "1"
    }
}

/// Whether the tail has written a delete.
fn delete_is_written(status: &Json) -> bool {
    status["tail"]["deletes"].as_u64() > Some(0) && status["tail"]["queued_rows"] == 0
}

/// Whether somebody waits for the source to commit what its binlog showed.
fn waits_for_commit(status: &Json) -> bool {
    let waits = status["waits"].as_array().expect("status has waits");
    waits.iter().any(|wait| wait.as_str().is_some_and(|wait| wait.contains("commit")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_in_the_window_stays_deleted_when_its_chunk_is_copied_inside_the_window() {
    let mut scene = Scene::new("window", 2_500).await;
    let run = scene.scenario.start(&["run"]);
    scene.scenario.until_status("the copy to have begun", |status| chunks_done(status) > 0).await;
    let delete = scene.delete().await;
    let status = scene.scenario.until_status("the delete to be written", delete_is_written).await;
    assert!(!copied(&status), "the row of the delete was copied too early for this test");
    scene.scenario.until_status("the copy to be complete", copied).await;
    assert!(scene.is_visible().await, "the item's chunk was read inside the window");
    scene.end(run, delete).await;
    scene.scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_in_the_window_stays_deleted_when_the_run_is_killed_and_started_inside_the_window() {
    let mut scene = Scene::new("windowkill", 1_000).await;
    let run = scene.scenario.start(&["run"]);
    scene.scenario.until_status("the copy to have begun", |status| chunks_done(status) > 0).await;
    let delete = scene.delete().await;
    scene.scenario.until_status("the delete to be written", delete_is_written).await;
    run.kill();
    let run = scene.scenario.start(&["run"]);
    let waits = async || scene.scenario.status().await.is_some_and(|status| waits_for_commit(&status));
    until_so("the run to wait for the commit", waits).await;
    // the advice: the session is there, with its DELETE
    let status = scene.scenario.status().await.expect("a run is up");
    let waiting = status["waiting"].as_array().expect("waits are data").clone();
    let wait = waiting.iter().find(|wait| wait["kind"] == "source_commit").expect("as waited for");
    assert!(wait["help"].to_string().contains("in MySQL, SHOW PROCESSLIST names the session"), "{wait}");
    let sessions =
        "SELECT GROUP_CONCAT(CONCAT_WS(' | ', COMMAND, STATE, INFO)) FROM information_schema.PROCESSLIST";
    let sessions = scene.scenario.ask(sessions).await;
    assert!(sessions.contains("DELETE FROM follows"), "{sessions}");
    assert!(scene.is_visible().await, "it was started inside the window");
    scene.end(run, delete).await;
    scene.scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_in_the_window_stays_deleted_when_the_first_start_is_inside_the_window() {
    let mut scene = Scene::new("windowstart", 300).await;
    let delete = scene.delete().await;
    let run = scene.scenario.start(&["run"]);
    scene
        .scenario
        .until_status("the copy to be complete, or to wait for the commit", |status| {
            delete_is_written(status) && (copied(status) || waits_for_commit(status))
        })
        .await;
    assert!(scene.is_visible().await, "it was started inside the window");
    scene.end(run, delete).await;
    scene.scenario.compare().await;
}

/// What the test above would find if the start were taken from where the binlog ends: it can fail.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn a_start_from_the_end_of_the_binlog_loses_a_delete_in_the_window() {
    let mut scene = Scene::new("windowlost", 300).await;
    let delete = scene.delete().await;
    let wrong = [("TAILFILL_FAILPOINTS", "start-from-binlog-status")];
    let run = scene.scenario.start_with(&["run"], &wrong);
    scene.scenario.until_status("the copy to be complete", copied).await;
    assert!(scene.is_visible().await, "it was started inside the window");
    scene.end(run, delete).await;
    for differences in scene.scenario.differences().await {
        assert_eq!(
            differences.extra.len(),
            1,
            "the deleted item is there, and nothing else: {differences:?}"
        );
        assert!(differences.missing.is_empty() && differences.different.is_empty(), "{differences:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_that_it_waits_for_the_commit_of_a_change_in_statement_format() {
    let mut scene = Scene::new("windowasked", 100).await;
    scene.scenario.sql("CREATE TABLE other (a INT PRIMARY KEY)").await;
    scene.scenario.catch_up().await;
    let run = scene.scenario.start(&["run"]);
    scene.scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    scene.scenario.sql("SET GLOBAL binlog_format = 'STATEMENT'").await;
    scene.window.open().await;
    let insert = scene.window.run(&scene.scenario.database, "INSERT INTO other VALUES (1)").await;
    let says = |status: &Json| status["waits"].to_string().contains("in statement format may touch");
    scene.scenario.until_status("the run to say what it waits for", says).await;
    scene.window.close().await;
    insert.await.expect("the insert is committed");
    scene.scenario.sql("SET GLOBAL binlog_format = 'ROW'").await;
    scene.scenario.until_written().await;
    run.interrupted().await;
    scene.scenario.catch_up().await;
    scene.scenario.compare().await;
}
