//! What leases rely on, on the double and on a real memcached.

use crate::support::memcached::{self, Gate, Pass};
use async_trait::async_trait;
use memcache::exp::AsyncMetaClient;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tailfill::clock::SystemEntropy;
use tailfill::lock::{
    KeyNames, LeaseKey, LeaseKeys, LeaseOptions, LeaseServer, Leases, ListId, MemcacheLeases, MemoryLeases,
    Predecessor, Token,
};
use tokio::time::{Instant, sleep, timeout};

const LONG: Duration = Duration::from_secs(3_600);
const REPLY: Duration = Duration::from_secs(30);

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
struct Keys {
    names: KeyNames,
    lists: Vec<ListId>,
}

fn keys(count: u32) -> Keys {
    let names = KeyNames::new([format!("t{:016x}", rand::random::<u64>())]);
    Keys { names, lists: (0..count).map(|n| ListId::new(0, &n.to_be_bytes())).collect() }
}

impl Keys {
    fn all(&self) -> LeaseKeys<'_> {
        self.part(0..self.lists.len())
    }

    fn part(&self, range: Range<usize>) -> LeaseKeys<'_> {
        self.names.of(&self.lists[range])
    }

    fn one(&self, place: usize) -> LeaseKey {
        self.part(place..place + 1).iter().next().expect("one")
    }
}

fn token(name: &str) -> Token {
    Token(format!("{name}:0123456789abcdef"))
}

async fn a_lease_has_one_holder(subject: &dyn Subject) {
    let keys = keys(3);
    let (leases, ours, theirs) = (subject.leases(), token("ours"), token("theirs"));
    assert_eq!(leases.add(keys.part(1..2), &theirs, LONG).await.expect("up"), [true]);
    assert_eq!(leases.add(keys.all(), &ours, LONG).await.expect("up"), [true, false, true]);
    assert_eq!(leases.add(keys.all(), &ours, LONG).await.expect("up"), [false; 3], "not even twice the same");
    assert_eq!(subject.holder(&keys.one(1)).await, Some(theirs.clone()));
    leases.release(keys.all(), &ours).await.expect("up");
    leases.release(keys.all(), &theirs).await.expect("up");
}

async fn a_release_compares_the_token(subject: &dyn Subject) {
    let keys = keys(3);
    let (leases, ours, theirs) = (subject.leases(), token("ours"), token("theirs"));
    leases.add(keys.part(0..1), &ours, LONG).await.expect("up");
    leases.add(keys.part(1..2), &theirs, LONG).await.expect("up");
    assert_eq!(leases.release(keys.all(), &ours).await.expect("up"), [true, false, false]);
    assert_eq!(subject.holder(&keys.one(0)).await, None);
    assert_eq!(subject.holder(&keys.one(1)).await, Some(theirs.clone()), "another's lease is left alone");
    leases.release(keys.all(), &theirs).await.expect("up");
}

async fn a_vanished_lease_is_free_and_a_late_release_leaves_its_next_holder(subject: &dyn Subject) {
    let keys = keys(1);
    let (leases, first, second) = (subject.leases(), token("first"), token("second"));
    leases.add(keys.all(), &first, LONG).await.expect("up");
    subject.vanish(&keys.one(0)).await;
    assert_eq!(leases.add(keys.all(), &second, LONG).await.expect("up"), [true]);
    assert_eq!(leases.release(keys.all(), &first).await.expect("up"), [false]);
    assert_eq!(subject.holder(&keys.one(0)).await, Some(second.clone()));
    leases.release(keys.all(), &second).await.expect("up");
}

async fn a_lease_expires_at_most_a_second_early(subject: &dyn Subject) {
    let keys = keys(1);
    let (leases, first, second) = (subject.leases(), token("first"), token("second"));
    let before = Instant::now();
    leases.add(keys.all(), &first, Duration::from_millis(2_500)).await.expect("up");
    while leases.add(keys.all(), &second, LONG).await.expect("up") == [false] {
        assert!(before.elapsed() < Duration::from_secs(180), "the lease never expired");
        sleep(Duration::from_millis(20)).await;
    }
    // 2.5 s are rounded up to 3; memcached's clock may end them a second early.
    assert!(before.elapsed() >= Duration::from_secs(2), "gone after {:?}", before.elapsed());
    leases.release(keys.all(), &second).await.expect("up");
}

async fn five_thousand_lists_are_leased_and_released_in_one_go(subject: &dyn Subject) {
    let keys = keys(5_000);
    let (leases, ours, theirs) = (subject.leases(), token("ours"), token("theirs"));
    leases.add(keys.part(1_234..1_235), &theirs, LONG).await.expect("up");
    let mut expected = vec![true; keys.lists.len()];
    expected[1_234] = false;
    assert_eq!(leases.add(keys.all(), &ours, LONG).await.expect("up"), expected);
    assert_eq!(leases.release(keys.all(), &ours).await.expect("up"), expected);
    leases.release(keys.all(), &theirs).await.expect("up");
}

async fn only_what_a_predecessor_holds_is_taken_over(subject: &dyn Subject) {
    let keys = keys(4);
    let leases = subject.leases();
    let [before, own, other, now] = ["run:a:1", "run:b:1", "runner:a:1", "run:b:2"].map(token);
    leases.add(keys.part(0..1), &before, LONG).await.expect("up");
    leases.add(keys.part(1..2), &own, LONG).await.expect("up");
    leases.add(keys.part(2..3), &other, LONG).await.expect("up");
    let predecessor = Predecessor { owner: "run".to_owned(), boot: "b".to_owned() };
    let taken = leases.take_over(keys.all(), &predecessor, &now, LONG).await.expect("up");
    assert_eq!(taken, [true, false, false, false]);
    assert_eq!(subject.holder(&keys.one(0)).await, Some(now.clone()));
    assert_eq!(subject.holder(&keys.one(3)).await, None);
    for (place, token) in [&now, &own, &other].into_iter().enumerate() {
        leases.release(keys.part(place..place + 1), token).await.expect("up");
    }
}

async fn no_keys_need_no_answer(subject: &dyn Subject) {
    let none = keys(0);
    assert!(subject.leases().add(none.all(), &token("ours"), LONG).await.expect("up").is_empty());
    assert!(subject.leases().release(none.all(), &token("ours")).await.expect("up").is_empty());
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
        let error = leases.add(keys.all(), &ours, LONG).await.expect_err("nobody answered properly");
        assert_eq!(error.server, gate.address, "{pass:?}");
        leases.release(keys.all(), &ours).await.expect_err("nobody answered properly");
        gate.set(Pass::Through);
        assert_eq!(leases.add(keys.all(), &ours, LONG).await.expect("it is back"), [true; 50], "{pass:?}");
        assert_eq!(leases.release(keys.all(), &ours).await.expect("it is back"), [true; 50], "{pass:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_rested_is_replaced_without_an_error() {
    let (gate, leases) = gated().await;
    let (keys, ours) = (keys(50), token("ours"));
    for added in [true, false] {
        assert_eq!(leases.add(keys.all(), &ours, LONG).await.expect("it is up"), [added; 50]);
        gate.set(Pass::Through); // closes the present ones
        sleep(Duration::from_millis(100)).await; // the relay runs in this thread, and closes them meanwhile
    }
    assert_eq!(leases.release(keys.all(), &ours).await.expect("it is up"), [true; 50]);
}

/// Commands and answers each exceed what the buffers on the way hold: a client that writes all before it
/// reads would wait for a server that does the same.
#[tokio::test]
async fn a_call_may_be_larger_than_the_buffers_on_its_way() {
    const READS: usize = 600_000;
    let real = MemcacheLeases::new(vec![memcached::address()], Duration::from_secs(20));
    let (one, ours, theirs) = (keys(1), token("ours"), Token("theirs".repeat(40)));
    assert_eq!(real.add(one.all(), &theirs, LONG).await.expect("up"), [true]);
    let again_and_again = vec![one.lists[0]; READS];
    let released = real.release(one.names.of(&again_and_again), &ours).await.expect("up");
    assert_eq!(released, vec![false; READS]);
    assert_eq!(real.release(one.all(), &theirs).await.expect("up"), [true]);
}

#[tokio::test]
async fn a_call_that_was_cancelled_anywhere_leaves_nothing_to_the_next_one() {
    let leases = real().await.leases;
    let (ours, theirs) = (token("ours"), token("theirs"));
    for micros in (0..4_000).step_by(100) {
        let (cancelled, next) = (keys(1_500), keys(1_500));
        let soon = Duration::from_micros(micros);
        let _ = timeout(soon, leases.add(cancelled.all(), &ours, LONG)).await;
        assert_eq!(leases.add(next.all(), &theirs, LONG).await.expect("up"), [true; 1_500]);
        let _ = timeout(soon, leases.release(cancelled.all(), &ours)).await;
        assert_eq!(leases.release(next.all(), &theirs).await.expect("up"), [true; 1_500]);
        leases.release(cancelled.all(), &ours).await.expect("up");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_error_and_not_a_panic() {
    let leases = MemcacheLeases::new(vec!["no such host".to_owned()], REPLY);
    leases.add(keys(1).all(), &token("ours"), LONG).await.expect_err("there is no such host");
}

#[tokio::test]
async fn keys_go_to_the_server_that_their_crc_names() {
    let (one, two) = (Gate::open().await, Gate::open().await);
    let leases = MemcacheLeases::new(vec![one.address.clone(), two.address.clone()], REPLY);
    let (keys, ours) = (keys(100), token("ours"));
    let on = |server: u32| -> Vec<ListId> {
        let here = keys.all().iter().map(|key| crc32fast::hash(key.0.as_bytes()) % 2 == server);
        keys.lists.iter().zip(here).filter(|(_, here)| *here).map(|(list, _)| *list).collect()
    };
    assert!(leases.add(keys.all(), &ours, LONG).await.expect("both are up").iter().all(|added| *added));
    two.set(Pass::Closed);
    let released = leases.release(keys.names.of(&on(0)), &ours).await.expect("the first is up");
    assert!(released.iter().all(|released| *released));
    let error = leases.release(keys.names.of(&on(1)), &ours).await.expect_err("the second is away");
    assert_eq!(error.server, two.address);
    two.set(Pass::Through);
    leases.release(keys.names.of(&on(1)), &ours).await.expect("both are up");
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
