//! A state with records of version 1, and the run that continues it.
//!
//! `tests/cases/state-v1` was left by the last build that wrote version 1 (9017e5f): `records.tsv` has everything in
//! its store (space, key, record), `cells.tsv` everything that it had sent (target, row, tick, kind, qualifier, value).
//! It was killed while it copied: three chunks were done, batches lay in the journal above the checkpoint, and the table
//! had got a second definition.

use super::bench::{Bench, contents, copy, delete, insert, row, ticks, update};
use super::returning::execute;
use crate::contract::store_compaction::{all, blow_up};
use crate::simulation::database::up_to;
use crate::simulation::definitions::statement::any;
use crate::simulation::dice::Dice;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tailfill::model::history::Meaning;
use tailfill::model::{TargetId, Tick};
use tailfill::pipeline::Finished;
use tailfill::sink::{PackedRows, RowWrite, WriteRows};
use tailfill::store::records::{self, ChunkRecord, VERSION};
use tailfill::store::redb::RedbStore;
use tailfill::store::{Commit, Space, Store};
use tokio::time::advance;

/// The servers as that build left them: MySQL has its four transactions, with their times, and the clock has gone on.
async fn servers() -> Bench {
    let mut bench = Bench::in_bytes(false);
    let limits = &mut bench.settings.limits.limits;
    (limits.chunk_rows, limits.workers, bench.settings.span_chunks) = (2, 1, 1);
    let old = |list| [insert(&row(list, 1, "old")), insert(&row(list, 2, "old"))];
    bench.commit((1..7).flat_map(old).collect());
    advance(Duration::from_millis(15)).await;
    bench.commit(vec![update(&row(1, 1, "old"), &row(1, 1, "new")), delete(&row(2, 1, "old"))]);
    execute(&bench, |before| any(before, false, &Dice::new(1)).remove(0));
    bench.commit(vec![insert(&row(7, 1, "new")), insert(&row(7, 2, "new"))]);
    advance(Duration::from_secs(3)).await;
    bench
}

/// The fields of each line.
fn lines(name: &str) -> Vec<Vec<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/state-v1").join(name);
    let text = std::fs::read_to_string(path).expect("the fixture");
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("hex")
}

/// The records come from a file that this build has opened, and compacted.
async fn restore_records(store: &dyn Store) {
    let space = |name: &str| Space::ALL.into_iter().find(|space| space.name() == name).expect("a space");
    let records = lines("records.tsv");
    let records = records.iter().map(|line| (space(&line[0]), bytes(&line[1]), line[2].clone().into()));
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let file = RedbStore::open(dir.path()).await.expect("it opens");
    file.commit(Commit { put: records.collect(), ..Commit::default() }).await.expect("it writes");
    blow_up(&file).await;
    drop(file);
    let file = RedbStore::open(dir.path()).await.expect("it opens");
    assert!(file.compacted().is_some());
    let put = all(&file).await;
    assert_eq!(put.len(), lines("records.tsv").len());
    store.commit(Commit { put, ..Commit::default() }).await.expect("it writes");
}

async fn restore_cells(sink: &dyn WriteRows) {
    for line in lines("cells.tsv") {
        let [target, row, tick, kind, qualifier, value] = &line[..] else { panic!("six fields: {line:?}") };
        let (qualifier, value) = (Bytes::from(bytes(qualifier)), Bytes::from(bytes(value)));
        let mut write = RowWrite {
            row: bytes(row).into(),
            tick: Tick(tick.parse().expect("a tick")),
            delete_family: kind == "delete_family",
            puts: vec![],
            delete_columns: vec![],
        };
        match kind.as_str() {
            "put" => write.puts.push((qualifier, value)),
            "delete_column" => write.delete_columns.push(qualifier),
            other => assert_eq!(other, "delete_family"),
        }
        let target = TargetId(target.parse().expect("a target"));
        sink.write(target, &PackedRows::of([&write]).writes()).await.expect("it writes");
    }
}

/// The numbers and contents of the chunks that are done.
async fn done_chunks(bench: &Bench) -> Vec<(Vec<u8>, ChunkRecord)> {
    let chunks = bench.world.store.list(Space::Chunk, &[]).await.expect("it reads");
    let chunks = chunks.into_iter().map(|(key, value)| (key, records::decode(&value).expect("a chunk")));
    chunks.filter(|(_, chunk): &(_, ChunkRecord)| chunk.done).collect()
}

/// The spaces that still have a record of version 1.
async fn spaces_with_version_1(bench: &Bench) -> BTreeSet<&'static str> {
    let mut old = BTreeSet::new();
    for space in Space::ALL {
        let all = bench.world.store.list(space, &[]).await.expect("it reads");
        if all.iter().any(|(_, value)| value.starts_with(b"{\"v\":1,")) {
            old.insert(space.name());
        }
    }
    old
}

#[tokio::test(start_paused = true)]
async fn a_state_of_version_1_is_continued_at_its_checkpoint_with_its_batches_definitions_and_chunks() {
    let bench = servers().await;
    restore_records(&bench.world.store).await;
    restore_cells(&bench.world.sink).await;
    assert_eq!(VERSION, 2);
    let found = bench.recovered().await;
    assert_eq!(bench.checkpointed().await, up_to(1));
    let journaled = bench.journaled().await;
    assert_eq!(journaled.len(), 4, "a batch a change: {found:?}");
    let done = done_chunks(&bench).await;
    assert_eq!(done.len(), 3);

    assert_eq!(copy(bench.parts()).await.expect("nothing that needs a person"), Finished::CaughtUp);

    let sent = ticks(&contents(&bench.gateway.take_sent()));
    assert!(
        journaled.iter().all(|tick| sent.contains(tick)),
        "batches have their ticks: {journaled:?}, {sent:?}"
    );
    assert!(
        sent.iter().all(|tick| journaled.contains(tick) || *tick > found.last_tick),
        "new ticks are above"
    );
    assert_eq!(done_chunks(&bench).await[..done.len()], done, "what is done stays as it is");
    let asked = bench.source.asked().remove(&bench.world.mapping.schema.name).expect("a history");
    let defined = asked.entries.iter().filter(|entry| matches!(entry.meaning, Meaning::Defined(_)));
    assert_eq!((defined.count(), asked.entries.len()), (2, 2), "{asked:?}");
    bench.assert_equal().await;
    assert!(!spaces_with_version_1(&bench).await.contains("checkpoint"), "what is written has version 2");
}
