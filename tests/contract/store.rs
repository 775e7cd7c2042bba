//! What the state rests on, on the double and on redb.

use crate::support::child::{self, TestProcess};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tailfill::store::memory::MemoryStore;
use tailfill::store::redb::{FILE_NAME, RedbStore};
use tailfill::store::{Commit, CommitCounts, Outcome, Space, Store, StoreError};
use tempfile::TempDir;

pub fn put(space: Space, key: &[u8], value: &[u8]) -> Commit {
    Commit { put: vec![(space, key.to_vec(), value.to_vec())], ..Commit::default() }
}

async fn commit(store: &dyn Store, commit: Commit) -> Outcome {
    store.commit(commit).await.expect("the store works")
}

async fn get(store: &dyn Store, space: Space, key: &[u8]) -> Option<Vec<u8>> {
    store.get(space, key).await.expect("the store works")
}

async fn keys(store: &dyn Store, space: Space, prefix: &[u8]) -> Vec<Vec<u8>> {
    let records = store.list(space, prefix).await.expect("the store works");
    records.into_iter().map(|(key, _)| key).collect()
}

async fn an_empty_store_has_no_records(store: &dyn Store) {
    for space in Space::ALL {
        assert_eq!(get(store, space, b"key").await, None);
        assert_eq!(keys(store, space, b"").await, Vec::<Vec<u8>>::new());
    }
}

async fn spaces_are_apart(store: &dyn Store) {
    for space in Space::ALL {
        commit(store, put(space, b"key", space.name().as_bytes())).await;
    }
    for space in Space::ALL {
        assert_eq!(get(store, space, b"key").await.as_deref(), Some(space.name().as_bytes()));
    }
}

async fn a_commit_whose_expectation_fails_changes_nothing(store: &dyn Store) {
    commit(store, put(Space::Meta, b"owner", b"1")).await;
    for expectation in [
        (Space::Meta, b"owner".to_vec(), Some(b"2".to_vec())),
        (Space::Meta, b"owner".to_vec(), None),
        (Space::Journal, b"owner".to_vec(), Some(b"1".to_vec())),
    ] {
        let refused = Commit {
            expect: vec![(Space::Meta, b"absent".to_vec(), None), expectation],
            put: vec![(Space::Meta, b"new".to_vec(), vec![])],
            delete: vec![(Space::Meta, b"owner".to_vec())],
            delete_range: vec![(Space::Meta, vec![], vec![255])],
        };
        assert_eq!(commit(store, refused).await, Outcome::Refused);
        assert_eq!(keys(store, Space::Meta, b"").await, [b"owner".to_vec()]);
    }
    let swap = Commit {
        expect: vec![(Space::Meta, b"owner".to_vec(), Some(b"1".to_vec()))],
        ..put(Space::Meta, b"owner", b"2")
    };
    assert_eq!(commit(store, swap.clone()).await, Outcome::Committed);
    assert_eq!(commit(store, swap).await, Outcome::Refused, "only once");
    assert_eq!(get(store, Space::Meta, b"owner").await.as_deref(), Some(&b"2"[..]));
}

async fn commits_are_counted_once_they_are_made(store: &dyn Store) {
    assert_eq!(store.counts(), CommitCounts::default());
    commit(store, put(Space::Meta, b"a", b"1")).await;
    commit(store, put(Space::Journal, b"00000001", b"1")).await;
    let refused =
        Commit { expect: vec![(Space::Meta, b"a".to_vec(), None)], ..put(Space::Journal, b"b", b"") };
    assert_eq!(commit(store, refused).await, Outcome::Refused);
    let counts = store.counts();
    assert_eq!((counts.commits_total, counts.journal_commits_total), (2, 1));
    assert!(counts.journal_commit_nanos_total <= counts.commit_nanos_total);
}

async fn an_empty_value_is_not_an_absent_one(store: &dyn Store) {
    commit(store, put(Space::Meta, b"", b"")).await;
    assert_eq!(get(store, Space::Meta, b"").await.as_deref(), Some(&b""[..]));
    let absent = Commit { expect: vec![(Space::Meta, vec![], None)], ..Commit::default() };
    assert_eq!(commit(store, absent).await, Outcome::Refused);
}

async fn deletes_go_before_puts(store: &dyn Store) {
    for key in [1, 2, 3, 4, 5] {
        commit(store, put(Space::Journal, &[key], b"old")).await;
    }
    let mixed = Commit {
        delete: vec![(Space::Journal, vec![1]), (Space::Journal, vec![9])],
        delete_range: vec![(Space::Journal, vec![2], vec![4])],
        put: vec![(Space::Journal, vec![1], b"new".to_vec()), (Space::Journal, vec![3], b"new".to_vec())],
        ..Commit::default()
    };
    assert_eq!(commit(store, mixed).await, Outcome::Committed);
    assert_eq!(keys(store, Space::Journal, b"").await, [[1], [3], [5]]);
    assert_eq!(get(store, Space::Journal, &[3]).await.as_deref(), Some(&b"new"[..]));
}

async fn a_range_that_ends_before_it_begins_is_empty(store: &dyn Store) {
    commit(store, put(Space::Journal, &[5], b"")).await;
    let reversed = Commit { delete_range: vec![(Space::Journal, vec![9], vec![1])], ..Commit::default() };
    assert_eq!(commit(store, reversed).await, Outcome::Committed);
    assert_eq!(keys(store, Space::Journal, b"").await, [[5]]);
}

async fn a_list_has_the_keys_of_a_prefix_in_order(store: &dyn Store) {
    for key in [&b"b"[..], b"ab", b"a", b"a\xff", b"a\xff\xff", b"\xff", b"\xff\xff", b"aa"] {
        commit(store, put(Space::Chunk, key, b"")).await;
    }
    let with_a = [&b"a"[..], b"aa", b"ab", b"a\xff", b"a\xff\xff"];
    assert_eq!(keys(store, Space::Chunk, b"a").await, with_a);
    assert_eq!(keys(store, Space::Chunk, b"\xff").await, [&b"\xff"[..], b"\xff\xff"]);
    assert_eq!(keys(store, Space::Chunk, b"").await.len(), 8);
    assert_eq!(keys(store, Space::Chunk, b"c").await, Vec::<Vec<u8>>::new());
}

async fn of_many_concurrent_swaps_each_counts_once(store: &dyn Store) {
    commit(store, put(Space::Meta, b"count", &0u64.to_be_bytes())).await;
    let increments = (0..20).map(async |_| {
        loop {
            let now = get(store, Space::Meta, b"count").await.expect("it was put");
            let next = u64::from_be_bytes(now.clone().try_into().expect("8 bytes")) + 1;
            let swap = Commit {
                expect: vec![(Space::Meta, b"count".to_vec(), Some(now))],
                ..put(Space::Meta, b"count", &next.to_be_bytes())
            };
            if commit(store, swap).await == Outcome::Committed {
                break;
            }
        }
    });
    futures::future::join_all(increments).await;
    assert_eq!(get(store, Space::Meta, b"count").await.as_deref(), Some(&20u64.to_be_bytes()[..]));
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::MemoryStore::new()).await;
            })*
        }

        mod redb {
            $(#[tokio::test]
            async fn $name() {
                let dir = super::state_dir();
                super::$name(&super::open(dir.path()).await).await;
            })*
        }
    };
}

suite!(
    an_empty_store_has_no_records,
    spaces_are_apart,
    a_commit_whose_expectation_fails_changes_nothing,
    commits_are_counted_once_they_are_made,
    an_empty_value_is_not_an_absent_one,
    deletes_go_before_puts,
    a_range_that_ends_before_it_begins_is_empty,
    a_list_has_the_keys_of_a_prefix_in_order,
    of_many_concurrent_swaps_each_counts_once,
);

pub fn state_dir() -> TempDir {
    tempfile::tempdir().expect("there is room for temporary files")
}

pub async fn open(dir: &Path) -> RedbStore {
    RedbStore::open(dir).await.expect("the state is whole and free")
}

async fn refusal(dir: &Path) -> StoreError {
    RedbStore::open(dir).await.err().expect("it must not open")
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let dir = state_dir();
    let store = open(dir.path()).await;
    commit(&store, put(Space::Checkpoint, b"source", b"position")).await;
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!(get(&store, Space::Checkpoint, b"source").await.as_deref(), Some(&b"position"[..]));
}

#[tokio::test]
async fn only_its_owner_may_look_at_the_state() {
    let dir = state_dir();
    let state = dir.path().join("deep/state");
    drop(open(&state).await);
    let mode = |path: &Path| fs::metadata(path).expect("it was created").permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join(FILE_NAME))), (0o700, 0o600));
    let files = fs::read_dir(&state).expect("it was created").count();
    assert_eq!(files, 1, "nothing unfinished is left");
}

#[tokio::test]
async fn an_open_state_is_locked_for_others_and_free_after() {
    let dir = state_dir();
    let store = open(dir.path()).await;
    assert!(matches!(refusal(dir.path()).await, StoreError::Locked { .. }));
    let error = RedbStore::open_read_only(dir.path()).await.err().expect("a run is active");
    assert!(matches!(error, StoreError::Locked { .. }));
    drop(store);
    open(dir.path()).await;
}

#[tokio::test]
async fn a_state_opened_for_reading_shows_everything_and_refuses_commits() {
    let dir = state_dir();
    commit(&open(dir.path()).await, put(Space::Meta, b"key", b"value")).await;
    let reader = RedbStore::open_read_only(dir.path()).await.expect("no run is active");
    assert_eq!(get(&reader, Space::Meta, b"key").await.as_deref(), Some(&b"value"[..]));
    assert_eq!(get(&reader, Space::Journal, b"key").await, None);
    let error = reader.commit(put(Space::Meta, b"key", b"other")).await.expect_err("it is for reading");
    assert!(error.to_string().ends_with("it is open for reading only"), "{error}");
}

#[tokio::test]
async fn reading_a_state_that_is_not_there_creates_none() {
    let dir = state_dir();
    let error = RedbStore::open_read_only(dir.path()).await.err().expect("there is none");
    assert!(error.to_string().contains("there is no state in"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).expect("it was created").count(), 0);
}

#[tokio::test]
async fn a_foreign_or_empty_file_is_refused_and_left_as_it_is() {
    for content in [&b""[..], b"not a database", &[0; 4096], &[0xff; 100_000]] {
        let dir = state_dir();
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, content).expect("there is room");
        let error = refusal(dir.path()).await;
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert_eq!(fs::read(&path).expect("it is there"), content);
        RedbStore::open_read_only(dir.path()).await.err().expect("nor for reading");
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let dir = state_dir();
    drop(::redb::Database::create(dir.path().join(FILE_NAME)).expect("there is room"));
    let error = refusal(dir.path()).await;
    assert!(matches!(error, StoreError::Record { .. }), "{error}");
    assert!(error.to_string().contains("not written by tailfill"), "{error}");
}

/// The bytes of a state with 200 records.
async fn a_closed_state(dir: &Path) -> Vec<u8> {
    let store = open(dir).await;
    for n in 0..200u32 {
        commit(&store, put(Space::Journal, &n.to_be_bytes(), &[7; 500])).await;
    }
    drop(store);
    fs::read(dir.join(FILE_NAME)).expect("it is there")
}

async fn assert_whole(store: &RedbStore) {
    let records = store.list(Space::Journal, b"").await.expect("it opened");
    let expected: Vec<_> = (0..200u32).map(|n| (n.to_be_bytes().to_vec(), vec![7; 500])).collect();
    assert!(records == expected, "{} records", records.len());
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_an_error_and_never_a_panic_or_a_lie() {
    let dir = state_dir();
    let whole = a_closed_state(dir.path()).await;
    for part in 1..20 {
        let torn = state_dir();
        fs::write(torn.path().join(FILE_NAME), &whole[..whole.len() * part / 20]).expect("there is room");
        match RedbStore::open(torn.path()).await {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(store) => assert_whole(&store).await,
        }
    }
}

#[tokio::test]
async fn a_file_with_a_damaged_page_is_an_error_and_never_a_panic_or_a_lie() {
    let dir = state_dir();
    let whole = a_closed_state(dir.path()).await;
    for page in 0..whole.len() / 4096 {
        let damaged_dir = state_dir();
        let mut damaged = whole.clone();
        damaged[page * 4096 + 100..page * 4096 + 164].fill(0xa5);
        fs::write(damaged_dir.path().join(FILE_NAME), damaged).expect("there is room");
        if let Ok(store) = RedbStore::open(damaged_dir.path()).await {
            assert_whole(&store).await;
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing_that_was_committed() {
    let dir = state_dir();
    drop(open(dir.path()).await);
    // Files of this child may not grow beyond 2 MiB (blocks of 512 bytes).
    let shell = "trap '' XFSZ; ulimit -f 4096";
    let mut child = TestProcess::start("contract::store::fills_the_disk", dir.path(), shell);
    let mut committed = 0;
    while let Some(line) = child.next("") {
        if let Some(failure) = line.strip_prefix("failed ") {
            assert!(failure.starts_with("the state in "), "{failure}");
            break;
        }
        committed += u32::from(line.starts_with("committed "));
    }
    child.kill();
    assert!(committed > 0);
    let store = open(dir.path()).await;
    let kept = keys(&store, Space::Journal, b"").await.len() as u32;
    assert!(kept >= committed, "{kept} of {committed}");
}

#[tokio::test]
#[ignore = "a part of a_full_disk_is_an_error, which runs it in a process of its own"]
async fn fills_the_disk() {
    let dir = std::env::var(child::DIR).expect("set by a_full_disk_is_an_error");
    let store = open(Path::new(&dir)).await;
    for n in 0..10_000u32 {
        match store.commit(put(Space::Journal, &n.to_be_bytes(), &[7; 50_000])).await {
            Ok(_) => println!("committed {n}"),
            Err(error @ StoreError::Io { .. }) => return println!("failed {error}"),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the disk was never full");
}
