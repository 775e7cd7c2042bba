//! What may be under way: the changes that the source's binlog holds and a SELECT need not have seen.
//!
//! MySQL hands a transaction to binlog readers before its engine commits it (DESIGN section 2), so HBase may be
//! *ahead* of every SELECT, and no pair of SELECTs shows that. The binlog itself does.

use super::{Verification, VerifyError};
use crate::model::{ColumnValue, Mapping, Position, Reached, RowChangeRef, Target, TransactionId};
use crate::sink::layout::{self, Address, Codec};
use crate::source::{BinlogPlace, ChangeStream, StreamEvent};
use std::collections::BTreeSet;
use tokio::time::{Instant, timeout};

/// Those of `known` that a transaction outside `before` touches, up to the binlog's present end.
///
/// # Errors
/// `CannotJudge` when the binlog is not read up to its end in time.
pub async fn touched(
    with: &Verification,
    (mapping, target): (&Mapping, &Target),
    known: &BTreeSet<Address>,
    before: Reached,
) -> Result<BTreeSet<Address>, VerifyError> {
    let mut touched = BTreeSet::new();
    let mut feed = Feed::open(with, before).await?;
    let see = |_: &TransactionId, change: RowChangeRef<'_>| {
        touched.extend(addresses(mapping, target, change).filter(|address| known.contains(address)));
    };
    feed.read(see).await?;
    Ok(touched)
}

/// Those of `known`, encoded list keys, that a transaction outside `before` touches, up to the binlog's present end.
///
/// # Errors
/// `CannotJudge` when the binlog is not read up to its end in time.
pub async fn lists_touched(
    with: &Verification,
    mapping: &Mapping,
    known: &BTreeSet<Vec<u8>>,
    before: Reached,
) -> Result<BTreeSet<Vec<u8>>, VerifyError> {
    let mut touched = BTreeSet::new();
    let mut feed = Feed::open(with, before).await?;
    let see = |_: &TransactionId, change: RowChangeRef<'_>| {
        // a row whose key has no form is in no list
        let lists = images(mapping, change).filter_map(|row| layout::list_key(mapping, row).ok());
        touched.extend(lists.filter(|list| known.contains(list)));
    };
    feed.read(see).await?;
    Ok(touched)
}

/// The transactions outside `before` that touch a mapped table, up to the binlog's present end.
///
/// # Errors
/// `CannotJudge` when the binlog is not read up to its end in time.
pub async fn touching(with: &Verification, before: Reached) -> Result<Reached, VerifyError> {
    let mut touching = Reached::default();
    Feed::open(with, before).await?.read(|transaction, _| touching.insert(transaction)).await?;
    Ok(touching)
}

/// The changes of mapped tables outside a set of transactions, read on as the binlog grows.
pub struct Feed<'a> {
    with: &'a Verification,
    stream: Box<dyn ChangeStream>,
    transaction: Option<TransactionId>,
    /// How far it was read.
    at: Option<BinlogPlace>,
}

impl<'a> Feed<'a> {
    pub async fn open(with: &'a Verification, before: Reached) -> Result<Feed<'a>, VerifyError> {
        let from = position(with.source.server_uuid().await?, before);
        let histories = with.tail.histories();
        let stream = with.source.stream_beside(&from, &histories).await?;
        Ok(Feed { with, stream, transaction: None, at: None })
    }

    /// Shows every change that was not seen yet, up to the binlog's end of the moment of the call, however much that is.
    ///
    /// # Errors
    /// `CannotJudge` when it comes no nearer to the end for too long.
    pub async fn read(
        &mut self,
        mut see: impl FnMut(&TransactionId, RowChangeRef<'_>),
    ) -> Result<(), VerifyError> {
        let wait_max = self.with.settings.wait_max;
        let end = self.with.source.binlog_end().await?;
        let mut nearer = Instant::now();
        while !self.at.as_ref().is_some_and(|at| at.is_at_or_past(&end)) {
            let left = wait_max.saturating_sub(nearer.elapsed());
            let event = timeout(left, self.stream.next()).await.map_err(|_| VerifyError::CannotJudge {
                reason: format!(
                    "for {} s tailfill could read no more of MySQL's binlog, which goes on",
                    wait_max.as_secs()
                ),
            })??;
            let stays = matches!(&event, StreamEvent::Heartbeat { place } if self.at.as_ref() == Some(place));
            if !stays {
                nearer = Instant::now();
            }
            match event {
                StreamEvent::Begin { transaction, .. } => self.transaction = Some(transaction),
                StreamEvent::Changes(changes) => {
                    // Changes stand between the begin and the end of their transaction.
                    let Some(transaction) = &self.transaction else { continue };
                    let mut changes = changes.reader();
                    while let Some(change) = changes.next_change()? {
                        see(transaction, change);
                    }
                }
                StreamEvent::End { place, .. } | StreamEvent::Heartbeat { place } => self.at = Some(place),
                StreamEvent::Parked { parking, .. } => {
                    return Err(VerifyError::CannotJudge { reason: parking.to_string() });
                }
                StreamEvent::Defined { .. } | StreamEvent::Waits { .. } => {}
            }
        }
        Ok(())
    }
}

/// The addresses that a change writes or deletes in a target of `mapping`. A row that has none (a zero date in a key)
/// is in no target.
pub fn addresses<'a>(
    mapping: &'a Mapping,
    target: &'a Target,
    change: RowChangeRef<'a>,
) -> impl Iterator<Item = Address> + 'a {
    images(mapping, change).filter_map(|row| Codec::of(mapping, target).address(row).ok())
}

/// The rows of `mapping` that a change has before it and behind it.
fn images<'a>(
    mapping: &Mapping,
    change: RowChangeRef<'a>,
) -> impl Iterator<Item = &'a [ColumnValue<'a>]> + use<'a> {
    let is_ours = change.table == mapping.table;
    [change.before, change.after].into_iter().flatten().filter(move |_| is_ours)
}

fn position(server_uuid: String, reached: Reached) -> Position {
    Position { server_uuid, reached, file: String::new(), offset: 0 }
}
