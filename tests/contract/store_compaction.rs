//! A state file that has grown once gives the room back at its next opening, and holds the same records.

use super::store::{open, put, state_dir};
use std::fs;
use std::path::Path;
use tailfill::store::redb::{FILE_NAME, RedbStore};
use tailfill::store::{Commit, Put, Space, Store};

const MIB: u64 = 1 << 20;

/// Entries that a journal holds while nothing can be written to HBase, and the bytes of one.
const ENTRIES: u64 = 2_000;
const ENTRY_BYTES: usize = 10_000;

/// Above every tick that a test uses.
const FIRST_TICK: u64 = 1 << 63;

fn tick(entry: u64) -> Vec<u8> {
    (FIRST_TICK + entry).to_be_bytes().to_vec()
}

/// Every record of every space.
pub async fn all(store: &dyn Store) -> Vec<Put> {
    let mut all = Vec::new();
    for space in Space::ALL {
        let records = store.list(space, b"").await.expect("it reads");
        all.extend(records.into_iter().map(|(key, value)| (space, key, value)));
    }
    all
}

/// A journal that grows to 20 MB, and is written then. Records are changed meanwhile; at the end all are as before.
pub async fn blow_up(store: &dyn Store) {
    let before = all(store).await;
    let commit =
        async |commit| store.commit(commit).await.expect("it writes").taken().expect("it expects nothing");
    for entry in 0..ENTRIES {
        commit(put(Space::Journal, &tick(entry), &vec![7; ENTRY_BYTES])).await;
    }
    commit(Commit { put: before.clone(), ..Commit::default() }).await;
    for first in (0..ENTRIES).step_by(100) {
        let delete_range = vec![(Space::Journal, tick(first), tick(first + 99))];
        commit(Commit { delete_range, ..Commit::default() }).await;
    }
    assert!(all(store).await == before);
}

fn length(dir: &Path) -> u64 {
    fs::metadata(dir.join(FILE_NAME)).expect("it is there").len()
}

/// A state with records in all spaces.
async fn filled(dir: &Path) -> RedbStore {
    let store = open(dir).await;
    for number in 0..50_u8 {
        let put = Space::ALL.map(|space| (space, vec![number], vec![number; 300])).to_vec();
        store.commit(Commit { put, ..Commit::default() }).await.expect("it writes");
    }
    store
}

async fn is_compacted(dir: &Path, records: &[Put]) {
    let before = length(dir);
    assert!(before > 16 * MIB, "{before}");
    let store = open(dir).await;
    let compacted = store.compacted().expect("little of it is in use");
    assert_eq!((compacted.before_bytes, Some(compacted.after_bytes)), (before, store.file_bytes()));
    assert!(compacted.after_bytes < MIB, "{compacted:?}");
    assert!(all(&store).await == records);
    store.commit(put(Space::Meta, b"later", b"1")).await.expect("it goes on");
    drop(store);
    let store = open(dir).await;
    assert_eq!(store.compacted(), None, "a short file is not touched");
    assert_eq!(all(&store).await.len(), records.len() + 1);
}

#[tokio::test]
async fn a_state_that_has_grown_is_short_after_its_next_opening_and_has_the_same_records() {
    let dir = state_dir();
    let store = filled(dir.path()).await;
    blow_up(&store).await;
    let records = all(&store).await;
    drop(store);
    let before = length(dir.path());
    let reader = RedbStore::open_read_only(dir.path()).await.expect("nobody has it");
    assert_eq!(
        (reader.compacted(), reader.file_bytes()),
        (None, Some(before)),
        "whoever reads changes nothing"
    );
    drop(reader);
    is_compacted(dir.path(), &records).await;
}

#[tokio::test]
async fn so_is_the_state_of_a_run_that_was_killed() {
    let (dir, killed) = (state_dir(), state_dir());
    let records = {
        let store = filled(dir.path()).await;
        blow_up(&store).await;
        fs::copy(dir.path().join(FILE_NAME), killed.path().join(FILE_NAME)).expect("there is room");
        all(&store).await
    };
    is_compacted(killed.path(), &records).await;
}
