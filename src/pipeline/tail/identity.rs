//! Whether the source still is the one that was tailed: asked at each connect, and while one is up (`watch`).
//!
//! A name holds for a transaction only as long as its server never starts its numbering again; so a checkpoint and the journal also hold when a transaction was committed first (its
//! [`Witness`]), and each connect asks the source for it again, by its name: files and offsets differ from server to server.
//!
//! A source that was found to be another one is remembered durably: its numbers may be used again by the next start, and
//! whether the proof is still in its binlog then is chance. What ends that is a person (`--accept-gap`), or a source that is
//! proven to have what was read.

use crate::advice;
use crate::model::{Reached, TransactionId, Witness};
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::Waiter;
use crate::protocol::{ProtocolError, Recovered};
use crate::retry::{Patience, Pauses};
use crate::source::{BinlogPlace, Source, SourceError};
use crate::status::{Awaited, Kind};
use crate::store::records::{self, SourceLostRecord};
use crate::store::{Commit, Space, Store, StoreError};
use tokio::time::Instant;

const KEY: &[u8] = b"source_lost";

/// A transaction by which the source is known again, and the end of what was read before it: there it is found at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub witness: Witness,
    pub after: BinlogPlace,
}

impl Sighting {
    /// The source has to search for it.
    pub fn anywhere(witness: Witness) -> Sighting {
        Sighting { witness, after: BinlogPlace::default() }
    }
}

/// What a look at the source has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A transaction that was read is there, and is the same.
    Same,
    /// There is none by which it could be told (none was read, or it is purged).
    Unknown,
}

/// Requires the source to hold `wanted`, and each transaction of `sightings` that it still has to be the same.
///
/// # Errors
/// `PositionLost` when it does not: now, and at every start until a person decides or the source is proven again.
pub async fn require_same(
    parts: &Parts,
    wanted: &Reached,
    sightings: &[Sighting],
) -> Result<(), ProtocolError> {
    if parts.settings.failpoints.source_not_compared() {
        return Ok(wait_until_contained(parts, wanted, &[]).await?);
    }
    match compare_sightings(parts, wanted, sightings).await {
        Ok(Seen::Same) => Ok(forget(parts).await?),
        Ok(Seen::Unknown) => match remembered(parts).await? {
            Some(reason) => Err(lost(reason).into()),
            None => Ok(()),
        },
        Err(SourceError::PositionLost { reason, advice }) => {
            remember(parts, Some(reason.clone())).await?;
            Err(SourceError::PositionLost { reason, advice }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What a transaction means that the stream brings although it was read whole already: a source that begins its numbering
/// again does not always end the streams of before. Durable, as what [`require_same`] finds.
pub async fn came_again(parts: &Parts, transaction: &TransactionId) -> Result<ProtocolError, StoreError> {
    let reason = format!(
        "MySQL sent transaction {transaction} twice: MySQL began its numbering again, or was restored from a backup"
    );
    remember(parts, Some(reason.clone())).await?;
    Ok(lost(reason).into())
}

/// The same as a question.
pub async fn compare_sightings(
    parts: &Parts,
    wanted: &Reached,
    sightings: &[Sighting],
) -> Result<Seen, SourceError> {
    wait_until_contained(parts, wanted, sightings).await?;
    compare(&*parts.source, sightings).await
}

/// A server that has neither committed a transaction of its own which was read from it, nor has it in its binlog, lost it:
/// it began its numbering again, or was restored. Waiting brings nothing back. Another server may still receive it.
async fn refuse_gone(parts: &Parts, executed: &Reached, sightings: &[Sighting]) -> Result<(), SourceError> {
    let server = parts.source.server_uuid().await?;
    let own = |transaction: &&TransactionId| transaction.is_named_by(&server);
    for transaction in sightings.iter().map(|sighting| &sighting.witness.transaction).filter(own) {
        if !executed.contains(transaction)
            && parts.source.original_micros(transaction).await?.is_none()
            && !parts.source.executed().await?.contains(transaction)
        {
            return Err(lost(gone(transaction)));
        }
    }
    Ok(())
}

fn gone(transaction: &TransactionId) -> String {
    format!(
        "tailfill has read MySQL's transaction {transaction}, and now MySQL has it neither committed nor in its binlog: \
         MySQL began its numbering again, or was restored from a backup"
    )
}

/// Compares what the source says of each witness that it still has.
///
/// # Errors
/// `PositionLost` where one is another transaction now.
pub async fn compare(source: &dyn Source, sightings: &[Sighting]) -> Result<Seen, SourceError> {
    let mut seen = Seen::Unknown;
    for Sighting { witness, after } in sightings {
        match source.original_micros_after(after, &witness.transaction).await? {
            Some(now) if now == witness.original_micros => seen = Seen::Same,
            Some(now) => return Err(lost(another(witness, now))),
            None => {}
        }
    }
    Ok(seen)
}

fn another(witness: &Witness, now: u64) -> String {
    let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    format!(
        "MySQL committed its transaction {} at {} (seconds since 1970), and the one that tailfill read under this \
         number at {}: MySQL began its numbering again, or was restored from a backup",
        witness.transaction,
        seconds(now),
        seconds(witness.original_micros)
    )
}

/// The source cannot be continued, and what to do.
pub fn lost(reason: String) -> SourceError {
    SourceError::PositionLost { reason, advice: advice::transactions_lost() }
}

/// By what a state knows its source again.
pub fn sightings(found: &Recovered) -> Vec<Sighting> {
    found.witnesses().into_iter().map(Sighting::anywhere).collect()
}

/// A transaction of `reached` by which the source can be known again: the last one that its binlog still has.
pub async fn witness(parts: &Parts, reached: &Reached) -> Result<Option<Witness>, SourceError> {
    let mut last: Option<Witness> = None;
    for transaction in reached.newest() {
        let micros = parts.source.original_micros(&transaction).await?.unwrap_or(0);
        let found = Witness::of(&transaction, micros);
        if micros > last.as_ref().map_or(0, |last| last.original_micros) {
            last = found;
        }
    }
    Ok(last)
}

/// Why the source was found to be another one, if it was.
pub async fn remembered(parts: &Parts) -> Result<Option<String>, StoreError> {
    remembered_in(&*parts.store).await
}

/// The same in a state that no run has.
pub async fn remembered_in(store: &dyn Store) -> Result<Option<String>, StoreError> {
    let record: Option<SourceLostRecord> = records::read(store, Space::Meta, KEY).await?;
    Ok(record.and_then(|record| record.reason))
}

async fn remember(parts: &Parts, reason: Option<String>) -> Result<(), StoreError> {
    let put = vec![record(reason)?];
    parts.store.commit(Commit { put, ..Commit::default() }).await?;
    Ok(())
}

async fn forget(parts: &Parts) -> Result<(), StoreError> {
    match remembered(parts).await? {
        Some(_) => remember(parts, None).await,
        None => Ok(()),
    }
}

/// What is put once a person has decided.
pub fn decided() -> Result<(Space, Vec<u8>, Vec<u8>), StoreError> {
    record(None)
}

fn record(reason: Option<String>) -> Result<(Space, Vec<u8>, Vec<u8>), StoreError> {
    Ok((Space::Meta, KEY.to_vec(), records::encode(&SourceLostRecord { reason })?))
}

/// The source must contain every transaction that was journaled, else it lost some that were written.
/// It may do so a little later: a reader has a transaction before the engine commits it.
async fn wait_until_contained(
    parts: &Parts,
    wanted: &Reached,
    sightings: &[Sighting],
) -> Result<(), SourceError> {
    let (begin, mut judged) = (Instant::now(), false);
    let mut looks = Patience::with_one(parts.settings.source_wait, Pauses::OF_QUESTIONS);
    loop {
        let executed = parts.source.executed().await?;
        if executed.contains_set(wanted) {
            return Ok(());
        }
        if !std::mem::replace(&mut judged, true) {
            refuse_gone(parts, &executed, sightings).await?;
        }
        let missing = wanted.minus(&executed);
        parts.progress.wait_since(
            Waiter::Source,
            begin,
            Awaited::new(Kind::SourceCommit, missing.to_string()),
        );
        if !looks.again().await {
            return Err(SourceError::PositionLost {
                reason: format!(
                    "MySQL has not committed {missing}, which tailfill has read from it; tailfill waited {} s",
                    begin.elapsed().as_secs()
                ),
                advice: advice::transactions_lost(),
            });
        }
    }
}
