//! The embedded store: one redb file in the state directory.
//!
//! redb's commits are copy-on-write with checksummed roots: after a crash the file opens at the last
//! durable commit (redb's docs/design.md). The file is locked by the process that has it open.

mod compaction;

use super::meter::{Asked, Meter};
use super::{Commit, CommitCounts, Outcome, Space, Store, StoreError};
use crate::failpoints::{KillPoint, kill_at};
use crate::isolation::caught;
use ::redb::backends::InMemoryBackend;
use ::redb::{
    Database, DatabaseError, Durability, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    ReadableTable, StorageBackend as _, StorageError, TableDefinition, TableError, WriteTransaction,
};
use async_trait::async_trait;
pub use compaction::Compacted;
use std::fmt::Display;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The file in the state directory.
pub const FILE_NAME: &str = "state.redb";

/// The version of the tables below; other versions are refused.
const SCHEMA_VERSION: u64 = 1;

/// What redb may cache; the state is a few megabytes.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

const SCHEMA: TableDefinition<&str, u64> = TableDefinition::new("schema");

type Bytes = &'static [u8];

fn table(space: Space) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(space.name())
}

/// A store in a file of its own, with one redb table per [`Space`].
///
/// Commits are durable (fdatasync) when they return, one after the other in the order of asking. A
/// commit that is cancelled while it waits for its turn is not made; one that is under way is. After an
/// I/O error (a full disk) every later call fails too: the process must be started again, and finds the
/// last durable commit.
#[derive(Clone)]
pub struct RedbStore {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    place: String,
    database: Opened,
    compacted: Option<Compacted>,
    /// Commits wait here for their turn and not in threads.
    turn: Arc<Mutex<()>>,
    meter: Meter,
}

enum Opened {
    ReadWrite(Database),
    ReadOnly(ReadOnlyDatabase),
}

impl RedbStore {
    /// Opens the store of `state_dir`, and creates both when missing (the directory with mode 0700, the
    /// file with 0600). A file that was not closed properly is repaired, and every page is checked. A large file of
    /// which at most half is in use is compacted ([`RedbStore::compacted`]).
    ///
    /// # Errors
    /// `Locked` when another process has it open; `Io` when it cannot be read; `Damaged` when bytes of it
    /// are missing or changed; `Record` when it is of another version, or not tailfill's.
    pub async fn open(state_dir: &Path) -> Result<RedbStore, StoreError> {
        RedbStore::open_by(state_dir, |path, place| {
            if !path.try_exists().map_err(|error| io(place, error))? {
                create(path, place)?;
            }
            let open = || ours(builder().open(path), place);
            let bytes = || file_bytes(path);
            let (database, compacted) = compaction::compact_if_wasteful(open()?, bytes, open)?;
            Ok((Opened::ReadWrite(database), compacted))
        })
        .await
    }

    /// Opens an existing store to look at it, while no run is active; commits are refused with `Io`.
    /// A run cannot start as long as it is open, so drop it soon.
    ///
    /// # Errors
    /// As for [`RedbStore::open`], and `Missing` when there is no state yet. `Locked` means that a run is
    /// active: ask its admin address.
    pub async fn open_read_only(state_dir: &Path) -> Result<RedbStore, StoreError> {
        RedbStore::open_by(state_dir, |path, place| {
            let opened = match builder().open_read_only(path) {
                // The last run was killed. Only an open for writing repairs.
                Err(DatabaseError::RepairAborted) => {
                    drop(builder().open(path).map_err(|error| open_error(place, error))?);
                    builder().open_read_only(path)
                }
                Err(_) if !path.exists() => return Err(StoreError::Missing { place: place.to_owned() }),
                opened => opened,
            };
            Ok((Opened::ReadOnly(ours(opened, place)?), None))
        })
        .await
    }

    /// The same, and changes nothing: what a killed run left is repaired in a copy in memory.
    ///
    /// # Errors
    /// As for [`RedbStore::open_read_only`].
    pub async fn open_unchanged(state_dir: &Path) -> Result<RedbStore, StoreError> {
        RedbStore::open_by(state_dir, |path, place| match builder().open_read_only(path) {
            Err(DatabaseError::RepairAborted) => {
                let copy = copy(path).map_err(|error| io(place, error))?;
                Ok((Opened::ReadWrite(ours(builder().create_with_backend(copy), place)?), None))
            }
            Err(_) if !path.exists() => Err(StoreError::Missing { place: place.to_owned() }),
            opened => Ok((Opened::ReadOnly(ours(opened, place)?), None)),
        })
        .await
    }

    async fn open_by(
        state_dir: &Path,
        open: impl FnOnce(&Path, &str) -> Result<(Opened, Option<Compacted>), StoreError> + Send + 'static,
    ) -> Result<RedbStore, StoreError> {
        let path = state_dir.join(FILE_NAME);
        let place = path.display().to_string();
        blocking(place.clone(), move || {
            let (database, compacted) = open(&path, &place)?;
            let (turn, meter) = (Arc::default(), Meter::default());
            Ok(RedbStore { shared: Arc::new(Shared { path, place, database, compacted, turn, meter }) })
        })
        .await
    }

    /// What [`RedbStore::open`] did to the length of the file; `None`: nothing.
    pub fn compacted(&self) -> Option<Compacted> {
        self.shared.compacted
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        blocking(self.shared.place.clone(), move || work(&shared)).await
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_vec();
        self.with(move |shared| {
            let Some(records) = shared.records(space)? else { return Ok(None) };
            let found = records.get(key.as_slice()).map_err(|error| shared.io(error))?;
            Ok(found.map(|value| value.value().to_vec()))
        })
        .await
    }

    async fn list(&self, space: Space, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let prefix = prefix.to_vec();
        self.with(move |shared| {
            let mut found = Vec::new();
            let Some(records) = shared.records(space)? else { return Ok(found) };
            for record in records.range(prefix.as_slice()..).map_err(|error| shared.io(error))? {
                let (key, value) = record.map_err(|error| shared.io(error))?;
                if !key.value().starts_with(&prefix) {
                    break;
                }
                found.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(found)
        })
        .await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError> {
        let asked = Asked::now(&commit);
        let turn = self.shared.turn.clone().lock_owned().await;
        self.with(move |shared| {
            // Held until the commit is made, also when nobody waits for it any more.
            let _turn = turn;
            let outcome = shared.commit(&commit)?;
            shared.meter.count(asked, outcome);
            Ok(outcome)
        })
        .await
    }

    fn counts(&self) -> CommitCounts {
        self.shared.meter.counts()
    }

    fn file_bytes(&self) -> Option<u64> {
        file_bytes(&self.shared.path)
    }
}

impl Shared {
    fn io(&self, error: impl Display) -> StoreError {
        io(&self.place, error)
    }

    fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        match &self.database {
            Opened::ReadWrite(database) => database.begin_read(),
            Opened::ReadOnly(database) => database.begin_read(),
        }
        .map_err(|error| self.io(error))
    }

    /// `None`: nothing was ever written to the space.
    fn records(&self, space: Space) -> Result<Option<ReadOnlyTable<Bytes, Bytes>>, StoreError> {
        match self.begin_read()?.open_table(table(space)) {
            Ok(records) => Ok(Some(records)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    fn commit(&self, commit: &Commit) -> Result<Outcome, StoreError> {
        let Opened::ReadWrite(database) = &self.database else {
            return Err(self.io("it is open for reading only"));
        };
        let transaction = begin_durable(database).map_err(|error| self.io(error))?;
        if !expected(&transaction, commit).map_err(|error| self.io(error))? {
            transaction.abort().map_err(|error| self.io(error))?;
            return Ok(Outcome::Refused);
        }
        apply(&transaction, commit).map_err(|error| self.io(error))?;
        let is_checkpoint = commit.put.iter().any(|(space, ..)| *space == Space::Checkpoint);
        if is_checkpoint {
            kill_at(KillPoint::CheckpointUncommitted);
        }
        transaction.commit().map_err(|error| self.io(error))?;
        if is_checkpoint {
            kill_at(KillPoint::CheckpointCommitted);
        }
        Ok(Outcome::Committed)
    }
}

fn begin_durable(database: &Database) -> Result<WriteTransaction, ::redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    Ok(transaction)
}

fn expected(transaction: &WriteTransaction, commit: &Commit) -> Result<bool, ::redb::Error> {
    for (space, key, value) in &commit.expect {
        let records = transaction.open_table(table(*space))?;
        let found = records.get(key.as_slice())?;
        if found.as_ref().map(|found| found.value()) != value.as_deref() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn apply(transaction: &WriteTransaction, commit: &Commit) -> Result<(), ::redb::Error> {
    for (space, key) in &commit.delete {
        transaction.open_table(table(*space))?.remove(key.as_slice())?;
    }
    for (space, first, last) in &commit.delete_range {
        if first <= last {
            let mut records = transaction.open_table(table(*space))?;
            records.retain_in(first.as_slice()..=last.as_slice(), |_, _| false)?;
        }
    }
    for (space, key, value) in &commit.put {
        transaction.open_table(table(*space))?.insert(key.as_slice(), value.as_slice())?;
    }
    Ok(())
}

/// The database, if tailfill of this schema wrote it.
fn ours<D: ReadableDatabase>(opened: Result<D, DatabaseError>, place: &str) -> Result<D, StoreError> {
    let database = opened.map_err(|error| open_error(place, error))?;
    let foreign = |reason: String| StoreError::Record { reason: format!("{place}: {reason}") };
    let schema = match database.begin_read().map_err(|error| io(place, error))?.open_table(SCHEMA) {
        Ok(schema) => schema,
        Err(TableError::Storage(error)) => return Err(io(place, error)),
        Err(_) => return Err(foreign("it was not written by tailfill".to_owned())),
    };
    let version = schema.get("version").map_err(|error| io(place, error))?.map(|version| version.value());
    match version {
        Some(SCHEMA_VERSION) => Ok(database),
        Some(other) => Err(foreign(format!(
            "its schema version is {other}, this tailfill uses {SCHEMA_VERSION}; use the version that wrote it"
        ))),
        None => Err(foreign("it has no schema version".to_owned())),
    }
}

/// How long the file is; `None`: it cannot be seen now.
fn file_bytes(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// A file in memory.
fn copy(path: &Path) -> std::io::Result<InMemoryBackend> {
    let bytes = fs::read(path)?;
    let copy = InMemoryBackend::new();
    let written = copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, &bytes));
    written.map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(copy)
}

/// Makes a whole new file beside, and puts it in place at once: an unfinished one is never found
/// under the name, so an empty or torn file there is always damage. If another process is faster,
/// its file stays.
fn create(path: &Path, place: &str) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| io(place, error);
    let dir = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let unfinished = Unfinished(dir.join(format!("{FILE_NAME}.{:016x}", rand::random::<u64>())));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished.0).map_err(failed)?;
    let database = builder().create(&unfinished.0).map_err(|error| open_error(place, error))?;
    write_schema(&database).map_err(|error| io(place, error))?;
    drop(database);
    match fs::hard_link(&unfinished.0, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => (),
    }
    drop(unfinished);
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

fn write_schema(database: &Database) -> Result<(), ::redb::Error> {
    let transaction = begin_durable(database)?;
    transaction.open_table(SCHEMA)?.insert("version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Left behind it would only take room.
        let _ = fs::remove_file(&self.0);
    }
}

fn builder() -> ::redb::Builder {
    let mut builder = Database::builder();
    // A plain open trusts a damaged file, and may panic later.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn open_error(place: &str, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Locked { place: place.to_owned() }
        }
        DatabaseError::UpgradeRequired(_) => {
            StoreError::Record { reason: format!("{place}: {error}; use the version that wrote it") }
        }
        DatabaseError::Storage(error) if is_damage(&error) => damaged(place, error),
        error => io(place, error),
    }
}

fn is_damage(error: &StorageError) -> bool {
    match error {
        StorageError::Corrupted(_) => true,
        StorageError::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof
            )
        }
        _ => false,
    }
}

fn damaged(place: &str, reason: impl Display) -> StoreError {
    StoreError::Damaged { place: place.to_owned(), reason: reason.to_string() }
}

fn io(place: &str, error: impl Display) -> StoreError {
    StoreError::Io { place: place.to_owned(), reason: error.to_string() }
}

/// Runs work that waits for the disk off the async threads. redb may panic on a file that was damaged
/// while open; that is an error here like any other.
async fn blocking<T: Send + 'static>(
    place: String,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let unexpected = || damaged(&place, "reading or writing it failed unexpectedly");
    match tokio::task::spawn_blocking(move || caught(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) | Err(_) => Err(unexpected()),
    }
}
