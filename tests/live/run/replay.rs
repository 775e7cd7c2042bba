//! After kill -9 the journaled batches are sent again with their own ticks: readers notice nothing.

use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use tailfill::model::TargetId;
use tailfill::sink::hbase::HbaseSink;

/// Items that a reader of the membership target sees now, by number.
async fn seen(scenario: &Scenario, sink: &HbaseSink) -> Vec<u64> {
    let items = scenario.side(1).of_hbase(sink, TargetId(1)).await.items;
    items.into_keys().map(|(_, _, item)| item[0].parse().expect("follower_id is a number")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_shows_no_reader_an_item_that_was_deleted_before_the_kill() {
    let mut scenario = Scenario::new("replay", &FOLLOWS).await;
    scenario.init().await;
    let sink = scenario.hbase().await;
    let (mut deleted, mut replayed, mut looks) = (Vec::new(), 0, 0);
    for round in 0..3 {
        let run = scenario.start(&["run"]);
        for item in round * 100..round * 100 + 15 {
            scenario.sql(&format!("INSERT INTO follows VALUES (7, {item}, NOW(3), 'seen', 1)")).await;
            until_so("the item to be seen", async || seen(&scenario, &sink).await.contains(&item)).await;
            scenario.sql(&format!("DELETE FROM follows WHERE follower_id = {item}")).await;
            until_so("the item to be gone", async || !seen(&scenario, &sink).await.contains(&item)).await;
            deleted.push(item);
        }
        run.kill();
        let mut run = scenario.start(&["run", "--until", "caught-up"]);
        loop {
            let ended = run.has_ended();
            let seen = seen(&scenario, &sink).await;
            assert!(!seen.iter().any(|item| deleted.contains(item)), "{seen:?} came back");
            looks += 1;
            if ended {
                break;
            }
        }
        let ended = run.ended().await.expect_code(0);
        replayed += replayed_batches(&ended.err);
    }
    println!("{replayed} batches were replayed, {looks} looks");
    assert!(replayed > 10, "hardly anything was replayed");
    assert_eq!(scenario.compare().await, 0);
}

/// What a run says of the batches that it sends again.
fn replayed_batches(log: &str) -> u64 {
    let said = log.split_once("batches=").expect("the run says what it replays").1;
    let digits: String = said.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number of batches")
}
