//! kill -9 in the middle of commits: everything that was acknowledged is there.

use super::store::{open, state_dir};
use crate::support::child::{self, TestProcess};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tailfill::store::redb::RedbStore;
use tailfill::store::{Commit, Outcome, Space, Store};

const KILLS: usize = 8;
const WRITERS: u8 = 4;

#[tokio::test]
async fn everything_acknowledged_survives_kill_9() {
    let dir = state_dir();
    let mut acknowledged = BTreeSet::new();
    for kill in 0..KILLS {
        let mut child = TestProcess::start("contract::store_crash::commits_until_killed", dir.path(), "");
        for _ in 0..20 + 7 * kill {
            acknowledged.insert(child.next("acknowledged ").expect("it commits until it is killed"));
        }
        child.kill();
        while let Some(key) = child.next("acknowledged ") {
            acknowledged.insert(key);
        }
        check(&RedbStore::open_read_only(dir.path()).await.expect("its lock died with it"), &acknowledged)
            .await;
    }
    check(&open(dir.path()).await, &acknowledged).await;
}

/// Everything acknowledged is there, and every commit is whole.
async fn check(store: &RedbStore, acknowledged: &BTreeSet<String>) {
    let journal = store.list(Space::Journal, b"").await.expect("the state is whole");
    let chunks = store.list(Space::Chunk, b"").await.expect("the state is whole");
    assert_eq!(journal, chunks, "a commit was made by half");
    let kept: BTreeSet<String> = journal.into_iter().map(|(key, _)| hex::encode(key)).collect();
    let lost: Vec<&String> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
}

#[tokio::test]
#[ignore = "a part of everything_acknowledged_survives_kill_9, which runs it in a process of its own"]
async fn commits_until_killed() {
    let dir = std::env::var(child::DIR).expect("set by everything_acknowledged_survives_kill_9");
    let store = Arc::new(open(Path::new(&dir)).await);
    let life: u64 = rand::random();
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0u64.. {
                let key = [&life.to_be_bytes()[..], &[writer], &n.to_be_bytes()].concat();
                let record = |space| (space, key.clone(), vec![writer; 300]);
                let both =
                    Commit { put: vec![record(Space::Journal), record(Space::Chunk)], ..Commit::default() };
                assert_eq!(store.commit(both).await.expect("the disk works"), Outcome::Committed);
                println!("acknowledged {}", hex::encode(&key));
            }
        })
    });
    futures::future::join_all(writers).await;
}
