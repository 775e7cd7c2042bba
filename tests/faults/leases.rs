//! A lease server that is away, or does the work and loses the reply.

use super::bench::{Bench, EXPIRY, contents, delete, insert, row, ticks};
use super::gateway::Fate;
use super::levers::{Live, ends_equal, until};
use std::time::Duration;
use tailfill::lock::memory::Answers;
use tailfill::lock::{ListId, OnLoss};
use tailfill::model::Value;
use tailfill::sink::layout;
use tokio::time::{Instant, sleep};

/// How soon a list that is free again is asked for, at the latest.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// The reply may have been lost this long after the lease was taken.
const MARGIN: Duration = Duration::from_millis(200);

async fn three_changes_waiting() -> Bench {
    let bench = Bench::opened().await;
    let gone = row(1, 1, "gone");
    bench.commit(vec![insert(&gone)]);
    bench.commit(vec![insert(&row(2, 1, "stays"))]);
    bench.commit(vec![delete(&gone)]);
    bench
}

#[tokio::test(start_paused = true)]
async fn without_a_lease_server_the_run_goes_on_degraded_and_ends_equal() {
    for answers in [Answers::Refuses, Answers::Never, Answers::WorkDoneReplyLost] {
        let bench = three_changes_waiting().await;
        bench.world.leases.set_answers(answers);
        let parts = bench.parts();
        let leases = parts.leases.clone();
        bench.catches_up_with(parts).await;
        assert!(leases.degraded().is_some(), "{answers:?}");
        let counts = leases.counts();
        assert_eq!((counts.degraded_total, counts.outages_total), (counts.acquired_total, 1), "{answers:?}");
        assert_eq!(ticks(&contents(&bench.gateway.take_sent())).len(), 3, "{answers:?}");
        bench.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_on_loss_wait_nothing_is_written_until_the_lease_server_is_back() {
    for answers in [Answers::Refuses, Answers::Never, Answers::WorkDoneReplyLost] {
        let bench = Bench { on_loss: OnLoss::Wait, ..three_changes_waiting().await };
        bench.world.leases.set_answers(answers);
        let back_after = Duration::from_secs(30);
        let comes_back = async {
            sleep(back_after).await;
            assert_eq!(bench.gateway.first_sent(), None, "{answers:?}");
            bench.world.leases.set_answers(Answers::Yes);
        };
        tokio::join!(bench.catches_up(), comes_back);
        assert_eq!(ticks(&contents(&bench.gateway.take_sent())).len(), 3, "{answers:?}");
        bench.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_reply_was_lost_does_not_block_its_own_run() {
    let bench = Bench { on_loss: OnLoss::Wait, ..three_changes_waiting().await };
    bench.world.leases.set_answers(Answers::WorkDoneReplyLost);
    let back = async {
        sleep(Duration::from_millis(500)).await;
        assert_ne!(bench.world.leases.len(), 0, "the work was done");
        bench.world.leases.set_answers(Answers::Yes);
        Instant::now()
    };
    let ((), back) = tokio::join!(bench.catches_up(), back);
    let waited = bench.gateway.first_sent().expect("it wrote") - back;
    assert!(waited < EXPIRY / 2, "the stray lease is released, not waited for: {waited:?}");
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_owner_died_before_the_reply_blocks_others_until_its_expiry_and_no_longer() {
    let mut bench = Bench { on_loss: OnLoss::Wait, ..three_changes_waiting().await };
    bench.world.leases.set_answers(Answers::WorkDoneReplyLost);
    let begin = Instant::now();
    tokio::time::timeout(Duration::from_millis(200), bench.run()).await.expect_err("it waits for the reply");
    assert_eq!(bench.world.leases.len(), 2, "the work was done, for both lists");
    assert_eq!(bench.gateway.take_sent(), []);
    bench.world.leases.set_answers(Answers::Yes);
    bench.owner = "another state";
    bench.catches_up().await;
    let first = bench.gateway.first_sent().expect("it wrote") - begin;
    assert!(first >= EXPIRY - MARGIN, "another program's lease is respected: {first:?}");
    assert!(first < EXPIRY + ASKED_AGAIN, "blocked for {first:?}");
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_a_dead_run_of_the_same_state_left_behind_is_taken_over_at_once() {
    let bench = Bench { on_loss: OnLoss::Wait, ..three_changes_waiting().await };
    bench.world.leases.set_answers(Answers::WorkDoneReplyLost);
    tokio::time::timeout(Duration::from_millis(200), bench.run()).await.expect_err("it waits for the reply");
    assert_ne!(bench.world.leases.len(), 0, "the work was done");
    bench.world.leases.set_answers(Answers::Yes);
    let begin = Instant::now();
    bench.catches_up().await;
    assert!(begin.elapsed() < ASKED_AGAIN, "it took {:?}", begin.elapsed());
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn leases_that_vanish_under_their_holder_are_counted_and_change_nothing() {
    let bench = three_changes_waiting().await;
    bench.gateway.next_writes([Fate::FailAfter; 12]);
    let parts = bench.parts();
    let leases = parts.leases.clone();
    let restarts = async {
        sleep(Duration::from_millis(100)).await;
        assert_eq!(bench.world.leases.len(), 2, "writes of both lists are under way");
        bench.world.leases.clear();
    };
    tokio::join!(bench.catches_up_with(parts), restarts);
    assert_eq!(leases.counts().lost_total, 2);
    assert_eq!(ticks(&contents(&bench.gateway.take_sent())).len(), 3);
    bench.assert_equal().await;
}

/// Lists of the history, with one row each, and how many of them a part has.
const LISTS: u64 = 200;
const PART: u64 = 20;

#[tokio::test(start_paused = true)]
async fn a_part_with_one_busy_list_keeps_the_tail_off_no_other_and_is_copied_but_for_that() {
    let mut bench = Bench::unopened();
    bench.settings.limits.limits.chunk_rows = u32::try_from(PART).expect("few");
    bench.commit((0..LISTS).map(|list| insert(&row(list, 1, "old"))).collect());
    let run = Live::start(&bench);
    let key = layout::list_key_of(&bench.world.mapping, &[Value::UInt(7)]).expect("a key");
    let (busy, leases) = (ListId::new(bench.world.mapping.id.0, &key), run.parts.leases.clone());
    let held = leases.acquire_all(&[busy], leases.claim().ticket()).await.expect("nobody has it yet");

    let copied = || run.parts.progress.copies().values().map(|copy| copy.rows_here).sum::<u64>();
    until("the copy does not go on", || copied() >= LISTS - PART).await;
    let mut longest = Duration::ZERO;
    for round in 0..20 {
        let lists = (0..LISTS).filter(|list| *list != 7);
        bench.commit(lists.map(|list| insert(&row(list, 2 + round, "new"))).collect());
        let begin = Instant::now();
        run.writes().await;
        longest = longest.max(begin.elapsed());
        sleep(Duration::from_millis(170)).await;
    }
    assert!(longest < Duration::from_millis(500), "the tail waited for lists that nobody held: {longest:?}");
    assert_eq!(copied(), LISTS - 1, "all but the busy list");
    held.release().await;
    ends_equal(&bench, run).await;
}
