//! Leases against the double, in paused time.

use super::lease::LeaseCounts;
use super::local::LocalCounts;
use super::memory::Answers;
use super::*;
use crate::clock::SeededEntropy;
use std::sync::Arc;
use tokio::time::{Instant, advance, timeout};

const SECOND: Duration = Duration::from_secs(1);

fn leases_of(owner: &str, server: &MemoryLeases, on_loss: OnLoss) -> Leases {
    let options = LeaseOptions { on_loss, ..LeaseOptions::default() };
    let seed = owner.len() as u64;
    let entropy = Arc::new(SeededEntropy::new(seed));
    Leases::new(Some(Arc::new(server.clone())), vec!["m".to_owned()], options, entropy, owner.to_owned())
}

fn world() -> (MemoryLeases, Leases) {
    let server = MemoryLeases::new();
    let leases = leases_of("run", &server, OnLoss::Degrade);
    (server, leases)
}

fn list(n: u8) -> ListId {
    ListId::new(0, &[n])
}

fn key(n: u8) -> LeaseKey {
    LeaseKey::new("m", list(n))
}

async fn acquire(leases: &Leases, lists: &[ListId]) -> Held {
    leases.acquire_all(lists, leases.ticket()).await.expect("all are free")
}

#[tokio::test(start_paused = true)]
async fn a_lease_carries_the_owner_and_ends_with_its_release() {
    let (server, leases) = world();
    let held = acquire(&leases, &[list(1), list(2), list(1)]).await;
    assert_eq!(held.lists().len(), 2);
    let token = server.holder(&key(1)).expect("it was added").0;
    let (boot, random) = token
        .strip_prefix("run:")
        .and_then(|rest| rest.split_once(':'))
        .expect("tokens are OWNER:BOOT:RANDOM");
    for part in [boot, random] {
        assert!(part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    }
    held.release().await;
    assert!(server.is_empty());
    let pairs = LeaseCounts { acquired_total: 2, released_total: 2, ..LeaseCounts::default() };
    assert_eq!(leases.counts(), LeaseCounts { round_trips_total: 3, ..pairs });
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_of_the_same_state_held_is_taken_over_at_once() {
    let server = MemoryLeases::new();
    let dead = leases_of("run", &server, OnLoss::Degrade);
    drop(acquire(&dead, &[list(1), list(2)]).await);
    let other = leases_of("other", &server, OnLoss::Degrade);
    let others = acquire(&other, &[list(3)]).await;
    let entropy = Arc::new(SeededEntropy::new(99));
    let options = LeaseOptions::default();
    let leases =
        Leases::new(Some(Arc::new(server.clone())), vec!["m".to_owned()], options, entropy, "run".to_owned());
    let held = acquire(&leases, &[list(1), list(2)]).await;
    let busy = leases.acquire_all(&[list(3)], leases.ticket()).await.expect_err("another program's");
    assert_eq!(busy.elsewhere, [list(3)]);
    held.release().await;
    others.release().await;
    assert!(server.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_before_the_request_less_the_margin() {
    let (server, leases) = world();
    server.set_delay(SECOND / 2);
    let before = Instant::now();
    let held = acquire(&leases, &[list(1)]).await;
    assert_eq!(before.elapsed(), SECOND / 2);
    assert_eq!(held.deadline(), before + 8 * SECOND);
    advance(7 * SECOND).await;
    assert!(held.is_live());
    advance(SECOND / 2).await;
    assert!(!held.is_live(), "not at the deadline itself");
    assert!(server.holder(&key(1)).is_some(), "it stands for the margin still");
}

#[tokio::test(start_paused = true)]
async fn what_leases_cost_of_a_holding_is_counted() {
    let (server, leases) = world();
    server.set_delay(SECOND / 10);
    let held = acquire(&leases, &[list(1), list(2)]).await;
    advance(SECOND).await;
    held.release().await;
    let busy = leases.claim();
    let held = acquire(&leases, &[list(1)]).await;
    leases.acquire_all(&[list(1)], busy.ticket()).await.expect_err("it is held here");
    drop(held);
    let counts = leases.counts();
    let nanos = |tenths: u32| u64::try_from((SECOND / 10 * tenths).as_nanos()).expect("it fits");
    assert_eq!(counts.waited_nanos_total, nanos(3), "two acquisitions and a release");
    assert_eq!(counts.holding_nanos_total, nanos(13), "the second that was worked, too");
    assert_eq!((counts.acquired_total, counts.released_total, counts.round_trips_total), (3, 2, 4));
}

#[tokio::test(start_paused = true)]
async fn the_tail_takes_what_is_free_and_hears_of_the_rest() {
    let (server, leases) = world();
    let other = leases_of("other", &server, OnLoss::Degrade);
    let _here = acquire(&leases, &[list(1)]).await;
    let _there = acquire(&other, &[list(2)]).await;
    let wanted = [1, 2, 3].map(|n| (list(n), leases.ticket()));
    let grant = leases.acquire_any(&wanted).await;
    assert_eq!(grant.busy, [list(1)]);
    assert_eq!(grant.busy_elsewhere, [list(2)]);
    let held = grant.held.expect("the third is free");
    assert!(held.lists().iter().eq([&list(3)]));
    let counts = leases.counts();
    assert_eq!((counts.busy_local_total, counts.busy_elsewhere_total), (1, 1));
    assert_eq!((counts.local.held, counts.local.queued), (2, 2), "two places are kept");
}

#[tokio::test(start_paused = true)]
async fn a_later_batch_does_not_overtake_an_earlier_one_that_another_program_kept_waiting() {
    let (server, leases) = world();
    let other = leases_of("other", &server, OnLoss::Degrade);
    let there = acquire(&other, &[list(1)]).await;
    let (early, late) = ([(list(1), leases.ticket())], [(list(1), leases.ticket())]);
    assert_eq!(leases.acquire_any(&early).await.busy_elsewhere, [list(1)]);
    there.release().await;
    assert_eq!(leases.acquire_any(&late).await.busy, [list(1)]);
    let held = leases.acquire_any(&early).await.held.expect("it is free, and it is its turn");
    held.release().await;
    assert!(leases.acquire_any(&late).await.held.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_chunk_takes_all_or_nothing() {
    let (server, leases) = world();
    let other = leases_of("other", &server, OnLoss::Degrade);
    let there = acquire(&other, &[list(2)]).await;
    let chunk = leases.claim();
    let lists = [list(1), list(2), list(3)];
    let busy = leases.acquire_all(&lists, chunk.ticket()).await.expect_err("the second is taken");
    assert_eq!(busy, Busy { local: vec![], elsewhere: vec![list(2)] });
    assert_eq!((server.len(), leases.counts().local.held), (1, 0), "nothing is held");
    there.release().await;
    let held = leases.acquire_all(&lists, chunk.ticket()).await.expect("all are free");
    let busy = leases.acquire_all(&lists, leases.ticket()).await.expect_err("they are held here");
    assert_eq!(busy.local.len(), 3);
    held.release().await;
}

#[tokio::test(start_paused = true)]
async fn an_aborted_task_frees_the_local_locks_and_leaves_the_leases_to_expire() {
    let (server, leases) = world();
    drop(acquire(&leases, &[list(1)]).await);
    assert_eq!(leases.counts().local.held, 0);
    let ticket = leases.ticket();
    let busy = leases.acquire_all(&[list(1)], ticket).await.expect_err("the lease stands");
    assert_eq!(busy.elsewhere, [list(1)]);
    advance(10 * SECOND).await;
    leases.acquire_all(&[list(1)], ticket).await.expect("it expired").release().await;
    assert!(server.is_empty());
}

#[tokio::test(start_paused = true)]
async fn leases_that_vanished_or_changed_hands_are_counted_as_lost_and_left_alone() {
    let (server, leases) = world();
    let held = acquire(&leases, &[list(1), list(2), list(3)]).await;
    server.vanish(&key(1));
    server.vanish(&key(2));
    let other = leases_of("other", &server, OnLoss::Degrade);
    let there = acquire(&other, &[list(2)]).await;
    held.release().await;
    assert_eq!(leases.counts().lost_total, 2);
    assert!(server.holder(&key(2)).is_some_and(|token| token.0.starts_with("other:")));
    there.release().await;
    assert_eq!(other.counts().lost_total, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_costs_one_time_out_a_second_and_leases_come_from_here() {
    let (server, leases) = world();
    server.set_answers(Answers::Never);
    let start = Instant::now();
    for _ in 0..1_000 {
        let held = acquire(&leases, &[list(1)]).await;
        assert!(held.is_live());
        let second = leases.claim();
        assert!(leases.acquire_all(&[list(1)], second.ticket()).await.is_err(), "one holder here");
        held.release().await;
        advance(SECOND / 100).await;
    }
    let seconds = start.elapsed().as_secs();
    assert!(server.calls() <= seconds + 1, "{} calls in {seconds} s", server.calls());
    let outage = leases.degraded().expect("it is dead");
    assert!(outage.since < start + 2 * SECOND && outage.reason.contains("did not answer"), "{outage:?}");
    assert_eq!((leases.counts().degraded_total, leases.counts().outages_total), (1_000, 1));
    server.set_answers(Answers::Yes);
    advance(SECOND).await;
    acquire(&leases, &[list(2)]).await.release().await;
    assert!(leases.degraded().is_none());
}

#[tokio::test(start_paused = true)]
async fn on_loss_wait_grants_nothing_until_the_server_is_back() {
    let server = MemoryLeases::new();
    let leases = leases_of("run", &server, OnLoss::Wait);
    server.set_answers(Answers::Refuses);
    let (claim, wanted) = (leases.claim(), [(list(1), leases.ticket())]);
    for _ in 0..2 {
        let grant = leases.acquire_any(&wanted).await;
        assert!(grant.held.is_none());
        assert_eq!(grant.busy_elsewhere, [list(1)]);
        let busy = leases.acquire_all(&[list(2)], claim.ticket()).await.expect_err("nobody knows");
        assert_eq!(busy.elsewhere, [list(2)]);
    }
    assert_eq!((server.calls(), leases.counts().local.held), (1, 0));
    server.set_answers(Answers::Yes);
    advance(SECOND).await;
    leases.acquire_any(&wanted).await.held.expect("it is back").release().await;
}

#[tokio::test(start_paused = true)]
async fn leases_whose_reply_was_lost_are_released_when_the_server_answers_again() {
    for on_loss in [OnLoss::Degrade, OnLoss::Wait] {
        let server = MemoryLeases::new();
        let leases = leases_of("run", &server, on_loss);
        server.set_answers(Answers::WorkDoneReplyLost);
        let ticket = leases.ticket();
        if let Ok(held) = leases.acquire_all(&[list(1)], ticket).await {
            held.release().await;
        }
        assert_eq!(server.len(), 1, "{on_loss:?}: added, and nobody heard of it");
        server.set_answers(Answers::Yes);
        advance(SECOND).await;
        // The first call finds that the server is back, the second cleans up.
        leases.acquire_any(&[(list(2), leases.ticket())]).await.held.expect("free").release().await;
        let held = leases.acquire_all(&[list(1)], ticket).await.expect("our own stray lease is gone");
        held.release().await;
        assert!(server.is_empty());
    }
}

/// An `add` that was given up is on its way still, while everything else is answered again; its lease was given back.
async fn given_up(server: &MemoryLeases, leases: &Leases) {
    server.set_answers(Answers::Later);
    if let Ok(held) = leases.acquire_all(&[list(1), list(2)], leases.claim().ticket()).await {
        held.release().await;
    }
    server.set_answers(Answers::Yes);
    advance(SECOND).await;
    for _ in 0..2 {
        acquire(leases, &[list(9)]).await.release().await;
    }
    assert!(server.is_empty() && leases.degraded().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_comes_late_is_known_for_our_own_and_does_not_block_its_list() {
    for on_loss in [OnLoss::Degrade, OnLoss::Wait] {
        let server = MemoryLeases::new();
        let leases = leases_of("run", &server, on_loss);
        given_up(&server, &leases).await;
        server.deliver();
        let late = server.holder(&key(1)).expect("it came");
        assert_eq!(server.holder(&key(2)), Some(late.clone()));
        let before = Instant::now();
        let held = acquire(&leases, &[list(1)]).await;
        let grant = leases.acquire_any(&[(list(2), leases.ticket())]).await;
        assert!(grant.held.is_some() && server.holder(&key(2)) != Some(late.clone()));
        assert!(server.holder(&key(1)).is_some_and(|token| token.0.starts_with("run:") && token != late));
        assert_eq!(held.deadline(), before + 8 * SECOND, "{on_loss:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_program_took_before_ours_came_late_is_left_to_it() {
    let (server, leases) = world();
    given_up(&server, &leases).await;
    let other = leases_of("other", &server, OnLoss::Degrade);
    let there = acquire(&other, &[list(1)]).await;
    server.deliver();
    let claim = leases.claim();
    for _ in 0..3 {
        let busy = leases.acquire_all(&[list(1)], claim.ticket()).await.expect_err("it is another's");
        assert_eq!(busy.elsewhere, [list(1)]);
    }
    assert!(there.is_live() && server.holder(&key(1)).is_some_and(|token| token.0.starts_with("other:")));
    there.release().await;
    assert_eq!(other.counts().lost_total, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_holder_may_still_write_to_is_not_taken_for_late() {
    let (server, leases) = world();
    // its reply is lost, and it is dropped instead of given back, as with a write under way
    server.set_answers(Answers::Later);
    drop(acquire(&leases, &[list(1)]).await);
    server.set_answers(Answers::Yes);
    server.deliver();
    advance(SECOND).await;
    let claim = leases.claim();
    for _ in 0..3 {
        leases.acquire_all(&[list(1)], claim.ticket()).await.expect_err("it stands until it expires");
    }
    advance(9 * SECOND).await;
    leases.acquire_all(&[list(1)], claim.ticket()).await.expect("it expired").release().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_acquisition_holds_nothing_and_its_leases_are_released_later() {
    let (server, leases) = world();
    server.set_answers(Answers::WorkDoneReplyLost);
    let claim = leases.claim();
    timeout(SECOND / 10, leases.acquire_all(&[list(1), list(2)], claim.ticket()))
        .await
        .expect_err("no answer");
    assert_eq!(leases.counts().local, LocalCounts::default());
    assert_eq!(server.len(), 2);
    server.set_answers(Answers::Yes);
    leases
        .acquire_all(&[list(1), list(2)], claim.ticket())
        .await
        .expect("released on the way")
        .release()
        .await;
    assert!(server.is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_other_programs_the_local_locks_are_all() {
    let entropy = Arc::new(SeededEntropy::new(1));
    let leases = Leases::new(None, vec![], LeaseOptions::default(), entropy, "run".to_owned());
    let held = acquire(&leases, &[list(1)]).await;
    assert!(held.is_live() && leases.degraded().is_none());
    let ticket = leases.ticket();
    assert!(leases.acquire_all(&[list(1)], ticket).await.is_err());
    let mut changes = leases.subscribe();
    held.release().await;
    changes.changed().await;
    assert!(leases.acquire_all(&[list(1)], ticket).await.is_ok());
}
