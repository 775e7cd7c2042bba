//! What leases rely on, on the double and on a real memcached.

use crate::support::memcached::{self, Gate, Pass};
use async_trait::async_trait;
use memcache::exp::AsyncMetaClient;
use std::sync::Arc;
use std::time::Duration;
use tailfill::clock::SystemEntropy;
use tailfill::lock::{
    LeaseKey, LeaseOptions, LeaseServer, Leases, ListId, MemcacheLeases, MemoryLeases, Predecessor, Token,
};
use tokio::time::{Instant, sleep};

const LONG: Duration = Duration::from_secs(60);
const REPLY: Duration = Duration::from_secs(2);

/// A lease server, and what tests do behind its back.
#[async_trait]
trait Subject: Send + Sync {
    fn leases(&self) -> &dyn LeaseServer;
    async fn vanish(&self, key: &LeaseKey);
    async fn holder(&self, key: &LeaseKey) -> Option<Token>;
}

#[async_trait]
impl Subject for MemoryLeases {
    fn leases(&self) -> &dyn LeaseServer {
        self
    }

    async fn vanish(&self, key: &LeaseKey) {
        MemoryLeases::vanish(self, key);
    }

    async fn holder(&self, key: &LeaseKey) -> Option<Token> {
        MemoryLeases::holder(self, key)
    }
}

struct Real {
    leases: MemcacheLeases,
    behind: AsyncMetaClient,
}

#[async_trait]
impl Subject for Real {
    fn leases(&self) -> &dyn LeaseServer {
        &self.leases
    }

    async fn vanish(&self, key: &LeaseKey) {
        self.behind.delete(&key.0).send().await.expect("memcached is up");
    }

    async fn holder(&self, key: &LeaseKey) -> Option<Token> {
        let found = self.behind.get(&key.0).send().await.expect("memcached is up");
        found.value.map(|value| Token(String::from_utf8(value).expect("a token is text")))
    }
}

async fn real() -> Real {
    let behind = AsyncMetaClient::connect(memcached::address()).await.expect("an address resolves");
    Real { leases: MemcacheLeases::new(vec![memcached::address()], REPLY), behind }
}

/// Keys of a mapping that no other test uses.
fn keys(count: u32) -> Vec<LeaseKey> {
    let mapping = format!("t{:016x}", rand::random::<u64>());
    (0..count).map(|n| LeaseKey::new(&mapping, ListId::new(0, &n.to_be_bytes()))).collect()
}

fn token(name: &str) -> Token {
    Token(format!("{name}:0123456789abcdef"))
}

async fn a_lease_has_one_holder(subject: &dyn Subject) {
    let keys = keys(3);
    let (leases, ours, theirs) = (subject.leases(), token("ours"), token("theirs"));
    assert_eq!(leases.add(&keys[1..2], &theirs, LONG).await.expect("up"), [true]);
    assert_eq!(leases.add(&keys, &ours, LONG).await.expect("up"), [true, false, true]);
    assert_eq!(leases.add(&keys, &ours, LONG).await.expect("up"), [false; 3], "not even twice the same");
    assert_eq!(subject.holder(&keys[1]).await, Some(theirs.clone()));
    leases.release(&keys, &ours).await.expect("up");
    leases.release(&keys, &theirs).await.expect("up");
}

async fn a_release_compares_the_token(subject: &dyn Subject) {
    let keys = keys(3);
    let (leases, ours, theirs) = (subject.leases(), token("ours"), token("theirs"));
    leases.add(&keys[..1], &ours, LONG).await.expect("up");
    leases.add(&keys[1..2], &theirs, LONG).await.expect("up");
    assert_eq!(leases.release(&keys, &ours).await.expect("up"), [true, false, false]);
    assert_eq!(subject.holder(&keys[0]).await, None);
    assert_eq!(subject.holder(&keys[1]).await, Some(theirs.clone()), "another's lease is left alone");
    leases.release(&keys, &theirs).await.expect("up");
}

async fn a_vanished_lease_is_free_and_a_late_release_leaves_its_next_holder(subject: &dyn Subject) {
    let keys = keys(1);
    let (leases, first, second) = (subject.leases(), token("first"), token("second"));
    leases.add(&keys, &first, LONG).await.expect("up");
    subject.vanish(&keys[0]).await;
    assert_eq!(leases.add(&keys, &second, LONG).await.expect("up"), [true]);
    assert_eq!(leases.release(&keys, &first).await.expect("up"), [false]);
    assert_eq!(subject.holder(&keys[0]).await, Some(second.clone()));
    leases.release(&keys, &second).await.expect("up");
}

async fn a_lease_expires_at_most_a_second_early(subject: &dyn Subject) {
    let keys = keys(1);
    let (leases, first, second) = (subject.leases(), token("first"), token("second"));
    let before = Instant::now();
    leases.add(&keys, &first, Duration::from_millis(2_500)).await.expect("up");
    while leases.add(&keys, &second, LONG).await.expect("up") == [false] {
        assert!(before.elapsed() < Duration::from_secs(20), "the lease never expired");
        sleep(Duration::from_millis(20)).await;
    }
    // 2.5 s are rounded up to 3; memcached's clock may end them a second early.
    assert!(before.elapsed() >= Duration::from_secs(2), "gone after {:?}", before.elapsed());
    leases.release(&keys, &second).await.expect("up");
}

async fn five_thousand_lists_are_leased_and_released_in_one_go(subject: &dyn Subject) {
    let keys = keys(5_000);
    let (leases, ours, theirs) = (subject.leases(), token("ours"), token("theirs"));
    leases.add(&keys[1_234..1_235], &theirs, LONG).await.expect("up");
    let mut expected = vec![true; keys.len()];
    expected[1_234] = false;
    assert_eq!(leases.add(&keys, &ours, LONG).await.expect("up"), expected);
    assert_eq!(leases.release(&keys, &ours).await.expect("up"), expected);
    leases.release(&keys, &theirs).await.expect("up");
}

async fn only_what_a_predecessor_holds_is_taken_over(subject: &dyn Subject) {
    let keys = keys(4);
    let leases = subject.leases();
    let [before, own, other, now] = ["run:a:1", "run:b:1", "runner:a:1", "run:b:2"].map(token);
    leases.add(&keys[..1], &before, LONG).await.expect("up");
    leases.add(&keys[1..2], &own, LONG).await.expect("up");
    leases.add(&keys[2..3], &other, LONG).await.expect("up");
    let predecessor = Predecessor { owner: "run".to_owned(), boot: "b".to_owned() };
    let taken = leases.take_over(&keys, &predecessor, &now, LONG).await.expect("up");
    assert_eq!(taken, [true, false, false, false]);
    assert_eq!(subject.holder(&keys[0]).await, Some(now.clone()));
    assert_eq!(subject.holder(&keys[3]).await, None);
    for (key, token) in keys.iter().zip([&now, &own, &other]) {
        leases.release(std::slice::from_ref(key), token).await.expect("up");
    }
}

async fn no_keys_need_no_answer(subject: &dyn Subject) {
    assert!(subject.leases().add(&[], &token("ours"), LONG).await.expect("up").is_empty());
    assert!(subject.leases().release(&[], &token("ours")).await.expect("up").is_empty());
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod double {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name(&super::MemoryLeases::new()).await;
            })*
        }

        mod memcached_itself {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::real().await).await;
            })*
        }
    };
}

suite!(
    a_lease_has_one_holder,
    a_release_compares_the_token,
    a_vanished_lease_is_free_and_a_late_release_leaves_its_next_holder,
    a_lease_expires_at_most_a_second_early,
    five_thousand_lists_are_leased_and_released_in_one_go,
    only_what_a_predecessor_holds_is_taken_over,
    no_keys_need_no_answer,
);

async fn gated() -> (Gate, MemcacheLeases) {
    let gate = Gate::open().await;
    let leases = MemcacheLeases::new(vec![gate.address.clone()], Duration::from_millis(300));
    (gate, leases)
}

#[tokio::test]
async fn a_server_that_is_away_silent_or_mad_is_an_error_and_is_used_again_when_it_is_back() {
    let (gate, leases) = gated().await;
    for pass in [Pass::Closed, Pass::Silent, Pass::Garbage] {
        let (keys, ours) = (keys(50), token("ours"));
        gate.set(pass);
        let error = leases.add(&keys, &ours, LONG).await.expect_err("nobody answered properly");
        assert_eq!(error.server, gate.address, "{pass:?}");
        leases.release(&keys, &ours).await.expect_err("nobody answered properly");
        gate.set(Pass::Through);
        assert_eq!(leases.add(&keys, &ours, LONG).await.expect("it is back"), [true; 50], "{pass:?}");
        assert_eq!(leases.release(&keys, &ours).await.expect("it is back"), [true; 50], "{pass:?}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_error_and_not_a_panic() {
    let leases = MemcacheLeases::new(vec!["no such host".to_owned()], REPLY);
    leases.add(&keys(1), &token("ours"), LONG).await.expect_err("there is no such host");
}

#[tokio::test]
async fn keys_go_to_the_server_that_their_crc_names() {
    let (one, two) = (Gate::open().await, Gate::open().await);
    let leases = MemcacheLeases::new(vec![one.address.clone(), two.address.clone()], REPLY);
    let (keys, ours) = (keys(100), token("ours"));
    let on = |server: u32| -> Vec<LeaseKey> {
        keys.iter().filter(|key| crc32fast::hash(key.0.as_bytes()) % 2 == server).cloned().collect()
    };
    assert!(leases.add(&keys, &ours, LONG).await.expect("both are up").iter().all(|added| *added));
    two.set(Pass::Closed);
    let released = leases.release(&on(0), &ours).await.expect("the first is up");
    assert!(released.iter().all(|released| *released));
    let error = leases.release(&on(1), &ours).await.expect_err("the second is away");
    assert_eq!(error.server, two.address);
    two.set(Pass::Through);
    leases.release(&on(1), &ours).await.expect("both are up");
}

#[tokio::test]
async fn the_server_says_what_check_needs() {
    let (gate, leases) = gated().await;
    let (server, facts) = leases.probe().await.pop().expect("one server");
    let facts = facts.expect("it is up");
    assert_eq!(server, gate.address);
    assert!(facts.speaks_meta() && facts.cas_enabled && facts.evicts, "{facts:?}");
    assert!(facts.limit_bytes > 1024 * 1024 && facts.connections_max > 1, "{facts:?}");
    for pass in [Pass::Closed, Pass::Silent, Pass::Garbage] {
        gate.set(pass);
        let (_, facts) = leases.probe().await.pop().expect("one server");
        facts.expect_err("nobody answered properly");
    }
}

#[tokio::test]
async fn an_outage_of_memcached_degrades_and_ends() {
    let (gate, server) = gated().await;
    let name = format!("t{:016x}", rand::random::<u64>());
    let options = LeaseOptions { reply_timeout: Duration::from_millis(300), ..LeaseOptions::default() };
    let leases = Leases::new(
        Some(Arc::new(server)),
        vec![name.clone()],
        options,
        Arc::new(SystemEntropy),
        "run".to_owned(),
    );
    let lists: Vec<ListId> = (0..20u8).map(|n| ListId::new(0, &[n])).collect();
    let held = leases.acquire_all(&lists, leases.ticket()).await.expect("free");
    gate.set(Pass::Closed);
    held.release().await;
    let held = leases.acquire_all(&lists, leases.ticket()).await.expect("in this process they are free");
    assert!(leases.degraded().is_some());
    held.release().await;
    gate.set(Pass::Through);
    // Our own leases from before the outage stand until they are released or expire.
    let deadline = Instant::now() + Duration::from_secs(20);
    let claim = leases.claim();
    loop {
        match leases.acquire_all(&lists, claim.ticket()).await {
            Ok(held) if leases.degraded().is_none() => break held.release().await,
            Ok(held) => held.release().await,
            Err(_) => (),
        }
        assert!(Instant::now() < deadline, "still degraded: {:?}", leases.degraded());
        sleep(Duration::from_millis(50)).await;
    }
    let behind = real().await;
    for list in lists {
        assert_eq!(behind.holder(&LeaseKey::new(&name, list)).await, None);
    }
}
