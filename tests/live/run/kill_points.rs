//! kill -9 at every point that the program has a name for: between sealing and checkpoint, in a part of the copy, in a
//! count, in a re-copy. The next start goes on, and both sides end equal.

use crate::support::lists::{Cells, Form, Lists};
use crate::support::scenario::{Scenario, chunks_done};
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::{Ended, Tailfill};
use crate::support::wait::until_so;
use std::time::Duration;
use tailfill::failpoints::KillPoint;

/// What a busy machine, the leases of a killed run and the late-write horizon may take.
const LIMIT: Duration = Duration::from_secs(600);

/// When a point is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Copy,
    Count,
    Tail,
    Recopy,
    /// A statement that cannot be followed.
    Parked,
    /// A tail that is moved.
    Moved,
}

/// When the point is reached, and how often until the kill.
fn stage(point: KillPoint) -> (Stage, u32) {
    match point {
        KillPoint::ChunkRead => (Stage::Copy, 3),
        KillPoint::ChunkPartlyWritten | KillPoint::ChunkWritten | KillPoint::ChunkNoted => (Stage::Copy, 1),
        KillPoint::RowCounted => (Stage::Count, 2),
        KillPoint::CountWritten => (Stage::Count, 5),
        KillPoint::CountsUnnoted => (Stage::Count, 1),
        KillPoint::Journaled
        | KillPoint::BatchPartlySent
        | KillPoint::CountedItemsWritten
        | KillPoint::AllWritten
        | KillPoint::CheckpointUncommitted
        | KillPoint::CheckpointCommitted => (Stage::Tail, 1),
        KillPoint::RecopyNoted | KillPoint::RecopyWritten => (Stage::Recopy, 1),
        KillPoint::TableParked => (Stage::Parked, 1),
        KillPoint::PositionAsked | KillPoint::PositionMoved => (Stage::Moved, 1),
    }
}

fn points(of: Stage) -> impl Iterator<Item = KillPoint> {
    KillPoint::ALL.iter().copied().filter(move |point| stage(*point).0 == of)
}

/// Starts a command that dies at the point.
fn doomed(scenario: &Scenario, arguments: &[&str], point: KillPoint) -> Tailfill {
    println!("to be killed at {}", point.name());
    let at = format!("{}:{}", point.name(), stage(point).1);
    scenario.start_with(arguments, &[("TAILFILL_KILL_AT", &at)])
}

/// Its death; a point that nothing reaches fails here.
async fn death(doomed: Tailfill) -> Ended {
    doomed.ended_within(LIMIT).await.expect_kill()
}

/// Two plain targets, which one batch is written to one after the other, and a counted one.
async fn three_targets(test: &str, lists: u64, rows: u64) -> Scenario {
    let targets = vec![
        Form::tall("latest"),
        Form::tall("members").without_order(),
        Form::wide("all", Cells::Column("note")).counted(),
    ];
    let followers = Lists { name: "followers", shape: &FOLLOWS, targets };
    let mut scenario =
        Scenario::new(test, &FOLLOWS).await.moving(vec![followers]).await.fill(lists, rows).await;
    scenario.settings.chunk_rows = 20;
    scenario.settings.workers = 1;
    scenario.settings.batch_rows = 20;
    scenario.settings.operation_timeout = "3s";
    scenario.init().await;
    scenario
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_at_any_point_of_the_copy_of_a_count_or_of_a_batch_ends_equal() {
    let mut scenario = three_targets("points", 300, 900).await;
    let application = scenario.application(2).await;
    let mut chunks = 0;
    for point in points(Stage::Copy) {
        death(doomed(&scenario, &["run"], point)).await;
        let status = scenario.status().await.expect("there is a state");
        assert!(chunks_done(&status) >= chunks, "I8: what was copied stays copied: {status}");
        chunks = chunks_done(&status);
    }
    assert!(application.stop().await > 50, "the application hardly worked");
    for point in points(Stage::Count) {
        death(doomed(&scenario, &["run"], point)).await;
        scenario.sql("DELETE FROM follows ORDER BY follower_id LIMIT 7").await;
        scenario.sql("UPDATE follows SET followee_id = followee_id + 1000 ORDER BY created_at LIMIT 7").await;
    }
    scenario.catch_up().await;
    assert!(scenario.compare().await > 400);

    for point in points(Stage::Tail) {
        let application = scenario.application(2).await;
        let run = doomed(&scenario, &["run"], point);
        until_so("the application to work", async || application.transactions() >= 60).await;
        application.stop().await;
        death(run).await;
        scenario.catch_up().await;
        assert!(scenario.compare().await > 300);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recopy_that_is_killed_at_any_point_of_mending_is_done_by_the_next_one() {
    let mut scenario = three_targets("mendings", 40, 600).await;
    scenario.catch_up().await;
    // what the tail never gets to know
    for statement in [
        "SET SESSION sql_log_bin = 0",
        "DELETE FROM follows ORDER BY created_at LIMIT 20",
        "UPDATE follows SET note = 'unlogged' ORDER BY created_at LIMIT 20",
        "SET SESSION sql_log_bin = 1",
    ] {
        scenario.sql(statement).await;
    }
    let differ = async |scenario: &Scenario| {
        scenario.differences().await.iter().filter(|found| !found.extra.is_empty()).count()
    };
    assert_eq!(differ(&scenario).await, 3);
    for point in points(Stage::Recopy) {
        death(doomed(&scenario, &["recopy", "followers", "--yes"], point)).await;
        assert!(differ(&scenario).await >= 2, "there is something left to mend");
    }
    let recopy = scenario.start(&["recopy", "followers", "--yes"]);
    recopy.ended_within(LIMIT).await.expect_code(0);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 400);
}

/// What the first test would find if chunks were noted as done before they are written: it can fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_noted_before_it_is_written_is_missing_after_a_kill_between() {
    let scenario = three_targets("pointlost", 100, 500).await;
    let env = [
        ("TAILFILL_FAILPOINTS", "chunk-done-before-write"),
        ("TAILFILL_KILL_AT", KillPoint::ChunkNoted.name()),
    ];
    death(scenario.start_with(&["run"], &env)).await;
    scenario.catch_up().await;
    let found = scenario.differences().await;
    assert!(!found[0].missing.is_empty() && found[0].extra.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_once_a_table_is_parked_leaves_the_same_out_and_a_recopy_brings_it_back() {
    let mut scenario = three_targets("parkings", 40, 600).await;
    scenario.catch_up().await;
    for point in points(Stage::Parked) {
        let run = doomed(&scenario, &["run"], point);
        scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
        scenario.sql("UPDATE follows SET note = 'before' WHERE followee_id < 20").await;
        // a row image in the middle of a transaction whose rows are cut into several batches
        for statement in [
            "BEGIN",
            "UPDATE follows SET note = 'around'",
            "SET SESSION binlog_row_image = MINIMAL",
            "UPDATE follows SET note = 'unknown' WHERE followee_id = 7",
            "SET SESSION binlog_row_image = FULL",
            "DELETE FROM follows WHERE followee_id = 8",
            "COMMIT",
        ] {
            scenario.sql(statement).await;
        }
        death(run).await;
    }
    let parked = scenario.run(&["run", "--until", "caught-up"]).await;
    parked.expect_code(1).says(&["parked, so HBase misses changes", "recopy"]);
    scenario.start(&["recopy", "followers", "--yes"]).ended_within(LIMIT).await.expect_code(0);
    scenario.catch_up().await;
    assert!(scenario.compare().await > 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_while_its_tail_is_moved_has_moved_it_or_not() {
    let mut scenario = three_targets("moves", 40, 600).await;
    scenario.catch_up().await;
    for (number, point) in points(Stage::Moved).enumerate() {
        let from = scenario.ask("SELECT @@gtid_executed").await.replace('\n', "");
        scenario.sql("UPDATE follows SET note = 'read again' WHERE followee_id < 20").await;
        let run = doomed(&scenario, &["run"], point);
        scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
        let application = scenario.application(2).await;
        until_so("the application to work", async || application.transactions() >= 40).await;
        // a tail that has not come to `from` yet would be moved over what other tests commit
        scenario.until_written().await;
        scenario.run(&["pause", "tail"]).await.expect_code(0);
        scenario.run(&["resume", "--from", &from]).await.expect_code(1).says(&["does not answer"]);
        death(run).await;
        application.stop().await;
        let status = scenario.status().await.expect("there is a state");
        let moved = status["control"]["tail"]["wanted"] == "running";
        assert_eq!(moved, point == KillPoint::PositionMoved, "{status}");
        let until = ["run", "--until", "caught-up", "--resume"];
        let ended = scenario.run(&until[..if moved { 3 } else { 4 }]).await.expect_code(0);
        println!("{number}: {}", ended.out);
        assert!(scenario.compare().await > 300);
    }
}
